"""What a drawn figure shows, and files that stand for figures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from pipeline.drawing.drawing import figure_style

OTHER_STYLE = {"font.size": 20, "lines.linewidth": 5, "savefig.dpi": 50, "axes.facecolor": "red"}
"""A user's own settings of Matplotlib."""


def sheet(figure: Figure) -> np.ndarray:
    """The images of the last axes, each pixel once."""
    (image,) = figure.axes[-1].images
    shown = np.asarray(image.get_array())
    repeat = shown.shape[1] // round(image.get_extent()[1])
    return shown[::repeat, ::repeat]


def place(canvas: np.ndarray, image: np.ndarray) -> tuple[int, int]:
    """Row and column of an image on a sheet, which must hold it exactly once."""
    height, width, _ = image.shape
    rows, columns = canvas.shape[0] - height + 1, canvas.shape[1] - width + 1
    corners = np.argwhere((canvas[:rows, :columns] == image[0, 0]).all(axis=-1))
    (found,) = (
        (int(row), int(column))
        for row, column in corners
        if np.array_equal(canvas[row : row + height, column : column + width], image)
    )
    return found


def assert_grid(canvas: np.ndarray, lines: Sequence[Sequence[np.ndarray]]) -> None:
    """Each line of images stands side by side in this order, and one line below the other."""
    tops = []
    for images in lines:
        rows, columns = zip(*(place(canvas, image) for image in images), strict=True)
        assert list(columns) == sorted(set(columns)) and len(set(rows)) == 1
        tops.append(rows[0])
    assert tops == sorted(set(tops))


def assert_words_apart(figure: Figure) -> None:
    """No label covers another one, and none leaves the figure."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    words = [*figure.axes[0].texts, *figure.texts]
    boxes = [text.get_window_extent(renderer) for text in words if text.get_text()]
    for i, box in enumerate(boxes):
        assert min(box.x0, box.y0, figure.bbox.x1 - box.x1, figure.bbox.y1 - box.y1) >= 0
        assert not any(box.overlaps(other) for other in boxes[:i])


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def looks(figure: Figure) -> np.ndarray:
    """A figure as pixels, few of them; set in the pipeline's style, as `write_figure` does."""
    figure.set_dpi(40)
    canvas = FigureCanvasAgg(figure)
    with figure_style():
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def noise(rows: int, size: int, **stacks: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Random images (rows, *stack, size, size, 3): each is found in one place of a sheet alone."""
    draw = np.random.default_rng(3)
    return {
        name: draw.integers(0, 256, (rows, *stack, size, size, 3), dtype=np.uint8)
        for name, stack in stacks.items()
    }


def stand_in(folder: Path, *stems: str) -> None:
    """Write the files of figures that nothing looks into: a single pixel."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem in stems:
        for suffix in ("png", "pdf"):
            Image.new("RGB", (1, 1)).save(folder / f"{stem}.{suffix}")
