"""MNIST's own files: four in the IDX format, plain or gzip-compressed."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

from pipeline.errors import PipelineError

__all__ = ["read_mnist"]

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def read_mnist(folder: Path, section: str, *, download: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """Read MNIST from a folder in torchvision's layout, or one that holds the four files.

    Returns images (N, 28, 28) uint8, labels (N,) int64 and how many of them, at the end, are
    MNIST's test set. download: whether torchvision may fetch files that are missing. section: the
    settings that error messages name. Raises PipelineError if files are missing or damaged.
    """
    raw = folder / "MNIST" / "raw"
    if not raw.is_dir() and any(folder.glob("*-ubyte*")):
        raw = folder
    if download and raw != folder:
        _download(folder)
    images, labels = [], []
    for images_name, labels_name in FILES.values():
        images.append(_read_idx(raw / images_name, section, dimensions=3))
        labels.append(_read_idx(raw / labels_name, section, dimensions=1))
        if len(images[-1]) != len(labels[-1]):
            raise PipelineError(
                f"{raw / images_name} holds {len(images[-1])} images but {labels_name} holds "
                f"{len(labels[-1])} labels: fetch both files again."
            )
    return np.concatenate(images), np.concatenate(labels).astype(np.int64), len(labels[-1])


def _download(folder: Path) -> None:
    from pipeline.torchvision_compat import torchvision

    try:
        torchvision.datasets.MNIST(folder, train=True, download=True)  # checks MD5 sums itself
    except (OSError, RuntimeError) as error:
        raise PipelineError(
            f"MNIST cannot be downloaded to {folder} ({error}): connect to the internet, or put "
            "MNIST's four files there."
        ) from error


def _read_idx(path: Path, section: str, *, dimensions: int) -> np.ndarray:
    """Read one file of unsigned bytes."""
    packed = path.with_name(path.name + ".gz")
    found = path if path.is_file() else packed
    if not found.is_file():
        raise PipelineError(
            f"no MNIST file {path} (or .gz): put MNIST's four files there, point {section}.folder "
            f"at them, or set {section}.download to true."
        )
    damaged = PipelineError(f"{found} is truncated or not an MNIST file: fetch it again.")
    try:
        data = found.read_bytes() if found == path else gzip.decompress(found.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise damaged from error
    header = 4 + 4 * dimensions
    if len(data) < header or data[:4] != bytes([0, 0, 8, dimensions]):
        raise damaged
    shape = tuple(np.frombuffer(data, ">u4", dimensions, offset=4).astype(int))
    if len(data) != header + int(np.prod(shape)) or (dimensions == 3 and shape[1:] != (28, 28)):
        raise damaged
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
