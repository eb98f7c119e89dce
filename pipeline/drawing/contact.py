"""Contact sheets: labelled rows of images, such as the species or what a factor changes.

Images are uint8 of shape (..., H, W, 3), of one size in all rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.drawing.sheet import RIGHT, Sheet, draw_sheet, gaps, size_in_words
from pipeline.errors import PipelineError

__all__ = ["draw_contact_sheet"]

LEFT = 0.95
"""Inches at the left for the names of rows."""
SIZE = 8.5
"""Points of these names; the longest are like `light elevation`."""

Pixels = NDArray[np.uint8]


def draw_contact_sheet(
    rows: Mapping[str, Pixels], words: Sequence[str], meta: Mapping[str, Any]
) -> Figure:
    """One labelled row of images (K, H, W, 3) per species, factor or variant, in that order.

    Rows may differ in their number of images. `words` go into the footer, between scale and seed of
    `meta`.

    Raises:
        PipelineError: arrays whose shapes do not fit.
    """
    pixels = {name: np.asarray(images) for name, images in rows.items()}
    if not pixels or not all(_fits(images) for images in pixels.values()):
        raise PipelineError(
            "a contact sheet needs uint8 images of shape (K, H, W, 3) in every row: "
            "pass images as they are stored."
        )
    if len({images.shape[1:] for images in pixels.values()}) > 1:
        raise PipelineError("the rows of a sheet hold images of different sizes: use one size.")
    first = next(iter(pixels.values()))
    height, width = first.shape[1:3]
    gap, _ = gaps(width)
    sheet = Sheet()
    for row, (name, images) in enumerate(pixels.items()):
        y = row * (height + gap)
        sheet.beside(name.replace("_", " "), 0, y, height, size=SIZE)
        for column, image in enumerate(images):
            sheet.place(image, column * (width + gap), y)
    return draw_sheet(sheet, [*words, size_in_words(first)], meta, left=LEFT, top=RIGHT)


def _fits(images: Pixels) -> bool:
    return (
        images.dtype == np.uint8
        and images.ndim == 4
        and images.shape[-1] == 3
        and 0 not in images.shape
    )
