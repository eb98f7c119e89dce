"""Read what the stage `prepare` wrote, whatever the format of the data set."""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets.color_digits import FOREGROUND, STROKES, ColorDigits
from pipeline.datasets.images import ImageSet
from pipeline.storage import read_parquet

__all__ = ["SPLITS", "data_files", "load_split"]

SPLITS = ("train", "validation", "test", "calibration")
"""Splits that every data set has; `calibration` recalibrates t, and nothing else sees it."""


def load_split(folder: Path, split: str) -> ColorDigits | ImageSet:
    """Read a split of the data set in `folder`. Raises PipelineError if a file cannot be used."""
    kind = ColorDigits if _pixels(folder) == STROKES else ImageSet
    return kind.load(folder, split)


def data_files(folder: Path) -> list[Path]:
    """The files of a data set: pixels, then ground truth."""
    return [folder / _pixels(folder), folder / "ground_truth.parquet"]


def _pixels(folder: Path) -> str:
    """The file that holds pixels; the ground truth decides if it is missing."""
    images, truth = "images.npy", folder / "ground_truth.parquet"
    if (folder / STROKES).exists():
        return STROKES
    if (folder / images).exists() or not truth.exists():
        return images
    return STROKES if set(FOREGROUND) <= set(read_parquet(truth)) else images
