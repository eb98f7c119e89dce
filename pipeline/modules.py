"""Which modules of the package a stage runs, and a hash of what they compute."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

__all__ = ["PLUMBING", "hash_modules", "imported_modules", "module_hash", "module_imports"]

PLUMBING = (
    "pipeline/cli.py",
    "pipeline/config/",
    "pipeline/cost.py",
    "pipeline/errors.py",
    "pipeline/paths.py",
    "pipeline/runtime/allocator.py",
    "pipeline/storage.py",
    "pipeline/task.py",
    "pipeline/torchvision_compat.py",
    "pipeline/training/checkpoints.py",
    "pipeline/training/log.py",
    "pipeline/validation/",
)
"""Modules that carry results without making them: a change of theirs makes no stage out of date.

Settings reach a stage by value, so that their classes need not count.
"""


def hash_modules(modules: Iterable[Path]) -> dict[str, str]:
    """The hash of each of `modules`, and of whatever of the package they import, by path.

    Paths are relative to the root of the repository, which has to be the working folder. Of a
    module counts what it computes: comments, docstrings, layout and text inside `raise` statements
    do not.
    """
    found: set[Path] = set()
    for module in modules:
        found |= imported_modules(module)
    names = sorted(file.as_posix() for file in found)
    return {name: module_hash(Path(name)) for name in names if not name.startswith(PLUMBING)}


def imported_modules(module: Path) -> set[Path]:
    """Files of the package that a module imports at run time, directly or not, itself included."""
    found: set[Path] = set()
    queue = [module]
    while queue:
        current = queue.pop()
        if current not in found:
            found.add(current)
            queue.extend(module_imports(current))
    return found


@cache
def module_hash(module: Path) -> str:
    """SHA-256 of a module's syntax tree, the same for every version of Python."""
    return _parsed(module.read_bytes())[0]


@cache
def module_imports(module: Path) -> frozenset[Path]:
    """Files of the package that a module imports itself at run time, those by name left out.

    The packages that it lies in count as well: Python imports them before it.
    """
    packages = (folder / "__init__.py" for folder in module.parents)
    files = {path for path in packages if path != module and path.exists()}
    for name in _parsed(module.read_bytes())[1]:
        place = Path(*name.split("."))
        candidates = (place.with_suffix(".py"), place / "__init__.py")
        files |= {path for path in candidates if path.exists()}
    return frozenset(files)


@cache
def _parsed(source: bytes) -> tuple[str, frozenset[str]]:
    """The hash of a module's syntax tree, and what it may import: names below `pipeline`."""
    tree = ast.parse(source)
    text: list[str] = []
    _serialise(tree, text)
    names: set[str] = set()
    for node in _run_time_nodes(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    found = (name for name in names if name.startswith("pipeline."))
    return hashlib.sha256("".join(text).encode()).hexdigest(), frozenset(found)


def _run_time_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but what only type checkers read."""
    queue = [tree]
    while queue:
        node = queue.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            queue.extend(node.orelse)
        else:
            queue.extend(ast.iter_child_nodes(node))


def _serialise(node: object, text: list[str], in_raise: bool = False) -> None:
    """Append a syntax tree as text, without docstrings, positions and text inside `raise`.

    Empty fields are left out, for every version of Python adds some.
    """
    if isinstance(node, list):
        text.append("[")
        for entry in node:
            _serialise(entry, text, in_raise)
        text.append("]")
        return
    if not isinstance(node, ast.AST):
        text.append(repr(node))
        return
    if in_raise and (isinstance(node, ast.JoinedStr) or _is_text(node)):
        text.append("words")
        return
    in_raise = in_raise or isinstance(node, ast.Raise)
    text.append(f"{type(node).__name__}(")
    for field, value in ast.iter_fields(node):
        if field == "body" and isinstance(value, list):
            value = [entry for entry in value if not _is_docstring(entry)] or [ast.Pass()]
        if value is None or value == [] or field in ("kind", "type_comment", "type_ignores"):
            continue
        text.append(f"{field}=")
        _serialise(value, text, in_raise)
    text.append(")")


def _is_docstring(node: object) -> bool:
    """Whether a statement is a string alone: a docstring, of a module's constants too."""
    return isinstance(node, ast.Expr) and _is_text(node.value)


def _is_text(node: object) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
