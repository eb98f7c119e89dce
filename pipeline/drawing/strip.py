"""A strip of images, each below its name."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.drawing.sheet import RIGHT, Sheet, draw_sheet, gaps

__all__ = ["draw_strip"]

COLUMNS = 9
"""Images per row: the names of more of them would overlap."""


def draw_strip(
    images: Sequence[tuple[str, NDArray[np.uint8]]], words: Sequence[str], meta: Mapping[str, Any]
) -> Figure:
    """Images (H, W, 3) uint8 with their names, in rows of `COLUMNS`.

    `words` go into the footer, between scale and seed of `meta`.
    """
    sheet = Sheet()
    height, width = images[0][1].shape[:2]
    gap, between = gaps(width)  # names are between two rows
    for i, (name, image) in enumerate(images):
        x = i % COLUMNS * (width + gap)
        y = i // COLUMNS * (height + between)
        sheet.place(image, x, y)
        sheet.above(name, x, y, width, size=7)
    return draw_sheet(sheet, words, meta, left=RIGHT)
