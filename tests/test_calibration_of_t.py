"""The calibration of every t: measured with small models, numbers of a known world, drawings."""

from pathlib import Path
from typing import Any

import colour_models as world
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import chi2
from synthetic_calibration import (
    BEFORE,
    FEATURES,
    IMAGES,
    LAYERS,
    RHO,
    SHRUNK,
    VARIANCE,
    arrays,
    summary,
)
from training import normal

from pipeline import paths
from pipeline.datasets.features import representations_file, save_posterior
from pipeline.evaluation.attributes import predict_scores
from pipeline.evaluation.coverage import LEVELS, coverage, regions
from pipeline.evaluation.likelihood import cinn_loss
from pipeline.evaluation.regressions import left_by_regressions
from pipeline.evaluation.squared_error import squared_error
from pipeline.experiments.calibration import measure as module
from pipeline.experiments.calibration.draw import SHARES, draw
from pipeline.experiments.calibration.report import CalibrationSettings
from pipeline.models.cinn import build_cinn
from pipeline.models.evaluator import Evaluator
from pipeline.models.inn import SemanticINN
from pipeline.storage import write_json, write_npy, write_safetensors
from pipeline.task import Task
from pipeline.training.run import write_model

FACTORS = {"yaw", "glasses", *(f"species={name}" for name in world.SPECIES)}
NUMBERS = summary()


def evaluator(*_: Path) -> Evaluator:
    torch.manual_seed(0)
    classes = [("glasses", [False, True]), ("species", world.SPECIES)]
    return Evaluator(world.SIZE, 4, classes, ["yaw"]).eval()


def test_measured_with_small_models(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The t of one layer starts from a regression, that of a noisier one does not see z."""
    rows = world.write_rows({"net-a": ("net", "a"), "net-b": ("net", "b")})
    data = {}
    for split, count in (("train", 400), ("test", 150)):
        z = normal(count, 5, 1, 1, seed=count)
        mean = 0.2 * z.flatten(1) @ normal(5, 3, seed=0) + 0.1 * normal(count, 3, seed=1)
        data[split] = z, mean
        save_posterior(paths.posteriors("pets"), split, (mean, torch.full_like(mean, 1e-4)))
    size = {"features": 3, "shape": (5, 1, 1), "embedding": 4, "blocks": 1, "width": 8, "depth": 0}
    for key, noise in (("net-b", 1), ("net-a", 0)):
        config: dict[str, Any] = size | {"predict": not noise}
        t: Any = build_cinn(**config).eval()
        t.recalibration.fit(1.3 * normal(4000, 3, seed=5))
        if not noise:
            t.prediction.fit(*data["train"])
        write_json(paths.cinn(key) / "config.json", {"model": config, "steps": [0, 7]})
        write_json(paths.features(key) / "config.json", {"train": "train"})
        for step in (0, 7):
            write_safetensors(paths.checkpoint_file(paths.cinn(key), step), t.state_dict())
            for split, (z, _) in data.items():
                noisy = (z + noise * normal(*z.shape, seed=7)).half().numpy()
                write_npy(representations_file(paths.features(key), step, split), noisy)
    prior = build_cinn(**size | {"shape": (1, 1, 1)}).eval()
    prior.recalibration.load_state_dict(t.recalibration.state_dict())
    write_model(paths.prior("pets"), prior, size | {"shape": (1, 1, 1)})
    e = SemanticINN(3, {"species": 1}, blocks=1, width=8, depth=0).eval()
    config = {"features": 3, "factors": [["species", 1]], "blocks": 1, "width": 8, "depth": 0}
    write_model(paths.semantic("pets"), e, config)
    species = np.array(world.SPECIES)[np.arange(550) % 4]
    splits = np.repeat(["train", "test"], (400, 150))
    truth = pd.DataFrame({"split": splits, "label": np.arange(550) % 4, "species": species})
    world.write_images(normal(550, 3, seed=9).clamp(-1, 1), truth)
    changes = {"RANKED": [("net", "pets")], "BATCH": 60, "load_evaluator": evaluator}
    changes["load_autoencoder"] = lambda _: world.Formula(decode=world.images)
    for name, value in changes.items():
        monkeypatch.setattr(module, name, value)
    settings = CalibrationSettings(
        mean_samples=32, ranked_inputs=40, ranked_samples=19, fitted_images=300
    )
    task: Any = Task("measure", "calibration", "smoke", 3, 1, settings, rows, {}, "")
    found, numbers = module.measure(task, torch.device("cpu"))

    z, mean = data["test"][0].half().float(), data["test"][1]
    z_bar = mean + 0.01 * torch.randn(mean.shape, generator=torch.Generator().manual_seed(3))
    v, log_det = (part.detach() for part in t(z_bar, z))
    left = ((z_bar - t.prediction(z)) / t.prediction.scale).numpy()
    expected = {"regions": regions(v.numpy()), "nats": -cinn_loss(v, log_det),
                "regions_before": regions(left)}  # fmt: skip
    for name, values in expected.items():
        for part in found[f"net-a_{name}"]:
            np.testing.assert_allclose(part, values, rtol=1e-3, atol=1e-3)
    one, other = (numbers["layers"][key] for key in ("net-a", "net-b"))
    assert one["worst"] > one["worst_before"]  # what was right is now too narrow
    assert abs(one["explained_by_t"] - one["explained_by_regression"]) < 0.02
    assert one["explained_by_t"] > 0.85 and abs(other["explained_by_t"]) < 0.15
    for row in (one, other):
        assert abs(row["explained_by_mlp"] - row["explained_by_regression"]) < 0.1
    # Of the noisy layer's Gaussian z, nothing is kept by a t that does not read it.
    assert one["kept"] > 1 and other["kept"] < 0.2
    with torch.no_grad():
        factors = e(z_bar)[0]
    np.testing.assert_allclose(found["pets_factors"], factors, atol=0.1)  # noise
    assert numbers["semantic"]["pets"]["factors"]["species"]["dimensions"] == 1
    assert 0.3 < other["explained_by_regression"] < 0.7 and other["lost"] > 3 * other["lost_error"]
    assert set(one["ranks"]) == set(other["ranks"]) == FACTORS and numbers["ranked_images"] == 40
    for name in FACTORS:
        place = found[f"net-a_ranks_{name}"]
        assert place.min() >= 0 and place.max() <= 19 and abs(place.mean() / 19 - 0.5) < 0.2


def test_a_perceptron_sees_what_a_regression_does_not() -> None:
    z = normal(3000, 4, 1, 1, seed=2)
    z_bar = z.flatten(1).square() + 0.3 * normal(3000, 4, seed=3)
    test, train = slice(0, 500), slice(500, None)
    left = left_by_regressions(None, z_bar[test], z[test], z_bar[train], z[train], 2500, seed=0)
    variance = squared_error(z_bar[test].numpy(), z_bar[test].mean(0).numpy()).mean()
    shares = {name: 1 - values.mean() / variance for name, values in left.items()}
    assert abs(shares["regression"]) < 0.05 and shares["mlp"] > 0.7


def test_a_perceptron_finds_nothing_in_noise() -> None:
    """Though a regression of few images on many inputs leaves little of these images."""
    z, z_bar = normal(700, 200, 1, 1, seed=2), normal(700, 3, seed=3)
    test, train = slice(0, 400), slice(400, None)
    left = left_by_regressions(None, z_bar[test], z[test], z_bar[train], z[train], 300, seed=0)
    assert left["mlp"].mean() == pytest.approx(left["regression"].mean(), rel=0.05)


def test_scores_are_log_odds_and_numbers() -> None:
    model, pixels = evaluator(), np.random.default_rng(0).integers(0, 256, (7, 16, 16, 3), np.uint8)
    model.fit_scale(3 + 2 * normal(50, 1))
    found = predict_scores(model, pixels, batch_size=3)
    logits, values = model(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1)
    odds = {name: part.softmax(1).logit() for name, part in logits.items()}
    expected = {f"species={name}": odds["species"][:, i] for i, name in enumerate(world.SPECIES)}
    yaw = values[:, 0] * model.scale + model.mean
    expected |= {"glasses": odds["glasses"][:, 1], "yaw": yaw}
    scores = {name: torch.from_numpy(part) for name, part in found.items()}
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [2, 3, 40])
def test_few_samples_explain_as_much_as_many(count: int) -> None:
    draws = np.random.default_rng(0).normal(size=(count + 2, 20_000, 3))
    z_bar, drawn = draws[0] + 0.7 * draws[1], draws[0] + 0.7 * draws[2:]
    left = squared_error(z_bar, drawn.mean(0), drawn.var(0, ddof=1), count)
    assert left.mean() == pytest.approx(3 * 0.49, abs=0.03)


def test_numbers_are_those_of_the_world() -> None:
    wide = chi2.cdf(chi2.ppf(LEVELS, FEATURES) / BEFORE**2, FEATURES) - LEVELS
    for key, deviation in LAYERS.items():
        row = NUMBERS["layers"][key]
        assert [*row["coverage"].values()] == pytest.approx(LEVELS, abs=0.03)
        assert row["worst"] < 0.03 and row["worst_before"] == pytest.approx(-wide.min(), abs=0.03)
        assert row["nats"] == pytest.approx(-FEATURES * (0.5 + np.log(deviation)), abs=0.1)
        assert row["explained_by_t"] == pytest.approx(1 - deviation**2, abs=0.02)
        kept = -FEATURES * np.log(deviation)  # mutual information of Gaussians
        assert row["kept"] == pytest.approx(kept, abs=4 * row["kept_error"])
        assert row["explained_by_mlp"] == pytest.approx(1 - deviation**2, abs=0.02)
    last = NUMBERS["layers"]["facenet-embedding"]
    assert ["lost" in NUMBERS["layers"][key] for key in LAYERS] == [False, True, False]
    assert last["lost"] == pytest.approx(FEATURES * np.log(0.8 / 0.5), abs=0.15)
    assert last["lost_error"] == pytest.approx(
        (4 * (1 - (0.5 / 0.8) ** 2) / IMAGES) ** 0.5, rel=0.1
    )
    assert NUMBERS["rise"] == pytest.approx(-last["lost"] / last["lost_error"], rel=1e-4)
    for name, (low, high) in NUMBERS["intervals"].items():
        assert low <= NUMBERS[name] <= high or name == "worst_coverage", name
    low, high = NUMBERS["intervals"]["margin"]
    assert 0.002 < high - low < 0.02  # the error of a mean of 2000 squares
    assert (NUMBERS["margin_layer"], NUMBERS["intervals"]["ranked_share"][1]) == (
        "resnet101-fc",
        1,
    )
    assert NUMBERS["margin"] == pytest.approx((1 - SHRUNK) ** 2 * (1 - 0.9**2), abs=0.006)
    assert (NUMBERS["ranked_share"], NUMBERS["ranked_pairs"]) == (1, 3)
    e = NUMBERS["semantic"]["faces"]
    smile = e["factors"]["smile"]
    assert (smile["dimensions"], e["factors"]["residual"]["correlation"]) == (3, None)
    assert smile["variance"] == pytest.approx(VARIANCE, rel=0.15)
    assert smile["correlation"] == pytest.approx(RHO, abs=0.1)
    assert e["square"] == pytest.approx((FEATURES + 3 * VARIANCE) / 7, rel=0.05)
    assert e["square_train"] == 0.75
    changed = summary(**{"resnet101-fc_ranks_species=fox": np.zeros(400, int)})
    assert changed["ranked_share"] == pytest.approx(2 / 3, abs=1e-6)
    both = np.stack([np.zeros(IMAGES), arrays()["facenet-embedding_regions"][-1]])
    changed = summary(**{"facenet-embedding_regions": both})
    assert (changed["worst_layer"], changed["worst_coverage"]) == ("facenet-embedding", 0.5)
    assert changed["layers"]["facenet-embedding"]["coverage"] == last["coverage"]


def test_figures_show_the_numbers() -> None:
    figures = draw(NUMBERS, arrays())
    for axes, name in zip(figures["coverage"].axes, [*LAYERS][::2], strict=True):
        for line, array in zip(axes.lines[1:3], ("regions_before", "regions"), strict=True):
            expected = coverage(arrays()[f"{name}_{array}"][-1], SHARES)
            assert np.array_equal(line.get_ydata(), expected)
    layers = [NUMBERS["layers"][key] for key in LAYERS]
    left, right = figures["nats"].axes
    assert [*left.lines[0].get_ydata()] == [row["kept"] for row in layers[:2]]
    for line, name in zip(right.lines, ("t", "regression"), strict=True):
        assert [*line.get_ydata()] == [row[f"explained_by_{name}"] for row in layers[:2]]
    shown = [text.get_text() for axes in figures["ranks"].axes for text in axes.texts]
    assert shown == [f"{100 * x:.0f}" for row in layers for x in row.get("ranks", {}).values()]
    assert set(draw(NUMBERS | {"ranked_pairs": 0}, arrays())) == {"coverage", "nats"}
