"""Sheets of animals: every row has its label and its pixels."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.figures.drawing import save_figure
from pipeline.figures.sheets import draw_sheet


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 16, 16, 3)).astype(np.uint8)


def test_species_have_their_names_and_images() -> None:
    images = pictures(3, 4)
    figure = draw_sheet(dict(zip(["tiger", "brown_bear", "pig"], images, strict=True)))
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["tiger", "brown bear", "pig"]
    sheet = np.asarray(axes.images[0].get_array())
    for row in range(3):
        for column in range(4):
            cell = sheet[18 * row : 18 * row + 16, 18 * column : 18 * column + 16]
            assert np.array_equal(cell, images[row, column])
        assert axes.texts[row].xy == (0, 18 * row + 8)


def test_rows_of_factors_may_differ_in_length() -> None:
    rows = {"yaw": pictures(5), "coat swap": pictures(2)}
    (axes,) = draw_sheet(rows).axes
    sheet = np.asarray(axes.images[0].get_array())
    assert sheet.shape == (34, 88, 3)
    assert (sheet[18:, 36:] == 255).all()
    assert [text.get_text() for text in axes.texts] == ["yaw", "coat swap"]


def test_sheets_are_the_same_bytes_twice(tmp_path: Path) -> None:
    first = save_figure(draw_sheet({"a": pictures(3), "b": pictures(3)}), tmp_path / "first")
    with matplotlib.rc_context({"font.size": 20}):
        second = save_figure(draw_sheet({"a": pictures(3), "b": pictures(3)}), tmp_path / "second")
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
        draw_sheet(rows)
