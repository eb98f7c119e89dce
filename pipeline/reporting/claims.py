"""The paper's claims with targets fixed before any run, decided from what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import PipelineError

__all__ = ["CLAIMS", "Claim", "decide_claims"]

FULL_SCALES = ("gpu", "paper")


@dataclass(frozen=True)
class Claim:
    """One claim: where the paper makes it, what is measured, and what must come out.

    `measure` takes the numbers of `metrics/<figure>.json` and returns the value and its 95 %
    interval. The claim holds if the value is at least `target`, or `full_target` at the scales gpu
    and paper where one is given.
    """

    id: str
    figure: str
    source: str
    statement: str
    statistic: str
    target: float
    measure: Callable[[Mapping[str, Any]], tuple[float, Sequence[float]]]
    full_target: float | None = None
    strict: bool = False

    def decide(self, scale: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """The row of `claims.json`. Raises PipelineError if a number is missing."""
        try:
            value, interval = self.measure(metrics)
        except KeyError as error:
            raise PipelineError(
                f"metrics/{self.figure}.json of scale {scale} lacks {error}, which claim {self.id} "
                f"needs: run `dvc repro -f evaluate@{self.figure}`."
            ) from error
        target = self.target
        if scale in FULL_SCALES and self.full_target is not None:
            target = self.full_target
        return {
            "id": self.id,
            "source": self.source,
            "statement": self.statement,
            "statistic": self.statistic,
            "value": value,
            "ci": list(interval),
            "target": f"{'>' if self.strict else '>='} {target:g}",
            "holds": value > target if self.strict else value >= target,
            "scale": scale,
            "stage": f"evaluate@{self.figure}",
        }


def _with_interval(name: str) -> Callable[[Mapping[str, Any]], tuple[float, Sequence[float]]]:
    return lambda metrics: (metrics[name], metrics["intervals"][name])


def _order_at_start(metrics: Mapping[str, Any]) -> tuple[float, Sequence[float]]:
    if metrics["step_first"] != 0:
        raise PipelineError(
            f"claim F4.d is about the untrained network, but the first checkpoint is of step "
            f"{metrics['step_first']}: keep one of step 0."
        )
    return _with_interval("order_first_gap")(metrics)


CLAIMS = (
    Claim(
        id="F4.a",
        figure="fig4",
        source="Fig. 4, Fig. S7",
        statement="The digit factor becomes relevant in training (paper: 2.57 to 36.08 %).",
        statistic="Eq. 20 of the digit factor, last / first checkpoint",
        target=2,
        full_target=5,
        measure=_with_interval("digit_total_ratio"),
    ),
    Claim(
        id="F4.e",
        figure="fig4",
        source="Fig. 4",
        statement="The same, without the interaction of z and v.",
        statistic="first-order index of the digit factor, last / first checkpoint",
        target=5,
        measure=_with_interval("digit_first_order_ratio"),
    ),
    Claim(
        id="F4.b",
        figure="fig4",
        source="Fig. 4, Fig. S7",
        statement="The background colour becomes irrelevant (paper: 38.44 to 2.76 %).",
        statistic="Eq. 20 of the background factor, first / last checkpoint",
        target=3,
        measure=_with_interval("background_total_ratio"),
    ),
    Claim(
        id="F4.c",
        figure="fig4",
        source="Fig. 4",
        statement="The relevance of the digit goes with the accuracy.",
        statistic="Pearson correlation of Eq. 20, digit factor, with accuracy, over checkpoints",
        target=0.9,
        measure=_with_interval("digit_accuracy_pearson"),
    ),
    Claim(
        id="F4.d",
        figure="fig4",
        source="Sec. B.4",
        statement="At step 0 the background matters most, then the foreground, then the digit.",
        statistic="Eq. 20 at step 0: smaller of background - foreground and foreground - digit",
        target=0,
        strict=True,
        measure=_order_at_start,
    ),
)


def decide_claims(scale: str, metrics: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every claim's row {id, source, statement, statistic, value, ci, target, holds, scale, stage}.

    `metrics` maps a figure to the numbers of its `metrics/<figure>.json`. Raises PipelineError if a
    figure or a number is missing.
    """
    rows = []
    for claim in CLAIMS:
        if claim.figure not in metrics:
            raise PipelineError(
                f"claim {claim.id} needs metrics/{claim.figure}.json of scale {scale}: "
                f"run `dvc repro evaluate@{claim.figure}`."
            )
        rows.append(claim.decide(scale, metrics[claim.figure]))
    return rows
