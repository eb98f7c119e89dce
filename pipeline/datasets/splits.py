"""Read what the stage `prepare` wrote, whatever the format of the data set."""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets.color_digits import FOREGROUND, STROKES, ColorDigits
from pipeline.datasets.images import ImageSet
from pipeline.datasets.parts import PARTS, part_of
from pipeline.storage import read_parquet

__all__ = [
    "SPLITS",
    "TRAINING",
    "TRAIN_T",
    "data_files",
    "encoded_splits",
    "load_split",
    "split_of_t",
]

SPLITS = ("train", "validation", "test", "calibration")
"""Splits that every data set has; `calibration` recalibrates t, and nothing else sees it."""

TRAIN_T = "train_t"
"""A split of data sets that have images to spare: t is trained on them, nothing else sees them."""

TRAINING = ("train", TRAIN_T)


def load_split(folder: Path, split: str) -> ColorDigits | ImageSet:
    """Read a split of the data set in `folder`. Raises PipelineError if a file cannot be used."""
    kind = ColorDigits if _pixels(part_of(folder, split)) == STROKES else ImageSet
    return kind.load(folder, split)


def encoded_splits(folder: Path) -> tuple[str, ...]:
    """The splits of the data set in `folder` whose z_bar is needed."""
    return tuple(dict.fromkeys([*SPLITS, split_of_t(folder)]))


def split_of_t(folder: Path) -> str:
    """The split of the data set in `folder` that t is trained on.

    That is `train_t`, images that the semantic INN and the network have not seen, or `train` where
    there is none. A representation of images that a network was trained on differs from that of new
    ones, and so do the factors of e.
    """
    truth = read_parquet(part_of(folder, TRAIN_T) / "ground_truth.parquet")
    return TRAIN_T if (truth["split"] == TRAIN_T).any() else "train"


def data_files(folder: Path, *parts: str) -> list[Path]:
    """The files of the named parts of a data set, by default of all: pixels, then ground truth."""
    return [
        folder / part / name
        for part in parts or PARTS
        for name in (_pixels(folder / part), "ground_truth.parquet")
    ]


def _pixels(folder: Path) -> str:
    """The file that holds pixels; the ground truth decides if it is missing."""
    images, truth = "images.npy", folder / "ground_truth.parquet"
    if (folder / STROKES).exists():
        return STROKES
    if (folder / images).exists() or not truth.exists():
        return images
    return STROKES if set(FOREGROUND) <= set(read_parquet(truth)) else images
