"""Images of people: rendered from known factors, or CelebA (INV paper, Secs. 4.2, 4.4 and B.5)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.datasets.celeba import deal_celeba, list_celeba
from pipeline.datasets.folders import check_images, write_images
from pipeline.datasets.rendered import write_rendered
from pipeline.errors import PipelineError
from pipeline.params import PrepareFacesParams
from pipeline.rendering.people import ATTRIBUTES, render_people, sample_people

__all__ = ["SPLITS", "prepare_faces"]

SPLITS = ("train", "validation", "test", "reference", "unseen")
"""`reference` holds the images that samples are compared with, `unseen` people whom no other split
shows; nothing else sees either."""


def prepare_faces(
    settings: PrepareFacesParams, seed: int, file: Path, threads: int
) -> pd.DataFrame:
    """Write all images (R, size, size, 3) uint8 to `file`; return the ground truth, a row for each.

    Columns: split, label (the identity, int64: those of training come first), identity, the six
    attributes as booleans, and what else is known of an image.

    Raises:
        PipelineError: the folder lacks a file, a column or images, or holds too few of them.
    """
    counts = {split: getattr(settings, split) for split in SPLITS}
    if settings.source == "rendered":
        return _rendered(settings, counts, seed, file, threads)
    if settings.folder is None:
        raise PipelineError("source celeba of faces needs prepare.faces.folder.")
    images = list_celeba(settings.folder, ATTRIBUTES)
    chosen = deal_celeba(images, counts, np.random.default_rng(seed))
    paths = chosen.pop("path")
    check_images(paths, settings.smallest, threads, section="prepare.faces")
    place = np.full(len(chosen), 0.5)
    write_images(file, paths, place, settings.size, threads, crop=settings.crop)
    chosen.insert(1, "label", _labels(chosen))
    return chosen.drop(columns="partition")


def _rendered(
    settings: PrepareFacesParams, counts: dict[str, int], seed: int, file: Path, threads: int
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


def _labels(truth: pd.DataFrame) -> np.ndarray:
    """Identities numbered from 0: those of the training images first."""
    known = np.unique(truth.loc[truth["split"] == "train", "identity"])
    others = np.setdiff1d(truth["identity"], known)
    return pd.Index(np.concatenate([known, others])).get_indexer(truth["identity"]).astype(np.int64)
