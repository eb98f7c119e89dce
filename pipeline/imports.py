"""Which modules of the package a stage runs, directly or through others."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

__all__ = ["PLUMBING", "hash_modules", "stage_modules"]

PLUMBING = {
    "pipeline/cli.py",
    "pipeline/cost.py",
    "pipeline/errors.py",
    "pipeline/models/cpu.py",
    "pipeline/params.py",
    "pipeline/paths.py",
    "pipeline/storage.py",
    "pipeline/torchvision_compat.py",
    "pipeline/training/checkpoints.py",
    "pipeline/training/log.py",
}
"""Modules that carry results without making them: a change of theirs makes no stage out of date."""


def stage_modules(script: Path) -> set[str]:
    """The modules whose code decides what the stage script at `script` makes, itself included.

    Paths are those from the root of the repository, which has to be the working folder.
    """
    return {file.as_posix() for file in _imported(script)} - PLUMBING


def hash_modules(script: Path) -> dict[str, str]:
    """The SHA-256 of each of `stage_modules`, by its path."""
    return {
        module: hashlib.sha256(Path(module).read_bytes()).hexdigest()
        for module in stage_modules(script)
    }


def _imported(path: Path) -> set[Path]:
    """Files of pipeline/ that the module at `path` imports anywhere, itself included."""
    found: set[Path] = set()
    queue = [path]
    while queue:
        current = queue.pop()
        if current in found:
            continue
        found.add(current)
        for node in ast.walk(ast.parse(current.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            for name in names:
                file = Path(*name.split(".")).with_suffix(".py")
                if name.startswith("pipeline.") and file.exists():
                    queue.append(file)
    return found
