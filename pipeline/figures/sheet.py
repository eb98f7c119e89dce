"""Sheets of small images with words around them, for figures that show what a network holds.

All lengths of images are in their own pixels, so that none is ever resampled; uint8, (H, W, 3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from pipeline.figures.drawing import figure_style

__all__ = ["RIGHT", "WIDTH", "Sheet", "draw_sheet", "gaps", "size_in_words"]

WIDTH = 7.4
"""Inches, as all lengths of the layout: of the figure."""
LEFT, RIGHT, TOP, BOTTOM = 0.5, 0.06, 0.26, 0.24
"""White around the images, for labels."""
PRINTED = 2200
"""Pixels across that the images get at least, by repeating them: they stay sharp on paper."""
FRAME = "#D55E00"
"""Colour of the frames around images that stand out."""

Pixels = NDArray[np.uint8]


@dataclass
class Sheet:
    """Images at places given in their own pixels, and words around them."""

    images: list[tuple[Pixels, int, int]] = field(default_factory=list)
    words: list[tuple[str, float, float, dict[str, Any]]] = field(default_factory=list)
    frames: list[tuple[int, int, int, int]] = field(default_factory=list)

    def place(self, image: Pixels, x: int, y: int, framed: bool = False) -> None:
        """Put the upper left corner of an image at (x, y)."""
        self.images.append((np.asarray(image), x, y))
        if framed:
            self.frames.append((x, y, image.shape[1], image.shape[0]))

    def above(
        self, text: str, x: int, y: int, width: int, italic: bool = False, size: float = 8.5
    ) -> None:
        """Write above a column of that width, whose top is at y."""
        look = {"style": "italic"} if italic else {}
        options = {"xytext": (0, 2.5), "ha": "center", "va": "bottom", "fontsize": size, **look}
        self.words.append((str(text).replace("_", " "), x + width / 2, y, options))

    def beside(self, text: str, x: int, y: int, height: int) -> None:
        """Write at the left of a row of that height."""
        options = {"xytext": (-4, 0), "ha": "right", "va": "center"}
        self.words.append((text, x, y + height / 2, options))

    def canvas(self, across: int) -> Pixels:
        """All images on white, at least `across` pixels wide."""
        width = max(across, *(x + image.shape[1] for image, x, _ in self.images))
        height = max(y + image.shape[0] for image, _, y in self.images)
        canvas = np.full((height, width, 3), 255, dtype=np.uint8)
        for image, x, y in self.images:
            canvas[y : y + image.shape[0], x : x + image.shape[1]] = image
        return canvas

    def write(self, axes: Axes) -> None:
        """Draw the words and frames on axes whose unit is one pixel."""
        for text, x, y, options in self.words:
            axes.annotate(
                text, (x, y), textcoords="offset points", annotation_clip=False, **options
            )
        for x, y, width, height in self.frames:
            axes.add_patch(
                Rectangle((x, y), width, height, fill=False, ec=FRAME, lw=1.3, clip_on=False)
            )


def draw_sheet(
    sheet: Sheet,
    words: Sequence[str],
    meta: Mapping[str, Any],
    left: float = LEFT,
    across: int = 0,
    right: float = RIGHT,
) -> Figure:
    """A figure of a sheet; `words` stand between scale and seed, which `meta` holds, below it.

    left, right: white at the sides, in inches; across: pixels that the sheet is wide at least.
    """
    with figure_style():
        canvas = sheet.canvas(across)
        rows, columns, _ = canvas.shape
        wide = WIDTH - left - right
        tall = wide * rows / columns
        height = tall + TOP + BOTTOM
        figure = Figure(figsize=(WIDTH, height))
        place = (left / WIDTH, BOTTOM / height, wide / WIDTH, tall / height)
        axes = figure.add_axes(place)
        repeat = -(-PRINTED // columns)
        axes.imshow(
            canvas.repeat(repeat, axis=0).repeat(repeat, axis=1),
            extent=(0, columns, rows, 0),
            interpolation="antialiased",
            aspect="auto",
        )
        axes.set_axis_off()
        sheet.write(axes)
        footer = "  ·  ".join([f"scale {meta['scale']}", *words, f"seed {meta['seed']}"])
        figure.text(0.99, 0.06 / height, footer, ha="right", fontsize=7, color="#555555")
    return figure


def gaps(width: int) -> tuple[int, int]:
    """Pixels between images, and between groups of them."""
    return max(1, width // 24), max(3, width // 5)


def size_in_words(images: Pixels) -> str:
    """Width and height of images (..., H, W, 3)."""
    return f"{images.shape[-2]} × {images.shape[-3]} px"
