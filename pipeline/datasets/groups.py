"""Images that are not independent: of one person, or of one digit in several colours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.color_digits import ColorDigits
from pipeline.datasets.images import Images, ImageSet

__all__ = ["groups_of"]


def groups_of(images: Images) -> NDArray[np.intp]:
    """The number of each image's group, (R,): of its person or its digit, or else its own."""
    if isinstance(images, ImageSet) and "identity" in images.truth:
        return np.unique(images.truth["identity"], return_inverse=True)[1]
    if isinstance(images, ColorDigits):
        strokes = images.strokes.flatten(1).numpy()
        return np.unique(strokes, axis=0, return_inverse=True)[1]
    return np.arange(len(images))
