"""Errors of numbers of images that come in groups, of which the groups alone are independent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_groups", "multiplier_bootstrap", "standard_error"]


def draw_groups(groups: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.intp]:
    """Rows of a bootstrap sample of images: as many groups as there are, drawn with replacement."""
    order = np.argsort(groups, kind="stable")
    _, first = np.unique(groups[order], return_index=True)
    members = np.split(order, first[1:])
    drawn = rng.integers(0, len(members), len(members))
    return np.concatenate([members[one] for one in drawn])


def multiplier_bootstrap(
    influence: NDArray[np.floating],
    groups: NDArray[np.integer],
    replicates: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Deviations (B, K) of K numbers from what they would be for other images.

    influence: (K, R), the derivative of each number by the weight of each image, whose groups (R,)
    alone are independent. Each group gets a standard normal weight: the deviations are normal, with
    the covariance of the infinitesimal jackknife.
    """
    _, place = np.unique(groups, return_inverse=True)
    count = place.max() + 1
    sums = np.stack([np.bincount(place, one, count) for one in influence]) / influence.shape[1]
    weights = rng.standard_normal((replicates, count)) * np.sqrt(count / (count - 1))
    return weights @ sums.T


def standard_error(values: NDArray[np.floating], groups: NDArray[np.integer]) -> float:
    """Standard error of the mean of values (R,) whose groups (R,) alone are independent."""
    _, place = np.unique(groups, return_inverse=True)
    centred = np.asarray(values, np.float64) - np.mean(values, dtype=np.float64)
    sums = np.bincount(place, centred)
    count = len(sums)
    return float(np.sqrt(np.square(sums).sum() * count / (count - 1)) / len(values))
