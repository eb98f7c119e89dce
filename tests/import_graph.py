"""Which modules of the package a stage script imports, directly or through others."""

import ast
from pathlib import Path

PLUMBING = {
    "pipeline/cli.py",
    "pipeline/errors.py",
    "pipeline/models/cpu.py",
    "pipeline/params.py",
    "pipeline/paths.py",
    "pipeline/runtime.py",
    "pipeline/storage.py",
    "pipeline/torchvision_compat.py",
    "pipeline/training/checkpoints.py",
    "pipeline/training/log.py",
}
"""Modules that carry results without making them: not among a stage's deps."""


def imported_modules(path: Path) -> set[Path]:
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


def stage_modules(path: Path) -> set[str]:
    """The modules that must stand among the deps of the stage at `path`."""
    return {str(file) for file in imported_modules(path)} - PLUMBING
