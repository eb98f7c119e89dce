"""Claims of the paper with targets fixed beforehand, and how they are decided."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.errors import PipelineError

__all__ = ["Claim", "Condition", "Measurement", "with_interval"]

FULL_SCALES = ("gpu", "paper")

Measurement = tuple[float | None, Sequence[float] | None]
"""A value and its 95 % interval; None for what could not be measured, or has no interval."""


@dataclass(frozen=True)
class Condition:
    """A number and what it must be.

    Attributes:
        target: the value must be `sign` target.
        measure: takes the numbers of `metrics/<experiment>.json`. A value of None could not be
            measured on the data of this scale and leaves the condition undecided.
        full_target: replaces target at the scales gpu and paper.
        of: names the value where a claim has several conditions.
    """

    target: float
    measure: Callable[[Mapping[str, Any]], Measurement]
    full_target: float | None = None
    sign: Literal[">=", ">", "<="] = ">="
    of: str = ""

    def decide(self, scale: str, numbers: Mapping[str, Any]) -> dict[str, Any]:
        """The entries of, value, ci, target and holds of a row. Raises KeyError."""
        value, interval = self.measure(numbers)
        target = self.target
        if scale in FULL_SCALES and self.full_target is not None:
            target = self.full_target
        compare = {">=": operator.ge, ">": operator.gt, "<=": operator.le}[self.sign]
        return {
            "of": self.of,
            "value": value,
            "ci": None if interval is None else list(interval),
            "target": f"{self.sign} {target:g}",
            "holds": None if value is None else compare(value, target),
        }


@dataclass(frozen=True)
class Claim:
    """A claim: where the paper makes it, what is measured, and what must come out.

    It holds if every condition does. An undecided condition leaves it undecided, unless another
    one fails.

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

        Its entries are id, source, statement, statistic, value, ci, target, holds, scale and stage;
        value and ci are the first condition's. With several conditions, target names all, and
        `conditions` has an entry {of, value, ci, target, holds} for each.

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
        verdicts = {part["holds"] for part in parts}
        row = {
            "id": self.id,
            "source": self.source,
            "statement": self.statement,
            "statistic": self.statistic,
            "value": parts[0]["value"],
            "ci": parts[0]["ci"],
            "target": parts[0]["target"],
            "holds": False if False in verdicts else None if None in verdicts else True,
            "scale": scale,
            "stage": f"measure-{experiment}",
        }
        if len(parts) > 1:
            row["target"] = ", ".join(f"{part['of']} {part['target']}" for part in parts)
            row["conditions"] = parts
        return row


def with_interval(name: str) -> Callable[[Mapping[str, Any]], Measurement]:
    """Measures the number `name` and its interval, the entry of `intervals` with this name."""
    return lambda numbers: (numbers[name], numbers["intervals"][name])
