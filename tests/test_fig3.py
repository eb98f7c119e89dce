"""Fig. 3: variances and readings of samples against closed forms, and the drawing."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import assert_same_in_another_style, place, sheet
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from synthetic_fig3 import (
    CLASSES,
    INPUTS,
    KNOWN,
    LAYERS,
    SAMPLES,
    VARIANCES,
    arrays,
    layer,
    summary,
    truth,
)
from torch import Tensor

from pipeline.errors import PipelineError
from pipeline.evaluation.fig3 import STATISTICS, summarise_fig3
from pipeline.evaluation.measure_fig3 import sample_moments
from pipeline.figures.fig3 import draw_fig3, draw_variances, load_samples
from pipeline.storage import write_npz

ABOUT = {"scale": "laptop", "seed": 0}


def test_variances_that_grow_exponentially() -> None:
    found = summary()
    assert found["order"] == list(LAYERS)
    means = [found["layers"][name]["variance"] for name in LAYERS]
    np.testing.assert_allclose(means, VARIANCES)
    assert found["spearman"] == 1 and found["log_r2"] == pytest.approx(1)
    assert found["variance_ratio"] == pytest.approx(81)
    low, high = found["intervals"]["variance_ratio"]
    assert low < 81 < high and high < 100
    json.dumps(found, allow_nan=False)


def test_what_varies() -> None:
    found, everyone = summary(), truth(100)
    for index, name in enumerate(LAYERS):
        row = found["layers"][name]
        # Ten samples at +-0.1 k around the input's own yaw.
        variance = (0.1 * (index + 1)) ** 2 * SAMPLES / (SAMPLES - 1)
        expected = variance / everyone["yaw"].var()
        assert row["factors"]["yaw"] == pytest.approx(expected)
        faces = [row["factors"][key] for key in ("face_width", "face_length")]
        assert row["identity"] == pytest.approx(np.mean(faces))
        assert row["kept"]["Eyeglasses"] == pytest.approx([1, 1, 1, 0.9, 0.9][index])
        assert row["factors"]["Eyeglasses"] == pytest.approx(1 - row["kept"]["Eyeglasses"])
    assert found["yaw_ratio"] == pytest.approx(25)
    assert found["glasses_kept"] == pytest.approx(0.9)
    assert found["reconstruction_kept"] == dict.fromkeys(CLASSES, 1.0)


def test_a_factor_that_is_hardly_read_is_not_taken_for_kept() -> None:
    """Of readings that are half as far apart as the truth, all varying as little, all varies."""
    found = summary()["layers"]["embedding"]["factors"]
    own, everyone = truth(), truth(100)
    layers = {name: layer(index, own) for index, name in enumerate(LAYERS)}
    for one in layers.values():
        one.readings["yaw"][:] *= 0.5
        one.readings["face_width"][:] = 3
    everyone |= {"yaw": everyone["yaw"] * 0.5, "face_width": np.full(100, 3.0)}
    half = summarise_fig3(
        layers, own, everyone, own, 0.1, classes=CLASSES, bootstrap=5, about=ABOUT
    )  # fmt: skip
    assert half["layers"]["embedding"]["factors"]["yaw"] == pytest.approx(found["yaw"])
    row = half["layers"]["embedding"]
    assert row["factors"]["face_width"] is None
    assert row["identity"] == row["factors"]["face_length"]


def test_what_stays_of_animals() -> None:
    """Claim S10.a is about all layers but the last."""
    found, own = summary(figure="figs10"), truth(figure="figs10")["coat_hue"]
    assert found["glasses_kept"] is None and found["layers"]["mixed_6a"]["identity"] is None
    assert found["species_kept"] == pytest.approx(0.9)  # of avgpool_1a
    # The input's own colour +-0.4: uncorrelated with it.
    expected = np.sqrt(own.var() / (own.var() + 0.4**2))
    assert found["colour_kept"] == pytest.approx(expected)
    assert found["layers"]["avgpool_1a"]["correlation"]["coat_hue"] == pytest.approx(expected)
    low, high = found["intervals"]["colour_kept"]
    assert low < expected < high


def test_factors_that_are_not_known_and_layers_without_variance() -> None:
    own = {"Male": truth()["Male"]}
    layers = {name: layer(index, truth()) for index, name in enumerate(LAYERS)}
    for one in layers.values():
        one.variance[:] = 0
    found = summarise_fig3(
        layers, own, own, own, 0.1, classes=["Male"], bootstrap=5, about=ABOUT
    )  # fmt: skip
    assert [found[name] for name in STATISTICS] == [None] * len(STATISTICS)
    assert set(found["intervals"].values()) == {None}
    assert found["layers"]["embedding"]["identity"] is None


def test_two_layers_are_too_few() -> None:
    layers = {name: layer(index, truth()) for index, name in enumerate(LAYERS[:2])}
    with pytest.raises(PipelineError, match="but there are 2: name at least 3"):
        summarise_fig3(
            layers, truth(), truth(), truth(), 0.1, classes=CLASSES, bootstrap=5, about=ABOUT
        )


class Shift(torch.nn.Module):
    """t^-1 for a grey image: z_bar = v + z."""

    def inverse(self, v: Tensor, z: Tensor) -> Tensor:
        return v + z


class Grey(torch.nn.Module):
    """D: the one number of z_bar in all pixels."""

    def decode(self, z_bar: Tensor) -> Tensor:
        return z_bar.view(-1, 1, 1, 1).expand(-1, 3, 4, 4)


def test_moments_of_samples() -> None:
    v = torch.tensor([[-0.2], [0.0], [0.4]])
    images, mean, variance = sample_moments(Grey(), Shift(), torch.tensor([0.1]), v)  # type: ignore[arg-type]
    assert images.shape == (3, 4, 4, 3) and images.dtype == np.uint8
    levels = images[:, 0, 0, 0] / 255
    np.testing.assert_allclose(levels, [0.45, 0.55, 0.75], atol=0.003)
    assert np.ptp(mean) == 0 and mean[0, 0, 0] == round(255 * levels.mean())
    np.testing.assert_allclose(variance, levels.var(ddof=1), rtol=1e-4)
    _, _, still = sample_moments(Grey(), Shift(), torch.tensor([0.1]), v * 0)  # type: ignore[arg-type]
    assert not still.any()


@pytest.mark.parametrize("figure", KNOWN)
def test_samples_stand_in_the_row_of_their_layer(figure: str) -> None:
    found = arrays()
    canvas = sheet(draw_fig3(found, summary(figure=figure)))
    for one in range(2):
        left = place(canvas, found["inputs"][one])[1]
        assert place(canvas, found["reconstructions"][one])[1] > left
        tops = []
        for name in found["layers"]:
            row = [place(canvas, image) for image in found[f"{name}_samples"][one]]
            row.append(place(canvas, found[f"{name}_mean"][one]))
            assert len({y for y, _ in row}) == 1
            assert [x for _, x in row] == sorted(x for _, x in row)
            tops.append(row[0][0])
        assert tops == sorted(set(tops))


def test_variances_are_drawn(tmp_path: Path) -> None:
    file = tmp_path / "fig3.npz"
    write_npz(file, **arrays())
    samples = load_samples(file)
    for figure, names in (
        ("fig3", "yaw, light, smile, length of hair, features of the face, glasses, gender"),
        ("figs10", "yaw, light, species, colour of the coat"),
    ):
        words = draw_variances(samples, summary(figure=figure)).axes[1].get_legend().get_texts()
        assert ", ".join(one.get_text() for one in words) == names
    axes = draw_variances(samples, summary()).axes[0]
    assert axes.get_yscale() == "log"
    points = [one for one in axes.collections if isinstance(one, PathCollection)]
    assert sum(len(one.get_offsets()) for one in points) >= len(LAYERS) * INPUTS


@pytest.mark.parametrize("draw", [draw_fig3, draw_variances])
def test_figures_look_the_same_in_another_style(draw: Callable[..., Figure]) -> None:
    assert_same_in_another_style(lambda: draw(arrays(), summary()))


def test_each_input_has_its_scale_of_variance() -> None:
    """Maps of an input that varies little are as light as those of one that varies much."""
    found = arrays()
    for name in found["layers"]:
        found[f"{name}_variance"][0] *= 0.01
    figure = draw_fig3(found, summary())
    words = [text.get_text() for text in figure.axes[0].texts]
    assert set(found["layers"]) <= set(words)
    most = [
        float(np.quantile([found[f"{name}_variance"][row] for name in found["layers"]], 0.995))
        for row in range(len(found["inputs"]))
    ]
    assert [word for word in words if "≥" in word] == [f"≥ {one:.2g}" for one in most]


@pytest.mark.parametrize("missing", ["layers", "variances", "mixed_7a_mean"])
def test_samples_that_are_missing(missing: str, tmp_path: Path) -> None:
    found = arrays()
    del found[missing]
    write_npz(tmp_path / "fig3.npz", **found)
    with pytest.raises(PipelineError, match="holds no samples .*dvc repro -f evaluate@fig3"):
        load_samples(tmp_path / "fig3.npz")
