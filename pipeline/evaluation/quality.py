"""How well predicted factors fit the ground truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["attribute_quality"]


def attribute_quality(
    readings: Mapping[str, np.ndarray], truth: pd.DataFrame, numbers: Iterable[str]
) -> dict[str, dict[str, float]]:
    """Quality of predictions (R,) against the ground truth, for each factor.

    `numbers` get `r2`, 1 - squared error / variance, at most 1 and 0 for a constant truth, and
    `mean_absolute_error` in the unit of the number. Other factors get `accuracy`, in [0, 1].
    """
    result, continuous = {}, set(numbers)
    for name, values in readings.items():
        true = truth[name].to_numpy()
        if name not in continuous:
            result[name] = {"accuracy": round(float(np.mean(values == true)), 4)}
            continue
        error = values.astype(np.float64) - true
        variance = float(np.var(true))
        r2 = 1 - float(np.mean(error**2)) / variance if variance > 0 else 0.0
        absolute = float(np.mean(np.abs(error)))
        result[name] = {"r2": round(r2, 4), "mean_absolute_error": round(absolute, 4)}
    return result
