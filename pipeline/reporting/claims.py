"""The paper's claims with targets fixed before any run, decided from what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.errors import PipelineError

__all__ = ["CLAIMS", "Claim", "Condition", "decide_claims"]

FULL_SCALES = ("gpu", "paper")

Measurement = tuple[float, Sequence[float] | None]


@dataclass(frozen=True)
class Condition:
    """What a claim needs: a number, and what it must be.

    `measure` takes the numbers of `metrics/<figure>.json` and returns the value and its 95 %
    interval, or None where there is none. The value must be `sign` `target`, or `full_target` at
    the scales gpu and paper where one is given. `of` says what is measured, where a claim has
    several conditions.
    """

    target: float
    measure: Callable[[Mapping[str, Any]], Measurement]
    full_target: float | None = None
    sign: Literal[">=", ">", "<="] = ">="
    of: str = ""

    def decide(self, scale: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """The entries value, ci, target and holds of a row, and `of`. Raises KeyError."""
        value, interval = self.measure(metrics)
        target = self.target
        if scale in FULL_SCALES and self.full_target is not None:
            target = self.full_target
        holds = {">=": value >= target, ">": value > target, "<=": value <= target}[self.sign]
        return {
            "of": self.of,
            "value": value,
            "ci": None if interval is None else list(interval),
            "target": f"{self.sign} {target:g}",
            "holds": holds,
        }


@dataclass(frozen=True)
class Claim:
    """One claim: where the paper makes it, what is measured, and what must come out.

    It holds if every one of `conditions` does.
    """

    id: str
    figure: str
    source: str
    statement: str
    statistic: str
    conditions: tuple[Condition, ...]

    def decide(self, scale: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """The row of `claims.json`. Raises PipelineError if a number is missing.

        `value` and `ci` are those of the first condition. Of several conditions, `target` names
        all, and `conditions` has an entry {of, value, ci, target, holds} each.
        """
        try:
            parts = [condition.decide(scale, metrics) for condition in self.conditions]
        except KeyError as error:
            raise PipelineError(
                f"metrics/{self.figure}.json of scale {scale} lacks {error}, which claim {self.id} "
                f"needs: run `dvc repro -f evaluate@{self.figure}`."
            ) from error
        row = {
            "id": self.id,
            "source": self.source,
            "statement": self.statement,
            "statistic": self.statistic,
            "value": parts[0]["value"],
            "ci": parts[0]["ci"],
            "target": parts[0]["target"],
            "holds": all(part["holds"] for part in parts),
            "scale": scale,
            "stage": f"evaluate@{self.figure}",
        }
        if len(parts) > 1:
            row["target"] = ", ".join(f"{part['of']} {part['target']}" for part in parts)
            row["conditions"] = parts
        return row


def _with_interval(name: str) -> Callable[[Mapping[str, Any]], Measurement]:
    return lambda metrics: (metrics[name], metrics["intervals"][name])


def _order_at_start(metrics: Mapping[str, Any]) -> Measurement:
    if metrics["step_first"] != 0:
        raise PipelineError(
            f"claim F4.d is about the untrained network, but the first checkpoint is of step "
            f"{metrics['step_first']}: keep one of step 0."
        )
    return _with_interval("order_first_gap")(metrics)


def _fair_smallest_ratio(metrics: Mapping[str, Any]) -> Measurement:
    ours, theirs = metrics["updates_ours"], metrics["updates_dosovitskiy"]
    if theirs < ours:
        raise PipelineError(
            f"claim T1.a compares decoders of equal training, but D&B's got {theirs} updates and "
            f"ours {ours}: raise train_baseline.<name>.steps in scales/<scale>.yaml."
        )
    return _with_interval("fid_smallest_ratio")(metrics)


CLAIMS = (
    Claim(
        id="T1.a",
        figure="table1",
        source="Table 1",
        statement="Samples are better than D&B's reconstructions at every layer.",
        statistic="Fréchet distance of D&B / ours, mean of the draws, smallest of the five layers",
        conditions=(Condition(1, _fair_smallest_ratio, sign=">"),),
    ),
    Claim(
        id="T1.b",
        figure="table1",
        source="Table 1",
        statement="The quality of samples hardly depends on depth, unlike that of D&B's "
        "reconstructions (paper: 27.4/23.6 against 352.6/25.2).",
        statistic="Fréchet distance of output / conv5",
        conditions=(
            Condition(1.25, _with_interval("fid_depth_ratio_ours"), sign="<=", of="ours"),
            Condition(
                1.4,
                # Its method draws nothing: there are no draws to estimate an interval from.
                lambda metrics: (metrics["fid_depth_ratio_dosovitskiy"], None),
                full_target=2.5,
                of="D&B",
            ),
        ),
    ),
    Claim(
        id="T1.c",
        figure="table1",
        source="Fig. 2, Fig. S4",
        statement="Samples still show what the layer holds.",
        statistic="re-encoded z, (cos(samples) - cos(other images)) / (cos(reconstruction) - "
        "cos(other images)), the smallest of the five layers",
        conditions=(Condition(0.8, _with_interval("faithfulness_smallest")),),
    ),
    Claim(
        id="F4.a",
        figure="fig4",
        source="Fig. 4, Fig. S7",
        statement="The digit factor becomes relevant in training (paper: 2.57 to 36.08 %).",
        statistic="Eq. 20 of the digit factor, last / first checkpoint",
        conditions=(Condition(2, _with_interval("digit_total_ratio"), full_target=5),),
    ),
    Claim(
        id="F4.e",
        figure="fig4",
        source="Fig. 4",
        statement="The same, without the interaction of z and v.",
        statistic="first-order index of the digit factor, last / first checkpoint",
        conditions=(Condition(5, _with_interval("digit_first_order_ratio")),),
    ),
    Claim(
        id="F4.b",
        figure="fig4",
        source="Fig. 4, Fig. S7",
        statement="The background colour becomes irrelevant (paper: 38.44 to 2.76 %).",
        statistic="Eq. 20 of the background factor, first / last checkpoint",
        conditions=(Condition(3, _with_interval("background_total_ratio")),),
    ),
    Claim(
        id="F4.c",
        figure="fig4",
        source="Fig. 4",
        statement="The relevance of the digit goes with the accuracy.",
        statistic="Pearson correlation of Eq. 20, digit factor, with accuracy, over checkpoints",
        conditions=(Condition(0.9, _with_interval("digit_accuracy_pearson")),),
    ),
    Claim(
        id="F4.d",
        figure="fig4",
        source="Sec. B.4",
        statement="At step 0 the background matters most, then the foreground, then the digit.",
        statistic="Eq. 20 at step 0: smaller of background - foreground and foreground - digit",
        conditions=(Condition(0, _order_at_start, sign=">"),),
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
