"""Read what the stage `prepare` left, whatever kind of data set it is."""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets.digits import SPLITS, ColorDigits
from pipeline.datasets.images import ImageSet

__all__ = ["SPLITS", "data_files", "load_split"]


def load_split(folder: Path, split: str) -> ColorDigits | ImageSet:
    """Read a split of the data set in `folder`. Raises PipelineError if a file cannot be used."""
    kind = ColorDigits if _pixels(folder) == "strokes.npy" else ImageSet
    return kind.load(folder, split)


def data_files(folder: Path) -> list[Path]:
    """The files a data set consists of."""
    return [folder / _pixels(folder), folder / "ground_truth.parquet"]


def _pixels(folder: Path) -> str:
    """The file that holds pixels: of digits only strokes, also where their file is missing."""
    digits = folder.name == "digits" or (folder / "strokes.npy").exists()
    return "strokes.npy" if digits else "images.npy"
