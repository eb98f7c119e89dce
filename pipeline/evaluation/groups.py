"""Test images that are not independent: of one person, or of one digit in several colours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.color_digits import ColorDigits
from pipeline.datasets.images import Images, ImageSet

__all__ = ["draw_groups", "groups_of", "standard_error"]


def groups_of(images: Images) -> NDArray[np.intp]:
    """The number of each image's group, (R,): of its person or its digit, or else its own."""
    if isinstance(images, ImageSet) and "identity" in images.truth:
        return np.unique(images.truth["identity"], return_inverse=True)[1]
    if isinstance(images, ColorDigits):
        strokes = images.strokes.flatten(1).numpy()
        return np.unique(strokes, axis=0, return_inverse=True)[1]
    return np.arange(len(images))


def draw_groups(groups: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.intp]:
    """Rows of a bootstrap sample of images: as many groups as there are, drawn with replacement."""
    order = np.argsort(groups, kind="stable")
    _, first = np.unique(groups[order], return_index=True)
    members = np.split(order, first[1:])
    drawn = rng.integers(0, len(members), len(members))
    return np.concatenate([members[one] for one in drawn])


def standard_error(values: NDArray[np.floating], groups: NDArray[np.integer]) -> float:
    """Standard error of the mean of values (R,) whose groups (R,) alone are independent."""
    _, place = np.unique(groups, return_inverse=True)
    centred = np.asarray(values, np.float64) - np.mean(values, dtype=np.float64)
    sums = np.bincount(place, centred)
    count = len(sums)
    return float(np.sqrt(np.square(sums).sum() * count / (count - 1)) / len(values))
