"""The report on one layer: its metrics, and reports/inspect/README.md made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import PipelineError
from pipeline.evaluation.concepts import concept_of
from pipeline.reporting.render import render
from pipeline.rounding import rounded

__all__ = ["NUMBERS", "inspection_metrics", "write_inspection"]


@dataclass(frozen=True)
class Number:
    """A row of the report's table.

    Attributes:
        name: what the number is called.
        key: its key in the metrics; `<key>_se` is its standard error, if it has one.
        digits: decimals.
        reading: how to read it, with other metrics in braces.
    """

    name: str
    key: str
    digits: int
    reading: str


NUMBERS: Sequence[Number] = (
    Number(
        "Share of the variance of z̄ explained by v (Eq. 19)",
        "explained_by_v",
        3,
        "Near 0 the layer determines the image; near 1 it has discarded almost everything.",
    ),
    Number(
        "Variance of samples per pixel",
        "pixel_variance",
        4,
        "How much of an image the layer leaves open, for images in [0, 1]; the test images "
        "themselves vary by {pixel_variance_images}.",
    ),
    Number(
        "Faithfulness",
        "faithfulness",
        3,
        "Whether samples, re-encoded, still have the z they were drawn for: its cosine is "
        "{cosine_samples} with samples, {cosine_other} with other images (faithfulness 0) and "
        "{cosine_reconstruction} with D(E(x)) (faithfulness 1).",
    ),
    Number(
        "Samples with the class of their input",
        "class_agreement",
        3,
        "Share of samples that get the class the network predicts for the input; "
        "{class_agreement_reconstruction} for D(E(x)), which is what the decoder costs, and "
        "{class_agreement_other} for other images, which is chance.",
    ),
    Number(
        "Nearest training image of the input's class",
        "nearest_same_label",
        3,
        "Near 1 if z separates the classes of the data set.",
    ),
    Number(
        "Negative log-likelihood per dimension of z̄, in nats",
        "nll_per_dimension",
        3,
        "-log p(z̄|z) / N of all test images (Eq. 3); lower is better. Between layers of one data "
        "set, lower means that z says more about the image.",
    ),
    Number(
        "Test images in the central 90 % region of t",
        "coverage_90",
        3,
        "0.9 if t is calibrated; less, and samples vary too little. In the regions of 50, 80 and "
        "95 % it is {coverage_50}, {coverage_80} and {coverage_95}.",
    ),
    Number(
        "Mean of |v|² / N on test images",
        "v_square_mean",
        3,
        "1 if the v of images follow the normal prior that samples are drawn from. Far above 1, t "
        "has overfitted, and samples vary less than the images that the layer confuses.",
    ),
    Number(
        "Distance of samples to training images",
        "distance_ratio",
        3,
        "Distance of z̄ to the nearest training image, relative to unseen images: near 0 samples "
        "are copies, near 1 they are as new as test images.",
    ),
)
"""The rows of the report's table, in order."""


def inspection_metrics(
    about: Mapping[str, Any], shape: Sequence[int], numbers: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of reports/inspect/metrics.json: the same keys for every layer, and no lists.

    Only `output_moved` has keys of its own for every data set, the factors of its e.

    Args:
        about: network, layer, dataset, published, step, scale, seed; inputs and samples, the sizes
            that `inspect_layer` was called with, and samples_read, its columns.
        shape: of z, without the batch.
        numbers: those of `inspect_layer`; kept to six significant digits.
    """
    kept = {
        name: rounded(value) if isinstance(value, float) else value
        for name, value in numbers.items()
    }
    moved = numbers["output_moved"]
    kept["output_moved"] = {name: rounded(value) for name, value in moved.items()}
    return {**about, "z_shape": " × ".join(map(str, shape)), **kept}


def write_inspection(metrics: Mapping[str, Any]) -> str:
    """reports/inspect/README.md: the figures with captions, and the numbers with their meaning.

    Raises PipelineError if a number is missing.
    """
    names = ("network", "layer", "dataset", "scale", "seed", "inputs", "samples", "samples_read")
    try:
        size, shape = f"{metrics['z_dimensions']:,} numbers", str(metrics["z_shape"])
        trained = f"after {metrics['step']:,} training steps"
        content = {name: metrics[name] for name in (*names, "z_bar_dimensions")} | {
            "state": "with its published weights" if metrics["published"] else trained,
            "shape": f"{shape} = {size}" if " " in shape else size,
            "has_classes": metrics["class_agreement"] is not None,
            "moved": {
                concept_of(name): f"{share:.3f}" for name, share in metrics["output_moved"].items()
            },
            "rows": [
                _row(number, metrics) for number in NUMBERS if metrics[number.key] is not None
            ],
        }
    except KeyError as error:
        raise PipelineError(
            f"the metrics of the inspected layer lack {error}: run `dvc repro -f inspect`."
        ) from error
    return render("inspect.md.j2", **content)


def _row(number: Number, metrics: Mapping[str, Any]) -> tuple[str, str, str]:
    """Name, value ± standard error, and how to read it."""
    value = f"{metrics[number.key]:.{number.digits}f}"
    if f"{number.key}_se" in metrics:
        value += f" ± {metrics[f'{number.key}_se']:.{number.digits}f}"
    shown = {key: f"{n:.3g}" if isinstance(n, float) else n for key, n in metrics.items()}
    return number.name, value, number.reading.format(**shown)
