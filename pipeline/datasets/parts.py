"""The two parts of a data set, each in a folder of its own: what is learned from, what is tested.

A stage that trains depends on the first part alone, so that new test images train nothing again.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["LEARNING", "PARTS", "TESTING", "TESTS", "Seeds", "part_of", "rows_of_parts"]

LEARNING, TESTING = PARTS = ("learning", "testing")
"""Folders of the parts."""

TESTS = ("test", "reference", "inputs")
"""Splits of the second part; all others belong to the first."""


class Seeds(NamedTuple):
    """Seeds of the two parts of a data set."""

    learning: int
    testing: int

    @property
    def stream(self) -> tuple[int, int]:
        """A seed for test images, which differs from every seed for images to learn from."""
        return self.testing, 1


def part_of(folder: Path, split: str) -> Path:
    """The folder, inside of `folder`, of the part that a split belongs to."""
    return folder / (TESTING if split in TESTS else LEARNING)


def rows_of_parts(truth: pd.DataFrame) -> dict[str, NDArray[np.intp]]:
    """The rows of each part of a ground truth with a column split, of parts that have any."""
    tested = truth["split"].isin(TESTS).to_numpy()
    rows = {LEARNING: np.flatnonzero(~tested), TESTING: np.flatnonzero(tested)}
    return {part: found for part, found in rows.items() if len(found)}
