"""The table of a scale's claims: what was measured, and the verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.reporting.content import Table
from pipeline.reporting.experiment import Experiment
from pipeline.reporting.formatting import NOT_MEASURED
from pipeline.reporting.repeats import Repeats, repeat_lines, repeat_note

__all__ = ["claims_table"]


def claims_table(
    claims: Sequence[Mapping[str, Any]],
    experiments: Sequence[Experiment],
    readings: Sequence[str] = (),
    repeats: Repeats = (),
) -> Table:
    """The table of the rows of `claims.json`.

    Args:
        claims: the rows.
        experiments: those whose claims these are, which say how targets and intervals came about.
        readings: the evaluators' accuracy, as `Experiment.judge` words it.
        repeats: runs with other seeds, which get a column.

    Raises:
        KeyError: a row lacks an entry.
    """
    rows = []
    for claim in claims:
        conditions = claim.get("conditions", [claim])
        rows.append(
            [
                claim["id"],
                f"{claim['statement']} ({claim['source']})",
                claim["statistic"],
                _lines(conditions, _value),
                _lines(conditions, _interval),
                claim["target"].replace(">=", "≥").replace("<=", "≤").replace(", ", "\n"),
                claim["verdict"],
                *([repeat_lines(claim, repeats)] if repeats else []),
            ]
        )
    head = ["id", "claim", "statistic", "value", "95 % interval", "target", "verdict"]
    head += ["other runs"] if repeats else []
    note = " ".join([*_notes(experiments, readings), *([repeat_note(repeats)] if repeats else [])])
    return Table("Claims", head, rows, note, words=(0, 1, 2, 6), stacked=True)


def _notes(experiments: Sequence[Experiment], readings: Sequence[str]) -> list[str]:
    prototyped = [
        claim.id for experiment in experiments for claim in experiment.claims if claim.prototyped
    ]
    notes = ["Targets were fixed before the first run of this pipeline."]
    if prototyped:
        notes.append(f"Those of {', '.join(prototyped)} were fixed after prototype runs.")
    intervals = [experiment.intervals for experiment in experiments if experiment.intervals]
    if intervals:
        notes.append(
            "A verdict is undecided where the 95 % interval contains the target. Intervals: "
            f"{'; '.join(intervals)}. They do not cover the variation between training runs."
        )
    if readings:
        notes.append(f"The evaluator's accuracy on blurred held-out images: {'; '.join(readings)}.")
    return notes


def _lines(
    conditions: Sequence[Mapping[str, Any]], show: Callable[[Mapping[str, Any]], str]
) -> str:
    """A line for each condition, with what it measures if the claim has several."""
    return "\n".join(f"{condition.get('of', '')} {show(condition)}".strip()
                     for condition in conditions)  # fmt: skip


def _value(condition: Mapping[str, Any]) -> str:
    """Three significant digits, or more if the value would read like a target that it misses."""
    value = condition["value"]
    if value is None:
        return NOT_MEASURED
    target = float(condition["target"].split()[-1])
    digits = 3
    while value != target and float(f"{value:.{digits}g}") == target:
        digits += 1
    return f"{value:.{digits}g}"


def _interval(condition: Mapping[str, Any]) -> str:
    interval = condition["ci"]
    return "none" if interval is None else f"{interval[0]:.3g} to {interval[1]:.3g}"
