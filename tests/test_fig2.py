"""Figs. 2 and S4-S6 show every image where its labels say, and refuse what does not fit."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from synthetic_table1 import LAYERS, examples

from pipeline.errors import PipelineError
from pipeline.figures.drawing import save_figure
from pipeline.figures.fig2 import METHODS, draw_fig2, draw_figS4, draw_figS5, load_examples
from pipeline.storage import write_npz

META = {"scale": "laptop", "seed": 7}


def canvas(figure: Any) -> np.ndarray:
    """The images of a figure, each pixel once."""
    (image,) = figure.axes[0].images
    shown = np.asarray(image.get_array())
    repeat = shown.shape[1] // round(image.get_extent()[1])
    return shown[::repeat, ::repeat]


def texts(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


def place(sheet: np.ndarray, image: np.ndarray) -> tuple[int, int]:
    """Row and column of an image on a sheet, which must hold it exactly once."""
    height, width, _ = image.shape
    corners = np.argwhere((sheet[: 1 - height, : 1 - width] == image[0, 0]).all(axis=-1))
    found = [
        (row, column)
        for row, column in corners
        if np.array_equal(sheet[row : row + height, column : column + width], image)
    ]
    assert len(found) == 1
    return int(found[0][0]), int(found[0][1])


@pytest.mark.parametrize("inputs", [1, 2, 3])
def test_fig2_has_a_column_per_layer_and_a_row_per_method(inputs: int) -> None:
    shown = examples(inputs, samples=2)
    figure = draw_fig2(shown, META)
    sheet = canvas(figure)
    for example in range(inputs):
        top, left = place(sheet, shown["inputs"][example])
        columns, rows = [], []
        for images in shown["layers"].values():
            places = [
                place(sheet, images["ours"][example, 0]),
                place(sheet, images["dosovitskiy"][example]),
                place(sheet, images["mahendran"][example]),
            ]
            rows.append([row for row, _ in places])
            assert len({column for _, column in places}) == 1
            columns.append(places[0][1])
        assert columns == sorted(columns) and columns[0] > left
        assert all(row == rows[0] for row in rows)
        assert rows[0] == sorted(rows[0]) and rows[0][0] == top
    written = texts(figure)
    for name in METHODS.values():
        assert written.count(name) == inputs
    for name in ("conv5", "fc6", "fc7", "fc8", r"$\sigma$(fc8)"):
        assert written.count(name) == inputs
    assert [name for name in written if name in ("tiger", "snow leopard", "cow")] == [
        "tiger", "snow leopard", "cow",
    ][:inputs]  # fmt: skip
    assert any(f"N = {inputs} test images" in text for text in written)


def test_figS4_shows_all_samples_of_two_examples() -> None:
    shown = examples(3, samples=4)
    figure = draw_figS4(shown, META)
    sheet = canvas(figure)
    for example in range(2):
        heights = []
        for images in shown["layers"].values():
            samples = [place(sheet, image) for image in images["ours"][example]]
            other = place(sheet, images["dosovitskiy"][example])
            assert len({row for row, _ in [*samples, other]}) == 1
            assert [c for _, c in [*samples, other]] == sorted(c for _, c in [*samples, other])
            heights.append(other[0])
        assert heights == sorted(heights) and len(set(heights)) == len(LAYERS)
        assert place(sheet, shown["inputs"][example])[0] < heights[0]
    written = texts(figure)
    assert written.count("ours, 4 samples") == written.count("D&B") == 2
    assert any("scale laptop" in text and "seed 7" in text and "N = 2" in text for text in written)
    assert any("16 × 16 px" in text for text in written)


@pytest.mark.parametrize(("example", "samples"), [(0, 6), (1, 6), (1, 7), (0, 3), (0, 1)])
def test_figS5_shows_the_first_and_the_last_layer(example: int, samples: int) -> None:
    shown = examples(2, samples=samples)
    figure = draw_figS5(shown, META, example)
    sheet = canvas(figure)
    for layer in LAYERS:
        for image in (
            *shown["layers"][layer]["ours"][example],
            shown["layers"][layer]["dosovitskiy"][example],
        ):
            if layer in ("conv5", "output"):
                place(sheet, image)
            else:
                with pytest.raises(AssertionError):
                    place(sheet, image)
    written = texts(figure)
    assert "conv5" in written and r"$\sigma$(fc8)" in written and "fc7" not in written
    assert "input: " + ("tiger", "snow leopard")[example] in written


@pytest.mark.parametrize("size", [32, 128])
def test_labels_and_images_keep_apart(size: int) -> None:
    """No label covers an image or another label, and none leaves the figure."""
    shown = examples(2, samples=10, size=size)
    for figure in (draw_fig2(shown, META), draw_figS4(shown, META), draw_figS5(shown, META)):
        renderer = FigureCanvasAgg(figure).get_renderer()
        boxes = [
            text.get_window_extent(renderer)
            for text in figure.findobj(matplotlib.text.Text)
            if text.get_text()
        ]
        for i, box in enumerate(boxes):
            assert box.x0 >= 0 and box.y0 >= 0
            assert box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
            assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_figures_are_the_same_bytes_twice(tmp_path: Path) -> None:
    shown = examples(2, samples=3)
    for draw in (draw_fig2, draw_figS4, draw_figS5):
        first = save_figure(draw(shown, META), tmp_path / "first")
        with matplotlib.rc_context({"font.size": 20, "savefig.dpi": 50}):
            second = save_figure(draw(shown, META), tmp_path / "second")
        for one, other in zip(first, second, strict=True):
            assert one.read_bytes() == other.read_bytes()
    with Image.open(tmp_path / "first.png") as image:
        assert image.mode == "RGB"
        assert image.width == pytest.approx(7.4 * image.info["dpi"][0], rel=0.01)


def test_examples_are_read_from_npz(tmp_path: Path) -> None:
    shown = examples(2, samples=3)
    arrays = {
        f"{layer}_{method}": array
        for layer, images in shown["layers"].items()
        for method, array in images.items()
    }
    arrays |= {"inputs": shown["inputs"], "names": shown["names"], "other": np.zeros(3)}
    write_npz(tmp_path / "table1.npz", **arrays)
    found = load_examples(tmp_path / "table1.npz")
    assert list(found["layers"]) == list(LAYERS)
    assert np.array_equal(found["names"], shown["names"])
    for layer, images in shown["layers"].items():
        for method, array in images.items():
            assert np.array_equal(found["layers"][layer][method], array)
    del arrays["fc7_mahendran"]
    write_npz(tmp_path / "table1.npz", **arrays)
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(PipelineError, match="evaluate@table1"):
            load_examples(folder / "table1.npz")


def change(part: str, array: Any) -> dict[str, Any]:
    shown = examples(2, samples=3)
    if part in shown:
        return {**shown, part: array}
    shown["layers"]["fc6"][part] = array
    return shown


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        (change("inputs", np.zeros((2, 16, 16, 3))), "uint8 images of shape"),
        (change("inputs", np.zeros((0, 16, 16, 3), np.uint8)), "uint8 images of shape"),
        (change("names", ["tiger"]), "1 names do not fit 2 examples"),
        (change("layers", {}), "no layer to show"),
        (change("ours", np.zeros((2, 2, 16, 16, 3), np.uint8)), "'ours' of layer fc6"),
        (change("mahendran", np.zeros((2, 16, 16, 3))), "'mahendran' of layer fc6"),
        (change("dosovitskiy", np.zeros((2, 8, 8, 3), np.uint8)), "'dosovitskiy' of layer fc6"),
    ],
)
def test_bad_arrays_are_refused(shown: dict[str, Any], message: str) -> None:
    for draw in (draw_fig2, draw_figS4, draw_figS5):
        with pytest.raises(PipelineError, match=message):
            draw(shown, META)


def test_examples_that_are_not_there() -> None:
    with pytest.raises(PipelineError, match="two examples, not 1.*evaluate.table1.examples"):
        draw_figS4(examples(1), META)
    with pytest.raises(PipelineError, match="no example 2 among 2"):
        draw_figS5(examples(2), META, example=2)
