"""The table of a scale's claims, with what was measured and the verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.evaluation.concepts import CONCEPTS, concept_of
from pipeline.evaluation.fig3 import NAMES
from pipeline.reporting.content import Table
from pipeline.reporting.wording import NOT_MEASURED, reading_quality

__all__ = ["JUDGES", "VERDICTS", "claims_table"]

VERDICTS = {True: "holds", False: "does not hold", None: NOT_MEASURED}

JUDGES = {
    "fig3": ("people", ("yaw", *CONCEPTS, "hair_length", "hair_grey")),
    "figs10": ("animals", ("species", "coat_hue")),
}
"""Figures whose numbers tell how well an evaluator reads, of what, and what claims need of it."""


def claims_table(
    claims: Sequence[Mapping[str, Any]], evaluators: Mapping[str, Mapping[str, Any]]
) -> Table:
    """The table of the rows of `claims.json`.

    `evaluators` maps those of JUDGES that were run to the entry `evaluator` of their numbers.
    Raises KeyError if a row lacks an entry.
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
                VERDICTS[claim["holds"]],
            ]
        )
    head = ["id", "claim", "statistic", "value", "95 % interval", "target", "verdict"]
    note = (
        "The targets were fixed before this pipeline was run, those of T1.b, F4.a and F4.e after "
        "prototypes had run, and code compares the value with them. "
        "Intervals of Figs. 3, S10 and 6 come from a bootstrap over inputs, those of Fig. 4 and of "
        "the order of Fig. 5 (Eq. 19) from a bootstrap over inputs and invariances, those of Table "
        "1's distances from the sample draws, that of faithfulness from the inputs; those of "
        "shares of attacked images (Fig. 5) and of edits (Figs. 7 and S8) are Wilson's, as if no "
        "two images showed the same person. They say nothing about another training run."
    )
    if evaluators:
        read = "; ".join(_read(figure, quality) for figure, quality in evaluators.items())
        note += f" How well the evaluator reads blurred held-out images: {read}."
    return Table("Claims", head, rows, note, words=(0, 1, 2, 6), stacked=True)


def _read(figure: str, quality: Mapping[str, Any]) -> str:
    """How well an evaluator reads what claims need, as far as its images are labelled with it."""
    of, names = JUDGES[figure]
    found = {NAMES.get(name, concept_of(name)): quality[name] for name in names if name in quality}
    return f"of {of} {reading_quality(found)}"


def _lines(
    conditions: Sequence[Mapping[str, Any]], told: Callable[[Mapping[str, Any]], str]
) -> str:
    """A line for each condition: of what, where a claim has several, and what is told of it."""
    return "\n".join(f"{condition.get('of', '')} {told(condition)}".strip()
                     for condition in conditions)  # fmt: skip


def _value(condition: Mapping[str, Any]) -> str:
    """Three significant digits, or as many as tell the value from a target that it just misses."""
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
