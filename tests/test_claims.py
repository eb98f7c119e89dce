"""Verdicts follow from the numbers and the targets, and from nothing else."""

import copy
import json
from typing import Any

import pytest
import synthetic_fig3
import synthetic_fig4
import synthetic_fig5
import synthetic_fig6
import synthetic_fig7
import synthetic_table1

from pipeline.errors import PipelineError
from pipeline.reporting.claims import CLAIMS, decide_claims
from pipeline.reporting.verdicts import claims_table

KEYS = {
    "id", "source", "statement", "statistic", "value", "ci", "target", "holds", "scale", "stage",
}  # fmt: skip
VALUES = {
    "T1.a": ("table1", "fid_smallest_ratio"),
    "T1.b": ("table1", "fid_depth_ratio_ours"),
    "T1.c": ("table1", "faithfulness_smallest"),
    "F3.a": ("fig3", "spearman"),
    "F3.b": ("fig3", "log_r2"),
    "F3.c": ("fig3", "yaw_ratio"),
    "F3.d": ("fig3", "glasses_kept"),
    "S10.a": ("figs10", "species_kept"),
    "F4.a": ("fig4", "digit_total_ratio"),
    "F4.e": ("fig4", "digit_first_order_ratio"),
    "F4.b": ("fig4", "background_total_ratio"),
    "F4.c": ("fig4", "digit_accuracy_pearson"),
    "F4.d": ("fig4", "order_first_gap"),
    "F5.a": ("fig5", "order_gap"),
    "F5.b": ("fig5", "target_logits"),
    "F5.c": ("fig5", "random_largest"),
}

OTHERS = ("F6.a", "F6.b", "F6.c", "F6.d", "F7.a", "F7.b", "F7.c", "S9.a", "S8.a")
"""Claims whose numbers are tested where their figure is."""

Metrics = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def measured() -> Metrics:
    return {
        "fig3": synthetic_fig3.summary(),
        "fig4": synthetic_fig4.summary(),
        "fig5": synthetic_fig5.summary(),
        "fig6": synthetic_fig6.summary(),
        "fig7": synthetic_fig7.summary(),
        "figs10": synthetic_fig3.summary(figure="figs10"),
        "table1": synthetic_table1.summary(),
    }


def changed(measured: Metrics, figure: str, **numbers: Any) -> Metrics:
    return {**measured, figure: measured[figure] | numbers}


def decide(measured: Metrics, scale: str = "laptop") -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in decide_claims(scale, measured)}


def test_rows(measured: Metrics) -> None:
    rows = decide(measured)
    assert list(rows) == [*VALUES, *OTHERS]
    for name, (figure, value) in VALUES.items():
        row = rows[name]
        assert set(row) - {"conditions"} == KEYS
        assert ("conditions" in row) == (name in ("T1.b", "F3.b", "S10.a", "F5.b"))
        assert row["value"] == measured[figure][value]
        assert row["ci"] == measured[figure]["intervals"][value]
        assert row["holds"] is True
        assert row["stage"] == f"evaluate@{figure}"
        assert row["scale"] == "laptop"
    json.dumps(rows, allow_nan=False)


@pytest.mark.parametrize(
    ("scale", "targets"),
    [
        ("smoke", ["ours <= 1.25, D&B >= 1.4", ">= 0.8", ">= 2"]),
        ("laptop", ["ours <= 1.25, D&B >= 1.4", ">= 0.8", ">= 2"]),
        ("gpu", ["ours <= 1.25, D&B >= 2.5", ">= 0.8", ">= 5"]),
        ("paper", ["ours <= 1.25, D&B >= 2.5", ">= 0.8", ">= 5"]),
    ],
)
def test_targets(measured: Metrics, scale: str, targets: list[str]) -> None:
    fig3 = [">= 1", "R² >= 0.8, last / first >= 10", ">= 5", ">= 0.9"]
    fig3.append("species >= 0.8, colour >= 0.8")
    expected = ["> 1", *targets[:2], *fig3, targets[2], ">= 5", ">= 3", ">= 0.9", "> 0"]
    expected += ["> 0", "logits >= 0.8, input <= 0.1", "<= 0.05"]
    rows = decide(measured, scale)
    assert [rows[name]["target"] for name in VALUES] == expected


@pytest.mark.parametrize(
    ("name", "scale", "value", "holds"),
    [
        ("T1.a", "laptop", 1.0001, True),
        ("T1.a", "laptop", 1.0, False),
        ("T1.a", "paper", 1.0, False),
        ("T1.b", "laptop", 1.25, True),
        ("T1.b", "laptop", 1.2501, False),
        ("T1.b", "gpu", 1.25, True),
        ("T1.b", "gpu", 1.2501, False),
        ("T1.c", "laptop", 0.8, True),
        ("T1.c", "laptop", 0.7999, False),
        ("F3.a", "laptop", 1.0, True),
        ("F3.a", "laptop", 0.9, False),
        ("F3.b", "laptop", 0.8, True),
        ("F3.b", "laptop", 0.79, False),
        ("F3.c", "laptop", 5.0, True),
        ("F3.c", "laptop", 4.9, False),
        ("F3.d", "laptop", 0.9, True),
        ("F3.d", "laptop", 0.89, False),
        ("S10.a", "laptop", 0.8, True),
        ("S10.a", "laptop", 0.79, False),
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
        ("F5.a", "laptop", 0.001, True),
        ("F5.a", "laptop", 0.0, False),
        ("F5.b", "laptop", 0.8, True),
        ("F5.b", "laptop", 0.79, False),
        ("F5.c", "laptop", 0.05, True),
        ("F5.c", "laptop", 0.06, False),
    ],
)
def test_verdicts(measured: Metrics, name: str, scale: str, value: float, holds: bool) -> None:
    figure, number = VALUES[name]
    assert decide(changed(measured, figure, **{number: value}), scale)[name]["holds"] is holds


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.7654, "0.765"),
        (0.8, "0.8"),
        (0.79989, "0.7999"),
        (0.80001, "0.80001"),
        (None, "not measured"),
    ],
)
def test_a_value_is_told_from_its_target(measured: Metrics, value: float | None, told: str) -> None:
    row = decide(changed(measured, "fig3", log_r2=value))["F3.b"]
    assert claims_table([row], {}).rows[0][3].splitlines()[0] == f"R² {told}"


def test_the_evaluators_accuracy_stands_with_the_claims(measured: Metrics) -> None:
    rows = list(decide(measured).values())
    people = {"yaw": {"r2": 0.978}, "No_Beard": {"accuracy": 0.997}, "light_azimuth": {"r2": 0.9}}
    animals = {"species": {"accuracy": 0.991}, "coat_hue": {"r2": 0.93}}
    note = claims_table(rows, {"fig3": people, "figs10": animals}).note
    assert note.endswith(
        "How well the evaluator reads blurred held-out images: of people yaw R² 0.98, beard "
        "99.7 %; of animals species 99.1 %, colour of the coat R² 0.93."
    )
    assert "How well" not in claims_table(rows, {}).note


@pytest.mark.parametrize(
    ("scale", "ours", "theirs", "holds"),
    [
        ("laptop", 1.25, 1.4, True),
        ("laptop", 1.25, 1.3999, False),
        ("laptop", 1.26, 1.4, False),
        ("laptop", 1.26, 1.3, False),
        ("gpu", 1.25, 2.4999, False),
        ("gpu", 1.25, 2.5, True),
        ("paper", 1.1, 2.0, False),
    ],
)
def test_both_methods_must_depend_on_depth_as_claimed(
    measured: Metrics, scale: str, ours: float, theirs: float, holds: bool
) -> None:
    ratios = {"fid_depth_ratio_ours": ours, "fid_depth_ratio_dosovitskiy": theirs}
    row = decide(changed(measured, "table1", **ratios), scale)["T1.b"]
    assert row["holds"] is holds
    assert row["value"] == ours
    assert [part["of"] for part in row["conditions"]] == ["ours", "D&B"]
    assert [part["value"] for part in row["conditions"]] == [ours, theirs]
    assert [part["holds"] for part in row["conditions"]] == [
        ours <= 1.25,
        theirs >= (1.4 if scale == "laptop" else 2.5),
    ]
    assert row["conditions"][1]["ci"] is None


@pytest.mark.parametrize(("figure", "missing"), list(VALUES.values()))
def test_a_missing_number_is_an_error(measured: Metrics, figure: str, missing: str) -> None:
    incomplete = copy.deepcopy(measured)
    del incomplete[figure][missing]
    with pytest.raises(PipelineError, match=f"{missing}.*dvc repro -f evaluate@{figure}"):
        decide(incomplete)
    incomplete = copy.deepcopy(measured)
    del incomplete[figure]["intervals"][missing]
    with pytest.raises(PipelineError, match=missing):
        decide(incomplete)


def test_a_missing_second_condition_is_an_error(measured: Metrics) -> None:
    incomplete = copy.deepcopy(measured)
    del incomplete["table1"]["fid_depth_ratio_dosovitskiy"]
    with pytest.raises(PipelineError, match=r"fid_depth_ratio_dosovitskiy.*T1\.b"):
        decide(incomplete)


@pytest.mark.parametrize("figure", ["fig3", "fig4", "fig5", "fig6", "fig7", "figs10", "table1"])
def test_a_missing_figure_is_an_error(measured: Metrics, figure: str) -> None:
    with pytest.raises(PipelineError, match=f"evaluate@{figure}"):
        decide_claims("laptop", {name: one for name, one in measured.items() if name != figure})


def test_the_order_is_about_the_untrained_network(measured: Metrics) -> None:
    with pytest.raises(PipelineError, match="step 100"):
        decide(changed(measured, "fig4", step_first=100))


def test_an_unfair_comparison_gets_no_verdict(measured: Metrics) -> None:
    with pytest.raises(PipelineError, match=r"T1\.a.*8999 updates and ours 9000.*steps"):
        decide(changed(measured, "table1", updates_dosovitskiy=8999))
    assert decide(changed(measured, "table1", updates_dosovitskiy=20000))["T1.a"]["holds"]


def test_ids_are_unique() -> None:
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)
