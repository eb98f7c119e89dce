"""Contact sheets: rows of labelled images, such as what the species are or a factor changes.

Draws from pixels alone: images are uint8 of shape (..., H, W, 3), H and W the same in all rows.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.figures.drawing import figure_style

__all__ = ["draw_sheet"]

Pixels = NDArray[np.uint8]

WIDTH, LABEL, MARGIN = 7.4, 0.95, 0.06
"""Inches, as all lengths of the layout: the figure, the column of names, the white around."""
GAP = 2
"""White pixels between two images."""


def draw_sheet(rows: Mapping[str, Pixels]) -> Figure:
    """One labelled row of images (K, H, W, 3) per species, factor or variant, in that order.

    Rows may differ in their number of images.

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
    columns = max(len(images) for images in pixels.values())
    first = next(iter(pixels.values()))
    height, width = first.shape[1] + GAP, first.shape[2] + GAP
    sheet = np.full((len(pixels) * height - GAP, columns * width - GAP, 3), 255, np.uint8)
    for row, images in enumerate(pixels.values()):
        for column, image in enumerate(images):
            top, left = row * height, column * width
            sheet[top : top + height - GAP, left : left + width - GAP] = image
    across = WIDTH - LABEL - MARGIN
    up = across * sheet.shape[0] / sheet.shape[1]
    total = up + 2 * MARGIN
    with figure_style():
        figure = Figure(figsize=(WIDTH, total))
        axes = figure.add_axes((LABEL / WIDTH, MARGIN / total, across / WIDTH, up / total))
        axes.imshow(sheet, aspect="auto")
        axes.set_axis_off()
        for row, name in enumerate(pixels):
            axes.annotate(
                name.replace("_", " "),
                (0, row * height + (height - GAP) / 2),
                (-5, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                annotation_clip=False,
            )
    return figure


def _fits(images: Pixels) -> bool:
    return (
        images.dtype == np.uint8
        and images.ndim == 4
        and images.shape[-1] == 3
        and 0 not in images.shape
    )
