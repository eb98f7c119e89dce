"""Format animalfaces: animals in other scenes than the evaluator is trained on (Sec. B.6)."""

from __future__ import annotations

from pathlib import Path

from pipeline.config.fields import Count
from pipeline.datasets import animals

__all__ = ["Settings", "prepare"]


class Settings(animals.Settings):
    """Images of animals that a network for people sees."""

    reference: Count = 1  # unused: no distance is measured on these images


def prepare(settings: Settings, seed: int, folder: Path, threads: int, section: str) -> None:
    """Write images.npy and ground_truth.parquet into `folder`, as the format animals does."""
    animals.write_animals(settings, seed + 1, folder, threads, section)
