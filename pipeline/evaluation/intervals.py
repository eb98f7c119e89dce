"""95 % intervals of numbers from bootstrap replicates, and of shares by Wilson's score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.rounding import rounded

__all__ = ["percentile_interval", "wilson"]


def percentile_interval(replicates: NDArray[np.floating]) -> list[float]:
    """The 2.5th and 97.5th percentiles of bootstrap replicates (B,)."""
    low, high = np.quantile(replicates, (0.025, 0.975))
    return [float(low), float(high)]


def wilson(values: NDArray[np.bool_]) -> list[float] | None:
    """95 % interval of the share of true `values` (R,), by Wilson's score; None for no values."""
    if len(values) == 0:
        return None
    from scipy.stats import binomtest  # slow to import

    found = binomtest(int(values.sum()), len(values)).proportion_ci(method="wilson")
    return [rounded(found.low), rounded(found.high)]
