"""Format faces: people rendered from known factors, or CelebA (INV paper, Secs. 4.2, 4.4, B.5)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from pipeline.config.fields import Count, Folder, NonNegativeInt, Pixels, Section, Several
from pipeline.config.sentences import dotted
from pipeline.datasets.celeba import list_celeba, split_celeba
from pipeline.datasets.parts import TESTS, Seeds
from pipeline.datasets.photographs import check_images, write_photographs
from pipeline.datasets.rendered import write_rendered
from pipeline.errors import PipelineError
from pipeline.rendering.people import ATTRIBUTES, render_people, sample_people

__all__ = ["SPLITS", "Settings", "people", "prepare"]

SPLITS = ("train", "validation", "test", "reference", "calibration", "train_t")
"""`reference` holds the images that samples are compared with, `calibration` those that recalibrate
t, `train_t` those that it is trained on; nothing else sees any of them. A rendered person is in one
split alone, a person of CelebA in one of its partitions."""


class Settings(Section):
    """Images of people."""

    source: Literal["rendered", "celeba"] = "rendered"  # people drawn by the pipeline, or CelebA
    folder: Folder | None = None  # where CelebA is
    size: Pixels  # height and width of an image
    crop: Count = 160  # side of the square in the middle of CelebA's images, in pixels
    min_side: Count = 32  # shorter side of the smallest photograph that is used
    identities: Several = 400  # rendered people in the split `train`
    images_per_person: Several = 8  # images of each in the other splits, which show other people
    train: Count  # images to train on
    validation: Count  # images that decide when to stop
    test: Count  # images that reports are measured on
    reference: Count  # images that samples are compared with
    calibration: Count  # images that recalibrate t
    train_t: NonNegativeInt = 0  # images to train t on, that e has not seen; 0: those of `train`

    def check(self, file: str, where: tuple[str, ...]) -> None:
        """Raise PipelineError if CelebA is wanted and no folder is named."""
        if self.source == "celeba" and self.folder is None:
            raise PipelineError(
                f"{file}: {dotted(*where, 'folder')} is missing; source celeba needs the folder "
                "that holds the photographs."
            )


def prepare(settings: Settings, seeds: Seeds, folder: Path, threads: int, section: str) -> None:
    """Write images.npy (R, size, size, 3) uint8 and ground_truth.parquet of each part of `folder`.

    Columns: split, label (the identity, int64: those of training come first), identity, the six
    attributes as booleans, and whatever else is known of an image. section: the settings that
    error messages name.

    Raises:
        PipelineError: CelebA's folder lacks a file, a column or images, or holds too few of them.
    """
    counts = {split: getattr(settings, split) for split in SPLITS}
    write = _write_rendered if settings.source == "rendered" else _write_celeba
    write(settings, counts, seeds, folder, threads, section)


def people(settings: Settings, split: str) -> int:
    """The number of rendered people in a split; each image shows one of them at random."""
    if split == "train":
        return settings.identities
    return max(2, getattr(settings, split) // settings.images_per_person)


def _write_rendered(
    settings: Settings, counts: dict[str, int], seeds: Seeds, folder: Path, threads: int, _: str
) -> None:
    parts, first = [], 0
    # Whom the tests show decides nobody's number in the splits to learn from.
    for split in sorted(counts, key=lambda split: split in TESTS):
        if counts[split]:
            seed = seeds.testing if split in TESTS else seeds.learning
            number = people(settings, split)
            part = sample_people(counts[split], seed, number, first)
            part.insert(0, "split", split)
            parts.append(part)
            first += number
    truth = pd.concat(parts, ignore_index=True)
    truth.insert(1, "label", truth["identity"])
    write_rendered(folder, truth, settings.size, threads, render_people)


def _write_celeba(
    settings: Settings, counts: dict[str, int], seeds: Seeds, folder: Path, threads: int,
    section: str,
) -> None:  # fmt: skip
    assert settings.folder is not None  # checked with the settings
    images = list_celeba(settings.folder, ATTRIBUTES, f"{section}.folder")
    chosen = split_celeba(images, counts, seeds, section)
    chosen.insert(1, "label", _labels(chosen))
    check_images(chosen["path"], settings.min_side, threads, section)
    columns = [name for name in chosen if name not in ("path", "partition")]
    place = np.full(len(chosen), 0.5)
    write_photographs(folder, chosen, columns, place, settings.size, threads, crop=settings.crop)


def _labels(truth: pd.DataFrame) -> np.ndarray:
    """Identities numbered from 0: those of the training images first."""
    known = np.unique(truth.loc[truth["split"] == "train", "identity"])
    others = np.setdiff1d(truth["identity"], known)
    return pd.Index(np.concatenate([known, others])).get_indexer(truth["identity"]).astype(np.int64)
