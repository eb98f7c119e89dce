"""Files of figures: the same bytes at any time, in any style, and nothing beside them."""

from pathlib import Path

import matplotlib
import pytest
from drawn import OTHER_STYLE
from matplotlib.figure import Figure
from PIL import Image

from pipeline.figures.drawing import add_footer, figure_style, save_figure


def chart() -> Figure:
    with figure_style():
        figure = Figure(figsize=(7.4, 2), dpi=100)
        figure.subplots().plot([1, 3, 2], label="variance")
        add_footer(figure, {"scale": "laptop", "seed": 5}, ["N = 3"])
        return figure


def test_files_are_the_same_bytes_twice(tmp_path: Path) -> None:
    first = save_figure(chart(), tmp_path / "first")
    with matplotlib.rc_context(OTHER_STYLE):
        second = save_figure(chart(), tmp_path / "second")
    assert [path.name for path in first] == ["first.png", "first.pdf"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert b"Matplotlib" not in one.read_bytes()
        assert b"CreationDate" not in one.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "first.pdf", "first.png", "second.pdf", "second.png",
    ]  # fmt: skip


def test_a_png_is_opaque_and_knows_its_size(tmp_path: Path) -> None:
    png, _ = save_figure(chart(), tmp_path / "chart")
    with Image.open(png) as image:
        assert image.mode == "RGB"
        assert image.width == pytest.approx(7.4 * image.info["dpi"][0], abs=1)
