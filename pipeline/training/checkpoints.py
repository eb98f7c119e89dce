"""The state of an interrupted training, kept outside DVC until the stage succeeds."""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.storage import is_first_process, write_bytes

__all__ = ["CheckpointFolder", "fingerprint", "open_checkpoints"]


def fingerprint(task: str, inputs: Sequence[Path]) -> str:
    """Hash of everything a training depends on: 16 hexadecimal digits.

    `task` is the digest of settings, seed and code; the content of `inputs`, files and folders, and
    torch's version count as well. Raises PipelineError if an input is missing.
    """
    digest = hashlib.sha256()
    digest.update(task.encode())
    digest.update(torch.__version__.encode())
    for path in inputs:
        if not path.exists():
            raise PipelineError(f"{path} is missing; run `dvc repro` to make it.")
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            digest.update(file.as_posix().encode())
            with open(file, "rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
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
        """Replace the checkpoint atomically, in the first process only."""
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
        except Exception as error:  # torch raises many kinds for a truncated file
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
        """Remove the folder, and its parent if empty, in the first process only.

        It need not wait for other processes: they read the checkpoint before the first step, or
        before the first exchange of a finished training, which no process passes before all have
        reached it.
        """
        if not is_first_process():
            return
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty, or not there
            self.path.parent.rmdir()


def open_checkpoints(stage: str, item: str, task: str, inputs: Sequence[Path]) -> CheckpointFolder:
    """The folder for exactly this task and these inputs; see `fingerprint`.

    Folders of the same stage and item with another fingerprint are removed: nothing can resume
    from them.
    """
    folder = CheckpointFolder(paths.checkpoints(stage, item, fingerprint(task, inputs)))
    for other in folder.path.parent.glob("*"):
        if other != folder.path and is_first_process():
            shutil.rmtree(other, ignore_errors=True)
    return folder
