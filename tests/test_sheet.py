"""Sheets of images: each pixel is a square of dots of the PNG, whatever the sizes."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.figures.drawing import DPI, save_figure, whole_pixels
from pipeline.figures.sheet import LEFT, RIGHT, WIDTH, Sheet, draw_sheet

META = {"scale": "laptop", "seed": 3}


def noise(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(size).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize(("count", "size"), [(3, 8), (9, 64), (7, 63), (5, 128), (13, 128)])
@pytest.mark.parametrize("left", [LEFT, 0.777])
def test_pixels_are_whole_in_a_png(tmp_path: Path, count: int, size: int, left: float) -> None:
    sheet = Sheet()
    images = noise(count, size)
    for i, image in enumerate(images):
        sheet.place(image, i * (size + 2), 0)
    figure = draw_sheet(sheet, [], META, left=left)
    png, _ = save_figure(figure, tmp_path / "sheet")
    written = Image.open(io.BytesIO(png.read_bytes()))
    assert written.mode == "RGB"
    columns = count * (size + 2) - 2
    repeat, dpi = whole_pixels(columns, WIDTH - left - RIGHT)
    assert abs(written.width / dpi - WIDTH) < columns / dpi / 2 + 0.01
    x = round(left * dpi)
    shown = np.asarray(written)[:, x : x + repeat * columns]
    top = int(np.flatnonzero((shown != 255).any(axis=(1, 2)))[0])
    expected = sheet.canvas(0).repeat(repeat, axis=0).repeat(repeat, axis=1)
    assert np.array_equal(shown[top : top + repeat * size], expected)


@pytest.mark.parametrize(("columns", "inches"), [(612, 6.6), (30, 7.0), (5000, 7.0), (1, 0.001)])
def test_repeats_are_whole(columns: int, inches: float) -> None:
    repeat, dpi = whole_pixels(columns, inches)
    assert repeat >= 1 and dpi >= 0.75 * DPI - 1
    if columns > 1:
        assert abs(repeat * columns / dpi - inches) < 0.02 * inches
