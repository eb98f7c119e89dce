"""Figs. 3 and S10: measured with models that are formulas, against closed forms, and drawn."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import colour_models as world
import numpy as np
import pytest
import torch
from drawn import texts
from synthetic_fig3 import CLASSES, KNOWN, LAYERS, VARIANCES, arrays, layers, summary, truth

from pipeline import experiments, paths
from pipeline.drawing.arrays import open_arrays
from pipeline.drawing.layer_samples import draw_layers, draw_variances
from pipeline.errors import PipelineError
from pipeline.evaluation import layer_samples
from pipeline.evaluation.layer_settings import LayerSettings
from pipeline.evaluation.layer_summary import STATISTICS, summarise_layers
from pipeline.storage import write_npz

EXPERIMENTS = {name: experiments.load(name, "report").EXPERIMENT for name in KNOWN}
OPTIONS: dict[str, Any] = {"bootstrap": 5, "about": {"scale": "laptop", "seed": 0}}


@pytest.mark.parametrize("evaluator", ["pets", "people"])
def test_measured_layers(here: Path, monkeypatch: pytest.MonkeyPatch, evaluator: str) -> None:
    rows = world.write_rows({f"net-{name}": ("net", name) for name in LAYERS}, evaluator=evaluator)
    world.write_pets(rows, torch.tensor([0, 0, 1, 2, 1, 3, 0, 3]))
    settings = LayerSettings(
        inputs=6, samples=40, evaluated_samples=5, bootstrap=5, rows=4, columns=3
    )
    found, numbers, folders = world.measure(
        monkeypatch, layer_samples, settings, rows, network=lambda _: world.Network(LAYERS)
    )
    reader = paths.evaluator(evaluator)
    assert folders == [paths.autoencoder("pets"), reader, paths.network("net")]

    assert tuple(found["layers"]) == tuple(numbers["order"]) == LAYERS
    shown = world.shown_colours(found["inputs"])
    assert len(set(shown[:, 0])) == 4  # of all species
    drawn, gains = [], [0.01, 0.02, 0.03, 0.04, 0.05]
    for name, gain in zip(LAYERS, gains, strict=True):
        samples = world.shown_colours(found[f"{name}_samples"])
        assert samples.shape == (4, 3, 3)
        drawn.append((samples - shown[:, None]) / gain)
        np.testing.assert_allclose(drawn[-1], drawn[0], atol=2 * world.ROUNDING / min(gains))
    assert np.abs(drawn[-1][0] - drawn[-1][1]).max() > 0.5
    ratios = np.sqrt(found["variances"] / found["variances"][0])
    np.testing.assert_allclose(ratios.T, [np.array(gains) / gains[0]] * 6, rtol=0.1)
    counts = {"inputs": 6, "samples": 40, "evaluated_samples": 5, "scale": "smoke", "seed": 3}
    assert counts.items() <= numbers.items()
    assert numbers["evaluator"]["species"]["accuracy"] == 1
    for row in numbers["layers"].values():
        assert row["kept"]["species"] == 1 and row["correlation"]["yaw"] > 0.95
        assert row["faithfulness"]["faithfulness"] > 0.95
        assert row["faithfulness"]["samples_per_input"] == 4


def test_moments_of_samples() -> None:
    """Samples of a grey image, whose z_bar is v + z."""
    grey: Any = SimpleNamespace(decode=lambda z: z.view(-1, 1, 1, 1).expand(-1, 3, 4, 4))
    shift: Any = SimpleNamespace(inverse=lambda v, z: v + z)
    z, v = torch.tensor([0.1]), torch.tensor([[-0.2], [0.0], [0.4]])
    images, mean, variance = layer_samples.sample_moments(grey, shift, z, v)
    assert images.shape == (3, 4, 4, 3) and images.dtype == np.uint8
    levels = images[:, 0, 0, 0] / 255
    np.testing.assert_allclose(levels, [0.45, 0.55, 0.75], atol=0.003)
    assert np.ptp(mean) == 0 and mean[0, 0, 0] == round(255 * levels.mean())
    np.testing.assert_allclose(variance, levels.var(ddof=1), rtol=1e-4)


def test_variances_grow_exponentially_and_which_factors_vary() -> None:
    found, everyone = summary(), truth(100)
    assert found["order"] == list(LAYERS)
    for index, row in enumerate(found["layers"].values()):
        assert row["variance"] == pytest.approx(VARIANCES[index])
        # Ten samples at +-0.1 k around the input's own yaw.
        variance = (0.1 * (index + 1)) ** 2 * 10 / 9
        assert row["factors"]["yaw"] == pytest.approx(variance / everyone["yaw"].var())
        faces = [row["factors"][key] for key in ("face_width", "face_length")]
        assert row["identity"] == pytest.approx(np.mean(faces))
        assert row["kept"]["Eyeglasses"] == pytest.approx([1, 1, 1, 0.9, 0.9][index])
        assert row["factors"]["Eyeglasses"] == pytest.approx(1 - row["kept"]["Eyeglasses"])
    expected = {"spearman": 1, "log_r2": 1, "variance_ratio": 81, "yaw_ratio": 25,
                "glasses_kept": 0.9}  # fmt: skip
    assert {key: found[key] for key in expected} == pytest.approx(expected)
    low, high = found["intervals"]["variance_ratio"]
    assert low < 81 < high < 100
    assert found["reconstruction_kept"] == dict.fromkeys(CLASSES, 1.0)


def test_a_factor_that_is_hardly_recognised_does_not_pass_for_kept() -> None:
    """Predictions half as far apart as the truth leave shares alone; equal ones give none."""
    own, everyone = truth(), truth(100)
    measured = layers(own)
    for one in measured.values():
        one.readings["yaw"][:] *= 0.5
        one.readings["face_width"][:] = 3
    everyone |= {"yaw": everyone["yaw"] * 0.5, "face_width": np.full(100, 3.0)}
    half = summarise_layers(measured, own, everyone, own, 0.1, classes=CLASSES, **OPTIONS)
    row, whole = half["layers"]["embedding"], summary()["layers"]["embedding"]
    assert row["factors"]["yaw"] == pytest.approx(whole["factors"]["yaw"])
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


def test_unknown_factors_layers_without_variance_and_too_few_layers() -> None:
    own = {"Male": truth()["Male"]}
    measured = layers(own)
    for one in measured.values():
        one.variance[:] = 0
    found = summarise_layers(measured, own, own, own, 0.1, classes=["Male"], **OPTIONS)
    assert [found[name] for name in STATISTICS] == [None] * len(STATISTICS)
    assert set(found["intervals"].values()) == {None}
    assert found["layers"]["embedding"]["identity"] is None
    two = dict(list(measured.items())[:2])
    with pytest.raises(PipelineError, match="at least 3"):
        summarise_layers(two, own, own, own, 0.1, classes=["Male"], **OPTIONS)


@pytest.mark.parametrize(
    ("name", "statistics", "drawn", "reading"),
    [
        ("fig3", ("log_r2", "variance_ratio"),
         "yaw, light, smile, hair length, facial features, glasses, gender", "people yaw R² 0.95"),
        ("figs10", ("species_kept", "colour_kept"), "yaw, light, species, coat colour",
         "animals species 99.0 %"),
    ],
)  # fmt: skip
def test_the_report_is_about_what_is_known_of_a_data_set(
    name: str, statistics: tuple[str, ...], drawn: str, reading: str
) -> None:
    numbers, experiment = summary(figure=name), EXPERIMENTS[name]
    (claim,) = (one for one in experiment.claims if len(one.conditions) > 1)
    parts = claim.decide("laptop", name, numbers)["conditions"]
    assert [part["value"] for part in parts] == [numbers[statistic] for statistic in statistics]
    ((_, fact),) = experiment.facts(numbers)
    assert all(count in fact for count in ("250 samples", "12 test images", "10 of", "seed 7"))
    assert reading in experiment.judge(numbers)
    left, right = draw_variances(arrays(), numbers).axes
    assert ", ".join(one.get_text() for one in right.get_legend().get_texts()) == drawn
    assert left.get_yscale() == "log"

    (table,) = experiment.tables(numbers)
    assert [row[0] for row in table.rows] == [*LAYERS, "reconstructions"]
    assert {len(row) for row in table.rows} == {len(table.head)}
    last, row = dict(zip(table.head, table.rows[-2], strict=True)), numbers["layers"]["embedding"]
    expected = {"variance": "0.0810", "faithfulness": "0.96"}
    if name == "fig3":
        expected |= {"face": f"{row['identity']:.2f}", "glasses": "0.10"}
    else:
        expected |= {"colour, correlation": f"{row['correlation']['coat_hue']:.2f}"}
        assert "face" not in last and table.rows[-1][-1] == "1.00"
    assert last.items() >= expected.items()


def test_each_input_has_its_scale_of_variance() -> None:
    found = arrays()
    words = texts(draw_layers(found, summary()))
    for row in range(2):
        most = np.quantile([found[f"{name}_variance"][row] for name in LAYERS], 0.995)
        assert f"≥ {most:.2g}" in words
    assert set(LAYERS) <= set(words)


def test_arrays_that_are_missing(tmp_path: Path) -> None:
    for file, array in (("no.npz", "yaw"), ("fig3.npz", "mixed_7a_mean")):
        write_npz(tmp_path / "fig3.npz", x=np.zeros(1))
        again = f"{file}.*dvc repro -f measure-{file[:-4]}"
        with pytest.raises(PipelineError, match=again), open_arrays(tmp_path / file) as opened:
            opened[array]
