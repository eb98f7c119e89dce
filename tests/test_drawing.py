"""Files of figures: always the same bytes, in any style; sheets of images, pixel by pixel."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from drawn import OTHER_STYLE, assert_grid, assert_words_apart, noise, place, sheet, texts
from matplotlib.figure import Figure
from PIL import Image

from pipeline.drawing.contact import draw_contact_sheet
from pipeline.drawing.drawing import add_footer, figure_style, save_figure, whole_pixels
from pipeline.drawing.sheet import LEFT, RIGHT, WIDTH, Sheet, draw_sheet
from pipeline.drawing.strip import COLUMNS, draw_strip
from pipeline.errors import PipelineError

META = {"scale": "laptop", "seed": 5}


def pictures(count: int, size: int = 16) -> np.ndarray:
    return noise(count, size, images=())["images"]


def chart() -> Figure:
    with figure_style():
        figure = Figure(figsize=(7.4, 2), dpi=100)
        figure.subplots().plot([1, 3, 2], label="variance")
        add_footer(figure, META, ["N = 3"])
        return figure


def test_files_are_the_same_bytes_twice(tmp_path: Path) -> None:
    first = save_figure(chart(), tmp_path / "first")
    with matplotlib.rc_context(OTHER_STYLE):
        second = save_figure(chart(), tmp_path / "second")
    assert [file.name for file in first] == ["first.png", "first.pdf"]
    assert sorted(tmp_path.iterdir()) == sorted([*first, *second])
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert not any(word in one.read_bytes() for word in (b"Matplotlib", b"CreationDate"))
    with Image.open(first[0]) as image:
        assert image.mode == "RGB"  # opaque
        assert image.width == pytest.approx(7.4 * image.info["dpi"][0], abs=1)


@pytest.mark.parametrize(("count", "size"), [(3, 8), (7, 63), (13, 128)])
@pytest.mark.parametrize("left", [LEFT, 0.777])
def test_pixels_are_squares(tmp_path: Path, count: int, size: int, left: float) -> None:
    drawn = Sheet()
    for i, image in enumerate(pictures(count, size)):
        drawn.place(image, i * (size + 2), 0)
    png, _ = save_figure(draw_sheet(drawn, [], META, left=left), tmp_path / "sheet")
    columns = count * (size + 2) - 2
    repeat, dpi = whole_pixels(columns, WIDTH - left - RIGHT)
    written = np.asarray(Image.open(png))
    assert abs(written.shape[1] / dpi - WIDTH) < columns / dpi / 2 + 0.01
    expected = drawn.canvas(0).repeat(repeat, axis=0).repeat(repeat, axis=1)
    assert place(written, expected)[1] == round(left * dpi)


def test_contact_sheets_and_strips_have_rows_of_named_images() -> None:
    images = pictures(COLUMNS + 1)
    figure = draw_contact_sheet({"tiger": images[:5], "brown_bear": images[5:7]}, ["animals"], META)
    assert_grid(sheet(figure), [images[:5], images[5:7]])
    assert [text.get_text() for text in figure.axes[0].texts] == ["tiger", "brown bear"]
    footer = texts(figure)[-1]
    assert all(words in footer for words in ("scale laptop", "animals", "16 × 16 px", "seed 5"))
    names = [f"+{i}" for i in range(COLUMNS + 1)]  # one more than fits in a row
    figure = draw_strip(list(zip(names, images, strict=True)), [], META)
    assert_grid(sheet(figure), [images[:COLUMNS], images[COLUMNS:]])
    assert [text.get_text() for text in figure.axes[0].texts] == names
    assert_words_apart(figure)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({}, "shape"), ({"yaw": pictures(1)[0]}, "shape"), ({"yaw": pictures(0)}, "shape"),
        ({"yaw": pictures(2).astype(np.float32)}, "uint8"),
        ({"yaw": pictures(2), "light": pictures(2, 15)}, "different sizes"),
    ],
)  # fmt: skip
def test_bad_rows(rows: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        draw_contact_sheet(rows, [], META)
