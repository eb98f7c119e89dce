"""What belongs to a network's data set, named by content: files, their sizes and SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError

__all__ = ["check_fingerprint", "fingerprint"]


def fingerprint(folders: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """`{path: {"bytes": int, "sha256": str}}` of every file below `folders`, in order.

    Raises PipelineError if a folder is missing or empty.
    """
    result: dict[str, dict[str, Any]] = {}
    for folder in folders:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        if not files:
            raise PipelineError(f"{folder} is missing; `dvc repro` makes it.")
        for file in files:
            with open(file, "rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            result[file.as_posix()] = {"bytes": file.stat().st_size, "sha256": digest}
    return result


def check_fingerprint(files: Mapping[str, Mapping[str, Any]]) -> None:
    """Compare what lies on the disk with a fingerprint: names and sizes, which takes no time.

    Raises PipelineError if a file is missing or has another size.
    """
    for name, entry in files.items():
        path = Path(name)
        if not path.is_file():
            raise PipelineError(f"{path} is missing; `dvc repro` makes it.")
        if path.stat().st_size != entry["bytes"]:
            raise PipelineError(
                f"{path} is not the file that the data set of this network was prepared with: "
                "`dvc repro` makes it anew."
            )
