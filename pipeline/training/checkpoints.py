"""The state of an interrupted training, kept outside of DVC until the stage has succeeded."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.storage import is_first_process, write_bytes

__all__ = ["CheckpointFolder", "fingerprint", "open_checkpoints"]


def fingerprint(params: Any, inputs: Sequence[Path]) -> str:
    """Name of everything a training depends on: 16 hexadecimal digits.

    Args:
        params: the settings it reads: dataclasses, mappings, lists, plain values.
        inputs: files and folders it reads; their content counts.

    The sources of all loaded `pipeline` modules and torch's version count as well. Raises
    PipelineError if an input is missing.
    """
    digest = hashlib.sha256()
    digest.update(json.dumps(params, sort_keys=True, default=_plain).encode())
    digest.update(torch.__version__.encode())
    for path in inputs:
        if not path.exists():
            raise PipelineError(f"{path} is missing; `dvc repro` makes it.")
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            digest.update(file.as_posix().encode())
            with open(file, "rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
    for name, source in sorted(_sources()):
        digest.update(name.encode())
        digest.update(hashlib.sha256(source).digest())
    return digest.hexdigest()[:16]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"{type(value).__name__} has no place in a fingerprint")


def _sources() -> Iterator[tuple[str, bytes]]:
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        # A stage that runs by `python -m` is loaded as __main__.
        name = spec.name if name == "__main__" and spec else name
        file = getattr(module, "__file__", None)
        if name.split(".")[0] == "pipeline" and file:
            yield name, Path(file).read_bytes()


@dataclasses.dataclass(frozen=True)
class CheckpointFolder:
    """A folder with one checkpoint of tensors and plain Python values."""

    path: Path

    @property
    def file(self) -> Path:
        """The checkpoint."""
        return self.path / "checkpoint.pt"

    def part(self, name: str) -> CheckpointFolder:
        """The folder of one of several trainings of a stage."""
        return CheckpointFolder(self.path / name)

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint, atomically; the first process alone does."""
        if not is_first_process():
            return
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_bytes(self.file, buffer.getbuffer())

    def load(self) -> dict[str, Any] | None:
        """Return the checkpoint on the CPU, or None if there is none.

        Raises PipelineError if it is damaged or holds anything but tensors and plain values.
        """
        if not self.file.exists():
            return None
        try:
            state = torch.load(self.file, map_location="cpu", weights_only=True)
        except Exception as error:  # a truncated file has many faces
            raise self.unusable() from error
        if not isinstance(state, dict):
            raise self.unusable()
        return state

    def unusable(self) -> PipelineError:
        """The error for a checkpoint that cannot be resumed from."""
        return PipelineError(
            f"{self.file} is damaged or belongs to another training; delete the folder "
            f"{self.path} and run the stage again."
        )

    def clear(self) -> None:
        """Remove the folder, and its parent if nothing else is in it.

        Of processes that train together the first one does, whenever it is done: the others read
        their checkpoint before the first update, or the first exchange of a finished training, and
        no process gets past that before all have reached it.
        """
        if not is_first_process():
            return
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty, or not there
            self.path.parent.rmdir()


def open_checkpoints(
    stage: str, item: str, params: Any, inputs: Sequence[Path]
) -> CheckpointFolder:
    """Return the folder for exactly these settings, inputs and sources.

    Folders of the same stage and item with another fingerprint are removed: they cannot be
    resumed from any more.
    """
    folder = CheckpointFolder(paths.checkpoints(stage, item, fingerprint(params, inputs)))
    for other in folder.path.parent.glob("*"):
        if other != folder.path and is_first_process():
            shutil.rmtree(other, ignore_errors=True)
    return folder
