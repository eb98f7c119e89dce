"""Figs. 2 and S4-S6 show every image where its labels say, and refuse what does not fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from drawn import assert_same_in_another_style, place, places, sheet, texts
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from synthetic_table1 import LAYERS, examples

from pipeline.errors import PipelineError
from pipeline.figures.fig2 import METHODS, draw_fig2, draw_figS4, draw_figS5, load_examples
from pipeline.storage import write_npz

META = {"scale": "laptop", "seed": 7}


@pytest.mark.parametrize("inputs", [1, 2, 3])
def test_fig2_has_a_column_per_layer_and_a_row_per_method(inputs: int) -> None:
    shown = examples(inputs, samples=2)
    figure = draw_fig2(shown, META)
    canvas = sheet(figure)
    for example in range(inputs):
        top, left = place(canvas, shown["inputs"][example])
        below, beneath = place(canvas, shown["reconstructions"][example])
        assert beneath == left and below > top + shown["inputs"].shape[1]
        columns, rows = [], []
        for images in shown["layers"].values():
            places = [
                place(canvas, images["ours"][example, 0]),
                place(canvas, images["dosovitskiy"][example]),
                place(canvas, images["mahendran"][example]),
            ]
            rows.append([row for row, _ in places])
            assert len({column for _, column in places}) == 1
            columns.append(places[0][1])
        assert columns == sorted(columns) and columns[0] > left
        assert all(row == rows[0] for row in rows)
        assert rows[0] == sorted(rows[0]) and rows[0][0] == top
    written = texts(figure)
    for name in (*METHODS.values(), "$D(E(x))$"):
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
    canvas = sheet(figure)
    for example in range(2):
        heights = []
        for images in shown["layers"].values():
            samples = [place(canvas, image) for image in images["ours"][example]]
            other = place(canvas, images["dosovitskiy"][example])
            assert len({row for row, _ in [*samples, other]}) == 1
            assert [c for _, c in [*samples, other]] == sorted(c for _, c in [*samples, other])
            heights.append(other[0])
        assert heights == sorted(heights) and len(set(heights)) == len(LAYERS)
        top, left = place(canvas, shown["inputs"][example])
        beside = place(canvas, shown["reconstructions"][example])
        assert top < heights[0] and beside[0] == top and beside[1] > left
    written = texts(figure)
    assert written.count("$D(E(x))$") == 2
    assert written.count("ours, 4 samples") == written.count("D&B") == 2
    assert any("scale laptop" in text and "seed 7" in text and "N = 2" in text for text in written)
    assert any("16 × 16 px" in text for text in written)


@pytest.mark.parametrize(("example", "samples"), [(0, 6), (1, 6), (1, 7), (0, 3), (0, 1)])
def test_figS5_shows_the_first_and_the_last_layer(example: int, samples: int) -> None:
    shown = examples(2, samples=samples)
    figure = draw_figS5(shown, META, example)
    canvas = sheet(figure)
    for layer in LAYERS:
        for image in (
            *shown["layers"][layer]["ours"][example],
            shown["layers"][layer]["dosovitskiy"][example],
        ):
            if layer in ("conv5", "output"):
                place(canvas, image)
            else:
                assert not places(canvas, image)
    written = texts(figure)
    assert "conv5" in written and r"$\sigma$(fc8)" in written and "fc7" not in written
    assert "input: " + ("tiger", "snow leopard")[example] in written


@pytest.mark.parametrize(("size", "samples"), [(32, 10), (64, 6), (128, 10)])
def test_labels_and_images_keep_apart(size: int, samples: int) -> None:
    """No label covers an image or another label, and none leaves the figure."""
    shown = examples(2, samples=samples, size=size)
    images = [*shown["inputs"], *shown["reconstructions"]]
    images += [*shown["layers"]["conv5"]["ours"].reshape(-1, size, size, 3)]
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
        found = [place for image in images for place in places(sheet(figure), image)]
        assert found
        for y, x in found:
            corners = [(x, y), (x + size, y + size)]
            shown_at = Bbox(figure.axes[0].transData.transform(corners)).padded(-1)  # pixels
            assert not any(box.overlaps(shown_at) for box in boxes)


@pytest.mark.parametrize("draw", [draw_fig2, draw_figS4, draw_figS5])
def test_figures_look_the_same_in_another_style(draw: Callable[..., Figure]) -> None:
    shown = examples(2, samples=3)
    assert_same_in_another_style(lambda: draw(shown, META))


def test_examples_are_read_from_npz(tmp_path: Path) -> None:
    shown = examples(2, samples=3)
    arrays = {
        f"{layer}_{method}": array
        for layer, images in shown["layers"].items()
        for method, array in images.items()
    }
    kept = {name: shown[name] for name in ("inputs", "reconstructions", "names")}
    arrays |= kept | {"other": np.zeros(3)}
    write_npz(tmp_path / "table1.npz", **arrays)
    found = load_examples(tmp_path / "table1.npz")
    assert list(found["layers"]) == list(LAYERS)
    assert all(np.array_equal(found[name], array) for name, array in kept.items())
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
        (
            change("reconstructions", np.zeros((2, 16, 16, 3))),
            "reconstructions shown must be uint8",
        ),
        (change("reconstructions", np.zeros((1, 16, 16, 3), np.uint8)), "not uint8 .1, 16"),
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
