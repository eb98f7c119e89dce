"""Edited samples of every layer, and how far the output of the network moves (Eq. 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import seaborn
from matplotlib.figure import Figure

from pipeline.drawing.drawing import add_footer, figure_style
from pipeline.drawing.sheet import WIDTH, Sheet, draw_sheet, gaps, size_in_words
from pipeline.evaluation.concepts import asked, concept_of

__all__ = ["draw", "draw_edits", "draw_sensitivity"]

MARGIN = 0.8
"""Inches at the left, for the names of layers."""

Numbers = Mapping[str, Any]
Arrays = Mapping[str, np.ndarray]


def draw(numbers: Numbers, arrays: Arrays) -> dict[str, Figure]:
    """The figures by file stem."""
    return {"eq7": draw_edits(numbers, arrays), "sensitivity": draw_sensitivity(numbers)}


def draw_edits(numbers: Numbers, arrays: Arrays) -> Figure:
    """A block per input, with a row per layer: the sample, and an edit of each factor."""
    inputs, samples, edits = (arrays[name] for name in ("inputs", "samples", "edits"))
    attributes, layers = arrays["attributes"].tolist(), arrays["layers"].tolist()
    count, height, width, _ = inputs.shape
    gap, wide = gaps(width)
    columns = [width + wide + i * (width + gap) for i in range(len(attributes))]
    line = width // 4
    sheet = Sheet()
    for i, (name, x) in enumerate(zip(attributes, columns, strict=True)):
        sheet.above(f"{concept_of(name)} $e_{{{i + 1}}}$", x, 0, width)
    y = line
    for row in range(count):
        sheet.beside(r"input $x$", 0, y, height, size=8)
        sheet.place(inputs[row], 0, y)
        y += height + line
        sheet.above(r"$D(t^{-1}(v\,|\,z))$", 0, y, width, size=7)
        for x, name, value in zip(columns, attributes, arrays["values"][row], strict=True):
            sheet.above(asked(name, bool(value)), x, y, width, italic=True, size=7)
        for i, layer in enumerate(layers):
            sheet.beside(layer, 0, y, height, size=8)
            sheet.place(samples[row, i], 0, y)
            for x, image in zip(columns, edits[row, i], strict=True):
                sheet.place(image, x, y)
            y += height + gap
        y += line
    words = [f"{count} of {numbers['images']:,} test images", size_in_words(inputs)]
    return draw_sheet(sheet, words, numbers, left=MARGIN)


def draw_sensitivity(numbers: Numbers) -> Figure:
    """Mean distance that the output moves, for each factor and layer."""
    names, order = numbers["attributes"], numbers["order"]
    values = [[numbers["layers"][layer][name]["distance"] for name in names] for layer in order]
    shown = np.array(values, np.float64)  # NaN, which stays blank, where nothing could be edited
    with figure_style():
        figure = Figure(figsize=(WIDTH, 0.32 * len(order) + 0.9), layout="constrained")
        axes = figure.subplots()
        seaborn.heatmap(
            shown, ax=axes, vmin=0, cmap="Blues", annot=True, fmt=".3f",
            annot_kws={"fontsize": 8.5}, linewidths=0.6, linecolor="white",
            cbar_kws={"label": f"distance at {numbers['output']}"},
            xticklabels=[concept_of(name) for name in names], yticklabels=order,
        )  # fmt: skip
        axes.tick_params(length=0, labelsize=8, rotation=0)
        axes.set_ylabel("layer of the sample")
        add_footer(figure, numbers, [f"N = {numbers['images']:,} test images, one sample of each"])
    return figure
