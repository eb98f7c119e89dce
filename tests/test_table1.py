"""Table 1, Figs. 2 and S4-S6: measured with formulas, statistics of known numbers, drawings."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import colour_models as world
import numpy as np
import pytest
import torch
from colour_models import LEVELS, SIZE, SPECIES, shown_colours
from drawn import assert_words_apart, texts
from nested import replaced, without
from synthetic_table1 import (
    DOSOVITSKIY,
    DRAWS,
    FAITHFULNESS,
    LAYERS,
    MOVED,
    arrays,
    measured,
    summary,
)

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.experiments.table1 import measure as module
from pipeline.experiments.table1.draw import draw_fig2, draw_figS4, draw_figS5
from pipeline.experiments.table1.report import EXPERIMENT, Table1Settings
from pipeline.experiments.table1.summary import PAPER
from pipeline.reporting.tables import cell_texts
from pipeline.storage import write_json

META = {"scale": "laptop", "seed": 7}
DRAWINGS = [draw_fig2, draw_figS4, draw_figS5]


def autoencoder(_: Path) -> world.Formula:
    """The code of an image is its colour."""

    def encode(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x.mean((2, 3)), torch.ones(len(x), 3)

    return world.Formula(encode=encode, decode=world.images)


def alike(_: Path) -> world.Formula:
    """A decoder of z that shows all inputs alike."""
    return world.Formula(forward=lambda z: LEVELS[0].expand(len(z), 3, SIZE, SIZE))


def test_samples_and_decoders_of_z(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tuple(f"net-{name}" for name in LAYERS)
    baselines = tuple(f"db-{key}" for key in reversed(keys))
    modules = {key: ("net", "fc" if "output" in key else key) for key in keys}
    rows = world.write_rows(modules, baselines=baselines)
    world.write_pets(rows, torch.tensor([0, 1, 2, 3, 0, 1, 2, 3]))
    for steps, key in enumerate(keys):
        training = {"steps": 10 + steps, "inherited": 4}
        write_json(paths.baseline(f"db-{key}") / "training.json", training)
    write_json(paths.autoencoder("pets") / "training.json", {"steps": 9})
    extractor = SimpleNamespace(label="FID", preparation="", extract=shown_colours)
    monkeypatch.setattr(module, "load_extractor", lambda *_: extractor)
    monkeypatch.setattr(module, "reconstruction_quality", lambda *_: measured()["reconstruction"])
    settings = Table1Settings(inputs=8, draws=2, examples=4, samples=3, mahendran_steps=2)
    found, numbers, folders = world.measure(
        monkeypatch, module, settings, rows, autoencoder=autoencoder, baseline=alike,
        network=lambda _: world.Network(keys[:-1]),
    )  # fmt: skip
    assert [folder.name for folder in folders[3:]] == [f"db-{key}" for key in keys]

    expected = {
        "steps_ours": 9, "steps_dosovitskiy": 10, "steps_inherited": 4, "draws": 2, "images": 8,
        "accuracy": 1, "species_real": 1, "agreement_reconstruction": 1,
        "fid_floor_real": 0.05**2,
    }  # fmt: skip
    assert {key: numbers[key] for key in expected} == pytest.approx(expected, abs=1e-3)
    for record in numbers["layers"]:
        # Samples have the input's colour, D&B's images that of one of four species.
        for share in ("species", "agreement"):
            assert (record[f"{share}_ours"], record[f"{share}_dosovitskiy"]) == (1, 0.25)
        assert record["fid_ours"] < record["fid_dosovitskiy"]
        assert record["faithfulness"] > 0.95
    shown = shown_colours(found["inputs"])
    assert set(found["names"]) == set(SPECIES)
    for name in LAYERS:
        samples = shown_colours(found[f"{name}_ours"])
        assert samples.shape == (4, 3, 3)
        np.testing.assert_allclose(samples[..., 0] - shown[:, None, 0], 0, atol=0.2)
        assert len(np.unique(samples[:, :, 1])) > 1  # v differs
        assert found[f"{name}_mahendran"].shape == found[f"{name}_dosovitskiy"].shape


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    return summary()


def test_records(numbers: dict[str, Any]) -> None:
    assert [record["layer"] for record in numbers["layers"]] == list(LAYERS) == list(PAPER)
    for record in numbers["layers"]:
        layer = record["layer"]
        expected = {
            "fid_ours": np.mean(DRAWS[layer]), "kid_ours": np.mean(DRAWS[layer]) / 10,
            "fid_ours_std": np.std(DRAWS[layer], ddof=1), "fid_dosovitskiy": DOSOVITSKIY[layer],
            "faithfulness": FAITHFULNESS[layer], "species_ours": 0.96, "species_dosovitskiy": 0.5,
            "agreement_ours": 0.82, "agreement_dosovitskiy": 0.26,
        } | {f"paper_{key}": value for key, value in PAPER[layer].items()}  # fmt: skip
        assert {key: record[key] for key in expected} == pytest.approx(expected, rel=1e-5)
        for key in ("fid_ours", "fid_dosovitskiy", "faithfulness"):
            assert numbers[f"{key}_{layer}"] == record[key]
    nested = {key for key, value in numbers.items() if isinstance(value, (dict, list))}
    assert nested == {"layers", "intervals"}  # others are flat, as `dvc metrics` wants them
    # DVC draws a list of records only if all have the same keys.
    assert len({frozenset(record) for record in numbers["layers"]}) == 1


def test_statistics_and_intervals(numbers: dict[str, Any]) -> None:
    expected = {
        "fid_depth_ratio_dosovitskiy": 3, "fid_layers_better": 5, "kid_layers_better": 5,
        "fid_layers_better_every_draw": 5, "fid_floor_real": 10, "kid_floor_reconstruction": 9,
        "images": 2048, "draws": 3, "reconstruction_psnr": 22.1,
    }  # fmt: skip
    assert {key: numbers[key] for key in expected} == pytest.approx(expected)
    assert numbers["faithfulness_smallest"] == 0.92
    assert numbers["intervals"]["faithfulness_smallest"] == pytest.approx([0.9004, 0.9396])
    relative = {
        method: np.hypot(MOVED["images"][method], MOVED["reference"][method]) / 1000**0.5
        for method in ("ours", "dosovitskiy")
    }
    for name, value, deviation in (
        ("fid_depth_ratio_ours", 1.1, relative["ours"] * np.hypot(1 / 110, 1 / 100)),
        ("fid_depth_ratio_dosovitskiy", 3, relative["dosovitskiy"] * np.hypot(1 / 360, 1 / 120)),
    ):
        assert numbers[name] == pytest.approx(value)
        low, high = numbers["intervals"][name]
        assert np.log([low / value, high / value]) == pytest.approx(
            [-1.96 * deviation, 1.96 * deviation], rel=0.1
        )
    # conv5 has the smallest ratio; in some draws it is another layer.
    low, high = numbers["intervals"]["fid_smallest_ratio"]
    deviation = np.hypot(relative["ours"] / 100, relative["dosovitskiy"] / 120)
    assert numbers["fid_smallest_ratio"] == pytest.approx(1.2)
    assert low < 1.2 * np.exp(-1.5 * deviation) and 1.2 < high < 1.2 * np.exp(1.96 * deviation)


def test_layers_are_counted_one_by_one() -> None:
    changed = measured()
    changed["layers"]["fc6"]["dosovitskiy"] = {"fid": 103.0, "kid": 9.9}  # one draw has 104
    changed["layers"]["fc7"]["dosovitskiy"] = {"fid": 101.9, "kid": 14.0}  # the mean is 102
    numbers = summary(found=changed)
    counts = {"fid_layers_better": 4, "fid_layers_better_every_draw": 3, "kid_layers_better": 4}
    assert counts.items() <= numbers.items()
    assert numbers["fid_smallest_ratio"] == pytest.approx(101.9 / 102, rel=1e-5)


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        ("layers fc7", None, "lack 'fc7'.*measure-table1"),
        ("floor_real", None, "lack 'floor_real'.*measure-table1"),
        ("layers conv5 dosovitskiy kid", None, "lack 'kid'.*measure-table1"),
        ("layers fc7 dosovitskiy fid", float("nan"), "fid = nan for 'fc7'"),
        ("layers fc7 dosovitskiy fid", 0.0, "fid = 0.0 for 'fc7'"),
        ("layers fc6 ours", measured()["layers"]["fc6"]["ours"][:2], "same number"),
        ("layers fc6 ours", [], "experiments.table1.draws"),
    ],
)
def test_bad_measurements(keys: str, value: Any, words: str) -> None:
    path = keys.split()
    found = without(measured(), *path) if value is None else replaced(measured(), value, *path)
    with pytest.raises(PipelineError, match=words):
        summary(found=found)


def test_figures_name_methods_layers_and_species() -> None:
    written = texts(draw_fig2(META, arrays(3)))
    for name in ("ours", "D&B", "M&V", "$D(E(x))$", "conv5", "fc8", r"$\sigma$(fc8)"):
        assert written.count(name) == 3
    assert {"tiger", "snow leopard", "cow"} <= set(written)
    written = set(texts(draw_figS5(META, arrays(), 1)))
    assert {"conv5", r"$\sigma$(fc8)", "input: snow leopard"} <= written and "fc7" not in written


@pytest.mark.parametrize(("size", "samples"), [(32, 1), (64, 6), (128, 10)])
@pytest.mark.parametrize("make", DRAWINGS)
def test_words_keep_apart(make: Any, size: int, samples: int) -> None:
    assert_words_apart(make(META, arrays(2, samples, size)))


def test_examples_that_are_not_there() -> None:
    with pytest.raises(PipelineError, match="two examples, not 1.*experiments.table1.examples"):
        draw_figS4(META, arrays(1))
    with pytest.raises(PipelineError, match="no example 2 among 2"):
        draw_figS5(META, arrays(), example=2)


def test_tables_show_the_papers_numbers_and_ours() -> None:
    numbers = summary()
    numbers["layers"][3]["agreement_ours"] = 0.825195
    found = EXPERIMENT.files(numbers)
    rows = {row[0]: row[1:] for row in cell_texts(found["table1"])}
    assert list(rows) == list(LAYERS)
    assert rows["conv5"] == [
        "23.6 ± 0.5", "25.2", "100.0 ± 2.0", "120.0", "10.00 ± 0.20", "12.00", "0.970 ± 0.010",
    ]  # fmt: skip
    assert cell_texts(found["table1_faithfulness"])[3] == [
        "fc8", "0.200", "0.844", "0.900", "0.920 ± 0.010", "96.0", "50.0", "82.5", "26.0",
    ]  # fmt: skip
    assert found["table1_faithfulness"].rows[3][7] == 82.5195  # not 82.51950000000001
    for name, phrases in (
        ("table1", ("2,048", "64 px", "laptop", "seed 7", "FID-EN0", "95.0", "10.0", "8,000")),
        ("table1_faithfulness", ("98.0 %", "97.0 %", "93.0 %", "99.0 %", "64 px")),
    ):
        assert all(phrase in " ".join(found[name].notes) for phrase in phrases)
        about = {"scale": "laptop", "seed": 7, "N": 2048, "px": 64, "draws": 3}
        assert found[name].constants.items() >= about.items()
    floors = {"floor FID-EN0, real images": 10, "floor KID × 1000, reconstructions": 9}
    assert found["table1"].constants.items() >= floors.items()
    for record in numbers["layers"]:
        record["fid_dosovitskiy"] *= 20
    assert cell_texts(EXPERIMENT.files(numbers)["table1"])[0][3:5] == ["100 ± 2", "2,400"]
    unknown = EXPERIMENT.files(summary(found=replaced(measured(), None, "accuracy")))
    assert "accuracy is not known" in " ".join(unknown["table1_faithfulness"].notes)
