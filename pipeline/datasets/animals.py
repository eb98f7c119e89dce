"""Images of animals: heads rendered from known factors, or photographs (INV paper, Sec. B.3)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.datasets.folders import prepare_photographs
from pipeline.datasets.rendered import write_rendered
from pipeline.params import PrepareAnimalsParams
from pipeline.rendering.animals import SPECIES, render_animals, sample_animals, vary

__all__ = ["SPLITS", "prepare_animalfaces", "prepare_animals", "prepare_stylized"]

SPLITS = ("train", "validation", "test", "reference")
"""`reference` holds the images that samples are compared with; nothing else sees them."""


def prepare_animals(
    settings: PrepareAnimalsParams,
    seed: int,
    file: Path,
    threads: int,
    section: str = "prepare.animals",
    kind: str = "natural",
) -> pd.DataFrame:
    """Write all images (R, size, size, 3) uint8 to `file`; return the ground truth, a row for each.

    Columns: split, species, label (the class, int64) and what else is known of an image. `section`
    is what error messages call the settings, `kind` the variant that is rendered (`vary`).
    """
    if settings.source == "photographs":
        return prepare_photographs(
            file,
            [Path(folder) for folder in settings.folders or ()],
            {split: getattr(settings, split) for split in SPLITS},
            size=settings.size,
            smallest=settings.smallest,
            seed=seed,
            threads=threads,
            section=section,
        )
    counts = [getattr(settings, split) for split in SPLITS]
    truth = vary(sample_animals(sum(counts), seed), kind, seed)
    write_rendered(file, truth, settings.size, threads, render_animals)
    truth.insert(0, "split", np.repeat(SPLITS, counts))
    truth.insert(1, "label", pd.Index(SPECIES).get_indexer(truth["species"]).astype(np.int64))
    return truth


def prepare_animalfaces(
    settings: PrepareAnimalsParams, seed: int, file: Path, threads: int
) -> pd.DataFrame:
    """Prepare animals in other scenes than those the evaluator is trained on (Sec. B.6)."""
    return prepare_animals(settings, seed + 1, file, threads, section="prepare.animalfaces")


def prepare_stylized(
    settings: PrepareAnimalsParams, seed: int, file: Path, threads: int
) -> pd.DataFrame:
    """Prepare animals in other species' coats, in scenes of their own (Sec. 4.3)."""
    section = "prepare.stylized"
    return prepare_animals(settings, seed + 2, file, threads, section=section, kind="stylized")
