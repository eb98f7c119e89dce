"""Figs. 3 and S10: samples of every layer of a network, their variance, and what varies.

Draws from arrays and numbers alone:

- samples: `{"layers": (L,) str, "variances": (L, X), "inputs": (R, H, W, 3) uint8,
  "reconstructions": (R, H, W, 3), "<layer>_samples": (R, C, H, W, 3), "<layer>_mean":
  (R, H, W, 3), "<layer>_variance": (R, H, W)}`; `load_samples` reads it from an npz file.
- summary: `metrics/fig3.json`, or figs10.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import seaborn
from matplotlib.figure import Figure

from pipeline.figures.arrays import open_arrays
from pipeline.figures.drawing import figure_style
from pipeline.figures.sheet import RIGHT, WIDTH, Sheet, draw_sheet, gaps, size_in_words

__all__ = ["draw_fig3", "draw_variances", "load_samples"]

LINE = 0.17
"""Inches: the height of the words above images."""
MAP = "magma"
"""Colours of variances, as light as they are large: readable in grey."""
LEFT = 0.78
"""Inches at the left, for the names of layers."""

FACTORS = {
    "yaw": "yaw",
    "light_azimuth": "light",
    "Smiling": "smile",
    "hair_length": "length of hair",
    "identity": "features of the face",
    "Eyeglasses": "glasses",
    "Male": "gender",
    "species": "species",
    "coat_hue": "colour of the coat",
}
"""What is drawn of the factors, in this order, if it is known."""
LOOKS = (
    ("o", "C0"),
    ("s", "C1"),
    ("^", "C2"),
    ("D", "C3"),
    ("v", "C4"),
    ("P", "C5"),
    ("X", "#555555"),
    ("^", "C2"),
    ("v", "C4"),
)


def load_samples(path: Path) -> dict[str, Any]:
    """Samples from an npz file.

    Raises:
        PipelineError: the file or one of its arrays is missing.
    """
    with open_arrays(path, "samples") as arrays:
        found = dict(arrays)
        for layer in found["layers"]:
            for kind in ("samples", "mean", "variance"):
                found[f"{layer}_{kind}"]
        return {name: found[name] for name in ("inputs", "reconstructions", "variances")} | found


def draw_fig3(samples: Mapping[str, Any], summary: Mapping[str, Any]) -> Figure:
    """Fig. 3, left, and Fig. S10: for each input and layer samples, their mean and their variance.

    The variance of all layers and inputs has one scale, from 0 (dark) to its 99.5th percentile.
    """
    inputs, layers = samples["inputs"], [str(name) for name in samples["layers"]]
    count, height, width, _ = inputs.shape
    columns = samples[f"{layers[0]}_samples"].shape[1]
    gap, wide = gaps(width)
    block = (columns + 2) * (width + gap) - gap + wide
    across = 2 * block + 2 * wide if count > 1 else block
    inch = across / (WIDTH - LEFT - RIGHT)
    line = round(LINE * inch)
    most = float(np.quantile([samples[f"{layer}_variance"] for layer in layers], 0.995))
    colours = matplotlib.colormaps[MAP]
    sheet = Sheet()
    down = 0
    for one in range(count):
        x0 = (one % 2) * (block + 2 * wide)
        y = (one // 2) * ((len(layers) + 1) * (height + gap) + 2 * line + wide) + line
        sheet.above("input $x$", x0, y, width)
        sheet.place(inputs[one], x0, y)
        sheet.above("$D(E(x))$", x0 + width + gap, y, width)
        sheet.place(samples["reconstructions"][one], x0 + width + gap, y)
        y += height + gap + line
        last = x0 + columns * (width + gap) + wide - gap
        sheet.above(r"samples $D(t^{-1}(v|z))$", x0, y, columns * (width + gap) - gap)
        sheet.above("mean", last, y, width)
        sheet.above("variance", last + width + gap, y, width)
        for layer in layers:
            if x0 == 0:
                sheet.beside(layer.replace("_", " "), 0, y, height)
            for column, image in enumerate(samples[f"{layer}_samples"][one]):
                sheet.place(image, x0 + column * (width + gap), y)
            sheet.place(samples[f"{layer}_mean"][one], last, y)
            shares = np.clip(samples[f"{layer}_variance"][one] / max(most, 1e-12), 0, 1)
            coloured = np.rint(255 * colours(shares)[..., :3]).astype(np.uint8)
            sheet.place(coloured, last + width + gap, y)
            y += height + gap
        down = y
    words = [
        f"mean and variance over {summary['samples']} samples; variance from 0 (dark) to {most:.2g}"
        " of images in [0, 1]",
        size_in_words(inputs),
    ]
    return draw_sheet(sheet, words, summary, left=LEFT, across=across, down=down)


def draw_variances(samples: Mapping[str, Any], summary: Mapping[str, Any]) -> Figure:
    """Fig. 3, right: the variance of samples over layers; beside it, of which factors.

    Left, a point per input, its mean over pixels, and the mean of all inputs; the dashed line is
    the variance over different images. Right, for numbers such as yaw the share of their variance
    over images, for classes such as glasses the share of samples that show another one.
    """
    layers = [str(name) for name in samples["layers"]]
    short = [name.replace("_", " ") for name in layers]
    with figure_style():
        figure = Figure(figsize=(WIDTH, 3.1), layout="constrained")
        left, right = figure.subplots(1, 2)
        variances = samples["variances"]
        names = np.repeat(short, variances.shape[1])
        # Spread at random as a strip plot's, but the same in every run.
        spread = np.random.default_rng(0).uniform(-0.25, 0.25, variances.shape)
        left.scatter(np.arange(len(layers))[:, None] + spread, variances, s=3, color="#999999",
                     zorder=1)  # fmt: skip
        seaborn.pointplot(x=names, y=variances.ravel(), ax=left, order=short, errorbar="sd",
                          color="#0072B2", markersize=4, linewidth=1.5, capsize=0.12)  # fmt: skip
        left.axhline(summary["variance_images"], color="#333333", linewidth=0.8, linestyle="--")
        left.text(0, summary["variance_images"], "different images", fontsize=8, va="bottom")
        left.set_yscale("log")
        left.set_ylabel("variance of samples, mean over pixels")
        left.set_title(
            f"(a) {summary['samples']} samples of each of {summary['inputs']} inputs", loc="left"
        )
        found = summary["layers"]
        for (factor, words), (marker, colour) in zip(FACTORS.items(), LOOKS, strict=True):
            values = [
                found[layer]["identity"]
                if factor == "identity"
                else found[layer]["factors"].get(factor)
                for layer in layers
            ]
            if None not in values:
                right.plot(short, values, marker=marker, color=colour, label=words, linewidth=1.2)
        right.set_ylabel("share that varies")
        right.set_ylim(0, 1.4)  # room for the legend
        right.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
        right.set_title("(b) which factors vary", loc="left")
        right.legend(fontsize=7.5, ncols=2)
        for axes in (left, right):
            axes.set_xlabel("")
            axes.tick_params(axis="x", labelrotation=25)
        figure.supxlabel(
            f"N = {summary['inputs']} test images of {summary['size']} px, scale "
            f"{summary['scale']}, seed {summary['seed']}",
            fontsize=7.5,
        )
    return figure
