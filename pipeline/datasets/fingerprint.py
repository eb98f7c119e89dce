"""Files named by content, which ties what is made of them to the very files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError

__all__ = ["check_fingerprint", "fingerprint", "model_files"]


def fingerprint(
    files: Iterable[Path], moved: tuple[Path, Path] | None = None
) -> dict[str, dict[str, Any]]:
    """`{path: {"bytes": int, "sha256": str}}` of `files`.

    moved: the folder that the files are in, and the one that they will be in, if that is another.
    Raises PipelineError if one is missing.
    """
    result: dict[str, dict[str, Any]] = {}
    for file in files:
        try:
            with open(file, "rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
        except FileNotFoundError as error:
            raise PipelineError(f"{file} is missing; run `dvc repro` to make it.") from error
        path = file if moved is None else moved[1] / file.relative_to(moved[0])
        result[path.as_posix()] = {"bytes": file.stat().st_size, "sha256": digest}
    return result


def model_files(folder: Path) -> list[Path]:
    """The weights and configurations of a model and of its parts, in subfolders.

    Raises PipelineError if there are none.
    """
    names = ("config.json", "model.safetensors")
    files = sorted(file for file in folder.rglob("*") if file.name in names)
    if not files:
        raise PipelineError(f"{folder} is missing; run `dvc repro` to make it.")
    return files


def check_fingerprint(files: Mapping[str, Mapping[str, Any]]) -> None:
    """Compare files with their fingerprint: that they exist and their sizes, which takes no time.

    Raises PipelineError if a file is missing or has another size.
    """
    for name, entry in files.items():
        path = Path(name)
        if not path.is_file():
            raise PipelineError(f"{path} is missing; run `dvc repro` to make it.")
        if path.stat().st_size != entry["bytes"]:
            raise PipelineError(
                f"{path} is not the file that z_bar was computed from: run `dvc repro` to make it "
                "again."
            )
