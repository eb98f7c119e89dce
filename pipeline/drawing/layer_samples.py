"""Samples of every layer of a network, their variance, and what varies (Figs. 3 and S10).

Draws from arrays and numbers alone, as `measure_layers` returns them:

- arrays: `{"layers": (L,) str, "variances": (L, X), "inputs": (R, H, W, 3) uint8,
  "reconstructions": (R, H, W, 3), "<layer>_samples": (R, C, H, W, 3), "<layer>_mean":
  (R, H, W, 3), "<layer>_variance": (R, H, W)}`
- numbers: `metrics/fig3.json`, or figs10.json
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from pipeline.drawing.drawing import add_footer, figure_style
from pipeline.drawing.sheet import RIGHT, SAMPLES, WIDTH, Sheet, draw_sheet, gaps, size_in_words
from pipeline.evaluation.factors import COLOUR, NAMES

__all__ = ["draw_layers", "draw_variances"]

LINE = 0.17
"""Inches: height of the words above images."""
MAP = "magma"
"""Colour map of variances: the larger, the lighter, so that it can be read in grey."""
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
    COLOUR: ("v", "C4"),
}
"""Marker and colour of the factors that are drawn, in this order, where they are known."""
FACE = "facial features"
"""Label of `identity`, the mean over them."""


def draw_layers(arrays: Mapping[str, np.ndarray], numbers: Mapping[str, Any]) -> Figure:
    """Fig. 3, left, and Fig. S10: samples, their mean and their variance, per input and layer.

    The layers of an input share one scale of variance, which its bar shows: from 0 (dark) to the
    99.5th percentile, by square root, since shallow layers vary little.
    """
    inputs, layers = arrays["inputs"], [str(name) for name in arrays["layers"]]
    count, height, width, _ = inputs.shape
    columns = arrays[f"{layers[0]}_samples"].shape[1]
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
        sheet.place(arrays["reconstructions"][one], x0 + width + gap, y)
        last = x0 + columns * (width + gap) + wide - gap
        maps = [arrays[f"{layer}_variance"][one] for layer in layers]
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
            for column, image in enumerate(arrays[f"{layer}_samples"][one]):
                sheet.place(image, x0 + column * (width + gap), y)
            sheet.place(arrays[f"{layer}_mean"][one], last, y)
            sheet.place(_coloured(variance / most), last + width + gap, y)
            y += height + gap
        down = y
    words = [
        f"N = {count} test images, mean and variance over {numbers['samples']} samples of each",
        size_in_words(inputs),
    ]
    return draw_sheet(sheet, words, numbers, left=LEFT, across=across, down=down)


def _coloured(shares: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Colours (H, W, 3) of variances (H, W), given as shares of the end of the scale."""
    colours = matplotlib.colormaps[MAP](np.sqrt(np.clip(shares, 0, 1)))
    return np.rint(255 * colours[..., :3]).astype(np.uint8)


def _bar(sheet: Sheet, most: float, x: int, y: int, width: int, line: int) -> None:
    """A colour bar of variances up to `most`, with its numbers in a line below."""
    shares = np.linspace(0, 1, width) ** 2
    sheet.above("variance of samples", x, y, width, size=7.5)
    sheet.place(_coloured(np.tile(shares, (max(2, line // 2), 1))), x, y)
    for share, words in ((0, "0"), (0.5, f"{most / 4:.2g}"), (1, f"≥ {most:.2g}")):
        sheet.inside(words, round(x + (share - 0.5) * width), y + line // 2, width, line, size=7)


def draw_variances(arrays: Mapping[str, np.ndarray], numbers: Mapping[str, Any]) -> Figure:
    """Fig. 3, right: the variance of samples over layers, and which factors vary.

    Left, one point per input, the mean over pixels, and the mean over inputs; the dashed line is
    the variance over different images. Right, for numbers such as yaw the share of their variance
    over images, for classes such as glasses the share of samples that show another one.
    """
    layers = [str(name) for name in arrays["layers"]]
    with figure_style():
        figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        variances = arrays["variances"]
        names = np.repeat(layers, variances.shape[1])
        # Jitter as in a strip plot, but the same in every run.
        spread = np.random.default_rng(0).uniform(-0.25, 0.25, variances.shape)
        left.scatter(np.arange(len(layers))[:, None] + spread, variances, s=3, color="#999999",
                     zorder=1)  # fmt: skip
        seaborn.pointplot(x=names, y=variances.ravel(), ax=left, order=layers, errorbar="sd",
                          color="#0072B2", markersize=4, linewidth=1.5, capsize=0.12)  # fmt: skip
        left.axhline(numbers["variance_images"], color="#333333", linewidth=0.8, linestyle="--")
        left.text(0, numbers["variance_images"], "different images", fontsize=8, va="bottom")
        left.set_yscale("log")
        left.set_ylabel("variance of samples, mean over pixels")
        left.set_title(
            f"(a) {numbers['samples']} samples of each of {numbers['inputs']} inputs", loc="left"
        )
        handles = [
            Line2D([], [], marker="o", markersize=2, color="#999999", linestyle="", label="input"),
            Line2D([], [], marker="o", color="#0072B2", label="mean ± std over inputs"),
        ]
        _legend(left, 2, handles=handles)
        found, largest = numbers["layers"], 1.0
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
        counts = [f"N = {numbers['inputs']} test images", f"{numbers['size']} px"]
        add_footer(figure, numbers, counts)
    return figure


def _legend(axes: Axes, columns: int, **options: Any) -> None:
    """Below the axes, where it hides nothing."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=columns, fontsize=7.5,
                columnspacing=1.2, handlelength=1.8, **options)  # fmt: skip
