"""Sheets of animals: every row has its label and its pixels."""

import numpy as np
import pytest
from drawn import assert_same_in_another_style, sheet

from pipeline.errors import PipelineError
from pipeline.figures.contact import draw_contact_sheet

META = {"scale": "laptop", "seed": 5}


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 16, 16, 3)).astype(np.uint8)


def test_species_have_their_names_and_images() -> None:
    images = pictures(3, 4)
    rows = dict(zip(["tiger", "brown_bear", "pig"], images, strict=True))
    figure = draw_contact_sheet(rows, ["animals"], META)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["tiger", "brown bear", "pig"]
    canvas = sheet(figure)
    for row in range(3):
        for column in range(4):
            cell = canvas[17 * row : 17 * row + 16, 17 * column : 17 * column + 16]
            assert np.array_equal(cell, images[row, column])
        assert axes.texts[row].xy == (0, 17 * row + 8)
    (footer,) = (text.get_text() for text in figure.texts)
    assert footer.split("  ·  ") == ["scale laptop", "animals", "16 × 16 px", "seed 5"]


def test_rows_of_factors_may_differ_in_length() -> None:
    rows = {"yaw": pictures(5), "coat swap": pictures(2)}
    figure = draw_contact_sheet(rows, [], META)
    canvas = sheet(figure)
    assert canvas.shape == (33, 84, 3)
    assert (canvas[17:, 34:] == 255).all()
    assert [text.get_text() for text in figure.axes[0].texts] == ["yaw", "coat swap"]


def test_sheets_look_the_same_in_another_style() -> None:
    rows = {"a": pictures(3), "b": pictures(3)}
    assert_same_in_another_style(lambda: draw_contact_sheet(rows, [], META))


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
