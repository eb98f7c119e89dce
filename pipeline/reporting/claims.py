"""The paper's claims with targets fixed beforehand, decided from what was measured."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.errors import PipelineError

__all__ = ["CLAIMS", "Claim", "Condition", "decide_claims"]

FULL_SCALES = ("gpu", "paper")

Measurement = tuple[float | None, Sequence[float] | None]


@dataclass(frozen=True)
class Condition:
    """What a claim needs: a number, and what it must be.

    `measure` takes the numbers of `metrics/<figure>.json` and returns the value and its 95 %
    interval, or None where there is none. The value must be `sign` `target`, or `full_target` at
    the scales gpu and paper where one is given. `of` says what is measured, where a claim has
    several conditions. A value of None could not be measured on the data of that scale, and is not
    decided.
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
        compare = {">=": operator.ge, ">": operator.gt, "<=": operator.le}[self.sign]
        holds = None if value is None else compare(value, target)
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

    It holds if every one of `conditions` does; with one that is not decided, it is not either,
    unless another one fails.
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


def _weakest_edit(metrics: Mapping[str, Any]) -> Measurement:
    """The smallest success over the factors, with its interval."""
    edits = [factor["ours"] for factor in metrics["factors"].values()]
    found = [(edit["success"], edit["success_interval"]) for edit in edits]
    if any(share is None for share, _ in found):
        return None, None
    return min(found, key=lambda pair: pair[0])


def _least_kept(metrics: Mapping[str, Any]) -> Measurement:
    kept = [factor["ours"]["unrelated_kept"] for factor in metrics["factors"].values()]
    return None if None in kept else min(kept), None


def _sensitive_ratio(metrics: Mapping[str, Any]) -> Measurement:
    """Above 1, if and only if gender and glasses move the embedding more than all other factors."""
    moved = {name: f["ours"]["distance"]["mean"] for name, f in metrics["factors"].items()}
    smaller = min(moved.pop("Male"), moved.pop("Eyeglasses"))
    return smaller / max(moved.values()), None


def _smallest_advantage(metrics: Mapping[str, Any]) -> Measurement:
    factors = metrics["factors"].values()
    return min(factor["stargan"]["fid"] / factor["ours"]["fid"] for factor in factors), None


def _coherent(name: str) -> Callable[[Mapping[str, Any]], Measurement]:
    def measure(metrics: Mapping[str, Any]) -> Measurement:
        ours = metrics["coherence"]["ours"]
        return ours[name], ours[f"{name}_interval"]

    return measure


def _seen(network: str, kind: str, cue: str) -> Callable[[Mapping[str, Any]], Measurement]:
    """Share of samples with the class of the input's shape or texture.

    The evaluator reads it, or, where none knows the classes, it is that of the nearest embedding.
    """

    def measure(metrics: Mapping[str, Any]) -> Measurement:
        readers = metrics["networks"][network][kind][cue]
        found = readers["evaluator"] or readers["embedding"]
        return _share(found)

    return measure


def _sketch_advantage(metrics: Mapping[str, Any]) -> Measurement:
    return _share(metrics["sketch_advantage"])


def _share(found: Mapping[str, Any] | None) -> Measurement:
    return (None, None) if found is None else (found["share"], found["interval"])


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
        id="F3.a",
        figure="fig3",
        source="Fig. 3",
        statement="The learned invariance grows with depth.",
        statistic="Spearman correlation of the order of FaceNet's layers with the variance of "
        "samples",
        conditions=(Condition(1, _with_interval("spearman")),),
    ),
    Claim(
        id="F3.b",
        figure="fig3",
        source="Fig. 3",
        statement="It grows about exponentially.",
        statistic="R² of a line through the logarithm of the variance over layers; last / first "
        "layer",
        conditions=(
            Condition(0.8, _with_interval("log_r2"), of="R²"),
            Condition(10, _with_interval("variance_ratio"), of="last / first"),
        ),
    ),
    Claim(
        id="F3.c",
        figure="fig3",
        source="Fig. 3",
        statement="The invariance to pose grows with depth.",
        statistic="variance of the yaw that the evaluator reads in samples, last / first layer",
        conditions=(Condition(5, _with_interval("yaw_ratio")),),
    ),
    Claim(
        id="F3.d",
        figure="fig3",
        source="Figs. 3 and 7",
        statement="Every layer keeps glasses.",
        statistic="share of samples in which the evaluator reads the input's Eyeglasses, smallest "
        "of the layers",
        conditions=(Condition(0.9, _with_interval("glasses_kept")),),
    ),
    Claim(
        id="S10.a",
        figure="figs10",
        source="Fig. S10, Sec. B.6",
        statement="An animal keeps its appearance through FaceNet, until the penultimate layer.",
        statistic="share of samples in which the evaluator reads the input's species, and "
        "correlation of the coat's colour in samples and input; smallest of all layers but the "
        "last",
        conditions=(
            Condition(0.8, _with_interval("species_kept"), of="species"),
            Condition(0.8, _with_interval("colour_kept"), of="colour"),
        ),
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
    Claim(
        id="F5.a",
        figure="fig5",
        source="Fig. 5",
        statement="The deeper a layer, the more of the variance is left to the invariances (paper: "
        "logits 84.77, fc 49.59, conv 7.22, input 11.82 %).",
        statistic="Eq. 19: smaller of logits - fc and fc - max(conv, input)",
        conditions=(Condition(0, _with_interval("order_gap"), sign=">"),),
    ),
    Claim(
        id="F5.b",
        figure="fig5",
        source="Fig. 5",
        statement="The attack moves the content of deep layers only.",
        statistic="share of D(t⁻¹(v|z*)) that the evaluator reads as the attack's target",
        conditions=(
            Condition(0.8, _with_interval("target_logits"), of="logits"),
            Condition(0.1, _with_interval("target_input"), sign="<=", of="input"),
        ),
    ),
    Claim(
        id="F5.c",
        figure="fig5",
        source="Fig. 5",
        statement="A random perturbation of the same size does not.",
        statistic="the same share, largest of the layers",
        conditions=(Condition(0.05, _with_interval("random_largest"), sign="<="),),
    ),
    Claim(
        id="F6.a",
        figure="fig6",
        source="Fig. 6, rows 7 to 9",
        statement="A network trained on natural images recognises animals in patches of texture, "
        "one trained on stylized images does not.",
        statistic="patches of texture: share of samples with the texture's class",
        conditions=(
            Condition(0.7, _seen("vanilla", "texture", "texture"), of="natural"),
            Condition(0.4, _seen("stylized", "texture", "texture"), sign="<=", of="stylized"),
        ),
    ),
    Claim(
        id="F6.b",
        figure="fig6",
        source="Fig. 6, rows 4 to 6",
        statement="Without its texture an input is lost to the one, but not to the other.",
        statistic="stylized inputs: share of samples with the shape's class",
        conditions=(
            Condition(0.4, _seen("vanilla", "stylized", "shape"), sign="<=", of="natural"),
            Condition(0.7, _seen("stylized", "stylized", "shape"), of="stylized"),
        ),
    ),
    Claim(
        id="F6.c",
        figure="fig6",
        source="Fig. 6, rows 10 to 12",
        statement="The network without texture bias reads sketches.",
        statistic="sketches: share of samples with the shape's class; how much more than for the "
        "network trained on natural images",
        conditions=(
            Condition(0.6, _seen("stylized", "sketch", "shape"), of="stylized"),
            Condition(0, _sketch_advantage, sign=">", of="more"),
        ),
    ),
    Claim(
        id="F6.d",
        figure="fig6",
        source="Fig. 6, rows 1 to 3",
        statement="Both networks recognise natural inputs.",
        statistic="natural inputs: share of samples with the input's class",
        conditions=(
            Condition(0.8, _seen("vanilla", "natural", "shape"), of="natural"),
            Condition(0.8, _seen("stylized", "natural", "shape"), of="stylized"),
        ),
    ),
    Claim(
        id="F7.a",
        figure="fig7",
        source="Fig. 7",
        statement="Replacing a factor by another image's changes its concept.",
        statistic="share of edits in which the evaluator reads the other image's value, smallest "
        "of the six factors",
        conditions=(Condition(0.9, _weakest_edit),),
    ),
    Claim(
        id="F7.b",
        figure="fig7",
        source="Fig. 7",
        statement="Replacing a factor leaves the other concepts alone.",
        statistic="share of the attributes that the edited one does not cause which the evaluator "
        "reads as before, smallest of the six factors",
        conditions=(Condition(0.9, _least_kept),),
    ),
    Claim(
        id="F7.c",
        figure="fig7",
        source="Fig. 7",
        statement="FaceNet is most sensitive to gender and glasses (paper: 1.061 and 1.000, the "
        "others at most 0.874).",
        statistic="mean distance of embeddings of image and edit: smaller of gender and glasses / "
        "largest of the other factors",
        conditions=(Condition(1, _sensitive_ratio, sign=">"),),
    ),
    Claim(
        id="S9.a",
        figure="fig7",
        source="Fig. S9",
        statement="Edited images are better than StarGAN's for every attribute.",
        statistic="Fréchet distance of StarGAN / ours, smallest of the six attributes",
        conditions=(Condition(1, _smallest_advantage, sign=">"),),
    ),
    Claim(
        id="S8.a",
        figure="fig7",
        source="Sec. B.5",
        statement="Edits follow the causes in the data: gender changes the length of hair, a beard "
        "is not given to women, older people turn grey.",
        statistic="share of edits in which the evaluator reads this",
        conditions=(
            Condition(0.8, _coherent("gender_moves_hair"), of="hair"),
            Condition(0.8, _coherent("women_stay_beardless"), of="women"),
            Condition(0.8, _coherent("older_turns_grey"), of="grey"),
        ),
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
