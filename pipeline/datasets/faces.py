"""Format faces: people rendered from known factors, or CelebA (INV paper, Secs. 4.2, 4.4, B.5)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from pipeline.config.fields import Count, Folder, NonNegativeInt, Pixels, Section, Several
from pipeline.config.sentences import dotted
from pipeline.datasets.celeba import list_celeba, split_celeba
from pipeline.datasets.photographs import check_images, write_images
from pipeline.datasets.rendered import write_rendered
from pipeline.errors import PipelineError
from pipeline.rendering.people import ATTRIBUTES, render_people, sample_people
from pipeline.storage import write_parquet

__all__ = ["SPLITS", "Settings", "prepare"]

SPLITS = ("train", "validation", "test", "reference", "calibration", "train_t", "unseen")
"""`reference` holds the images that samples are compared with, `calibration` those that recalibrate
t, `train_t` those that it is trained on, `unseen` people whom no other split shows; nothing else
sees any of them."""


class Settings(Section):
    """Images of people."""

    source: Literal["rendered", "celeba"] = "rendered"  # people drawn by the pipeline, or CelebA
    folder: Folder | None = None  # where CelebA is
    size: Pixels  # height and width of an image
    crop: Count = 160  # side of the square in the middle of CelebA's images, in pixels
    min_side: Count = 32  # shorter side of the smallest photograph that is used
    identities: Several = 400  # rendered people in all splits but `unseen`
    unseen_identities: Several = 100  # rendered people in the split `unseen`
    train: Count  # images to train on
    validation: Count  # images that decide when to stop
    test: Count  # images that reports are measured on
    reference: Count  # images that samples are compared with
    calibration: Count  # images that recalibrate t
    train_t: NonNegativeInt = 0  # images to train t on, that e has not seen; 0: those of `train`
    unseen: NonNegativeInt  # images of people whom no other split shows

    def check(self, file: str, where: tuple[str, ...]) -> None:
        """Raise PipelineError if CelebA is wanted and no folder is named."""
        if self.source == "celeba" and self.folder is None:
            raise PipelineError(
                f"{file}: {dotted(*where, 'folder')} is missing; source celeba needs the folder "
                "that holds the photographs."
            )


def prepare(settings: Settings, seed: int, folder: Path, threads: int, section: str) -> None:
    """Write images.npy (R, size, size, 3) uint8 and ground_truth.parquet into `folder`.

    Columns: split, label (the identity, int64: those of training come first), identity, the six
    attributes as booleans, and whatever else is known of an image. section: the settings that
    error messages name.

    Raises:
        PipelineError: CelebA's folder lacks a file, a column or images, or holds too few of them.
    """
    counts = {split: getattr(settings, split) for split in SPLITS}
    write = _write_rendered if settings.source == "rendered" else _write_celeba
    truth = write(settings, counts, seed, folder / "images.npy", threads, section)
    write_parquet(folder / "ground_truth.parquet", truth)


def _write_rendered(
    settings: Settings, counts: dict[str, int], seed: int, file: Path, threads: int, section: str
) -> pd.DataFrame:
    unseen = counts["unseen"]
    parts = [sample_people(sum(counts.values()) - unseen, seed, settings.identities)]
    if unseen:
        strangers = settings.unseen_identities
        parts.append(sample_people(unseen, seed, strangers, first=settings.identities))
    truth = pd.concat(parts, ignore_index=True)
    write_rendered(file, truth, settings.size, threads, render_people)
    truth.insert(0, "split", np.repeat(list(counts), list(counts.values())))
    truth.insert(1, "label", truth["identity"])
    return truth


def _write_celeba(
    settings: Settings, counts: dict[str, int], seed: int, file: Path, threads: int, section: str
) -> pd.DataFrame:
    assert settings.folder is not None  # checked with the settings
    images = list_celeba(settings.folder, ATTRIBUTES, f"{section}.folder")
    chosen = split_celeba(images, counts, np.random.default_rng(seed), section)
    paths = chosen.pop("path")
    check_images(paths, settings.min_side, threads, section)
    place = np.full(len(chosen), 0.5)
    write_images(file, paths, place, settings.size, threads, crop=settings.crop)
    chosen.insert(1, "label", _labels(chosen))
    return chosen.drop(columns="partition")


def _labels(truth: pd.DataFrame) -> np.ndarray:
    """Identities numbered from 0: those of the training images first."""
    known = np.unique(truth.loc[truth["split"] == "train", "identity"])
    others = np.setdiff1d(truth["identity"], known)
    return pd.Index(np.concatenate([known, others])).get_indexer(truth["identity"]).astype(np.int64)
