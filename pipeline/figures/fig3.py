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
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from pipeline.evaluation.fig3 import NAMES
from pipeline.figures.arrays import open_arrays
from pipeline.figures.drawing import add_footer, figure_style
from pipeline.figures.sheet import (
    RIGHT,
    SAMPLES,
    WIDTH,
    Sheet,
    draw_sheet,
    gaps,
    size_in_words,
)

__all__ = ["draw_fig3", "draw_variances", "load_samples"]

LINE = 0.17
"""Inches: the height of the words above images."""
MAP = "magma"
"""Colours of variances, as light as they are large: readable in grey."""
LEFT = 0.78
"""Inches at the left, for the names of layers."""

LOOKS = {
    "yaw": ("o", "C0"),
    "light_azimuth": ("s", "C1"),
    "Smiling": ("^", "C2"),
    "hair_length": ("D", "C3"),
    "identity": ("v", "C4"),
    "Eyeglasses": ("P", "C5"),
    "Male": ("X", "#555555"),
    "species": ("^", "C2"),
    "coat_hue": ("v", "C4"),
}
"""What is drawn of the factors, in this order, if it is known: its marker and colour."""
FACE = "features of the face"
"""What `identity`, the mean over them, is called."""


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

    The variance of all layers of an input has one scale, which its bar shows: from 0 (dark) to the
    99.5th percentile, by its square root, for shallow layers vary little.
    """
    inputs, layers = samples["inputs"], [str(name) for name in samples["layers"]]
    count, height, width, _ = inputs.shape
    columns = samples[f"{layers[0]}_samples"].shape[1]
    gap, wide = gaps(width)
    block = (columns + 2) * (width + gap) - gap + wide
    across = 2 * block + 2 * wide if count > 1 else block
    inch = across / (WIDTH - LEFT - RIGHT)
    line = round(LINE * inch)
    sheet = Sheet()
    down = 0
    for one in range(count):
        x0 = (one % 2) * (block + 2 * wide)
        y = (one // 2) * ((len(layers) + 1) * (height + gap) + 2 * line + wide)
        sheet.above("input $x$", x0, y, width)
        sheet.place(inputs[one], x0, y)
        sheet.above("$D(E(x))$", x0 + width + gap, y, width)
        sheet.place(samples["reconstructions"][one], x0 + width + gap, y)
        last = x0 + columns * (width + gap) + wide - gap
        maps = [samples[f"{layer}_variance"][one] for layer in layers]
        most = max(float(np.quantile(maps, 0.995)), 1e-12)
        inset = width // 4  # the numbers at the ends are wider than their places
        _bar(sheet, most, last + inset, y + height - 2 * line, 2 * (width - inset) + gap, line)
        y += height + gap + line
        sheet.above(SAMPLES, x0, y, columns * (width + gap) - gap)
        sheet.above("mean", last, y, width)
        sheet.above("variance", last + width + gap, y, width)
        for layer, variance in zip(layers, maps, strict=True):
            if x0 == 0:
                sheet.beside(layer, 0, y, height)
            for column, image in enumerate(samples[f"{layer}_samples"][one]):
                sheet.place(image, x0 + column * (width + gap), y)
            sheet.place(samples[f"{layer}_mean"][one], last, y)
            sheet.place(_coloured(variance / most), last + width + gap, y)
            y += height + gap
        down = y
    words = [
        f"N = {count} test images, mean and variance over {summary['samples']} samples of each",
        size_in_words(inputs),
    ]
    return draw_sheet(sheet, words, summary, left=LEFT, across=across, down=down)


def _coloured(shares: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Colours (H, W, 3) of variances (H, W), as shares of the largest that is told apart."""
    colours = matplotlib.colormaps[MAP](np.sqrt(np.clip(shares, 0, 1)))
    return np.rint(255 * colours[..., :3]).astype(np.uint8)


def _bar(sheet: Sheet, most: float, x: int, y: int, width: int, line: int) -> None:
    """A bar of the colours of variances up to `most`, with its numbers in a line below."""
    shares = np.linspace(0, 1, width) ** 2
    sheet.above("variance of samples", x, y, width, size=7.5)
    sheet.place(_coloured(np.tile(shares, (max(2, line // 2), 1))), x, y)
    for share, words in ((0, "0"), (0.5, f"{most / 4:.2g}"), (1, f"≥ {most:.2g}")):
        sheet.inside(words, round(x + (share - 0.5) * width), y + line // 2, width, line, size=7)


def draw_variances(samples: Mapping[str, Any], summary: Mapping[str, Any]) -> Figure:
    """Fig. 3, right: the variance of samples over layers; beside it, of which factors.

    Left, a point per input, its mean over pixels, and the mean of all inputs; the dashed line is
    the variance over different images. Right, for numbers such as yaw the share of their variance
    over images, for classes such as glasses the share of samples that show another one.
    """
    layers = [str(name) for name in samples["layers"]]
    with figure_style():
        figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        variances = samples["variances"]
        names = np.repeat(layers, variances.shape[1])
        # Spread at random as a strip plot's, but the same in every run.
        spread = np.random.default_rng(0).uniform(-0.25, 0.25, variances.shape)
        left.scatter(np.arange(len(layers))[:, None] + spread, variances, s=3, color="#999999",
                     zorder=1)  # fmt: skip
        seaborn.pointplot(x=names, y=variances.ravel(), ax=left, order=layers, errorbar="sd",
                          color="#0072B2", markersize=4, linewidth=1.5, capsize=0.12)  # fmt: skip
        left.axhline(summary["variance_images"], color="#333333", linewidth=0.8, linestyle="--")
        left.text(0, summary["variance_images"], "different images", fontsize=8, va="bottom")
        left.set_yscale("log")
        left.set_ylabel("variance of samples, mean over pixels")
        left.set_title(
            f"(a) {summary['samples']} samples of each of {summary['inputs']} inputs", loc="left"
        )
        handles = [
            Line2D([], [], marker="o", markersize=2, color="#999999", linestyle="", label="input"),
            Line2D([], [], marker="o", color="#0072B2", label="mean ± std over inputs"),
        ]
        _legend(left, 2, handles=handles)
        found, largest = summary["layers"], 1.0
        for factor, (marker, colour) in LOOKS.items():
            words = FACE if factor == "identity" else NAMES[factor]
            values = [
                found[layer]["identity"]
                if factor == "identity"
                else found[layer]["factors"].get(factor)
                for layer in layers
            ]
            if None not in values:
                right.plot(layers, values, marker=marker, color=colour, label=words, linewidth=1.2)
                largest = max(largest, *values)
        right.set_ylabel("share that varies")
        right.set_ylim(0, 1.05 * largest)
        right.set_title("(b) which factors vary", loc="left")
        _legend(right, 3)
        for axes in (left, right):
            axes.set_xlabel("")
            axes.tick_params(axis="x", labelsize=7.5)
        counts = [f"N = {summary['inputs']} test images", f"{summary['size']} px"]
        add_footer(figure, summary, counts)
    return figure


def _legend(axes: Axes, columns: int, **options: Any) -> None:
    """Below the axes, where it covers nothing."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=columns, fontsize=7.5,
                columnspacing=1.2, handlelength=1.8, **options)  # fmt: skip
