"""Every setting of a run, once it is read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.config.fields import Section
from pipeline.config.rows import GENERATED, Run

__all__ = ["Config"]


@dataclass(frozen=True)
class Config:
    """params.yaml, and every item's settings at its scale, checked."""

    run: Run
    file: str
    """The scale's file, as messages call it."""
    sections: Mapping[str, Mapping[str, Section]]
    """Settings by section and item; a section without items has one, called "" ."""

    def settings(self, section: str, item: str = "") -> Any:
        """The settings of an item of a section."""
        return self.sections[section][item]

    def images(self, dataset: str, split: str) -> int | None:
        """Images of a split of a data set, or None if only preparing them shows how many."""
        made = self.sections["generate"]["animals"]
        prepared = made if dataset == GENERATED else self.sections["prepare"][dataset]
        colourings = getattr(prepared, f"colourings_{split}", None)
        if colourings is None:
            return getattr(prepared, split, None)
        # The digits of train_t are those of train, with new distortions and colours.
        return getattr(prepared, "train" if split == "train_t" else split) * colourings
