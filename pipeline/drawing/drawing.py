"""What all figures share: style, footer, legend, and reproducible files."""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from pipeline.storage import write_bytes

__all__ = [
    "add_footer",
    "add_legend",
    "figure_style",
    "save_figure",
    "whole_pixels",
    "write_figure",
]

DPI = 200
"""Dots per inch of a PNG; figures of images choose their own near it, by `whole_pixels`."""
FOOTER, LEGEND = 0.2, 0.24
"""Inches at the bottom of charts for the footer, and for a legend above it."""
SUFFIXES = ("png", "pdf")
# Otherwise a PDF names the date and the version of Matplotlib.
_METADATA: dict[str, str | None] = {"CreationDate": None, "Creator": None, "Producer": None}


@contextmanager
def figure_style() -> Iterator[None]:
    """The pipeline's style, whatever the user's own matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        style.use(Path(__file__).with_name("style.mplstyle"))
        yield


def whole_pixels(columns: int, inches: float) -> tuple[int, int]:
    """Dots per side of a pixel for images `columns` wide, and the figure's dots per inch.

    At this resolution the images are `inches` wide, within a dot per column, and each of their
    pixels is a square of dots: they stay sharp, and a PNG of them small.
    """
    # Rather more dots than fewer, for the sake of text: at least three quarters of DPI.
    repeat = max(1, math.ceil(DPI * inches / columns - 1 / 3))
    return repeat, max(1, round(repeat * columns / inches))


def add_footer(figure: Figure, meta: Mapping[str, Any], words: Sequence[str]) -> None:
    """Write the scale of `meta`, `words` and the seed of `meta` at the lower right.

    A figure with a constrained layout makes room for it, and for a legend added before.
    """
    height = figure.get_size_inches()[1]
    if figure.get_layout_engine() is not None:
        room = (FOOTER + LEGEND * bool(figure.legends)) / height
        figure.set_layout_engine("constrained", rect=(0, room, 1, 1 - room))
    footer = "  ·  ".join([f"scale {meta['scale']}", *words, f"seed {meta['seed']}"])
    figure.text(0.99, 0.06 / height, footer, ha="right", fontsize=7, color="#555555")


def add_legend(figure: Figure, handles: Sequence[Artist], columns: int) -> None:
    """One legend of labelled `handles` for all panels, between them and the footer."""
    low = FOOTER / figure.get_size_inches()[1]
    figure.legend(handles=handles, loc="lower center", ncols=columns, bbox_to_anchor=(0.5, low))


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Save a figure as `<stem>.png` and `<stem>.pdf`, atomically.

    The same figure always gives the same bytes: no dates, no random identifiers.

    Raises:
        PipelineError: the folder cannot be written.
    """
    saved = [stem.with_name(f"{stem.name}.{suffix}") for suffix in SUFFIXES]
    for target in saved:
        write_figure(figure, target)
    return saved


def write_figure(figure: Figure, file: Path) -> None:
    """Save a figure as `file`, a .png or .pdf, like `save_figure`."""
    buffer = io.BytesIO()
    with figure_style():
        if file.suffix.lower() == ".png":
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            # Figures are opaque: an alpha channel would only make files larger.
            drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
            drawn.save(buffer, "PNG", dpi=(figure.dpi, figure.dpi))
        else:
            figure.savefig(buffer, format="pdf", metadata=_METADATA)
    write_bytes(file, buffer.getvalue())
