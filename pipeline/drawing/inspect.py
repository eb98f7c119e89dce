"""The figures of the report on one layer: samples, their variance (as Fig. 3), nearest images.

Draws from arrays as `inspect_layer` returns them, and from metrics with network, layer, scale, seed
and samples.
"""

import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.drawing.drawing import figure_style
from pipeline.drawing.sheet import SAMPLES, Sheet, draw_sheet, gaps, size_in_words
from pipeline.errors import PipelineError

__all__ = ["FIGURES", "draw_nearest", "draw_samples", "draw_variance"]

LEFT = 0.88
"""Inches for the names of the rows."""
BAR = 0.62
"""Inches at the right of the maps, for their colour bar."""
COLOURS = "magma"
ACROSS = 9
"""Least width of a row, in images, so that a few images are not blown up."""

Arrays = Mapping[str, NDArray[Any]]


def draw_samples(arrays: Arrays, metrics: Mapping[str, Any]) -> Figure:
    """One row per input: the input, D(E(x)), samples; framed where the predicted class changes.

    Raises:
        PipelineError: arrays whose shapes do not fit.
    """
    inputs, samples = _pixels(arrays, "inputs", 4), _pixels(arrays, "samples", 5)
    reconstructions, kept = _pixels(arrays, "reconstructions", 4), arrays["kept"]
    agrees = arrays["agrees"]
    _, height, width, _ = inputs.shape
    gap, wide = gaps(width)
    first = 2 * width + gap + wide
    sheet = Sheet()
    for row, name in enumerate(arrays["names"]):
        y = row * (height + gap)
        sheet.beside(_lines(name), 0, y, height)
        sheet.place(inputs[row], 0, y)
        sheet.place(reconstructions[row], width + gap, y, framed=not kept[row])
        for column, image in enumerate(samples[row]):
            x = first + column * (width + gap)
            sheet.place(image, x, y, framed=not agrees[row, column])
    sheet.above("input", 0, 0, width)
    sheet.above("$D(E(x))$", width + gap, 0, width)
    across = samples.shape[1] * (width + gap) - gap
    sheet.above(SAMPLES, first, 0, across)
    words = _words(metrics, inputs)
    if not (agrees.all() and kept.all()):
        words.append("framed: the network predicts another class than for the input")
    return draw_sheet(sheet, words, metrics, left=LEFT, across=ACROSS * width)


def draw_variance(arrays: Arrays, metrics: Mapping[str, Any]) -> Figure:
    """One column per input: the input, the mean of its samples, their variance per pixel.

    All maps share one colour scale, by the square root of the variance, since inputs differ widely.

    Raises:
        PipelineError: arrays whose shapes do not fit.
    """
    inputs, means = _pixels(arrays, "inputs", 4), _pixels(arrays, "means", 4)
    variances = np.asarray(arrays["variances"])
    if variances.shape != inputs.shape[:3]:
        raise PipelineError(
            f"the variance maps must have the shape {inputs.shape[:3]}, not {variances.shape}: "
            "run `dvc repro -f inspect`."
        )
    count, height, width, _ = inputs.shape
    gap, wide = gaps(width)
    scale = ScalarMappable(PowerNorm(0.5, 0, max(float(variances.max()), 1e-6)), COLOURS)
    maps = np.asarray(scale.cmap(scale.norm(variances)))[..., :3]
    rows = {
        "input": inputs,
        "mean": means,
        "variance": np.round(255 * maps).astype(np.uint8),
    }
    sheet = Sheet()
    for column, name in enumerate(arrays["names"]):
        sheet.above(name, column * (width + gap), 0, width, italic=True)
    for row, (name, images) in enumerate(rows.items()):
        y = row * (height + gap)
        sheet.beside(name, 0, y, height)
        for column, image in enumerate(images):
            sheet.place(image, column * (width + gap), y)
    used = count * (width + gap) - gap
    across = max(used, 6 * width)
    words = [*_words(metrics, inputs), f"{metrics['samples']} samples of each"]
    figure = draw_sheet(sheet, words, metrics, left=LEFT, across=across, right=BAR)
    with figure_style():
        (axes,) = figure.axes
        x = (used + wide / 2) / across
        low = 1 - (2 * (height + gap) + height) / (3 * height + 2 * gap)
        share = height / (3 * height + 2 * gap)
        inset = axes.inset_axes((x, low, 0.09 * width / across, share))
        bar = figure.colorbar(scale, cax=inset)
        bar.outline.set_linewidth(0.5)
        inset.grid(visible=False)
        inset.tick_params(labelsize=7, length=2, pad=1.5)
        inset.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(4))
    return figure


def draw_nearest(arrays: Arrays, metrics: Mapping[str, Any]) -> Figure:
    """One row per input: the training images nearest by z, a sample, and its nearest one.

    Numbers are cosines of z; frames mark training images of another class than the input's.

    Raises:
        PipelineError: arrays whose shapes do not fit.
    """
    inputs, nearest = _pixels(arrays, "inputs", 4), _pixels(arrays, "nearest", 5)
    samples, originals = _pixels(arrays, "samples", 5), _pixels(arrays, "originals", 4)
    names, other = arrays["names"], arrays["nearest_names"]
    _, height, width, _ = inputs.shape
    gap, wide = gaps(width)
    line = max(4, round(0.24 * height))  # for the cosines
    first = width + wide
    last = first + nearest.shape[1] * (width + gap) - gap + wide
    sheet = Sheet()
    for row, name in enumerate(names):
        y = row * (height + line) + line
        sheet.beside(_lines(name), 0, y, height)
        sheet.place(inputs[row], 0, y)
        for column, image in enumerate(nearest[row]):
            x = first + column * (width + gap)
            sheet.place(image, x, y, framed=other[row, column] != name)
            sheet.above(f"{arrays['nearest_cosine'][row, column]:.3f}", x, y, width, size=7)
        sheet.place(samples[row, 0], last, y)
        sheet.place(originals[row], last + width + gap, y)
    sheet.above("input", 0, 0, width)
    sheet.above("training images with the nearest $z$", first, 0, last - wide - first)
    sheet.above("a sample, its nearest", last, 0, 2 * width + gap)
    words = _words(metrics, inputs)
    if (other != names[:, None]).any():
        words.append("framed: another class")
    return draw_sheet(sheet, words, metrics, left=LEFT, across=ACROSS * width)


FIGURES: dict[str, Callable[[Arrays, Mapping[str, Any]], Figure]] = {
    "samples": draw_samples,
    "variance": draw_variance,
    "nearest": draw_nearest,
}
"""The figures by file stem, in the order of the report."""


def _words(metrics: Mapping[str, Any], inputs: NDArray[np.uint8]) -> list[str]:
    return [f"{metrics['network']} {metrics['layer']}", size_in_words(inputs)]


def _lines(name: Any) -> str:
    """A name, wrapped."""
    return textwrap.fill(str(name), 14)


def _pixels(arrays: Arrays, name: str, dimensions: int) -> NDArray[np.uint8]:
    array = np.asarray(arrays[name])
    rows = len(arrays["names"])
    if (
        array.dtype != np.uint8
        or array.ndim != dimensions
        or array.shape[-1] != 3
        or len(array) != rows
        or not array.size
        or array.shape[-3:] != np.shape(arrays["inputs"])[-3:]
    ):
        raise PipelineError(
            f"the images '{name}' must be uint8 and have {rows} rows of the inputs' size, not "
            f"{array.dtype} {array.shape}: run `dvc repro -f inspect`."
        )
    return array
