"""Facts and tables of Fig. 4: what SqueezeNet's representation holds while it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.reporting.content import Fact, Part, Table
from pipeline.reporting.results import evaluated, measured
from pipeline.reporting.wording import NOT_MEASURED, percent, percent_and_error

__all__ = ["fig4_part"]

PAPER = {"digit": ("2.57 %", "36.08 %"), "background": ("38.44 %", "2.76 %")}
"""Eq. 20 after 4,000 and 36,000 steps (Fig. S7); the paper does not state it for the foreground."""

MOMENTS = ("first", "early", "late", "last")
CONCEPTS = ("digit", "foreground", "background")
NAMES = {
    "residual": "residual",
    "digit": "digit",
    "foreground": "foreground colour",
    "background": "background colour",
}


def fig4_part(root: Path, scale: str) -> Part:
    """What z explains, and what e holds. Raises PipelineError if a file or a number is missing."""
    with evaluated(root, scale, "fig4") as numbers:
        facts = _facts(numbers)
        relevance, checkpoints = _relevance(numbers), _checkpoints(numbers)
    probes = paths.metrics(scale, "train_semantic-digits")
    with measured(root, scale, probes, "train_semantic@digits") as semantic:
        factors = _factors(semantic)
    return Part(facts, tables=[relevance, factors, checkpoints])


def _facts(fig4: Mapping[str, Any]) -> list[Fact]:
    return [
        ("Fig. 4", f"{fig4['inputs']:,} test inputs × {fig4['invariances']:,} invariances, N = "
         f"{fig4['inputs'] * fig4['invariances']:,} per checkpoint"),
        ("Seed", str(fig4["seed"])),
        ("Accuracy", f"{percent(fig4['accuracy_last'])} on test digits at step "
         f"{fig4['step_last']:,}"),
        ("Reconstruction", f"mean squared error {fig4['reconstruction_mse']:.4f} of D(E(x)) on "
         "test images in [0, 1]"),
    ]  # fmt: skip


def _relevance(fig4: Mapping[str, Any]) -> Table:
    rows = []
    for concept in CONCEPTS:
        for index, name in (("total", "Eq. 20"), ("first_order", "first-order")):
            early, late = PAPER.get(concept, ("not stated", "not stated"))
            if index != "total":
                early = late = NOT_MEASURED
            ours = [percent(fig4[f"{concept}_{index}_{when}"]) for when in MOMENTS]
            rows.append([f"{NAMES[concept]}, {name}", early, late, *ours])
    steps = {when: f"{fig4[f'step_{when}']:,}" for when in MOMENTS}
    head = ["factor", "paper, step 4,000", "paper, step 36,000"]
    head += [f"ours, step {steps[when]}" for when in MOMENTS]
    accuracy = ", ".join(
        f"{percent(fig4[f'accuracy_{when}'])} at step {steps[when]}" for when in MOMENTS
    )
    note = (
        f"Eq. 20 counts everything that depends on z; the first-order index leaves out the "
        f"interaction of z and v. The paper's steps 4,000 and 36,000 correspond to ours at "
        f"{steps['early']} and {steps['late']}. Accuracy on test digits: {accuracy}."
    )
    title = "Variance of each factor that z explains: the paper's numbers beside ours"
    return Table(title, head, rows, note, stacked=True)


def _factors(semantic: Mapping[str, Any]) -> Table:
    rows = [
        [
            NAMES[factor],
            str(semantic["sizes"][factor]),
            # Adding zero turns a rounded -0.00 into 0.00.
            *(
                f"{round(semantic['probes'][f'{concept}_from_{factor}'], 2) + 0.0:.2f}"
                for concept in CONCEPTS
            ),
        ]
        for factor in ("residual", *CONCEPTS)
    ]
    head = ["factor of e", "dimensions", *(f"{NAMES[concept]} read" for concept in CONCEPTS)]
    note = (
        "Linear probes on validation images: accuracy for the digit (chance is about 0.1), R² for "
        "the colours. A good e reads each concept from its own factor and from no other."
    )
    return Table("What the factors of e hold", head, rows, note, stacked=True)


def _checkpoints(fig4: Mapping[str, Any]) -> Table:
    rows = [
        [
            f"{record['step']:,}",
            percent(record["accuracy"]),
            *(
                percent_and_error(record[f"{concept}_total"], record[f"{concept}_total_se"])
                for concept in CONCEPTS
            ),
            f"{record['v_mean_rms']:.3f}",
            f"{record['v_variance_mean']:.3f}",
            f"{record['v_square_mean']:.3f}",
        ]
        for record in fig4["curves"]
    ]
    head = ["step", "accuracy", *CONCEPTS, "mean of v", "variance of v", "|v|²/n"]
    note = (
        "Digit, foreground, background: Eq. 20 ± bootstrap standard error. v = t(E(x)|z) of "
        "held-out images should be standard normal in n dimensions: root mean square of its means "
        "(0), mean of its variances (1), mean of |v|²/n (1)."
    )
    title = "All checkpoints, and how well v follows its prior"
    return Table(title, head, rows, note, words=(), folded=True)
