"""The numbers of Table 1 on made-up distances whose statistics are known."""

import copy
import json
from typing import Any

import numpy as np
import pytest
from scipy import stats
from synthetic_table1 import DOSOVITSKIY, DRAWS, FAITHFULNESS, LAYERS, measured, summary

from pipeline.errors import PipelineError
from pipeline.evaluation.table1 import PAPER


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    return summary()


def test_records(numbers: dict[str, Any]) -> None:
    assert [record["layer"] for record in numbers["layers"]] == list(LAYERS) == list(PAPER)
    for record in numbers["layers"]:
        layer = record["layer"]
        assert record["fid_ours"] == pytest.approx(np.mean(DRAWS[layer]), rel=1e-5)
        assert record["fid_ours_std"] == pytest.approx(np.std(DRAWS[layer], ddof=1), rel=1e-5)
        assert record["kid_ours"] == pytest.approx(record["fid_ours"] / 10, rel=1e-5)
        assert record["fid_dosovitskiy"] == DOSOVITSKIY[layer]
        assert record["faithfulness"] == FAITHFULNESS[layer]
        assert (record["species_ours"], record["species_dosovitskiy"]) == (0.96, 0.5)
        assert (record["agreement_ours"], record["agreement_dosovitskiy"]) == (0.82, 0.26)
        assert (record["paper_ours"], record["paper_ours_std"], record["paper_dosovitskiy"]) == (
            PAPER[layer]["ours"], PAPER[layer]["ours_std"], PAPER[layer]["dosovitskiy"],
        )  # fmt: skip
        assert numbers[f"fid_ours_{layer}"] == record["fid_ours"]
        assert numbers[f"fid_dosovitskiy_{layer}"] == record["fid_dosovitskiy"]
        assert numbers[f"faithfulness_{layer}"] == record["faithfulness"]


def test_what_was_measured_is_said(numbers: dict[str, Any]) -> None:
    assert (numbers["images"], numbers["draws"], numbers["size"]) == (2048, 3, 64)
    assert (numbers["scale"], numbers["seed"], numbers["label"]) == ("laptop", 7, "FID-EN0")
    assert numbers["reconstruction_psnr"] == 22.1
    assert (numbers["species_reconstruction"], numbers["agreement_reconstruction"]) == (0.97, 0.93)
    assert (numbers["fid_floor_real"], numbers["kid_floor_reconstruction"]) == (10, 9)
    assert numbers["updates_ours"] == numbers["updates_dosovitskiy"] == 9000


def test_statistics(numbers: dict[str, Any]) -> None:
    assert numbers["fid_smallest_ratio"] == pytest.approx(1.2)
    assert numbers["fid_depth_ratio_ours"] == pytest.approx(1.1)
    assert numbers["fid_depth_ratio_dosovitskiy"] == pytest.approx(3)
    assert numbers["faithfulness_smallest"] == 0.92
    assert numbers["fid_layers_better"] == numbers["fid_layers_better_every_draw"] == 5
    assert numbers["kid_layers_better"] == 5


def test_intervals(numbers: dict[str, Any]) -> None:
    t = stats.t.ppf(0.975, 2) / np.sqrt(3)
    by_draw = np.array([120 / 100, 120 / 102, 120 / 98])
    half = t * by_draw.std(ddof=1)
    found = numbers["intervals"]["fid_smallest_ratio"]
    assert found == pytest.approx([1.2 - half, 1.2 + half], rel=1e-4)
    half = t * 1.1 * np.hypot(2 / 110, 2 / 100)
    found = numbers["intervals"]["fid_depth_ratio_ours"]
    assert found == pytest.approx([1.1 - half, 1.1 + half], rel=1e-4)
    found = numbers["intervals"]["faithfulness_smallest"]
    assert found == pytest.approx([0.92 - 0.0196, 0.92 + 0.0196], abs=1e-5)


def test_layers_are_counted_one_by_one() -> None:
    changed = measured()
    changed["layers"]["fc6"]["dosovitskiy"] = {"fid": 103.0, "kid": 9.9}  # one draw has 104
    changed["layers"]["fc7"]["dosovitskiy"] = {"fid": 101.9, "kid": 14.0}  # the mean is 102
    numbers = summary(measured=changed)
    assert numbers["fid_layers_better"] == 4
    assert numbers["fid_layers_better_every_draw"] == 3
    assert numbers["kid_layers_better"] == 4
    assert numbers["fid_smallest_ratio"] == pytest.approx(101.9 / 102, rel=1e-5)


def test_equal_draws_have_no_spread() -> None:
    changed = measured()
    for layer in changed["layers"].values():
        layer["ours"] = [layer["ours"][0]] * 2
    numbers = summary(measured=changed)
    low, high = numbers["intervals"]["fid_smallest_ratio"]
    assert low == high == numbers["fid_smallest_ratio"]


def test_summary_is_json_and_flat_numbers_are_on_top(numbers: dict[str, Any]) -> None:
    json.dumps(numbers, allow_nan=False)
    nested = {key for key, value in numbers.items() if isinstance(value, (dict, list))}
    assert nested == {"layers", "intervals"}
    # DVC draws a list of records only if all have the same keys.
    assert len({frozenset(record) for record in numbers["layers"]}) == 1


def drop(key: str, *where: str) -> dict[str, Any]:
    changed = copy.deepcopy(measured())
    part: Any = changed
    for name in where:
        part = part[name]
    del part[key]
    return changed


def with_distance(value: float) -> dict[str, Any]:
    changed = measured()
    changed["layers"]["fc7"]["dosovitskiy"]["fid"] = value
    return changed


def with_draws(count: int, layers: tuple[str, ...]) -> dict[str, Any]:
    changed = measured()
    for layer in layers:
        changed["layers"][layer]["ours"] = changed["layers"][layer]["ours"][:count]
    return changed


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (drop("fc7", "layers"), "lack 'fc7'.*evaluate@table1"),
        (drop("floor_real"), "lack 'floor_real'"),
        (drop("species_real"), "lack 'species_real'"),
        (drop("agreement_reconstruction"), "lack 'agreement_reconstruction'"),
        (drop("agreement_dosovitskiy", "layers", "fc6"), "lack 'agreement_dosovitskiy'"),
        (drop("reconstruction"), "lack 'reconstruction'"),
        (drop("kid", "layers", "conv5", "dosovitskiy"), "lack 'kid'"),
        (drop("faithfulness_se", "layers", "fc8", "faithfulness"), "lack 'faithfulness_se'"),
        (with_distance(float("nan")), "fid = nan for 'fc7'"),
        (with_distance(0.0), "fid = 0.0 for 'fc7'"),
        (with_draws(1, LAYERS), "at least 2.*evaluate.table1.draws"),
        (with_draws(2, ("fc6",)), "same number of sample draws"),
    ],
)
def test_bad_measurements(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        summary(measured=changed)
