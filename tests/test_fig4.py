"""The numbers of Fig. 4 on made-up factors, and the drawing of Figs. 4 and S7."""

from typing import Any

import numpy as np
import pytest
from drawn import assert_grid, sheet, texts
from synthetic_fig4 import ACCURACY, SLICES, STEPS, arrays, factors, summary

from pipeline.errors import PipelineError
from pipeline.evaluation.explained_variance import variance_components
from pipeline.experiments.fig4.draw import curves_of, draw, draw_fig4, grids_of
from pipeline.experiments.fig4.report import EXPERIMENT
from pipeline.experiments.fig4.summary import FACTORS, summarise_fig4


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    return summary()


def test_flat_numbers_are_on_top(numbers: dict[str, Any]) -> None:
    expected = {
        "step_first": 0, "step_early": 100, "step_late": 400, "step_last": 500, "inputs": 120,
        "invariances": 60, "accuracy_early": 0.2, "accuracy_last": 0.92,
    }  # fmt: skip
    assert numbers.items() >= expected.items()
    nested = {key for key, value in numbers.items() if isinstance(value, (dict, list))}
    assert nested == {"curves", "intervals", "semantic"}  # others are flat, for `dvc metrics`
    # DVC draws a list of records only if all have the same keys.
    assert len({frozenset(record) for record in numbers["curves"]}) == 1
    assert "v_square_mean" in numbers["curves"][0]
    assert summary() == numbers


def test_summary_agrees_with_the_estimators(numbers: dict[str, Any]) -> None:
    values = factors()
    for name, dims in SLICES.items():
        components = variance_components(values, dims)
        shares = {"total": components.explained_by_z, "first_order": components.first_order_z}
        for index, share in shares.items():
            found = [record[f"{name}_{index}"] for record in numbers["curves"]]
            assert found == pytest.approx(share, rel=1e-5, abs=1e-8)
            ends = [numbers[f"{name}_{index}_{when}"] for when in ("first", "last")]
            assert ends == [found[0], found[-1]]
    digit, background = (
        variance_components(values, SLICES[name]).explained_by_z for name in ("digit", "background")
    )
    expected = {
        "digit_total_ratio": digit[-1] / digit[0],
        "background_total_ratio": background[0] / background[-1],
        "digit_accuracy_pearson": np.corrcoef(digit, ACCURACY)[0, 1],
    }
    assert {name: numbers[name] for name in expected} == pytest.approx(expected, rel=1e-4)


def test_intervals_and_errors(numbers: dict[str, Any]) -> None:
    for name, (low, high) in numbers["intervals"].items():
        # A correlation near one is lowered by the noise of resampling.
        assert low * 0.9 <= numbers[name] <= high * 1.1 and low <= high
    for record in numbers["curves"]:
        for key in (f"{name}_{index}" for name in SLICES for index in ("total", "first_order")):
            assert record[f"{key}_low"] <= record[f"{key}_high"]
            assert 0 < record[f"{key}_se"] < 0.2
    assert 0 <= numbers["order_first_share"] <= 1 and numbers["order_first_gap"] > 0
    # Ratios stay finite where a share is zero.
    assert numbers["background_first_order_last"] == pytest.approx(0, abs=0.01)
    assert 10 < numbers["background_first_order_ratio"] <= 600


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"factors": factors()[0]}, "shape"), ({"factors": factors()[:1]}, "at least 2 check"),
        ({"slices": {"digit": slice(0, 2)}}, "'foreground'"), ({"late": 6}, "from 0 to 5"),
        ({"steps": STEPS[:-1]}, "5 steps"), ({"steps": STEPS[::-1]}, "order of training"),
        ({"accuracy": [*ACCURACY, 1.0]}, "7 accuracies"), ({"calibration": []}, "0 summaries"),
    ],
)  # fmt: skip
def test_bad_input_of_the_summary(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "factors": factors(), "slices": SLICES, "steps": STEPS, "accuracy": ACCURACY, "early": 1,
        "late": 4, "scale": "laptop", "seed": 0, "reconstruction_mse": 0.1, "replicates": 5,
    }  # fmt: skip
    with pytest.raises(PipelineError, match=message):
        summarise_fig4(**(arguments | change))


def test_tables_and_facts(numbers: dict[str, Any]) -> None:
    relevance, semantic, checkpoints = EXPERIMENT.tables(numbers)
    assert relevance.rows[0][:3] == ["digit, Eq. 20", "2.57 %", "36.08 %"]
    assert relevance.rows[0][-1] == f"{100 * numbers['digit_total_last']:.1f} %"
    assert relevance.rows[1][1] == "not measured" and relevance.rows[2][1] == "not stated"
    assert semantic.rows[1] == ["digit", "6", "0.50", "0.50", "0.50"]
    assert [row[0] for row in checkpoints.rows] == [f"{step}" for step in STEPS]
    for table in (relevance, semantic, checkpoints):
        assert {len(row) for row in table.rows} == {len(table.head)}
    facts = dict(EXPERIMENT.facts(numbers))
    assert "7,200 samples" in facts["Fig. 4"] and facts["Seed"] == "7"
    assert "92.0 %" in facts["Accuracy"] and "0.0123" in facts["Reconstruction"]


def test_figures_say_what_they_show(numbers: dict[str, Any]) -> None:
    curves = curves_of(numbers)
    figures = draw(numbers, arrays())
    total, first_order, *_ = figures["fig4"].axes
    for axes, index in ((total, "total"), (first_order, "first_order")):
        lines = [line for line in axes.lines if len(line.get_xdata()) == len(STEPS)]
        for line, factor in zip(lines, FACTORS, strict=True):
            assert line.get_ydata() == pytest.approx(100 * curves[factor][index])
        assert len({line.get_marker() for line in lines}) == 3  # readable without colour
    assert total.get_ylim() == first_order.get_ylim()
    written = {stem: "\n".join(texts(figure)) for stem, figure in figures.items()}
    for words in written.values():
        assert "120 inputs × 60 invariances" in words and "step 100" in words
    for position in (1, 4):
        assert f"digit {100 * curves['digit']['total'][position]:.1f} %" in written["figS7"]


def test_small_grids_and_few_checkpoints(numbers: dict[str, Any]) -> None:
    small = arrays(rows=1, columns=1) | {"late_step": np.array(0)}
    lines = [[small["late_inputs"][0], small["late_samples"][0, 0]]]
    for figure in draw(numbers | {"curves": numbers["curves"][:2]}, small).values():
        assert_grid(sheet(figure), lines)


def test_bad_arrays_are_refused(numbers: dict[str, Any]) -> None:
    for wrong, message in (
        ({"early_samples": arrays()["early_samples"].astype(float)}, "uint8"),
        ({"late_step": np.array(123)}, "step 123"),
    ):
        with pytest.raises(PipelineError, match=message):
            draw(numbers, arrays() | wrong)
    curves = {**curves_of(numbers), "accuracy": [0.5]}
    with pytest.raises(PipelineError, match="accuracy"):
        draw_fig4(curves, grids_of(arrays()), numbers)
