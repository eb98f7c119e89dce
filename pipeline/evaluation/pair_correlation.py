"""What e promises of a factor: variance 1, and the correlation of images that share its concept.

IIN paper, Eqs. 8 and 9: z~ is standard normal, and a factor of two images that share its concept is
correlated by rho.
"""

from __future__ import annotations

import numpy as np

__all__ = ["factor_variance", "pair_correlation"]


def factor_variance(values: np.ndarray) -> float:
    """Variance of a factor (R, D), mean over its dimensions; 1 if e is right."""
    return float(np.asarray(values, np.float64).var(axis=0, ddof=1).mean())


def pair_correlation(values: np.ndarray, classes: np.ndarray) -> float:
    """Correlation of a factor (R, D) in pairs of one class (R,), with variances summed over D.

    That is the share of the variance that the class explains, 1 - within / total with unbiased
    variances (the adjusted R²). It bounds what anything that knows only the class can explain of a
    factor. NaN without two images of one class, or with a single class.
    """
    _, place, counts = np.unique(classes, return_inverse=True, return_counts=True)
    count, groups = len(values), len(counts)
    if groups < 2 or groups == count:
        return float("nan")
    values = np.asarray(values, np.float64) - np.mean(values, axis=0, dtype=np.float64)
    sums = np.zeros((groups, values.shape[1]))
    np.add.at(sums, place, values)
    total = np.square(values).sum()
    within = total - np.square(sums).sum(axis=1) @ (1 / counts)
    return float(1 - within / (count - groups) / (total / (count - 1)))
