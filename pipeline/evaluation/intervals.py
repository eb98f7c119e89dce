"""95 % intervals: of a number by its bootstrap replicates, and of a share by how often it held."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from pipeline.rounding import rounded

__all__ = ["percentile_interval", "wilson"]


def percentile_interval(replicates: NDArray[np.floating]) -> list[float]:
    """The 2.5 and 97.5 percentiles of a number's bootstrap replicates (B,)."""
    low, high = np.quantile(replicates, (0.025, 0.975))
    return [float(low), float(high)]


def wilson(values: NDArray[np.bool_]) -> list[float] | None:
    """95 % interval of the share of true `values` (R,), by Wilson's score; None for no values."""
    if len(values) == 0:
        return None
    found = binomtest(int(values.sum()), len(values)).proportion_ci(method="wilson")
    return [rounded(found.low), rounded(found.high)]
