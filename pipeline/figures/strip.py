"""A strip of images side by side, each with its name above it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.figures.sheet import RIGHT, Sheet, draw_sheet, gaps

__all__ = ["draw_strip"]

COLUMNS = 9
"""Images side by side, before another row begins: words above more of them would overlap."""


def draw_strip(
    images: Sequence[tuple[str, NDArray[np.uint8]]], words: Sequence[str], meta: Mapping[str, Any]
) -> Figure:
    """Images (H, W, 3) uint8 with their names, in rows of `COLUMNS`.

    `words` stand between scale and seed, which `meta` holds, below them.
    """
    sheet = Sheet()
    height, width = images[0][1].shape[:2]
    gap, between = gaps(width)  # words above a row stand between two
    for i, (name, image) in enumerate(images):
        x = i % COLUMNS * (width + gap)
        y = i // COLUMNS * (height + between)
        sheet.place(image, x, y)
        sheet.above(name, x, y, width, size=7)
    return draw_sheet(sheet, words, meta, left=RIGHT)
