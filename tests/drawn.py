"""What a drawn figure shows, and files that stand for figures."""

from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from pipeline.figures.drawing import figure_style

OTHER_STYLE = {"font.size": 20, "lines.linewidth": 5, "savefig.dpi": 50, "axes.facecolor": "red"}
"""A user's own settings of Matplotlib."""


def sheet(figure: Figure) -> np.ndarray:
    """The images of a figure, each pixel once."""
    (image,) = figure.axes[0].images
    shown = np.asarray(image.get_array())
    repeat = shown.shape[1] // round(image.get_extent()[1])
    return shown[::repeat, ::repeat]


def places(canvas: np.ndarray, image: np.ndarray) -> list[tuple[int, int]]:
    """Every row and column at which an image stands on a sheet."""
    height, width, _ = image.shape
    rows, columns = canvas.shape[0] - height + 1, canvas.shape[1] - width + 1
    corners = np.argwhere((canvas[:rows, :columns] == image[0, 0]).all(axis=-1))
    return [
        (int(row), int(column))
        for row, column in corners
        if np.array_equal(canvas[row : row + height, column : column + width], image)
    ]


def place(canvas: np.ndarray, image: np.ndarray) -> tuple[int, int]:
    """Row and column of an image on a sheet, which must hold it exactly once."""
    (found,) = places(canvas, image)
    return found


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def looks(draw: Callable[[], Figure]) -> np.ndarray:
    """A figure as pixels, few of them; set in the pipeline's style, as `write_figure` does."""
    figure = draw()
    figure.set_dpi(40)
    canvas = FigureCanvasAgg(figure)
    with figure_style():
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def assert_same_in_another_style(draw: Callable[[], Figure]) -> None:
    """A figure looks the same whatever a user's matplotlibrc says."""
    expected = looks(draw)
    with matplotlib.rc_context(OTHER_STYLE):
        assert np.array_equal(looks(draw), expected)


def stand_in(folder: Path, *stems: str) -> None:
    """Write the files of figures that nothing looks into: a single pixel."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem in stems:
        for suffix in ("png", "pdf"):
            Image.new("RGB", (1, 1)).save(folder / f"{stem}.{suffix}")
