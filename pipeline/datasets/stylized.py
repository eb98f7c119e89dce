"""Format stylized: animals in other species' coats, in scenes of their own (Sec. 4.3).

A coat says nothing about the species that wears it. Photographs are those of Stylized-ImageNet.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.config.fields import Count
from pipeline.datasets import animals
from pipeline.datasets.parts import Seeds

__all__ = ["Settings", "prepare"]


class Settings(animals.Settings):
    """Images of animals whose coats say nothing about their species."""

    reference: Count = 1  # unused: no distance is measured on these images
    calibration: Count = 1  # unused: no t is trained on these images


def prepare(settings: Settings, seeds: Seeds, folder: Path, threads: int, section: str) -> None:
    """Write both parts of the data set into `folder`, as the format animals does."""
    animals.write_animals(settings, seeds, folder, threads, section, kind="stylized", world=2)
