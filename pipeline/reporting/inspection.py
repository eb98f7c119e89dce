"""The report on one layer: its metrics, and reports/inspect/README.md made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import PipelineError
from pipeline.rounding import rounded

__all__ = ["NUMBERS", "inspection_metrics", "write_inspection"]


@dataclass(frozen=True)
class Number:
    """A line of the report.

    Attributes:
        name: what the number is called.
        key: its key in the metrics; `<key>_se` is its standard error, where there is one.
        digits: decimals it is printed with.
        reading: a sentence that says how to read it, with other metrics in braces.
    """

    name: str
    key: str
    digits: int
    reading: str


NUMBERS: Sequence[Number] = (
    Number(
        "Share of the variance of z̄ that v explains (Eq. 19)",
        "explained_by_v",
        3,
        "Near 0 the layer fixes the image, near 1 it has thrown nearly everything away.",
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
        "Whether the network finds its own z again in samples: the cosine with z is "
        "{cosine_samples} for samples, {cosine_other} for other images (faithfulness 0) and "
        "{cosine_reconstruction} for D(E(x)) (faithfulness 1).",
    ),
    Number(
        "Samples with the class of their input",
        "class_agreement",
        3,
        "The share for which the network predicts what it predicts for the input; "
        "{class_agreement_reconstruction} for D(E(x)), which shows what the decoder costs, and "
        "{class_agreement_other} for other images, which is chance.",
    ),
    Number(
        "Nearest training image of the input's class",
        "nearest_same_label",
        3,
        "Near 1 where z tells the data set's classes apart.",
    ),
    Number(
        "Negative log-likelihood per dimension of z̄, in nats",
        "nll_per_dimension",
        3,
        "-log p(z̄ given z) / N of all test images (Eq. 3): lower is better, and between layers of "
        "one data set lower means that z says more about the image.",
    ),
    Number(
        "Mean of |v|² / N on test images",
        "v_square_mean",
        3,
        "1 where the v of images follow the normal prior that samples are drawn from; far above 1, "
        "t has overfitted, and samples vary less than the images that the layer confuses.",
    ),
    Number(
        "Distance of samples to training images",
        "distance_ratio",
        3,
        "In z̄, to the nearest training image, relative to unseen images: near 0 samples would be "
        "copies, near 1 they are as new as test images.",
    ),
)
"""What the report lists, in this order."""

CAPTIONS = {
    "samples": "**Samples of the representation.** Each row: a test image, the autoencoder's "
    "D(E(x)), and samples D(t⁻¹(v given z)), which share the input's z; a column shares one v. "
    "What stays the same along a row is what the layer holds; what changes, it has become "
    "invariant to. What D(E(x)) lacks, no sample can show.{framed}",
    "variance": "**Where the layer leaves the image open (as Fig. 3).** Mean of {samples} samples "
    "of each input, and their variance at each pixel, for images in [0, 1], mean of the colour "
    "channels; all maps have the same colours, by the square root of the variance.",
    "nearest": "**What the layer takes for similar, and whether samples are copies.** The training "
    "images whose z has the largest cosine with the input's, nearest first; framed: another class "
    "than the input's. At the right the first sample, and the training image whose z̄ is nearest to "
    "it.",
}
FRAMED = " Framed: the network predicts another class than for the input."


def inspection_metrics(
    about: Mapping[str, Any], shape: Sequence[int], numbers: Mapping[str, float | None]
) -> dict[str, Any]:
    """What reports/inspect/metrics.json holds: the same keys for every layer, and no lists.

    Args:
        about: network, layer, dataset, step, scale, seed; inputs and samples, the sizes that
            `inspect_layer` was called with, and samples_read, its columns.
        shape: of z, without the batch.
        numbers: those of `inspect_layer`; kept to six significant digits.
    """
    kept = {
        name: rounded(value) if isinstance(value, float) else value
        for name, value in numbers.items()
    }
    return {**about, "z_shape": " × ".join(map(str, shape)), **kept}


def write_inspection(metrics: Mapping[str, Any]) -> str:
    """reports/inspect/README.md: the figures with captions, and the numbers with their meaning.

    Raises PipelineError if a number is missing.
    """
    try:
        return _write(metrics)
    except KeyError as error:
        raise PipelineError(
            f"the metrics of the inspected layer lack {error}: run `dvc repro -f inspect`."
        ) from error


def _write(metrics: Mapping[str, Any]) -> str:
    network, layer = metrics["network"], metrics["layer"]
    has_classes = metrics["class_agreement"] is not None
    state = f"after {metrics['step']:,} training steps"
    if metrics["published"]:
        state = "with its published weights"
    size, shape = f"{metrics['z_dimensions']:,} numbers", str(metrics["z_shape"])
    lines = [
        f"# What {layer} of {network} holds",
        "",
        f"z = Φ(x) is the output of the layer {layer} of {network} {state}: "
        f"{f'{shape} = {size}' if ' ' in shape else size}. "
        f"z̄ = E(x) has {metrics['z_bar_dimensions']:,}. "
        f"Data set {metrics['dataset']}, scale {metrics['scale']}, seed {metrics['seed']}; "
        f"measured on {metrics['inputs']} test images × {metrics['samples']} samples, of which the "
        f"network reads {metrics['samples_read']} again.",
        "",
    ]
    for name, caption in CAPTIONS.items():
        words = caption.format(samples=metrics["samples"], framed=FRAMED if has_classes else "")
        lines += [f"![{_alternative(caption)}](figures/{name}.png)", "", words, ""]
    lines += ["| number | value | how to read it |", "| --- | ---: | --- |"]
    for number in NUMBERS:
        value = metrics[number.key]
        if value is None:
            continue
        text = f"{value:.{number.digits}f}"
        if f"{number.key}_se" in metrics:
            text += f" ± {metrics[f'{number.key}_se']:.{number.digits}f}"
        shown = {key: _short(entry) for key, entry in metrics.items()}
        name = number.name.replace("|", "\\|")
        lines.append(f"| {name} | {text} | {number.reading.format(**shown)} |")
    lines += [
        "",
        "± is one standard error over inputs (over inputs and v for Eq. 19): it does not tell how "
        "another training would differ.",
    ]
    if not has_classes:
        lines += ["", f"{network} predicts no classes, so none are compared."]
    lines += [
        "",
        "Written by the stage `inspect` from [metrics.json](metrics.json). Another layer: "
        "`dvc exp run -S network=… -S layer=… inspect`; several side by side: `dvc exp show`.",
    ]
    return "\n".join(lines) + "\n"


def _alternative(caption: str) -> str:
    """The bold beginning of a caption, for those who cannot see the figure."""
    return caption.split("**")[1].rstrip(".")


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
