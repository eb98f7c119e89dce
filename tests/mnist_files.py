"""A tiny MNIST for tests: four IDX files of made-up digits, in torchvision's layout."""

import gzip
import struct
from pathlib import Path

import numpy as np

NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def idx_bytes(array: np.ndarray) -> bytes:
    """An array of unsigned bytes in the IDX format."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def made_up_digits(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Blobs (count, 28, 28) uint8, no two alike, and classes (count,) from 0 to 9 in turn.

    The class is where the blob lies on a circle, so that it can be learned.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    angle = 2 * np.pi * labels / 10
    centre = 13.5 + 7 * np.stack([np.cos(angle), np.sin(angle)], 1) + rng.normal(0, 1, (count, 2))
    axis = np.arange(28)
    squared = (axis[None, :, None] - centre[:, 0, None, None]) ** 2
    squared = squared + (axis[None, None, :] - centre[:, 1, None, None]) ** 2
    strokes = 250 * np.exp(-squared / 12) + rng.uniform(0, 5, (count, 28, 28))
    return strokes.astype(np.uint8), labels


def write_mnist(folder: Path, *, train: int, test: int, packed: bool = False) -> None:
    """Write the four files into `folder`, plain or gzip-compressed."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (split, count) in enumerate({"train": train, "test": test}.items()):
        for name, array in zip(NAMES[split], made_up_digits(count, seed), strict=True):
            data = idx_bytes(array)
            path = folder / (f"{name}.gz" if packed else name)
            path.write_bytes(gzip.compress(data, 1) if packed else data)
