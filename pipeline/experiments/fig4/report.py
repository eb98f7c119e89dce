"""Figs. 4 and S7 in the report: settings, claims, captions and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.fields import Count, NonNegativeInt, Section, Several
from pipeline.config.rows import FILE
from pipeline.config.sentences import bad, check_bounds
from pipeline.errors import PipelineError
from pipeline.reporting.claim import Claim, Condition, Measurement, with_interval
from pipeline.reporting.content import Fact, Image, Table
from pipeline.reporting.experiment import Experiment, Numbers
from pipeline.reporting.formatting import NOT_MEASURED, percent, percent_and_error

if TYPE_CHECKING:
    from pipeline.config.config import Config

__all__ = ["EXPERIMENT"]

PAPER = {"digit": ("2.57 %", "36.08 %"), "background": ("38.44 %", "2.76 %")}
"""Eq. 20 after 4,000 and 36,000 steps (Fig. S7); not stated for the foreground."""

MOMENTS = ("first", "early", "late", "last")
CONCEPTS = ("digit", "foreground", "background")
NAMES = {
    "residual": "residual",
    "digit": "digit",
    "foreground": "foreground colour",
    "background": "background colour",
}


class Fig4Settings(Section):
    """What z and v explain while the network trains (Fig. 4)."""

    inputs: Several = 400  # test images
    invariances: Several = 25  # samples of v
    bootstrap: Several = 200  # bootstrap replicates of the error bars
    early: NonNegativeInt = 2  # checkpoint shown as early; 0 is the untrained network
    late: NonNegativeInt = 18  # checkpoint shown as late
    rows: Count = 6  # inputs in the grids of Fig. S7; Fig. 4 shows up to five others
    columns: Count = 8  # samples of each


def check(config: Config) -> None:
    """Raise PipelineError for checkpoints or samples that there will not be."""
    where = ("experiments", "fig4")
    row = config.run.experiments["fig4"]
    if len(row.layers) != 1:
        raise bad(FILE, (*where, "layers"), list(row.layers), "a list of one layer")
    settings: Fig4Settings = config.settings(*where)
    network = config.run.layers[row.layers[0]].network
    checkpoints = config.settings("train_network", network).checkpoints
    if not settings.early < settings.late < checkpoints:
        raise bad(
            config.file,
            (*where, "late"),
            settings.late,
            f"above experiments.fig4.early ({settings.early}) and below the {checkpoints} "
            f"checkpoints of train_network.{network}, which count from 0",
        )
    bounds = {
        "rows": (settings.inputs, "experiments.fig4.inputs"),
        "columns": (settings.invariances, "experiments.fig4.invariances"),
    }
    tests = config.images(row.dataset, "test")
    if tests is not None:
        bounds = {"inputs": (tests, "the number of test images"), **bounds}
    check_bounds(config.file, where, settings, bounds)


def _order_at_start(numbers: Numbers) -> Measurement:
    if numbers["step_first"] != 0:
        raise PipelineError(
            f"claim F4.d is about the untrained network, but the first checkpoint is of step "
            f"{numbers['step_first']}: keep one of step 0."
        )
    return with_interval("order_first_gap")(numbers)


CLAIMS = (
    Claim(
        id="F4.a",
        source="Fig. 4, Fig. S7",
        statement="The digit factor becomes relevant in training (paper: 2.57 to 36.08 %).",
        statistic="Eq. 20 of the digit factor, last / first checkpoint",
        conditions=(Condition(2, with_interval("digit_total_ratio"), full_target=5),),
        prototyped=True,
    ),
    Claim(
        id="F4.e",
        source="Fig. 4",
        statement="The digit factor becomes relevant even without the interaction of z and v.",
        statistic="first-order index of the digit factor, last / first checkpoint",
        conditions=(Condition(5, with_interval("digit_first_order_ratio")),),
        prototyped=True,
    ),
    Claim(
        id="F4.b",
        source="Fig. 4, Fig. S7",
        statement="The background colour becomes irrelevant (paper: 38.44 to 2.76 %).",
        statistic="Eq. 20 of the background factor, first / last checkpoint",
        conditions=(Condition(3, with_interval("background_total_ratio")),),
    ),
    Claim(
        id="F4.c",
        source="Fig. 4",
        statement="The digit factor's relevance rises with the accuracy.",
        statistic="Pearson correlation of Eq. 20, digit factor, with accuracy, over checkpoints",
        conditions=(Condition(0.9, with_interval("digit_accuracy_pearson")),),
    ),
    Claim(
        id="F4.d",
        source="Sec. B.4",
        statement="At step 0 the background matters most, then the foreground, then the digit.",
        statistic="Eq. 20 at step 0: smaller of background - foreground and foreground - digit",
        conditions=(Condition(0, _order_at_start, sign=">"),),
    ),
)

FIGURES = (
    Image(
        "fig4",
        "Fig. 4. Which factors SqueezeNet's representation z explains while it learns to classify "
        "digits",
        "(a) Share of each factor's variance that z explains (Eq. 20), and test accuracy. (b) The "
        "same without the interaction of z and v. (c, d) Samples D(t⁻¹(v|z)) of the penultimate "
        "Fire block: rows share the z of the input at their left, columns share v. Early, samples "
        "of a row should agree in colour; late, in the digit.",
        "Two line charts over training steps, with the shares of the digit, foreground and "
        "background factors that z explains; below them two grids of sampled coloured digits.",
    ),
    Image(
        "figS7",
        "Fig. S7. More samples at an early and a late checkpoint",
        "Samples of other inputs than Fig. 4's, if there are enough. Rows share z, columns share "
        "v. z represents what stays the same along a row; the network has become invariant to what "
        "changes from column to column.",
        "Two grids of sampled coloured digits, from an early and from a late checkpoint; the first "
        "column of each shows the inputs.",
    ),
)


def facts(numbers: Numbers) -> list[Fact]:
    """How much was measured, and how good the models are."""
    inputs, invariances = numbers["inputs"], numbers["invariances"]
    return [
        (
            "Fig. 4",
            f"{inputs:,} test inputs × {invariances:,} invariances, {inputs * invariances:,} "
            "samples per checkpoint",
        ),
        ("Seed", str(numbers["seed"])),
        (
            "Accuracy",
            f"{percent(numbers['accuracy_last'])} on test digits at step {numbers['step_last']:,}",
        ),
        (
            "Reconstruction",
            f"mean squared error {numbers['reconstruction_mse']:.4f} of D(E(x)) on test images in "
            "[0, 1]",
        ),
    ]


def tables(numbers: Numbers) -> list[Table]:
    """What z explains, what the factors of e represent, and all checkpoints."""
    return [_relevance(numbers), _factors(numbers["semantic"]), _checkpoints(numbers)]


def _relevance(numbers: Numbers) -> Table:
    rows = []
    for concept in CONCEPTS:
        for index, name in (("total", "Eq. 20"), ("first_order", "first-order")):
            early, late = PAPER.get(concept, ("not stated", "not stated"))
            if index != "total":
                early = late = NOT_MEASURED
            ours = [percent(numbers[f"{concept}_{index}_{when}"]) for when in MOMENTS]
            rows.append([f"{NAMES[concept]}, {name}", early, late, *ours])
    steps = {when: f"{numbers[f'step_{when}']:,}" for when in MOMENTS}
    head = ["factor", "paper, step 4,000", "paper, step 36,000"]
    head += [f"ours, step {steps[when]}" for when in MOMENTS]
    accuracy = ", ".join(
        f"{percent(numbers[f'accuracy_{when}'])} at step {steps[when]}" for when in MOMENTS
    )
    note = (
        "Eq. 20 counts everything that depends on z; the first-order index leaves out the "
        "interaction of z and v. The paper's steps 4,000 and 36,000 correspond to our steps "
        f"{steps['early']} and {steps['late']}. Accuracy on test digits: {accuracy}."
    )
    title = "Share of each factor's variance that z explains: the paper's numbers and ours"
    return Table(title, head, rows, note, stacked=True)


def _factors(semantic: Numbers) -> Table:
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
    head = ["factor of e", "dimensions", *(f"{NAMES[concept]} probed" for concept in CONCEPTS)]
    note = (
        "Linear probes on validation images: accuracy for the digit (chance is about 0.1), R² for "
        "the colours. With a good e, each concept can be read from its own factor and no other."
    )
    return Table("What the factors of e represent", head, rows, note, stacked=True)


def _checkpoints(numbers: Numbers) -> Table:
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
        for record in numbers["curves"]
    ]
    head = ["step", "accuracy", *CONCEPTS, "mean of v", "variance of v", "|v|²/N"]
    note = (
        "Digit, foreground, background: Eq. 20 ± bootstrap standard error. v = t(E(x)|z) of "
        "held-out images should be standard normal in N dimensions: root mean square of its means "
        "0, mean of its variances 1, mean of |v|²/N 1."
    )
    title = "All checkpoints, and how well v follows its prior"
    return Table(title, head, rows, note, words=(), folded=True)


EXPERIMENT = Experiment(
    order=40,
    settings=Fig4Settings,
    claims=CLAIMS,
    figures=FIGURES,
    facts=facts,
    tables=tables,
    intervals="Fig. 4: bootstrap over inputs and invariances, F4.c also over blocks of checkpoints",
    check=check,
)
