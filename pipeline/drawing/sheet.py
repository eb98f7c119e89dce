"""Sheets of small images with text around them: the figures that consist of images.

Lengths are in the images' own pixels, and no image is ever resampled; uint8, (H, W, 3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from pipeline.drawing.drawing import add_footer, figure_style, whole_pixels

__all__ = ["RIGHT", "SAMPLES", "WIDTH", "Sheet", "draw_sheet", "gaps", "size_in_words"]

WIDTH = 7.4
"""Width of the figure within a dot per column, in inches like all lengths of the layout."""
LEFT, RIGHT, TOP, BOTTOM = 0.5, 0.06, 0.26, 0.24
"""Margins for labels."""
PRINTED = 2200
"""Least width of a PDF's images in pixels, which are repeated: viewers blur smaller ones."""
SAMPLES = r"samples $D(t^{-1}(v\,|\,z))$"
"""The heading of samples."""
FRAME = "#D55E00"
"""Colour of frames around images."""

Pixels = NDArray[np.uint8]


@dataclass
class Sheet:
    """Images at positions in their own pixels, and text around them."""

    images: list[tuple[Pixels, int, int]] = field(default_factory=list)
    words: list[tuple[str, float, float, dict[str, Any]]] = field(default_factory=list)
    frames: list[tuple[int, int, int, int]] = field(default_factory=list)
    rules: list[tuple[int, int, int]] = field(default_factory=list)

    def place(self, image: Pixels, x: int, y: int, framed: bool = False) -> None:
        """Put the upper left corner of an image at (x, y)."""
        self.images.append((np.asarray(image), x, y))
        if framed:
            self.frames.append((x, y, image.shape[1], image.shape[0]))

    def above(
        self, text: str, x: int, y: int, width: int, italic: bool = False, size: float = 8.5
    ) -> None:
        """Write above a column of that width with its top at y: a name, or a formula."""
        look = {"style": "italic"} if italic else {}
        options = {"xytext": (0, 2.5), "ha": "center", "va": "bottom", "fontsize": size, **look}
        self.words.append((str(text), x + width / 2, y, options))

    def beside(self, text: str, x: int, y: int, height: int, size: float = 9) -> None:
        """Write to the left of a row of that height."""
        options = {"xytext": (-4, 0), "ha": "right", "va": "center", "fontsize": size}
        self.words.append((text, x, y + height / 2, options))

    def inside(
        self,
        text: str,
        x: int,
        y: int,
        width: int,
        height: int,
        bold: bool = False,
        size: float = 7.5,
    ) -> None:
        """Write in the middle of a field of that size, such as a cell."""
        options = {"xytext": (0, 0), "ha": "center", "va": "center", "fontsize": size}
        look = {"weight": "bold"} if bold else {}
        self.words.append((text, x + width / 2, y + height / 2, {**options, **look}))

    def rule(self, x: int, y: int, width: int) -> None:
        """Draw a thin line from (x, y) to the right."""
        self.rules.append((x, y, width))

    def canvas(self, across: int, down: int = 0) -> Pixels:
        """All images on white, at least `across` pixels wide and `down` high."""
        width = max(across, *(x + image.shape[1] for image, x, _ in self.images))
        height = max(down, *(y + image.shape[0] for image, _, y in self.images))
        canvas = np.full((height, width, 3), 255, dtype=np.uint8)
        for image, x, y in self.images:
            canvas[y : y + image.shape[0], x : x + image.shape[1]] = image
        return canvas

    def write(self, axes: Axes) -> None:
        """Draw text, frames and lines on axes whose unit is one pixel."""
        for text, x, y, options in self.words:
            axes.annotate(
                text, (x, y), textcoords="offset points", annotation_clip=False, **options
            )
        for x, y, width, height in self.frames:
            axes.add_patch(
                Rectangle((x, y), width, height, fill=False, ec=FRAME, lw=1.3, clip_on=False)
            )
        for x, y, width in self.rules:
            axes.add_line(Line2D((x, x + width), (y, y), color="#888888", lw=0.6, clip_on=False))


def draw_sheet(
    sheet: Sheet,
    words: Sequence[str],
    meta: Mapping[str, Any],
    left: float = LEFT,
    across: int = 0,
    right: float = RIGHT,
    down: int = 0,
    top: float = TOP,
) -> Figure:
    """A figure of a sheet, with `words` in the footer between scale and seed of `meta`.

    left, right, top: margins in inches; across, down: least width and height in pixels.
    """
    with figure_style():
        canvas = sheet.canvas(across, down)
        rows, columns, _ = canvas.shape
        repeat, dpi = whole_pixels(columns, WIDTH - left - right)
        # In dots from here on: images aligned to whole dots are not resampled.
        wide, tall, before, below = (
            repeat * columns,
            repeat * rows,
            round(left * dpi),
            round(BOTTOM * dpi),
        )
        width = before + wide + round(right * dpi)
        height = below + tall + round(top * dpi)
        # Slightly more than whole: Matplotlib rounds down.
        figure = Figure(figsize=((width + 0.01) / dpi, (height + 0.01) / dpi), dpi=dpi)
        across_dots, up_dots = figure.get_size_inches() * dpi
        axes = figure.add_axes(
            (before / across_dots, below / up_dots, wide / across_dots, tall / up_dots)
        )
        repeat *= -(-PRINTED // wide)
        axes.imshow(
            canvas.repeat(repeat, axis=0).repeat(repeat, axis=1),
            extent=(0, columns, rows, 0),
            interpolation="none",
            aspect="auto",
        )
        axes.set_axis_off()
        sheet.write(axes)
        add_footer(figure, meta, words)
    return figure


def gaps(width: int) -> tuple[int, int]:
    """Pixels between images, and between groups of them."""
    return max(1, width // 24), max(3, width // 5)


def size_in_words(images: Pixels) -> str:
    """Width and height of images (..., H, W, 3)."""
    return f"{images.shape[-2]} × {images.shape[-3]} px"
