"""Eq. 7 in the report: settings, captions and a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.fields import Count, Section, Several
from pipeline.config.rows import FILE
from pipeline.config.sentences import bad, check_bounds
from pipeline.evaluation.concepts import concept_of
from pipeline.evaluation.layer_checks import check_evaluator
from pipeline.reporting.content import Fact, Image, Table
from pipeline.reporting.experiment import Experiment, Numbers
from pipeline.reporting.formatting import NOT_MEASURED, percent

if TYPE_CHECKING:
    from pipeline.config.config import Config

__all__ = ["EXPERIMENT", "Eq7Settings"]


class Eq7Settings(Section):
    """Edits of samples of every layer."""

    inputs: Several = 500  # test images, each with one sample per layer
    rows: Count = 2  # inputs that the figure shows


def check(config: Config) -> None:
    """Raise PipelineError if the experiment asks for more images than there are."""
    check_evaluator(config, "eq7")
    row = config.run.experiments["eq7"]
    if len(row.networks) != 1:
        words = "a list of rows of layers of one network"
        raise bad(FILE, ("experiments", "eq7", "layers"), list(row.layers), words)
    settings: Eq7Settings = config.settings("experiments", "eq7")
    bounds = {"rows": (settings.inputs, "experiments.eq7.inputs")}
    tests = config.images(row.dataset, "test")
    if tests is not None:
        bounds = {"inputs": (tests, "the number of test images"), **bounds}
    check_bounds(config.file, ("experiments", "eq7"), settings, bounds)


FIGURES = (
    Image(
        "eq7",
        "Eq. 7. Edited samples of FaceNet's layers",
        "Left: the input x; below it, a sample for the z of each layer, with the same v in all "
        "rows. Then the sample with one factor of e replaced by that of another image. Factors "
        "that a layer represents start as in the input; deep layers leave more of the rest to v.",
        "Blocks of rendered people, each with the input on top. Each row is a layer: a sample, and "
        "an edit of it for each factor.",
    ),
    Image(
        "sensitivity",
        "How far an edited sample moves FaceNet's output",
        "Mean distance between the embeddings f(D(z̄)) and f(D(z̄*)) of a sample and its edit, for "
        "each factor and the layer that was sampled, over samples that did not show the new value "
        "before. Columns that stand out are concepts that the network is sensitive to.",
        "A table of distances, layers by factors, shaded by size.",
    ),
)


def facts(numbers: Numbers) -> list[Fact]:
    """How much was measured."""
    edits = len(numbers["attributes"]) * len(numbers["order"]) * numbers["images"]
    return [("Eq. 7", f"{edits:,} edits of samples of {len(numbers['order'])} layers")]


def tables(numbers: Numbers) -> list[Table]:
    """Distances and success of edits, by layer and factor."""
    names = numbers["attributes"]
    rows = []
    for layer in numbers["order"]:
        found = [numbers["layers"][layer][name] for name in names]
        moved = [
            NOT_MEASURED if e["edits"] == 0 else f"{e['distance']:.3f} ± {e['error']:.3f}"
            for e in found
        ]
        rows.append([layer, "moves f by", *moved])
        rows.append([layer, "succeeds", *(percent(e["success"]) for e in found)])
        rows.append([layer, "without edit", *(percent(e["before"]) for e in found)])
    note = (
        "Without edit: share of samples in which the evaluator reads the other image's value "
        "already, because the layer does not represent the attribute. Of the other samples: "
        "distance between outputs of the network for a sample and its edit, mean ± standard error "
        "over images, and the share of edits in which the evaluator reads the new value. Of a "
        "beard, in men only."
    )
    head = ["layer", "edit", *map(concept_of, names)]
    return [Table("Eq. 7: edits of samples", head, rows, note, words=(0, 1), stacked=True)]


EXPERIMENT = Experiment(
    order=75, settings=Eq7Settings, figures=FIGURES, facts=facts, tables=tables, check=check
)
