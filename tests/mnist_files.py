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
    """Noise (count, 28, 28) uint8 with a bar at the place of the class (count,), 0 to 9 in turn."""
    labels = np.arange(count) % 10
    strokes = np.random.default_rng(seed).integers(0, 60, (count, 28, 28), np.uint8)
    strokes[np.arange(count), 4 + 2 * labels, 6:22] = 255
    return strokes, labels


def write_mnist(folder: Path, *, train: int, test: int, packed: bool = False) -> None:
    """Write the four files into `folder`, plain or gzip-compressed."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (split, count) in enumerate({"train": train, "test": test}.items()):
        for name, array in zip(NAMES[split], made_up_digits(count, seed), strict=True):
            data = idx_bytes(array)
            path = folder / (f"{name}.gz" if packed else name)
            path.write_bytes(gzip.compress(data, 1) if packed else data)
