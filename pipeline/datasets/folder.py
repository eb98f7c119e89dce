"""Format folder: photographs of your own, in a folder per class.

Every layout of `pipeline.datasets.folders` is recognised. By default the number of images decides
how many each split gets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.config.fields import Count, Pixels, Section
from pipeline.datasets.folders import assigned, list_images, write_squares
from pipeline.datasets.parts import Seeds
from pipeline.errors import PipelineError

__all__ = ["SHARES", "Settings", "prepare", "split_classes"]

SHARES = {"train": 0.76, "validation": 0.08, "test": 0.08, "reference": 0.04, "calibration": 0.04}
"""The part of all images that each split gets by default."""


class Settings(Section):
    """Images in a folder of your own, which the data set's row names."""

    size: Pixels = 64  # height and width of an image
    min_side: Count = 32  # shorter side of the smallest photograph that is used
    train: Count | None = None  # images to train on; null: 76 % of all
    validation: Count | None = None  # images that decide when to stop; null: 8 %
    test: Count | None = None  # images that reports are measured on; null: 8 %
    reference: Count | None = None  # images that samples are compared with; null: 4 %
    calibration: Count | None = None  # images that recalibrate t; null: 4 %


def prepare(
    settings: Settings,
    seeds: Seeds,
    folder: Path,
    threads: int,
    section: str,
    images: str | Sequence[str],
) -> None:
    """Write images.npy (R, size, size, 3) uint8 and ground_truth.parquet of each part.

    images: the folder with the photographs, or several; `~` is the user's home. Columns: split,
    label (int64, of all classes by name), species (the class), source and file. The same files and
    seed give the same bytes, whatever `threads`; the seed of test images decides nothing, for there
    are no others. Raises PipelineError for photographs that are missing, damaged or too few.
    """
    folders = [images] if isinstance(images, str) else images
    setting = f"datasets.{section.removeprefix('prepare.')}.images"
    listed = list_images([Path(name) for name in folders], setting)
    asked = {split: getattr(settings, split) for split in SHARES}
    rng = np.random.default_rng(seeds.learning)
    chosen = split_classes(listed, asked, rng, section)
    write_squares(
        folder,
        chosen,
        rng,
        size=settings.size,
        min_side=settings.min_side,
        threads=threads,
        section=section,
    )


def split_classes(
    images: pd.DataFrame, asked: Mapping[str, int | None], rng: np.random.Generator, section: str
) -> pd.DataFrame:
    """Split rows of `list_images` so that every class has its part in every split.

    asked: the images of each split of SHARES, or None for its share. A class keeps at least one
    image to train on, so that a class of one image is in no other split. Where sources keep images
    for testing, test, reference and calibration are drawn from these alone. The result has a column
    split; rows of a split are in random order. Raises PipelineError if there are too few images.
    """
    held_out = images["held_out"].to_numpy()
    rest = np.flatnonzero(~held_out)
    if held_out.any():
        tested = np.flatnonzero(held_out)
        counts = _counts(asked, ("test", "reference", "calibration"), len(tested))
        rows, _ = _spread(images, tested, counts, 0, rng, section)
        counts = _counts(asked, ("train", "validation"), len(rest))
    else:
        rows, counts = {}, _counts(asked, tuple(SHARES), len(rest))
    wanted = counts.pop("train")
    more, training = _spread(images, rest, counts, 1, rng, section)
    if asked["train"] is not None:
        if wanted > len(training):
            raise _too_few(["train"], len(training), wanted, section)
        training = training[:wanted]
    rows |= more | {"train": training}
    return assigned(images, {split: rng.permutation(rows[split]) for split in SHARES})


def _counts(asked: Mapping[str, int | None], splits: Sequence[str], images: int) -> dict[str, int]:
    """What is asked for of each of `splits`, or its share of `images` among them."""
    whole = sum(SHARES[split] for split in splits)
    return {
        split: asked[split] or max(1, round(SHARES[split] / whole * images)) for split in splits
    }


def _spread(
    images: pd.DataFrame,
    rows: np.ndarray,
    counts: Mapping[str, int],
    keep: int,
    rng: np.random.Generator,
    section: str,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Give each split of `counts` its number of `rows`, and of each class its part of that number.

    `keep` images of each class are given to none. Returns the rows of each split and all others, of
    which the first is one of each class. Small classes come first: what they cannot give, larger
    ones make up for.
    """
    species = images["species"].to_numpy()[rows]
    classes = [rng.permutation(rows[species == name]) for name in np.unique(species)]
    given: dict[str, list[int]] = {split: [] for split in counts}
    first, others, seen = [], [], 0
    for order in sorted(classes, key=len):
        left, seen = list(order), seen + len(order)
        for split, count in counts.items():
            due = round(count * seen / len(rows)) - len(given[split])
            take = max(0, min(due, len(left) - keep))
            given[split] += left[:take]
            left = left[take:]
        first += left[:1]
        others += left[1:]
    found, wanted = sum(map(len, given.values())), sum(counts.values())
    if found < wanted:
        raise _too_few(list(counts), found, wanted, section)
    unused = np.concatenate([first, rng.permutation(others)]).astype(np.intp)
    return {split: np.array(chosen, np.intp) for split, chosen in given.items()}, unused


def _too_few(splits: Sequence[str], found: int, wanted: int, section: str) -> PipelineError:
    return PipelineError(
        f"too few photographs for {' and '.join(splits)}: {found} are left for the {wanted} "
        f"wanted; add some, or lower {section}.{' or '.join(splits)}."
    )
