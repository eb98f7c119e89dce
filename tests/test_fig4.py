"""The numbers of Fig. 4 on made-up factors, and the drawing of Figs. 4 and S7."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import assert_same_in_another_style, place, texts
from matplotlib.figure import Figure
from synthetic_fig4 import ACCURACY, AFTER, BEFORE, SLICES, STEPS, factors, grids, summary

from pipeline.errors import PipelineError
from pipeline.evaluation.explained_variance import explained_by_z, first_order_z
from pipeline.evaluation.fig4 import summarise_fig4
from pipeline.figures.fig4 import curves_of, draw_fig4, draw_figS7, load_grids
from pipeline.storage import write_npz


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    return summary()


def test_summary_finds_the_components(numbers: dict[str, Any]) -> None:
    for name in SLICES:
        for when, truth in (("first", BEFORE), ("last", AFTER)):
            z, _, both = truth[name]
            assert numbers[f"{name}_total_{when}"] == pytest.approx(z + both, abs=0.08)
            assert numbers[f"{name}_first_order_{when}"] == pytest.approx(z, abs=0.08)
    assert (numbers["step_first"], numbers["step_early"]) == (0, 100)
    assert (numbers["step_late"], numbers["step_last"]) == (400, 500)
    assert (numbers["accuracy_early"], numbers["accuracy_last"]) == (0.12, 0.92)
    assert (numbers["inputs"], numbers["invariances"]) == (120, 60)


def test_summary_agrees_with_the_estimators(numbers: dict[str, Any]) -> None:
    values = factors()
    for name, dims in SLICES.items():
        total, first_order = explained_by_z(values, dims), first_order_z(values, dims)
        found = [record[f"{name}_total"] for record in numbers["curves"]]
        assert found == pytest.approx(total, rel=1e-5)
        found = [record[f"{name}_first_order"] for record in numbers["curves"]]
        assert found == pytest.approx(first_order, rel=1e-5, abs=1e-8)
    digit = explained_by_z(values, SLICES["digit"])
    assert numbers["digit_total_ratio"] == pytest.approx(digit[-1] / digit[0], rel=1e-4)
    background = explained_by_z(values, SLICES["background"])
    assert numbers["background_total_ratio"] == pytest.approx(
        background[0] / background[-1], rel=1e-4
    )
    correlation = np.corrcoef(digit, ACCURACY)[0, 1]
    assert numbers["digit_accuracy_pearson"] == pytest.approx(correlation, rel=1e-4)


def test_intervals_and_errors(numbers: dict[str, Any]) -> None:
    for name, (low, high) in numbers["intervals"].items():
        assert low <= high
        # A correlation near one is lowered by the noise of resampling.
        assert low * 0.9 <= numbers[name] <= high * 1.1
    for record in numbers["curves"]:
        for name in SLICES:
            for index in ("total", "first_order"):
                assert record[f"{name}_{index}_low"] <= record[f"{name}_{index}_high"]
                assert 0 < record[f"{name}_{index}_se"] < 0.2
    assert 0 <= numbers["order_first_share"] <= 1
    assert numbers["order_first_gap"] > 0


def test_ratios_stay_finite_where_a_share_is_zero(numbers: dict[str, Any]) -> None:
    assert numbers["background_first_order_last"] == pytest.approx(0, abs=0.01)
    assert 10 < numbers["background_first_order_ratio"] <= 600


def test_summary_is_json_and_flat_numbers_are_on_top(numbers: dict[str, Any]) -> None:
    json.dumps(numbers, allow_nan=False)
    nested = {key for key, value in numbers.items() if isinstance(value, (dict, list))}
    assert nested == {"curves", "intervals"}
    assert len(numbers["curves"]) == len(STEPS)
    # DVC draws a list of records only if all have the same keys.
    assert len({frozenset(record) for record in numbers["curves"]}) == 1
    assert "v_square_mean" in numbers["curves"][0]
    assert summary() == numbers


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"factors": factors()[0]}, "shape"),
        ({"factors": factors()[:1]}, "at least 2 checkpoints"),
        ({"slices": {"digit": slice(0, 2)}}, "'foreground'"),
        ({"steps": STEPS[:-1]}, "5 steps"),
        ({"steps": STEPS[::-1]}, "order of training"),
        ({"accuracy": [*ACCURACY, 1.0]}, "7 accuracies"),
        ({"calibration": []}, "0 summaries"),
        ({"late": 6}, "from 0 to 5"),
    ],
)
def test_bad_input_of_the_summary(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "factors": factors(),
        "slices": SLICES,
        "steps": STEPS,
        "accuracy": ACCURACY,
        "early": 1,
        "late": 4,
        "scale": "laptop",
        "seed": 0,
        "reconstruction_mse": 0.1,
        "replicates": 5,
    }
    with pytest.raises(PipelineError, match=message):
        summarise_fig4(**(arguments | change))


def test_fig4_says_what_it_shows(numbers: dict[str, Any]) -> None:
    figure = draw_fig4(curves_of(numbers), grids(), numbers)
    written = "\n".join(texts(figure))
    for phrase in (
        "variance explained by $z$ (Eq. 20) [%]",
        "first-order index of $z$ [%]",
        "classification accuracy [%]",
        "training step",
        "samples at step 100",
        "samples at step 400",
        "scale laptop",
        "N = 120 inputs × 60 invariances",
        "seed 7",
    ):
        assert phrase in written


def test_fig4_draws_the_numbers(numbers: dict[str, Any]) -> None:
    curves = curves_of(numbers)
    total, first_order, *_ = draw_fig4(curves, grids(), numbers).axes
    for axes, index in ((total, "total"), (first_order, "first_order")):
        lines = [line for line in axes.lines if len(line.get_xdata()) == len(STEPS)]
        assert len(lines) == 3
        for line, factor in zip(lines, ("digit", "foreground", "background"), strict=True):
            assert line.get_ydata() == pytest.approx(100 * curves[factor][index])
        # Readable without colour.
        assert len({line.get_marker() for line in lines}) == 3
    assert total.get_ylim() == first_order.get_ylim()


def test_figS7_names_the_shares(numbers: dict[str, Any]) -> None:
    written = "\n".join(texts(draw_figS7(curves_of(numbers), grids(), numbers)))
    for position, step in ((1, 100), (4, 400)):
        share = 100 * numbers["curves"][position]["digit_total"]
        assert f"digit {share:.1f} %" in written
        assert f"samples at step {step}" in written


def test_figS7_shows_other_inputs(numbers: dict[str, Any]) -> None:
    made = grids(rows=8)
    for draw, rows in ((draw_fig4, range(5)), (draw_figS7, range(5, 8))):
        axes = draw(curves_of(numbers), made, numbers).axes[-1]
        sheet = np.asarray(axes.images[0].get_array())[::6, ::6]
        inputs = [sheet[30 * i : 30 * i + 28, :28] for i in range((len(sheet) + 2) // 30)]
        assert np.array_equal(inputs, made["late"]["inputs"][rows])


@pytest.mark.parametrize("draw", [draw_fig4, draw_figS7])
def test_figures_look_the_same_in_another_style(
    numbers: dict[str, Any], draw: Callable[..., Figure]
) -> None:
    assert_same_in_another_style(lambda: draw(curves_of(numbers), grids(), numbers))


def test_small_grids_and_few_checkpoints(numbers: dict[str, Any]) -> None:
    curves = curves_of(numbers | {"curves": numbers["curves"][:2]})
    small = grids(rows=1, columns=1)
    small["late"]["step"] = 0
    for draw in (draw_fig4, draw_figS7):
        axes = draw(curves, small, numbers).axes[-1]
        shown = np.asarray(axes.images[0].get_array())[::6, ::6]
        place(shown, small["late"]["inputs"][0])
        place(shown, small["late"]["samples"][0, 0])


def test_grids_are_read_from_npz(tmp_path: Path) -> None:
    arrays = {
        f"{moment}_{name}": np.asarray(value)
        for moment, grid in grids().items()
        for name, value in grid.items()
    }
    write_npz(tmp_path / "fig4.npz", **arrays)
    found = load_grids(tmp_path / "fig4.npz")
    assert found["late"]["step"] == 400
    assert np.array_equal(found["early"]["samples"], grids()["early"]["samples"])
    del arrays["late_samples"]
    write_npz(tmp_path / "fig4.npz", **arrays)
    with pytest.raises(PipelineError, match="evaluate@fig4"):
        load_grids(tmp_path / "fig4.npz")
    with pytest.raises(PipelineError, match="evaluate@fig4"):
        load_grids(tmp_path / "missing" / "fig4.npz")


def test_bad_arrays_are_refused(numbers: dict[str, Any]) -> None:
    curves = curves_of(numbers)
    with pytest.raises(PipelineError, match="accuracy"):
        draw_fig4({**curves, "accuracy": [0.5]}, grids(), numbers)
    wrong = grids()
    wrong["early"]["samples"] = wrong["early"]["samples"].astype(float)
    with pytest.raises(PipelineError, match="uint8"):
        draw_fig4(curves, wrong, numbers)
    wrong = grids()
    wrong["late"]["step"] = 123
    with pytest.raises(PipelineError, match="step 123"):
        draw_figS7(curves, wrong, numbers)
    incomplete = {"curves": [{"step": 0, "accuracy": 0.1}]}
    with pytest.raises(PipelineError, match="digit_total"):
        curves_of(incomplete)


def test_drawing_and_reporting_need_no_torch() -> None:
    program = (
        "import sys, pipeline.figures.fig4, pipeline.evaluation.fig4, pipeline.reporting.report, "
        "pipeline.reporting.claims; sys.exit('torch' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[1]
    assert subprocess.run([sys.executable, "-c", program], cwd=root).returncode == 0
