"""Sheets of animals: every row has its label and its pixels."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.figures.contact import draw_contact_sheet
from pipeline.figures.drawing import save_figure

META = {"scale": "laptop", "seed": 5}


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 16, 16, 3)).astype(np.uint8)


def canvas(figure: Any) -> np.ndarray:
    """The images of a figure, each pixel once."""
    (image,) = figure.axes[0].images
    pixels = np.asarray(image.get_array())
    repeat = pixels.shape[1] // round(image.get_extent()[1])
    return pixels[::repeat, ::repeat]


def test_species_have_their_names_and_images() -> None:
    images = pictures(3, 4)
    rows = dict(zip(["tiger", "brown_bear", "pig"], images, strict=True))
    figure = draw_contact_sheet(rows, ["animals"], META)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["tiger", "brown bear", "pig"]
    sheet = canvas(figure)
    for row in range(3):
        for column in range(4):
            cell = sheet[17 * row : 17 * row + 16, 17 * column : 17 * column + 16]
            assert np.array_equal(cell, images[row, column])
        assert axes.texts[row].xy == (0, 17 * row + 8)
    (footer,) = (text.get_text() for text in figure.texts)
    assert footer.split("  ·  ") == ["scale laptop", "animals", "16 × 16 px", "seed 5"]


def test_rows_of_factors_may_differ_in_length() -> None:
    rows = {"yaw": pictures(5), "coat swap": pictures(2)}
    figure = draw_contact_sheet(rows, [], META)
    sheet = canvas(figure)
    assert sheet.shape == (33, 84, 3)
    assert (sheet[17:, 34:] == 255).all()
    assert [text.get_text() for text in figure.axes[0].texts] == ["yaw", "coat swap"]


def test_sheets_are_the_same_bytes_twice(tmp_path: Path) -> None:
    rows = {"a": pictures(3), "b": pictures(3)}
    first = save_figure(draw_contact_sheet(rows, [], META), tmp_path / "first")
    with matplotlib.rc_context({"font.size": 20}):
        second = save_figure(draw_contact_sheet(rows, [], META), tmp_path / "second")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({}, "shape"),
        ({"yaw": pictures()}, "shape"),
        ({"yaw": pictures(0)}, "shape"),
        ({"yaw": pictures(2).astype(np.float32)}, "uint8"),
        ({"yaw": pictures(2), "light": pictures(2)[:, 1:, 1:]}, "different sizes"),
    ],
)
def test_bad_rows(rows: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        draw_contact_sheet(rows, [], META)
