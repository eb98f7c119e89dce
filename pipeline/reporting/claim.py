"""Claims of the paper with targets fixed beforehand, and how they are decided."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.errors import PipelineError

__all__ = ["DECIDED", "Claim", "Condition", "Measurement", "with_interval"]

FULL_SCALES = ("gpu", "paper")

DECIDED = {"holds": True, "does not hold": False, "undecided": None, "not measured": None}
"""The verdicts, and whether the claim then holds."""

Measurement = tuple[float | None, Sequence[float] | None]
"""A value and its 95 % interval; None for what could not be measured, or has no interval."""


@dataclass(frozen=True)
class Condition:
    """A number and what it must be.

    Attributes:
        target: the value must be `sign` target.
        measure: takes the numbers of `metrics/<experiment>.json`. A value of None could not be
            measured on the data of this scale.
        full_target: replaces target at the scales gpu and paper.
        of: names the value where a claim has several conditions.
    """

    target: float
    measure: Callable[[Mapping[str, Any]], Measurement]
    full_target: float | None = None
    sign: Literal[">=", ">", "<="] = ">="
    of: str = ""

    def decide(self, scale: str, numbers: Mapping[str, Any]) -> dict[str, Any]:
        """The entries of, value, ci, target, verdict and holds of a row. Raises KeyError.

        With an interval, the verdict is that of both its ends, or else undecided: its target lies
        between them.
        """
        value, interval = self.measure(numbers)
        target = self.target
        if scale in FULL_SCALES and self.full_target is not None:
            target = self.full_target
        verdict = _verdict(value, interval, self.sign, target)
        return {
            "of": self.of,
            "value": value,
            "ci": None if interval is None else list(interval),
            "target": f"{self.sign} {target:g}",
            "verdict": verdict,
            "holds": DECIDED[verdict],
        }


@dataclass(frozen=True)
class Claim:
    """A claim: where the paper makes it, what is measured, and what must come out.

    It holds if every condition does, and does not if one does not. Otherwise it was not measured if
    one was not, and is undecided if none was missing.

    Attributes:
        id: unique among all experiments, such as "T1.a".
        prototyped: whether its target was fixed after a prototype had run, not before.
    """

    id: str
    source: str
    statement: str
    statistic: str
    conditions: tuple[Condition, ...]
    prototyped: bool = False

    def decide(self, scale: str, experiment: str, numbers: Mapping[str, Any]) -> dict[str, Any]:
        """The claim's row of `claims.json`.

        Its entries are id, source, statement, statistic, value, ci, target, verdict, holds, scale
        and stage; value and ci are the first condition's. With several conditions, target names
        all, and `conditions` has an entry {of, value, ci, target, verdict, holds} for each.

        Raises:
            PipelineError: a number is missing.
        """
        try:
            parts = [condition.decide(scale, numbers) for condition in self.conditions]
        except KeyError as error:
            raise PipelineError(
                f"metrics/{experiment}.json of scale {scale} lacks {error}, which claim {self.id} "
                f"needs: run `dvc repro -f measure-{experiment}`."
            ) from error
        verdict = _of_all(part["verdict"] for part in parts)
        row = {
            "id": self.id,
            "source": self.source,
            "statement": self.statement,
            "statistic": self.statistic,
            "value": parts[0]["value"],
            "ci": parts[0]["ci"],
            "target": parts[0]["target"],
            "verdict": verdict,
            "holds": DECIDED[verdict],
            "scale": scale,
            "stage": f"measure-{experiment}",
        }
        if len(parts) > 1:
            row["target"] = ", ".join(f"{part['of']} {part['target']}" for part in parts)
            row["conditions"] = parts
        return row


def _verdict(
    value: float | None, interval: Sequence[float] | None, sign: str, target: float
) -> str:
    if value is None:
        return "not measured"
    compare = {">=": operator.ge, ">": operator.gt, "<=": operator.le}[sign]
    met = {compare(number, target) for number in (value, *(interval or ()))}
    return "undecided" if len(met) > 1 else "holds" if True in met else "does not hold"


def _of_all(verdicts: Iterable[str]) -> str:
    """The verdict of a claim with conditions of these verdicts."""
    order = ("does not hold", "not measured", "undecided", "holds")
    return min(verdicts, key=order.index)


def with_interval(name: str) -> Callable[[Mapping[str, Any]], Measurement]:
    """Measures the number `name` and its interval, the entry of `intervals` with this name."""
    return lambda numbers: (numbers[name], numbers["intervals"][name])
