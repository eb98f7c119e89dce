"""Format animalfaces: animals in other scenes than the evaluator is trained on (Sec. B.6)."""

from __future__ import annotations

from pathlib import Path

from pipeline.config.fields import Count
from pipeline.datasets import animals
from pipeline.datasets.parts import Seeds

__all__ = ["Settings", "prepare"]


class Settings(animals.Settings):
    """Images of animals that a network for people sees."""

    reference: Count = 1  # unused: no distance is measured on these images


def prepare(settings: Settings, seeds: Seeds, folder: Path, threads: int, section: str) -> None:
    """Write both parts of the data set into `folder`, as the format animals does."""
    animals.write_animals(settings, seeds, folder, threads, section, world=1)
