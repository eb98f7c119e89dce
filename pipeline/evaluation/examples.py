"""Choose the images that a figure shows among those that its numbers are measured on."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["varied_rows"]


def varied_rows(truth: pd.DataFrame, names: Iterable[str], count: int) -> NDArray[np.intp]:
    """Rows (count,) of a ground truth that cover many values of its columns `names` early.

    Begins with the first image, then repeatedly takes the first of those whose values were shown
    least. Raises ValueError if there are fewer rows than `count`.
    """
    if count > len(truth):
        raise ValueError(f"{count} rows of {len(truth)}")
    values = [pd.factorize(truth[name])[0] for name in names]
    seen = np.zeros(len(truth), np.int64)
    chosen: list[int] = []
    for _ in range(count):
        left = np.setdiff1d(np.arange(len(truth)), chosen)
        chosen.append(int(left[seen[left].argmin()]))
        for column in values:
            seen += column == column[chosen[-1]]
    return np.array(chosen, np.intp)
