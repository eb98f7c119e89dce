"""Verdicts of the same claims in runs with other seeds and on other test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.reporting.formatting import NOT_MEASURED
from pipeline.storage import read_json

__all__ = ["DOTS", "Repeats", "read_repeats", "repeat_lines", "repeat_note", "repeat_of"]

DOTS = {"holds": "●", "undecided": "◐", "does not hold": "○", "not measured": "–"}
"""A sign for each verdict."""

Row = Mapping[str, Any]
Repeats = Sequence[Mapping[str, Any]]
"""Runs, each with `seed`, `test_seed` and `claims`, what `repeat_of` keeps of them."""


def repeat_of(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Of rows of claims.json, by id: the verdict, and the values of all conditions."""
    return {
        row["id"]: {
            "verdict": row["verdict"],
            "values": [part["value"] for part in row.get("conditions", [row])],
        }
        for row in rows
    }


def read_repeats(root: Path, scale: str, rows: Sequence[Row]) -> Repeats:
    """The repeats of the run whose claims are `rows`; none if they are of another run."""
    file = root / paths.repeats(scale)
    if not file.exists():
        return ()
    first, *others = read_json(file)
    return others if first["claims"] == repeat_of(rows) else ()


def repeat_lines(claim: Row, repeats: Repeats) -> str:
    """A line for each run: a sign for its verdict, and its values."""
    return "\n".join(
        f"{DOTS[found['verdict']]} {' / '.join(map(_number, found['values']))}"
        for found in (run["claims"][claim["id"]] for run in repeats)
    )


def repeat_note(repeats: Repeats) -> str:
    """What the lines are of."""
    runs = (f"seed {run['seed']} with test seed {run['test_seed']}" for run in repeats)
    signs = ", ".join(f"{sign} {verdict}" for verdict, sign in DOTS.items())
    return f"Other runs, a line each: {', '.join(runs)}; {signs}."


def _number(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.3g}"
