"""Facts and tables of Figs. 3 and S10: what varies in samples of FaceNet's layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.evaluation.fig3 import IDENTITY, NAMES
from pipeline.reporting.content import Part, Table
from pipeline.reporting.results import evaluated
from pipeline.reporting.wording import reading_quality, two_digits

__all__ = ["fig3_part", "figs10_part"]

SHOWN = {
    "Fig. 3": "The paper shows the variance growing about exponentially with depth, pose being "
    "lost and glasses being kept.",
    "Fig. S10": "The last column is the correlation of the colour read from samples with the "
    "input's, a tint of a few per cent. The paper shows the appearance of animals being kept until "
    "the penultimate layer, and in part until the last.",
}
"""What the paper shows of each figure."""


def fig3_part(root: Path, scale: str) -> Part:
    """FaceNet's layers on people. Raises PipelineError if a file or a number is missing."""
    return _layers(root, scale, "fig3", "Fig. 3")


def figs10_part(root: Path, scale: str) -> Part:
    """FaceNet's layers on animals. Raises PipelineError if a file or a number is missing."""
    return _layers(root, scale, "figs10", "Fig. S10")


def _layers(root: Path, scale: str, item: str, figure: str) -> Part:
    with evaluated(root, scale, item) as numbers:
        words = (
            f"{numbers['samples']} samples of each of {numbers['inputs']} test images of "
            f"{numbers['size']} px, {numbers['read']} of them read by the evaluator, seed "
            f"{numbers['seed']}"
        )
        return Part([(figure, words)], tables=[_invariances(numbers, figure)])


def _invariances(numbers: Mapping[str, Any], figure: str) -> Table:
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
    if "coat_hue" in known:
        head.append("colour, correlation")
        read = [layer["correlation"] for layer in layers.values()]
        read.append(numbers["reconstruction_correlation"])
        for row, correlation in zip(rows, read, strict=True):
            row.append(two_digits(correlation["coat_hue"]))
    quality = reading_quality({NAMES[name]: numbers["evaluator"][name] for name in known})
    traits = sorted(
        how["r2"] for name, how in numbers["evaluator"].items() if name.startswith(IDENTITY)
    )
    if face:
        quality += f", features of the face R² {traits[0]:.2f} to {traits[-1]:.2f}"
    note = (
        "Variance over samples, of images in [0, 1]; over different images it is "
        f"{numbers['variance_images']:.4f}. The other columns say what varies, as in the figure: 0 "
        "where all samples of an input agree, 1 where they differ as different images do (numbers) "
        "or none shows the input's class. "
        f"{'Face: mean over the features that tell people apart. ' if face else ''}"
        "Faithfulness: cosine of the z of samples with that of the input, 0 for other images, 1 "
        "for reconstructions. The last row is what D(E(x)) itself loses. The evaluator "
        f"reads blurred held-out images: {quality}. {SHOWN[figure]}"
    )
    title = f"FaceNet's layers: what varies in samples ({figure})"
    return Table(title, head, rows, note, stacked=True)
