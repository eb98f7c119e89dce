"""Reading and writing files: atomic, and the same bytes for the same content.

A file is written as `.<name>.partial` in its own folder and renamed once it is complete and on
disk: readers see the old file or the new one, never half of it. Leftovers of killed processes are
overwritten by the next write.

Of the processes that torchrun starts to train together, only the first writes. All of them run the
whole stage with the same seeds and end with the same model; if each wrote, they would rename and
remove each other's files. Stages need no condition of their own: the other processes write
nowhere, or into a temporary folder that they can read back from within its block.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import DTypeLike
    from torch import Tensor

__all__ = [
    "is_first_process",
    "new_array",
    "new_folder",
    "read_array",
    "read_arrays",
    "read_json",
    "read_parquet",
    "read_tensors",
    "write_bytes",
    "write_json",
    "write_npy",
    "write_npz",
    "write_parquet",
    "write_safetensors",
    "write_text",
]

ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


_scratch: set[Path] = set()
"""Temporary folders, the only places where processes other than the first write."""


def is_first_process() -> bool:
    """Whether this process writes results: it is the only one, or the first of torchrun's."""
    return int(os.environ.get("RANK", "0")) == 0


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


@contextlib.contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Turn the error of an unwritable place into one sentence."""
    try:
        yield
    except OSError as error:
        raise PipelineError(
            f"cannot write {path.name} in {path.parent.absolute()} "
            f"({error.strerror or error}); free some space or make the folder writable."
        ) from error


@contextlib.contextmanager
def _writing(path: str | Path) -> Iterator[BinaryIO]:
    """Yield a file that becomes `path` if the block succeeds and is removed if it fails."""
    path = Path(path)
    if not is_first_process() and _scratch.isdisjoint(path.parents):
        yield io.BytesIO()
        return
    partial = _partial(path)
    with _reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(partial, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise


def write_bytes(path: str | Path, data: bytes | memoryview) -> None:
    """Write a file atomically. Raises PipelineError if the place cannot be written."""
    with _writing(path) as file:
        file.write(data)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text; line endings are kept."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, obj: Any) -> None:
    """Write JSON: sorted keys, two spaces, newline at the end.

    Raises ValueError for NaN or infinity, which JSON does not have.
    """
    text = json.dumps(obj, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def write_npy(path: str | Path, array: np.ndarray) -> None:
    """Write one array (no objects)."""
    with _writing(path) as file:
        np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)


def new_array(path: str | Path, shape: Sequence[int], dtype: DTypeLike) -> np.memmap:
    """An array in a new .npy file, for more data than fit in memory; `flush` writes it to disk.

    Use it in a folder from `new_folder`. Raises PipelineError if the disk is too full for it.
    """
    path = Path(path)
    with _reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        array = np.lib.format.open_memmap(path, "w+", dtype, tuple(shape))
        if hasattr(os, "posix_fallocate"):  # else a full disk kills the process later
            with open(path, "r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        return array


def write_npz(path: str | Path, /, **arrays: np.ndarray) -> None:
    """Write named arrays (no objects), uncompressed and, unlike np.savez, without a time stamp."""
    with _writing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            member = zipfile.ZipInfo(f"{name}.npy", ZIP_EPOCH)
            with archive.open(member, "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asarray(arrays[name]), allow_pickle=False)


def write_parquet(path: str | Path, frame: pd.DataFrame) -> None:
    """Write a data frame."""
    with _writing(path) as file:
        frame.to_parquet(file, engine="pyarrow", compression="zstd")


def write_safetensors(path: str | Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors, from any device."""
    from safetensors.torch import save

    # The format refuses tensors that share memory.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_bytes(path, save(plain))


@contextlib.contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces `path` if the block succeeds and is removed if not.

    If `path`, a folder or a file, cannot be replaced, it is restored.
    """
    path = Path(path)
    if not is_first_process():
        with _scratch_folder() as scratch:
            yield scratch
        return
    partial, old = _partial(path), path.with_name(f".{path.name}.old")
    with _reported(path):
        for leftover in (partial, old):
            _remove(leftover)
        partial.mkdir(parents=True)
    try:
        yield partial
        with _reported(path):
            try:
                if os.path.lexists(path):
                    path.rename(old)
                partial.rename(path)
            except BaseException:
                if os.path.lexists(old) and not os.path.lexists(path):
                    old.rename(path)
                raise
        _remove(old)
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    """Delete a folder with its content, a file or a link; what cannot be deleted is left."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


@contextlib.contextmanager
def _scratch_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _scratch.add(folder)
        try:
            yield folder
        finally:
            _scratch.remove(folder)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn the error of a missing or damaged file into one sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise PipelineError(f"{path} is missing; run `dvc repro` to make it.") from error
    except PermissionError as error:
        raise PipelineError(f"{path} cannot be read: permission denied.") from error
    except Exception as error:  # each format has its own errors for a damaged file
        raise PipelineError(
            f"{path} is damaged ({error}); delete it and run `dvc repro` again."
        ) from error


def read_json(path: str | Path) -> Any:
    """Read JSON. Raises PipelineError if the file is missing or damaged, as all readers do."""
    with _reading(Path(path)):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def read_array(path: str | Path) -> np.ndarray:
    """Map a .npy file, read-only: it may exceed memory, and is read where it is used."""
    with _reading(Path(path)):
        return np.load(path, allow_pickle=False, mmap_mode="r")


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Read a .npz file."""
    with _reading(Path(path)), np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def read_parquet(path: str | Path) -> pd.DataFrame:
    """Read a data frame."""
    import pandas as pd

    with _reading(Path(path)):
        return pd.read_parquet(path, engine="pyarrow")


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Read a safetensors file onto the CPU."""
    from safetensors.torch import load

    with _reading(Path(path)):
        return load(Path(path).read_bytes())
