"""Figs. 5 and S13 in the report: settings, claims, captions and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline.config.fields import Count, Positive, Section, Several
from pipeline.config.sentences import check_bounds
from pipeline.evaluation.layer_checks import check_evaluated_species, check_layer_names
from pipeline.experiments.fig5.summary import PAPER, SURE, attack_in_words
from pipeline.reporting.claim import Claim, Condition, with_interval
from pipeline.reporting.content import Fact, Image, Table
from pipeline.reporting.experiment import Experiment, Numbers
from pipeline.reporting.formatting import percent, percent_and_error, two_digits

if TYPE_CHECKING:
    from pipeline.config.config import Config

__all__ = ["EXPERIMENT", "Fig5Settings"]


class Fig5Settings(Section):
    """Attacks on ResNet, and what reaches its layers."""

    inputs: Several = 2048  # test images
    # fgsm: one step along the sign of the gradient; pgd: several
    attack: Literal["fgsm", "pgd"] = "fgsm"
    epsilon: Positive = 0.12  # largest change of a pixel; pixels lie in [-1, 1]
    attack_steps: Count = 10  # steps of pgd
    variance_inputs: Several = 100  # test images for Eq. 19
    variance_samples: Several = 100  # samples of v for each of them
    bootstrap: Several = 200  # bootstrap replicates of the error bars
    fitted_images: Several = 8000  # training images that the perceptron is fitted to
    rows: Count = 5  # inputs that the figures show


def check(config: Config) -> None:
    """Raise PipelineError for other layers than Fig. 5's, or more inputs than there are."""
    check_layer_names(config, "fig5", PAPER)
    check_evaluated_species(config, "fig5")
    settings: Fig5Settings = config.settings("experiments", "fig5")
    bounds = {
        "variance_inputs": (settings.inputs, "experiments.fig5.inputs"),
        "rows": (settings.inputs, "experiments.fig5.inputs"),
    }
    tests = config.images(config.run.experiments["fig5"].dataset, "test")
    if tests is not None:
        bounds = {"inputs": (tests, "the number of test images"), **bounds}
    check_bounds(config.file, ("experiments", "fig5"), settings, bounds)


CLAIMS = (
    Claim(
        id="F5.a",
        source="Fig. 5",
        statement="The deeper a layer, the larger the share of the variance that the invariances "
        "explain (paper: logits 84.77, fc 49.59, conv 7.22, input 11.82 %).",
        statistic="Eq. 19: smaller of logits - fc and fc - max(conv, input)",
        conditions=(Condition(0, with_interval("order_gap"), sign=">"),),
    ),
    Claim(
        id="F5.b",
        source="Fig. 5",
        statement="The attack changes the content of deep layers only.",
        statistic="share of D(t⁻¹(v|z*)) in which the evaluator predicts the attack's target",
        conditions=(
            Condition(0.8, with_interval("target_logits"), of="logits"),
            Condition(0.1, with_interval("target_input"), sign="<=", of="input"),
        ),
    ),
    Claim(
        id="F5.c",
        source="Fig. 5",
        statement="A random perturbation of the same size moves no layer's content.",
        statistic="the same share for random signs, maximum over the layers",
        conditions=(Condition(0.05, with_interval("random_largest"), sign="<="),),
    ),
)

FIGURES = (
    Image(
        "fig5",
        "Fig. 5. What an attack changes in the layers of ResNet",
        "Rows: the input unchanged, with random signs added, and attacked (x*); below, ResNet's "
        "prediction. Columns: D(t⁻¹(v|z*)) with z* = Φ(x*), one per layer, v fixed to the input's. "
        "Percentages: Eq. 19 ± standard error. The input layer should still show the image, deep "
        "layers of the attacked image the new class. Random signs should change nothing.",
        "Three rows of images of an animal, unchanged, randomly changed and attacked, with a "
        "column per layer; below them, two rows of percentages, ours and the paper's.",
    ),
    Image(
        "figS13",
        "Fig. S13. More attacked inputs",
        "As Fig. 5, for further test images that the attack misleads. Look for the layer at which "
        "the new class appears in attacked images; the chart below counts how often it does over "
        "all of them.",
        "Blocks of three rows of images of animals, with a column per layer.",
    ),
    Image(
        "shares",
        "How often a layer shows the attack's target",
        "Shares of D(t⁻¹(v|z*)) in which the evaluator predicts (a) the class predicted after the "
        "attack, with 95 % Wilson intervals, and (b) the class predicted before, over all test "
        "images whose prediction changes. If unchanged images and random signs coincide, noise of "
        "the attack's size has no such effect.",
        "Two line charts over four layers, with a line for each kind of change.",
    ),
)


def facts(numbers: Numbers) -> list[Fact]:
    """The attack and its success."""
    share = {kind: percent(value) for kind, value in numbers["accuracy"].items()}
    return [
        ("Fig. 5", f"{attack_in_words(numbers)} with ε = {numbers['epsilon']:g} on "
         f"{numbers['images']:,} test images of {numbers['size']} px, seed {numbers['seed']}"),
        ("ResNet's accuracy", f"{share['clean']}, {share['random']} with random signs, "
         f"{share['attacked']} attacked; the attack changes {percent(numbers['success'])} of the "
         f"predictions, random signs {percent(numbers['random_success'])}"),
    ]  # fmt: skip


def tables(numbers: Numbers) -> list[Table]:
    """Eq. 19 and what the attack changes, by layer."""
    layers = {name: numbers["layers"][name] for name in numbers["order"]}
    head = ["layer", "Eq. 19", "paper", "left by regression", "left by perceptron"]
    head += ["target, attacked", "target, random", "target, unchanged", "kept, attacked"]
    rows = [
        [
            name,
            percent_and_error(layer["explained_by_v"], layer["explained_by_v_se"]),
            percent_and_error(*layer["paper"]),
            percent(layer["left_by_regression"]),
            percent(layer["left_by_mlp"]),
            *(two_digits(layer["target"][kind]) for kind in ("attacked", "random", "clean")),
            two_digits(layer["kept"]["attacked"]),
        ]
        for name, layer in layers.items()
    ]
    sure = ", ".join(
        f"{two_digits(layer['target_sure']) or 'none'} ({name})" for name, layer in layers.items()
    )
    note = (
        f"Eq. 19 over {numbers['variance_inputs']} inputs and {numbers['variance_samples']} "
        "samples, ± bootstrap standard error; the paper's is of ResNet-101 on photographs. Left: "
        "share of the variance of z̄ that a ridge regression on z leaves, and a perceptron that "
        "learns the rest: v has no more, if t uses all of z. Target and kept: shares of "
        "D(t⁻¹(v|z*)) in which the evaluator predicts the class that the "
        f"network predicts after and before the attack, over the {numbers['targets']:,} images "
        f"whose prediction changes. Where its probability exceeds {SURE:g} "
        f"({numbers['sure']:,} images), the new class is predicted in {sure}. The evaluator's "
        f"accuracy is {percent(numbers['evaluator']['accuracy'])} on blurred held-out images and "
        f"{percent(numbers['reconstruction_kept'])} on reconstructions D(E(x))."
    )
    return [Table("An attack on ResNet, layer by layer (Fig. 5)", head, rows, note, stacked=True)]


EXPERIMENT = Experiment(
    order=50,
    settings=Fig5Settings,
    claims=CLAIMS,
    figures=FIGURES,
    facts=facts,
    tables=tables,
    intervals="Fig. 5: Eq. 19 by a bootstrap over inputs and invariances, shares by Wilson's score",
    check=check,
)
