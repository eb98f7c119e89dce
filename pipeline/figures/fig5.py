"""Figs. 5 and S13: what an attack on a network changes in each of its layers.

Draws from arrays and numbers alone:

- attacks: `{"layers": (L,) str, and for each kind of clean, random, attacked "<kind>_images"
  (R, H, W, 3) uint8, "<kind>_predictions" (R,) str, and "<layer>_<kind>" (R, H, W, 3)}`;
  `load_attacks` reads it from an npz file.
- summary: `metrics/fig5.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipeline.evaluation.fig5 import attack_in_words
from pipeline.figures.arrays import open_arrays
from pipeline.figures.drawing import add_footer, add_legend, figure_style
from pipeline.figures.sheet import RIGHT, WIDTH, Sheet, draw_sheet, gaps, size_in_words

__all__ = ["draw_fig5", "draw_figS13", "draw_target_shares", "load_attacks"]

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
"""What stands above the reconstructions."""
NAMES = {"input": "input layer"}
"""How a layer is written whose own name says less."""


def load_attacks(path: Path) -> dict[str, Any]:
    """Attacked images and their reconstructions from an npz file.

    Raises:
        PipelineError: the file or one of its arrays is missing.
    """
    with open_arrays(path, "attacks") as arrays:
        found = dict(arrays)
        for kind in KINDS:
            for name in ("images", "predictions"):
                found[f"{kind}_{name}"]
            for layer in found["layers"]:
                found[f"{layer}_{kind}"]
        return found


def draw_fig5(attacks: Mapping[str, Any], summary: Mapping[str, Any]) -> Figure:
    """Fig. 5: one input, its changed versions, and what each layer holds of them.

    Below, the share of the variance of z_bar that v explains (Eq. 19) with its standard error, and
    the paper's.
    """
    sheet, across, down, inch = _examples(attacks, [0], 1, LINE)
    height, width = attacks["clean_images"].shape[1:3]
    gap, wide = gaps(width)
    cell = round(CELL * inch)
    y = down + gap
    first = width + wide
    layers = [str(name) for name in attacks["layers"]]
    title = r"variance of $\bar z$ explained by $v$ (Eq. 19)"
    sheet.inside(title, first, y, across - first, cell)
    y += cell
    for words, values in (
        ("ours", [_entry(summary, layer) for layer in layers]),
        ("paper", [tuple(summary["layers"][layer]["paper"]) for layer in layers]),
    ):
        sheet.rule(first, y, across - first)
        sheet.beside(words, first, y, cell, size=8)
        for column, (value, error) in enumerate(values):
            x = first + column * (width + gap)
            sheet.inside(f"{100 * value:.1f} ± {100 * error:.1f} %", x, y, width, cell)
        y += cell
    shown, *rest = _words(attacks, summary, 1)
    measured = f"{summary['variance_inputs']} inputs × {summary['variance_samples']} samples"
    notes = [shown, f"Eq. 19: {measured}", *rest]
    return draw_sheet(sheet, notes, summary, left=ROOM, across=across, down=y)


def draw_figS13(attacks: Mapping[str, Any], summary: Mapping[str, Any]) -> Figure:
    """Fig. S13: four more inputs, two side by side. Raises PipelineError if there is none."""
    rows = list(range(1, len(attacks["clean_images"])))[:SHOWN_S13] or [0]
    sheet, across, down, _ = _examples(attacks, rows, 2 if len(rows) > 1 else 1, LINE)
    notes = _words(attacks, summary, len(rows))
    return draw_sheet(sheet, notes, summary, left=ROOM, across=across, down=down)


def draw_target_shares(summary: Mapping[str, Any]) -> Figure:
    """How often each layer shows the attack's target: over the test images, by kind of change.

    The lines at the points of (a) are their 95 % intervals.
    """
    layers, found = list(summary["order"]), summary["layers"]
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
            f"N = {summary['targets']:,} of {summary['images']:,} test images, whose predicted "
            "class the attack changed"
        )
        add_footer(figure, summary, [counts, f"{summary['size']} px"])
    return figure


def _name(layer: str) -> str:
    return NAMES.get(layer, layer)


def _entry(summary: Mapping[str, Any], layer: str) -> tuple[float, float]:
    row = summary["layers"][layer]
    return row["explained_by_v"], row["explained_by_v_se"]


def _examples(
    attacks: Mapping[str, Any], rows: list[int], side_by_side: int, line_inches: float
) -> tuple[Sheet, int, int, float]:
    """A block per input: a row per kind of change, the image and a column per layer.

    Returns the sheet, the pixels across and down, and how many of them make an inch.
    """
    height, width = attacks["clean_images"].shape[1:3]
    layers = [str(name) for name in attacks["layers"]]
    gap, wide = gaps(width)
    block = width + wide + len(layers) * (width + gap) - gap
    across = side_by_side * (block + 2 * wide) - 2 * wide
    inch = across / (WIDTH - ROOM - RIGHT)
    line = round(line_inches * inch)
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
            sheet.place(attacks[f"{kind}_images"][row], x0, y)
            seen = str(attacks[f"{kind}_predictions"][row])
            sheet.inside(seen, x0, y + height, width, line, bold=kind == "attacked")
            for column, layer in enumerate(layers):
                x = x0 + width + wide + column * (width + gap)
                sheet.place(attacks[f"{layer}_{kind}"][row], x, y)
            y += height + line
        down = y
    return sheet, across, down, inch


def _words(attacks: Mapping[str, Any], summary: Mapping[str, Any], count: int) -> list[str]:
    shown = f"N = {count} test image" + ("s" if count > 1 else "")
    changed = f"{attack_in_words(summary)}, ε = {summary['epsilon']:g} in [-1, 1]"
    below = "below an image: its predicted class"
    return [shown, changed, below, size_in_words(attacks["clean_images"])]
