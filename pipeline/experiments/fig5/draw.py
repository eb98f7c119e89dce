"""Figs. 5 and S13: what an attack on a network changes in each of its layers.

The arrays are `layers` (L,) str and, for each kind of clean, random and attacked,
`<kind>_images` (R, H, W, 3) uint8, `<kind>_predictions` (R,) str and `<layer>_<kind>`
(R, H, W, 3) uint8. The numbers are those of `summary`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipeline.drawing.drawing import add_footer, add_legend, figure_style
from pipeline.drawing.sheet import RIGHT, WIDTH, Sheet, draw_sheet, gaps, size_in_words
from pipeline.experiments.fig5.summary import attack_in_words

__all__ = ["draw", "draw_fig5", "draw_figS13", "draw_target_shares"]

KINDS = {"clean": "unchanged", "random": "random signs", "attacked": "attacked"}
LINE, CELL = 0.17, 0.19
"""Inches: the height of the words above an image, and of a cell below."""
ROOM = 1.15
"""Inches at the left, for the names of rows."""
SHOWN_S13 = 4
LOOKS = {
    "clean": ("o", "#555555", "-"),
    "random": ("s", "#E69F00", (0, (2, 2))),
    "attacked": ("D", "#0072B2", "-"),
}
CHANGED = r"$D(t^{-1}(v\,|\,z^{\ast}))$,  $z^{\ast}=\Phi(x^{\ast})$ by layer"
"""The title above the reconstructions."""
NAMES = {"input": "input layer"}
"""Labels of layers whose own name says less."""

Numbers = Mapping[str, Any]
Arrays = Mapping[str, np.ndarray]


def draw(numbers: Numbers, arrays: Arrays) -> dict[str, Figure]:
    """The figures by file stem. Raises KeyError for a missing number or array."""
    return {
        "fig5": draw_fig5(numbers, arrays),
        "figS13": draw_figS13(numbers, arrays),
        "shares": draw_target_shares(numbers),
    }


def draw_fig5(numbers: Numbers, arrays: Arrays) -> Figure:
    """Fig. 5: one input, its changed versions, and what each layer represents of them.

    Below, the share of the variance of z_bar explained by v (Eq. 19) with its standard error, ours
    and the paper's.
    """
    sheet, across, down, inch = _examples(arrays, [0], 1)
    height, width = arrays["clean_images"].shape[1:3]
    gap, wide = gaps(width)
    cell = round(CELL * inch)
    y = down + gap
    first = width + wide
    layers = [str(name) for name in arrays["layers"]]
    title = r"variance of $\bar z$ explained by $v$ (Eq. 19)"
    sheet.inside(title, first, y, across - first, cell)
    y += cell
    for words, values in (
        ("ours", [_entry(numbers, layer) for layer in layers]),
        ("paper", [tuple(numbers["layers"][layer]["paper"]) for layer in layers]),
    ):
        sheet.rule(first, y, across - first)
        sheet.beside(words, first, y, cell, size=8)
        for column, (value, error) in enumerate(values):
            x = first + column * (width + gap)
            sheet.inside(f"{100 * value:.1f} ± {100 * error:.1f} %", x, y, width, cell)
        y += cell
    shown, *rest = _words(numbers, arrays, 1)
    measured = f"{numbers['variance_inputs']} inputs × {numbers['variance_samples']} samples"
    notes = [shown, f"Eq. 19: {measured}", *rest]
    return draw_sheet(sheet, notes, numbers, left=ROOM, across=across, down=y)


def draw_figS13(numbers: Numbers, arrays: Arrays) -> Figure:
    """Fig. S13: up to four more inputs, two side by side; the first one if there are no others."""
    rows = list(range(1, len(arrays["clean_images"])))[:SHOWN_S13] or [0]
    sheet, across, down, _ = _examples(arrays, rows, 2 if len(rows) > 1 else 1)
    notes = _words(numbers, arrays, len(rows))
    return draw_sheet(sheet, notes, numbers, left=ROOM, across=across, down=down)


def draw_target_shares(numbers: Numbers) -> Figure:
    """How often each layer shows the attack's target, over the test images, by kind of change.

    Vertical lines in (a) are 95 % intervals.
    """
    layers, found = list(numbers["order"]), numbers["layers"]
    with figure_style():
        figure = Figure(figsize=(WIDTH, 3), layout="constrained")
        left, right = figure.subplots(1, 2)
        place = np.arange(len(layers))
        for offset, (kind, words) in zip((-0.1, 0, 0.1), KINDS.items(), strict=True):
            marker, colour, style = LOOKS[kind]
            look: dict[str, Any] = {"color": colour, "linestyle": style, "linewidth": 1.2}
            for axes, what in ((left, "target"), (right, "kept")):
                values = [found[layer][what][kind] for layer in layers]
                if None not in values:
                    axes.plot(place + offset, values, marker=marker, label=words, **look)
            ends = [found[layer]["target_intervals"][kind] for layer in layers]
            if None not in ends:
                low, high = np.transpose(ends)
                left.vlines(place + offset, low, high, color=colour, linewidth=1)
        left.set_title("(a) read as the attack's target", loc="left")
        right.set_title("(b) read as the class before", loc="left")
        for axes in (left, right):
            axes.set_xticks(place, [_name(layer) for layer in layers])
            axes.set_ylim(-0.03, 1.03)
            axes.set_ylabel("share of images")
        add_legend(figure, right.get_lines(), 3)
        counts = (
            f"N = {numbers['targets']:,} of {numbers['images']:,} test images, whose predicted "
            "class the attack changed"
        )
        add_footer(figure, numbers, [counts, f"{numbers['size']} px"])
    return figure


def _name(layer: str) -> str:
    return NAMES.get(layer, layer)


def _entry(numbers: Numbers, layer: str) -> tuple[float, float]:
    row = numbers["layers"][layer]
    return row["explained_by_v"], row["explained_by_v_se"]


def _examples(arrays: Arrays, rows: list[int], side_by_side: int) -> tuple[Sheet, int, int, float]:
    """A block per input, with a row per kind of change: the image, and a column per layer.

    Returns the sheet, its width and height in pixels, and the pixels per inch.
    """
    height, width = arrays["clean_images"].shape[1:3]
    layers = [str(name) for name in arrays["layers"]]
    gap, wide = gaps(width)
    block = width + wide + len(layers) * (width + gap) - gap
    across = side_by_side * (block + 2 * wide) - 2 * wide
    inch = across / (WIDTH - ROOM - RIGHT)
    line = round(LINE * inch)
    tall = 2 * line + len(KINDS) * (height + line)
    sheet, down = Sheet(), 0
    for number, row in enumerate(rows):
        x0 = (number % side_by_side) * (block + 2 * wide)
        y = (number // side_by_side) * (tall + wide) + line
        sheet.above(r"image $x^{\ast}$", x0, y, width)
        sheet.above(CHANGED, x0 + width + wide, y - line, block - width - wide)
        for column, layer in enumerate(layers):
            sheet.above(_name(layer), x0 + width + wide + column * (width + gap), y, width)
        for kind, words in KINDS.items():
            if x0 == 0:
                sheet.beside(words, 0, y, height)
            sheet.place(arrays[f"{kind}_images"][row], x0, y)
            seen = str(arrays[f"{kind}_predictions"][row])
            sheet.inside(seen, x0, y + height, width, line, bold=kind == "attacked")
            for column, layer in enumerate(layers):
                x = x0 + width + wide + column * (width + gap)
                sheet.place(arrays[f"{layer}_{kind}"][row], x, y)
            y += height + line
        down = y
    return sheet, across, down, inch


def _words(numbers: Numbers, arrays: Arrays, count: int) -> list[str]:
    shown = f"N = {count} test image" + ("s" if count > 1 else "")
    changed = f"{attack_in_words(numbers)}, ε = {numbers['epsilon']:g} in [-1, 1]"
    below = "below an image: its predicted class"
    return [shown, changed, below, size_in_words(arrays["clean_images"])]
