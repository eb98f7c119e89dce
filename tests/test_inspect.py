"""The report on one layer: what is measured, drawn and written, in a world whose answers are known.

An image shows the six numbers of z_bar, tanh of each on a patch of its own. The layer holds the
first three of them; the other three it has thrown away.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from drawn import places, sheet, texts
from torch import Tensor, nn

from pipeline.datasets.fingerprint import check_fingerprint, fingerprint
from pipeline.errors import PipelineError
from pipeline.evaluation.inspect_layer import InspectedLayer, Split, inspect_layer
from pipeline.figures.inspect import FIGURES, draw_nearest, draw_samples, draw_variance
from pipeline.reporting.inspection import NUMBERS, inspection_metrics, write_inspection

HELD, DIMENSIONS, PATCH = 3, 6, 4
SIZES = {"inputs": 40, "samples": 30, "rows": 3, "columns": 5, "nearest": 4, "bootstrap": 30}


class Decoder(nn.Module):
    """D: six patches, in two rows of three, equal in all channels."""

    def decode(self, z_bar: Tensor) -> Tensor:
        patches = z_bar.tanh().view(-1, 1, 2, HELD).expand(-1, 3, -1, -1)
        return patches.repeat_interleave(PATCH, 2).repeat_interleave(PATCH, 3)


class Network(nn.Module):
    """f: the class is the largest of the held numbers; Phi reads them off the image."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.scale = nn.Identity(), nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images[:, 0, 0, ::PATCH] * self.scale)


class Sampler(nn.Module):
    """t: z_bar = (what z says, v), or v alone if it `ignores` z."""

    def __init__(self, ignores: bool = False) -> None:
        super().__init__()
        self.ignores, self.scale = ignores, nn.Parameter(torch.ones(()))

    def inverse(self, v: Tensor, z: Tensor) -> Tensor:
        if self.ignores:
            return v
        held = z.clamp(-0.9999, 0.9999).atanh().repeat_interleave(len(v) // len(z), 0)
        return torch.cat([held, v[:, HELD:]], dim=1)

    def forward(self, z_bar: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        return 2 * z_bar, torch.full((len(z),), DIMENSIONS * np.log(2.0))


class Patches:
    """A split of the data set."""

    def __init__(self, z_bar: Tensor) -> None:
        self.z_bar, self.label = z_bar, z_bar[:, :HELD].argmax(1)

    def __len__(self) -> int:
        return len(self.z_bar)

    def images(self, indices: Tensor | slice) -> Tensor:
        return Decoder().decode(self.z_bar[indices])

    def pixels(self, indices: Tensor | slice) -> np.ndarray:
        unit = self.images(indices).add(1).mul(127.5).round().byte()
        return unit.permute(0, 2, 3, 1).numpy()


def split(rows: int, seed: int) -> Split:
    z_bar = torch.randn(rows, DIMENSIONS, generator=torch.Generator().manual_seed(seed))
    posterior = (z_bar, torch.full_like(z_bar, 1e-8))
    return Split(Patches(z_bar), z_bar[:, :HELD].tanh().half(), posterior)  # type: ignore[arg-type]


def world(*, ignores: bool = False, classes: bool = True) -> InspectedLayer:
    models: Any = (Decoder(), Sampler(ignores))
    return InspectedLayer(Network(), "layer", classes, *models)


def measure(**options: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    sizes = SIZES | options.pop("sizes", {})
    return inspect_layer(world(**options), split(500, 1), split(60, 2), **sizes, seed=3)


@pytest.fixture(scope="module")
def measured() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    return measure()


# --- numbers -------------------------------------------------------------------------------------


def test_arrays_have_the_promised_shapes(measured: Any) -> None:
    arrays, _ = measured
    image = (2 * PATCH, HELD * PATCH, 3)
    assert {name: array.shape for name, array in arrays.items()} == {
        "inputs": (3, *image), "reconstructions": (3, *image), "means": (3, *image),
        "samples": (3, 5, *image), "kept": (3,), "agrees": (3, 5), "variances": (3, *image[:2]),
        "nearest": (3, 4, *image), "nearest_cosine": (3, 4), "nearest_names": (3, 4),
        "originals": (3, *image), "names": (3,),
    }  # fmt: skip
    pictures = ("inputs", "reconstructions", "means", "samples", "nearest", "originals")
    assert {arrays[name].dtype for name in pictures} == {np.dtype(np.uint8)}


def test_what_the_layer_holds_stays_and_the_rest_varies(measured: Any) -> None:
    arrays, numbers = measured
    held, free = arrays["variances"][:, :PATCH], arrays["variances"][:, PATCH:]
    assert held.max() < 1e-6 < 0.03 < free.min()
    shown, inputs = arrays["samples"][:, :, :PATCH], arrays["inputs"][:, None, :PATCH]
    assert np.abs(shown.astype(int) - inputs.astype(int)).max() <= 2
    assert numbers["pixel_variance"] == pytest.approx(
        numbers["pixel_variance_images"] / 2, rel=0.15
    )
    assert numbers["explained_by_v"] == pytest.approx(0.5, abs=5 * numbers["explained_by_v_se"])
    assert 0 < numbers["explained_by_v_se"] < 0.1
    assert (numbers["z_dimensions"], numbers["z_bar_dimensions"]) == (HELD, DIMENSIONS)


def test_perfect_samples_are_faithful_and_keep_their_class(measured: Any) -> None:
    arrays, numbers = measured
    assert numbers["faithfulness"] == pytest.approx(1, abs=1e-2)
    assert numbers["cosine_samples"] == pytest.approx(1, abs=1e-3)
    assert numbers["class_agreement"] == numbers["class_agreement_reconstruction"] == 1
    assert 0.1 < numbers["class_agreement_other"] < 0.6
    assert arrays["agrees"].all() and arrays["kept"].all()


def test_samples_that_ignore_z_are_found_out() -> None:
    arrays, numbers = measure(ignores=True)
    assert abs(numbers["faithfulness"]) < 0.25
    assert numbers["class_agreement"] < 0.6 and not arrays["agrees"].all()
    assert numbers["explained_by_v"] == pytest.approx(1, abs=1e-9)


def test_likelihood_and_calibration_are_those_of_t(measured: Any) -> None:
    """t multiplies z_bar by two: -log p is that of a normal of half the width."""
    _, numbers = measured
    z_bar = split(60, 2).posterior[0].double()
    nats = 0.5 * (2 * z_bar).square().mean(1) - np.log(2) + 0.5 * np.log(2 * np.pi)
    assert numbers["nll_per_dimension"] == pytest.approx(float(nats.mean()), abs=1e-3)
    assert numbers["nll_per_dimension_se"] == pytest.approx(
        float(nats.std()) / np.sqrt(60), rel=1e-2
    )
    assert numbers["v_square_mean"] == pytest.approx(float((2 * z_bar).square().mean()), rel=1e-3)


def test_nearest_images_are_nearest(measured: Any) -> None:
    arrays, numbers = measured
    chosen = torch.randperm(60, generator=torch.Generator().manual_seed(3))[: SIZES["inputs"]]
    train, test = split(500, 1), split(60, 2)
    cosine = nn.functional.normalize(test.z[chosen].float(), dim=1)
    cosine = cosine @ nn.functional.normalize(train.z.float(), dim=1).T
    best = cosine.max(dim=1)
    expected = {
        test.images.pixels(chosen[i : i + 1]).tobytes(): (
            best.values[i],
            train.images.pixels(best.indices[i : i + 1])[0],
        )
        for i in range(len(chosen))
    }
    for row, image in enumerate(arrays["inputs"]):
        value, nearest = expected[image[None].tobytes()]
        assert arrays["nearest_cosine"][row, 0] == pytest.approx(float(value), abs=1e-5)
        assert np.array_equal(arrays["nearest"][row, 0], nearest)
    assert (np.diff(arrays["nearest_cosine"], axis=1) <= 0).all()
    same = train.images.label[best.indices] == test.images.label[chosen]
    assert numbers["nearest_same_label"] == pytest.approx(float(same.double().mean()))


def test_copies_of_training_images_have_no_distance() -> None:
    train = split(500, 1)

    class Copies(Sampler):
        def inverse(self, v: Tensor, z: Tensor) -> Tensor:
            return train.posterior[0][torch.arange(len(v)) % 500]

    models: Any = (Decoder(), Copies())
    layer = InspectedLayer(Network(), "layer", True, *models)
    arrays, numbers = inspect_layer(layer, train, split(60, 2), **SIZES, seed=3)
    assert numbers["distance_ratio"] == pytest.approx(0, abs=1e-3)
    assert np.array_equal(arrays["originals"][0], train.images.pixels(slice(1))[0])


def test_new_samples_are_as_far_as_test_images(measured: Any) -> None:
    assert 0.7 < measured[1]["distance_ratio"] < 1.4


def test_the_inputs_shown_are_of_different_classes(measured: Any) -> None:
    assert sorted(measured[0]["names"]) == ["class 0", "class 1", "class 2"]


def test_a_network_without_classes() -> None:
    arrays, numbers = measure(classes=False)
    with_classes = measure()[1]
    assert numbers.keys() == with_classes.keys()
    nothing = {name for name, value in numbers.items() if value is None}
    assert nothing == {name for name in numbers if name.startswith("class_agreement")}
    assert arrays["agrees"].all() and arrays["kept"].all()


def test_the_same_seed_gives_the_same(measured: Any) -> None:
    torch.manual_seed(99)
    arrays, numbers = measure()
    assert numbers == measured[1]
    for name, array in arrays.items():
        assert np.array_equal(array, measured[0][name])


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"inputs": 61}, "inspect.inputs is 61, but there are only 60 test images"),
        ({"inputs": 1, "rows": 1}, "at least 2 inputs"),
        ({"rows": 41}, "at most as many rows"),
        ({"columns": 31}, "at most as many rows and columns"),
    ],
)
def test_sizes_that_do_not_fit(sizes: dict[str, int], sentence: str) -> None:
    with pytest.raises(PipelineError, match=re.escape(sentence)):
        measure(sizes=sizes)


def test_a_split_of_several_lengths() -> None:
    whole = split(10, 0)
    with pytest.raises(PipelineError, match="10 images, but 9 representations and 10 posteriors"):
        Split(whole.images, whole.z[:9], whole.posterior)


# --- figures -------------------------------------------------------------------------------------

META = {"network": "net", "layer": "mid", "scale": "smoke", "seed": 3, "samples": 30}


def frames(figure: Any) -> list[tuple[float, float]]:
    return [patch.get_xy() for patch in figure.axes[0].patches]


def pictures(seed: int = 0, rows: int = 3, size: int = 16) -> dict[str, Any]:
    """Arrays of the report made of noise, so that every image is found in one place alone."""
    rng = np.random.default_rng(seed)

    def noise(*shape: int) -> np.ndarray:
        return rng.integers(0, 256, (*shape, size, size, 3), dtype=np.uint8)

    return {
        "inputs": noise(rows), "reconstructions": noise(rows), "means": noise(rows),
        "samples": noise(rows, 5), "nearest": noise(rows, 4), "originals": noise(rows),
        "variances": rng.uniform(0, 0.1, (rows, size, size)).astype(np.float32),
        "kept": np.ones(rows, bool), "agrees": np.ones((rows, 5), bool),
        "nearest_cosine": rng.uniform(0.5, 1, (rows, 4)),
        "names": np.array([f"snow leopard {i}" for i in range(rows)]),
        "nearest_names": np.array([[f"snow leopard {i}"] * 4 for i in range(rows)]),
    }  # fmt: skip


def test_samples_stand_behind_their_input_in_order() -> None:
    shown = pictures()
    canvas = sheet(draw_samples(shown, META))
    for row in range(3):
        images = [shown["inputs"][row], shown["reconstructions"][row], *shown["samples"][row]]
        found = [place for image in images for place in places(canvas, image)]
        assert len(found) == len(images) and len({y for y, _ in found}) == 1
        assert [x for _, x in found] == sorted(x for _, x in found)


def test_samples_of_another_class_are_framed() -> None:
    shown = pictures()
    figure = draw_samples(shown, META)
    assert not frames(figure) and not any("framed" in text for text in texts(figure))
    shown["agrees"][1, 2] = shown["kept"][0] = False
    figure = draw_samples(shown, META)
    expected = {
        places(sheet(figure), shown[name][index])[0]
        for name, index in (("samples", (1, 2)), ("reconstructions", 0))
    }
    assert {(y, x) for x, y in frames(figure)} == expected
    assert any("framed: the network predicts another class" in text for text in texts(figure))


def test_all_variance_maps_share_one_scale() -> None:
    shown = pictures()
    shown["variances"][:] = np.array([0.0, 0.025, 0.1])[:, None, None]
    figure = draw_variance(shown, META)
    colours = (255 * np.array(matplotlib.colormaps["magma"]([0, 0.5, 1.0]))[:, :3]).round()
    canvas = sheet(figure)
    for colour in colours:
        patch = np.broadcast_to(colour.astype(np.uint8), shown["inputs"].shape[1:])
        assert len(places(canvas, patch)) == 1
    (bar,) = figure.axes[0].child_axes
    assert bar.get_ylim() == pytest.approx((0, 0.1))
    assert any("30 samples of each" in text for text in texts(figure))


def test_maps_without_any_variance_are_dark() -> None:
    shown = pictures()
    shown["variances"][:] = 0
    canvas = sheet(draw_variance(shown, META))
    dark = (255 * np.array(matplotlib.colormaps["magma"](0.0))[:3]).round().astype(np.uint8)
    patch = np.broadcast_to(dark, shown["inputs"].shape[1:])
    assert len(places(canvas, patch)) == len(shown["inputs"])


def test_nearest_images_stand_in_their_order_and_others_are_framed() -> None:
    shown = pictures()
    shown["nearest_names"][2, 1] = "wolf"
    figure = draw_nearest(shown, META)
    canvas = sheet(figure)
    for row in range(3):
        images = [shown["inputs"][row], *shown["nearest"][row], shown["samples"][row, 0]]
        found = [places(canvas, image)[0] for image in [*images, shown["originals"][row]]]
        assert len({y for y, _ in found}) == 1
        assert [x for _, x in found] == sorted(x for _, x in found)
    assert [(y, x) for x, y in frames(figure)] == places(canvas, shown["nearest"][2, 1])
    written = texts(figure)
    for cosine in shown["nearest_cosine"].flat:
        assert f"{cosine:.3f}" in written


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES.keys())
@pytest.mark.parametrize("rows", [1, 6])
@pytest.mark.parametrize("size", [28, 128])
def test_words_keep_apart(draw: Callable[..., Any], rows: int, size: int) -> None:
    """No label covers another one, and none leaves the figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = draw(pictures(rows=rows, size=size), META)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [
        text.get_window_extent(renderer)
        for text in [*figure.axes[0].texts, *figure.texts]
        if text.get_text()
    ]
    for i, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:i])


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES.keys())
def test_images_that_do_not_fit_are_refused(draw: Callable[..., Any]) -> None:
    shown = pictures()
    shown["inputs"] = shown["inputs"][:2]
    with pytest.raises(PipelineError, match="run `dvc repro -f inspect`"):
        draw(shown, META)


# --- the page ------------------------------------------------------------------------------------

ABOUT = {
    "network": "net", "layer": "mid", "dataset": "patches", "published": False, "step": 1200,
    "scale": "smoke", "seed": 3, "inputs": 40, "samples": 30, "samples_read": 5,
}  # fmt: skip


def test_the_page_shows_every_figure_and_every_number(measured: Any) -> None:
    metrics = inspection_metrics(ABOUT, (3,), measured[1])
    page = write_inspection(metrics)
    assert page.startswith("# What mid of net holds\n") and "{" not in page
    assert set(re.findall(r"\]\(figures/(\w+)\.png\)", page)) == set(FIGURES)
    rows = [line for line in page.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == len(NUMBERS)
    for number, row in zip(NUMBERS, rows, strict=True):
        assert f"{metrics[number.key]:.{number.digits}f}" in row
        assert len(re.split(r"(?<!\\)\|", row)) == 5
    assert "40 test images × 30 samples" in page and "after 1,200 training steps: 3 numbers" in page
    published = write_inspection(metrics | {"published": True})
    assert "mid of net with its published weights: 3 numbers" in published


def test_metrics_are_flat_and_the_same_for_every_layer(measured: Any) -> None:
    metrics = inspection_metrics(ABOUT, (64, 7, 7), measured[1])
    without = inspection_metrics(ABOUT, (3,), measure(classes=False)[1])
    assert metrics.keys() == without.keys() >= {*ABOUT, *(number.key for number in NUMBERS)}
    assert all(isinstance(value, int | float | str) for value in metrics.values())
    assert metrics["z_shape"] == "64 × 7 × 7"
    assert "class of their input" not in write_inspection(without)
    assert "net predicts no classes" in write_inspection(without)


def test_a_missing_number_is_told(measured: Any) -> None:
    metrics = inspection_metrics(ABOUT, (3,), measured[1])
    del metrics["faithfulness"]
    with pytest.raises(PipelineError, match="lack 'faithfulness': run `dvc repro -f inspect`"):
        write_inspection(metrics)


# --- what belongs to the data set ----------------------------------------------------------------


def test_a_fingerprint_follows_content_and_names(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_text("one")
    first = fingerprint([folder])
    assert fingerprint([folder]) == first and list(first) == [(folder / "a").as_posix()]
    check_fingerprint(first)
    (folder / "a").write_text("two")
    assert fingerprint([folder]) != first
    (folder / "a").write_text("three")
    with pytest.raises(PipelineError, match="a is not the file .* `dvc repro` makes it anew"):
        check_fingerprint(first)
    (folder / "a").unlink()
    with pytest.raises(PipelineError, match="a is missing; `dvc repro` makes it"):
        check_fingerprint(first)
    with pytest.raises(PipelineError, match="data is missing; `dvc repro` makes it"):
        fingerprint([folder])
