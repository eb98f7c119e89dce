"""Format animals: heads rendered from known factors, or photographs (INV paper, Sec. B.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from pipeline.config.fields import Count, Folders, NonNegativeInt, Pixels, Section
from pipeline.config.sentences import dotted
from pipeline.datasets.folders import prepare_photographs
from pipeline.datasets.parts import TESTS, Seeds
from pipeline.datasets.rendered import write_rendered
from pipeline.errors import PipelineError
from pipeline.rendering.animals import SPECIES, render_animals, sample_animals, vary

__all__ = ["SPLITS", "Settings", "prepare", "write_animals"]

SPLITS = ("train", "validation", "test", "reference", "calibration", "train_t")
"""`reference` holds the images that samples are compared with, `calibration` those that recalibrate
t, `train_t` those that it is trained on; nothing else sees any of them."""


class Settings(Section):
    """Images of animals."""

    # rendered: heads drawn by the pipeline; photographs: those in `folders`
    source: Literal["rendered", "photographs"] = "rendered"
    folders: Folders | None = None  # where photographs are
    size: Pixels  # height and width of an image
    min_side: Count = 32  # shorter side of the smallest photograph that is used
    train: Count  # images to train on
    validation: Count  # images that decide when to stop
    test: Count  # images that reports are measured on
    reference: Count  # images that samples are compared with
    calibration: Count  # images that recalibrate t
    train_t: NonNegativeInt = 0  # images to train t on, that e has not seen; 0: those of `train`

    def check(self, file: str, where: tuple[str, ...]) -> None:
        """Raise PipelineError if photographs are wanted and no folder is named."""
        if self.source == "photographs" and self.folders is None:
            raise PipelineError(
                f"{file}: {dotted(*where, 'folders')} is missing; source photographs needs the "
                "folders that hold the photographs."
            )


def prepare(settings: Settings, seeds: Seeds, folder: Path, threads: int, section: str) -> None:
    """Write images.npy (R, size, size, 3) uint8 and ground_truth.parquet of each part of `folder`.

    Columns: split, label (the class, int64), species and whatever else is known of an image.
    section: the settings that error messages name. Raises PipelineError for photographs that are
    missing, damaged or too few.
    """
    write_animals(settings, seeds, folder, threads, section)


def write_animals(
    settings: Settings,
    seeds: Seeds,
    folder: Path,
    threads: int,
    section: str,
    kind: str = "natural",
    world: int = 0,
) -> None:
    """Prepare animals, rendered ones in the variant `kind` of `vary`.

    world: data sets of other numbers show other scenes.
    """
    counts = {split: getattr(settings, split) for split in SPLITS}
    if settings.source == "photographs":
        prepare_photographs(
            folder,
            settings.folders or (),
            counts,
            size=settings.size,
            min_side=settings.min_side,
            seed=seeds.learning + world,
            threads=threads,
            section=section,
        )
        return
    seeds = Seeds(*(seed + world for seed in seeds))
    parts = []
    for tests, seed in ((False, seeds.learning), (True, seeds.stream)):
        own = {split: count for split, count in counts.items() if (split in TESTS) == tests}
        part = vary(sample_animals(sum(own.values()), seed), kind, seed)
        part.insert(0, "split", np.repeat(list(own), list(own.values())))
        parts.append(part)
    truth = pd.concat(parts, ignore_index=True)
    truth.insert(1, "label", pd.Index(SPECIES).get_indexer(truth["species"]).astype(np.int64))
    write_rendered(folder, truth, settings.size, threads, render_animals)
