"""Verdicts follow from the numbers and the targets, and from nothing else."""

import copy
import json
from typing import Any

import pytest
from synthetic_fig4 import summary

from pipeline.errors import PipelineError
from pipeline.reporting.claims import CLAIMS, decide_claims

KEYS = {
    "id", "source", "statement", "statistic", "value", "ci", "target", "holds", "scale", "stage",
}  # fmt: skip
VALUES = {
    "F4.a": "digit_total_ratio",
    "F4.e": "digit_first_order_ratio",
    "F4.b": "background_total_ratio",
    "F4.c": "digit_accuracy_pearson",
    "F4.d": "order_first_gap",
}


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return summary()


def decide(measured: dict[str, Any], scale: str = "laptop") -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in decide_claims(scale, {"fig4": measured})}


def test_rows(measured: dict[str, Any]) -> None:
    rows = decide(measured)
    assert list(rows) == list(VALUES)
    for name, row in rows.items():
        assert set(row) == KEYS
        assert row["value"] == measured[VALUES[name]]
        assert row["ci"] == measured["intervals"][VALUES[name]]
        assert row["holds"] is True
        assert row["stage"] == "evaluate@fig4"
        assert row["scale"] == "laptop"
    json.dumps(rows, allow_nan=False)


@pytest.mark.parametrize(
    ("scale", "targets"),
    [
        ("smoke", [">= 2", ">= 5", ">= 3", ">= 0.9", "> 0"]),
        ("laptop", [">= 2", ">= 5", ">= 3", ">= 0.9", "> 0"]),
        ("gpu", [">= 5", ">= 5", ">= 3", ">= 0.9", "> 0"]),
        ("paper", [">= 5", ">= 5", ">= 3", ">= 0.9", "> 0"]),
    ],
)
def test_targets(measured: dict[str, Any], scale: str, targets: list[str]) -> None:
    assert [row["target"] for row in decide(measured, scale).values()] == targets


@pytest.mark.parametrize(
    ("name", "scale", "value", "holds"),
    [
        ("F4.a", "laptop", 2.0, True),
        ("F4.a", "laptop", 1.9999, False),
        ("F4.a", "gpu", 4.9, False),
        ("F4.a", "gpu", 5.0, True),
        ("F4.e", "laptop", 5.0, True),
        ("F4.e", "laptop", 4.9, False),
        ("F4.b", "laptop", 3.0, True),
        ("F4.b", "paper", 2.9, False),
        ("F4.c", "laptop", 0.9, True),
        ("F4.c", "laptop", 0.89, False),
        ("F4.d", "laptop", 0.001, True),
        ("F4.d", "laptop", 0.0, False),
    ],
)
def test_verdicts(
    measured: dict[str, Any], name: str, scale: str, value: float, holds: bool
) -> None:
    assert decide(measured | {VALUES[name]: value}, scale)[name]["holds"] is holds


@pytest.mark.parametrize("missing", list(VALUES.values()))
def test_a_missing_number_is_an_error(measured: dict[str, Any], missing: str) -> None:
    incomplete = {key: value for key, value in measured.items() if key != missing}
    with pytest.raises(PipelineError, match=f"{missing}.*dvc repro -f evaluate@fig4"):
        decide(incomplete)
    incomplete = copy.deepcopy(measured)
    del incomplete["intervals"][missing]
    with pytest.raises(PipelineError, match=missing):
        decide(incomplete)


def test_a_missing_figure_is_an_error() -> None:
    with pytest.raises(PipelineError, match="evaluate@fig4"):
        decide_claims("laptop", {})


def test_the_order_is_about_the_untrained_network(measured: dict[str, Any]) -> None:
    with pytest.raises(PipelineError, match="step 100"):
        decide(measured | {"step_first": 100})


def test_ids_are_unique() -> None:
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)
