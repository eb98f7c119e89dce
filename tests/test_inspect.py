"""The report on one layer: measured, drawn and written, in a world whose answers are known.

An image shows the six numbers of z_bar, tanh of each on a patch of its own. The layer represents
the first three and is invariant to the others.
"""

import re
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from colour_models import Formula
from drawn import assert_grid, assert_words_apart, noise, place, sheet, texts
from scipy.stats import chi2
from torch import Tensor, nn

from pipeline.drawing.inspect import FIGURES
from pipeline.errors import PipelineError
from pipeline.evaluation.inspect_layer import InspectedLayer, Split, inspect_layer
from pipeline.reporting.inspection import NUMBERS, inspection_metrics, write_inspection

HELD, DIMENSIONS, PATCH = 3, 6, 4
FACTORS = {"free": slice(HELD, DIMENSIONS), "first": slice(0, 1), "held": slice(0, HELD)}
"""Dimensions of z_bar that the layer does not represent, and that it does."""
SIZES = {"inputs": 40, "samples": 30, "rows": 3, "columns": 5, "nearest": 4, "bootstrap": 30}


def decode(z_bar: Tensor) -> Tensor:
    """D: six patches, in two rows of three, equal in all channels."""
    patches = z_bar.tanh().view(-1, 1, 2, HELD).expand(-1, 3, -1, -1)
    return patches.repeat_interleave(PATCH, 2).repeat_interleave(PATCH, 3)


def sampled(v: Tensor, z: Tensor) -> Tensor:
    """t^-1: z_bar = (what z represents, v)."""
    held = z.clamp(-0.9999, 0.9999).atanh().repeat_interleave(len(v) // len(z), 0)
    return torch.cat([held, v[:, HELD:]], dim=1)


def doubled(z_bar: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    return 2 * z_bar, torch.full((len(z),), DIMENSIONS * np.log(2.0))


class Network(Formula):
    """f: the class is the largest of the held numbers; Phi reads them off the image."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images[:, 0, 0, ::PATCH])


class Patches:
    """A split of the data set."""

    def __init__(self, z_bar: Tensor) -> None:
        self.z_bar, self.label = z_bar, z_bar[:, :HELD].argmax(1)

    def __len__(self) -> int:
        return len(self.z_bar)

    def images(self, indices: Tensor | slice) -> Tensor:
        return decode(self.z_bar[indices])

    def pixels(self, indices: Tensor | slice) -> np.ndarray:
        unit = self.images(indices).add(1).mul(127.5).round().byte()
        return unit.permute(0, 2, 3, 1).numpy()


def split(rows: int, seed: int) -> Split:
    z_bar = torch.randn(rows, DIMENSIONS, generator=torch.Generator().manual_seed(seed))
    posterior = (z_bar, torch.full_like(z_bar, 1e-8))
    return Split(Patches(z_bar), z_bar[:, :HELD].tanh().half(), posterior)  # type: ignore[arg-type]


def measure(
    inverse: Callable[..., Tensor] = sampled, classes: bool = True, **sizes: int
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    e = Formula(factors=FACTORS, indices=FACTORS.get, inverse=lambda factors: factors,
                forward=lambda z_bar: (z_bar, None))  # fmt: skip
    models: Any = (Formula(decode=decode), Formula(inverse=inverse, forward=doubled), e)
    layer = InspectedLayer(Network(), "layer", classes, *models)
    return inspect_layer(layer, split(500, 1), split(60, 2), **SIZES | sizes, seed=3)


@pytest.fixture(scope="module")
def measured() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    return measure()


def test_what_the_layer_represents_stays_and_the_rest_varies(measured: Any) -> None:
    arrays, numbers = measured
    assert sorted(arrays["names"]) == ["class 0", "class 1", "class 2"]  # as many as possible
    assert arrays["agrees"].all() and arrays["kept"].all()
    held, free = arrays["variances"][:, :PATCH], arrays["variances"][:, PATCH:]
    assert held.max() < 1e-6 < 0.03 < free.min()
    shown, inputs = arrays["samples"][:, :, :PATCH], arrays["inputs"][:, None, :PATCH]
    assert np.abs(shown.astype(int) - inputs.astype(int)).max() <= 2
    half = numbers["pixel_variance_images"] / 2
    assert numbers["pixel_variance"] == pytest.approx(half, rel=0.15)
    assert numbers["explained_by_v"] == pytest.approx(0.5, abs=5 * numbers["explained_by_v_se"])
    perfect = {"faithfulness": 1, "cosine_samples": 1, "class_agreement": 1,
               "class_agreement_reconstruction": 1, "z_dimensions": HELD,
               "z_bar_dimensions": DIMENSIONS}  # fmt: skip
    assert {key: numbers[key] for key in perfect} == pytest.approx(perfect, abs=1e-2)
    assert 0 < numbers["explained_by_v_se"] < 0.1 < numbers["class_agreement_other"] < 0.6
    assert 0.7 < numbers["distance_ratio"] < 1.4  # samples are new


def test_the_output_moves_with_what_the_layer_represents(measured: Any) -> None:
    moved = measured[1]["output_moved"]
    assert moved["free"] == pytest.approx(0, abs=1e-6)
    assert moved["held"] == pytest.approx(1, abs=1e-6)
    assert 0.3 < moved["first"] < 0.8


def test_likelihood_and_calibration_are_those_of_t(measured: Any) -> None:
    """t multiplies z_bar by two: -log p is that of a normal of half the width."""
    square = (2 * split(60, 2).posterior[0].double()).square()
    nats = 0.5 * square.mean(1) - np.log(2) + 0.5 * np.log(2 * np.pi)
    expected = {
        "nll_per_dimension": float(nats.mean()),
        "nll_per_dimension_se": float(nats.std()) / np.sqrt(60),
        "v_square_mean": float(square.mean()),
    }
    inside = chi2.cdf(square.sum(1).numpy(), DIMENSIONS) <= 0.9
    assert measured[1]["coverage_90"] == pytest.approx(inside.mean(), abs=0.02)
    assert {key: measured[1][key] for key in expected} == pytest.approx(expected, rel=1e-2)


def test_nearest_images_are_nearest(measured: Any) -> None:
    arrays, numbers = measured
    chosen = torch.randperm(60, generator=torch.Generator().manual_seed(3))[: SIZES["inputs"]]
    train, test = split(500, 1), split(60, 2)
    own, others = (nn.functional.normalize(z.float(), dim=1) for z in (test.z[chosen], train.z))
    values, indices = (own @ others.T).max(dim=1)
    found = zip(test.images.pixels(chosen), values, train.images.pixels(indices), strict=True)
    expected = {image.tobytes(): (float(value), nearest) for image, value, nearest in found}
    for row, image in enumerate(arrays["inputs"]):
        value, nearest = expected[image.tobytes()]
        assert arrays["nearest_cosine"][row, 0] == pytest.approx(value, abs=1e-5)
        assert np.array_equal(arrays["nearest"][row, 0], nearest)
    assert (np.diff(arrays["nearest_cosine"], axis=1) <= 0).all()
    same = train.images.label[indices] == test.images.label[chosen]
    assert numbers["nearest_same_label"] == pytest.approx(float(same.double().mean()))


def test_samples_that_ignore_z_and_copies_of_training_images_are_found_out() -> None:
    arrays, numbers = measure(lambda v, z: v)
    assert abs(numbers["faithfulness"]) < 0.25
    assert numbers["class_agreement"] < 0.6 and not arrays["agrees"].all()
    assert numbers["explained_by_v"] == pytest.approx(1, abs=1e-9)
    train = split(500, 1)
    arrays, numbers = measure(lambda v, z: train.posterior[0][torch.arange(len(v)) % 500])
    assert numbers["distance_ratio"] == pytest.approx(0, abs=1e-3)
    assert np.array_equal(arrays["originals"][0], train.images.pixels(slice(1))[0])


def test_the_same_seed_gives_the_same(measured: Any) -> None:
    torch.manual_seed(99)
    arrays, numbers = measure()
    assert numbers == measured[1]
    assert all(np.array_equal(array, measured[0][name]) for name, array in arrays.items())


def test_sizes_that_do_not_fit() -> None:
    for sizes, message in (
        ({"inputs": 61}, "inspect.inputs is 61.* 60 test images"),
        ({"inputs": 1, "rows": 1}, "at least 2 inputs"),
        ({"rows": 41}, "41 rows"),
        ({"columns": 31}, "31 columns"),
    ):
        with pytest.raises(PipelineError, match=message):
            measure(**sizes)
    whole = split(10, 0)
    with pytest.raises(PipelineError, match="10 images.*9 representations.*10 posteriors"):
        Split(whole.images, whole.z[:9], whole.posterior)


META = {"network": "net", "layer": "mid", "scale": "smoke", "seed": 3, "samples": 30}


def pictures(rows: int = 3, size: int = 16) -> dict[str, Any]:
    names, draw = np.array([f"snow leopard {i}" for i in range(rows)]), np.random.default_rng(0)
    single = dict.fromkeys(("inputs", "reconstructions", "means", "originals"), ())
    return noise(rows, size, **single, samples=(5,), nearest=(4,)) | {
        "variances": draw.uniform(0, 0.1, (rows, size, size)).astype(np.float32),
        "kept": np.ones(rows, bool), "agrees": np.ones((rows, 5), bool),
        "nearest_cosine": draw.uniform(0.5, 1, (rows, 4)),
        "names": names, "nearest_names": np.repeat(names[:, None], 4, 1),
    }  # fmt: skip


def test_images_are_in_order_and_those_of_another_class_are_framed() -> None:
    shown = pictures()
    shown["agrees"][1, 2] = shown["kept"][0] = False
    shown["nearest_names"][2, 1] = "wolf"
    shown["variances"][:] = np.array([0, 0.025, 0.1])[:, None, None]
    figures = {name: draw(shown, META) for name, draw in FIGURES.items()}
    first = [shown[key] for key in ("inputs", "reconstructions", "samples")]
    near = [shown["inputs"], shown["nearest"], shown["samples"][:, 0], shown["originals"]]
    grids = {
        "samples": [[one, two, *rest] for one, two, rest in zip(*first, strict=True)],
        "variance": [shown["inputs"], shown["means"]],
        "nearest": [[one, *some, *pair] for one, some, *pair in zip(*near, strict=True)],
    }
    changed = {
        "samples": [shown["samples"][1, 2], shown["reconstructions"][0]],
        "variance": [],
        "nearest": [shown["nearest"][2, 1]],
    }
    for name, figure in figures.items():
        canvas = sheet(figure)
        assert_grid(canvas, grids[name])
        framed = {patch.get_xy()[::-1] for patch in figure.axes[0].patches}
        assert framed == {place(canvas, image) for image in changed[name]}
        assert ("framed" in texts(figure)[-1]) == bool(framed)
    cosines = {f"{cosine:.3f}" for cosine in shown["nearest_cosine"].flat}
    assert cosines <= set(texts(figures["nearest"]))
    # All maps of variance share one scale.
    (bar,) = figures["variance"].axes[0].child_axes
    assert bar.get_ylim() == pytest.approx((0, 0.1))
    colours = (255 * matplotlib.colormaps["magma"]([0, 0.5, 1])[:, :3]).round()
    counts = [(sheet(figures["variance"]) == colour).all(-1).sum() for colour in colours]
    assert counts == [16 * 16] * 3


@pytest.mark.parametrize("name", FIGURES)
def test_words_keep_apart_and_images_must_fit(name: str) -> None:
    for rows, size in ((1, 28), (6, 28), (1, 128), (6, 128)):
        assert_words_apart(FIGURES[name](pictures(rows, size), META))
    flat = FIGURES[name](pictures() | {"variances": np.zeros((3, 16, 16))}, META)
    assert not any("framed" in text for text in texts(flat))
    with pytest.raises(PipelineError, match="run `dvc repro -f inspect`"):
        FIGURES[name](pictures() | {"inputs": pictures()["inputs"][:2]}, META)


ABOUT = {
    "network": "net", "layer": "mid", "dataset": "patches", "published": False, "step": 1200,
    "scale": "smoke", "seed": 3, "inputs": 40, "samples": 30, "samples_read": 5,
}  # fmt: skip


def test_the_page_shows_every_figure_and_every_number(measured: Any) -> None:
    metrics = inspection_metrics(ABOUT, (64, 7, 7), measured[1])
    page = write_inspection(metrics)
    assert re.findall(r"\]\(figures/(\w+)\.png\)", page) == list(FIGURES)
    rows = [line for line in page.splitlines() if line.startswith("| ")][2:]
    factors = [line for line in rows[len(NUMBERS) :] if not line.startswith("| ---")][1:]
    assert [row.split()[1] for row in factors] == list(FACTORS)
    for number, row in zip(NUMBERS, rows[: len(NUMBERS)], strict=True):
        assert f"{metrics[number.key]:.{number.digits}f}" in row and "{" not in row
        assert len(re.split(r"(?<!\\)\|", row)) == 5
    for words in ("40 test images × 30 samples", "1,200 training", "64 × 7 × 7 = 3 numbers"):
        assert words in page
    published = write_inspection(metrics | {"published": True})
    assert "published weights" in published and "1,200" not in published
    for name in ("faithfulness", "cosine_other", "step"):
        rest = {key: value for key, value in metrics.items() if key != name}
        with pytest.raises(PipelineError, match=f"'{name}'.*dvc repro -f inspect"):
            write_inspection(rest)


def test_metrics_are_flat_and_the_same_for_every_layer(measured: Any) -> None:
    metrics = inspection_metrics(ABOUT, (3,), measured[1])
    arrays, numbers = measure(classes=False)
    nothing = {name for name, value in numbers.items() if value is None}
    assert nothing == {name for name in numbers if name.startswith("class_agreement")}
    assert arrays["agrees"].all() and arrays["kept"].all()
    without = inspection_metrics(ABOUT, (3,), numbers)
    assert metrics.keys() == without.keys() >= {*ABOUT, *(number.key for number in NUMBERS)}
    flat = [value for name, value in metrics.items() if name != "output_moved"]
    assert all(isinstance(value, int | float | str) for value in flat)
    for found, classes in ((metrics, True), (without, False)):
        page = write_inspection(found)
        assert ("Framed" in page, "predicts no classes" in page) == (classes, not classes)
