"""Facts and tables about samples of a network's layers, shared by Figs. 3 and S10."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.evaluation.concepts import concept_of
from pipeline.evaluation.factors import COLOUR, IDENTITY, NAMES
from pipeline.reporting.content import Fact, Table
from pipeline.reporting.formatting import reading_quality, two_digits

__all__ = ["evaluator_quality", "layer_fact", "layer_table"]

Numbers = Mapping[str, Any]


def layer_fact(figure: str, numbers: Numbers) -> Fact:
    """How much a figure was measured on."""
    return figure, (
        f"{numbers['samples']} samples of each of {numbers['inputs']} test images of "
        f"{numbers['size']} px, {numbers['evaluated_samples']} of which the evaluator classifies, "
        f"seed {numbers['seed']}"
    )


def evaluator_quality(of: str, factors: Iterable[str], numbers: Numbers) -> str:
    """How well the evaluator recognises those of the factors that are labelled."""
    quality = numbers["evaluator"]
    known = [name for name in factors if name in quality]
    found = {NAMES.get(name, concept_of(name)): quality[name] for name in known}
    return f"of {of} {reading_quality(found)}"


def layer_table(title: str, remark: str, numbers: Numbers) -> Table:
    """A row per layer with the variance of its samples and what varies; `remark` ends the note."""
    layers = {name: numbers["layers"][name] for name in numbers["order"]}
    known = [name for name in NAMES if all(name in row["factors"] for row in layers.values())]
    face = ["face"] if all(row["identity"] is not None for row in layers.values()) else []
    head = ["layer", "variance", "± over inputs", "faithfulness", *face]
    head += [NAMES[name] for name in known]
    rows = [
        [
            name,
            f"{layer['variance']:.4f}",
            f"{layer['variance_sd']:.4f}",
            f"{layer['faithfulness']['faithfulness']:.2f}",
            *(two_digits(layer["identity"]) for _ in face),
            *(two_digits(layer["factors"][factor]) for factor in known),
        ]
        for name, layer in layers.items()
    ]
    kept = numbers["reconstruction_kept"]
    lost = [two_digits(1 - kept[name] if name in kept else None) for name in known]
    rows.append(["reconstructions", *[""] * (3 + len(face)), *lost])
    if COLOUR in known:
        head.append("colour, correlation")
        found = [layer["correlation"] for layer in layers.values()]
        found.append(numbers["reconstruction_correlation"])
        for row, correlation in zip(rows, found, strict=True):
            row.append(two_digits(correlation[COLOUR]))
    return Table(title, head, rows, _note(numbers, known, bool(face), remark), stacked=True)


def _note(numbers: Numbers, known: Iterable[str], face: bool, remark: str) -> str:
    evaluator = numbers["evaluator"]
    quality = reading_quality({NAMES[name]: evaluator[name] for name in known})
    words = [
        "Variance of samples, of images in [0, 1]; over different images it is "
        f"{numbers['variance_images']:.4f}.",
        "Faithfulness: cosine of the samples' z with the input's, scaled so that other images get "
        "0 and reconstructions 1.",
        "The other columns show what varies: 0 if all samples of an input agree; 1 if they differ "
        "as much as different images do (numbers), or if none shows the input's class.",
    ]
    if face:
        traits = sorted(how["r2"] for name, how in evaluator.items() if name.startswith(IDENTITY))
        quality += f", facial features R² {traits[0]:.2f} to {traits[-1]:.2f}"
        words.append("Face: mean over the features that distinguish people.")
    words += [
        "The last row is what D(E(x)) itself loses.",
        f"The evaluator on blurred held-out images: {quality}.",
        remark,
    ]
    return " ".join(words)
