"""Figs. 6, S12 and S11: samples of two classifiers for inputs with and without texture.

The arrays are `inputs` (R, H, W, 3) uint8, those of one kind one after the other, `kinds` (R,) str,
`natural_samples` and `stylized_samples` (R, C, H, W, 3) uint8. The numbers are those of `summary`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from pipeline.drawing.drawing import add_footer, add_legend, figure_style
from pipeline.drawing.sheet import SAMPLES, WIDTH, Sheet, draw_sheet, gaps, size_in_words
from pipeline.experiments.fig6.summary import KINDS, inputs_in_words

__all__ = ["draw", "draw_cue_shares", "draw_fig6", "draw_figS11", "draw_figS12"]

NETWORKS = {"natural": "trained on natural images", "stylized": "trained on stylized images"}
OWN = "the network's prediction for the input"
LABELS = (*NETWORKS.values(), OWN)
"""Labels of the legend, in order."""
NAMES = {
    "natural": "natural",
    "stylized": "other\ntexture",
    "texture": "texture\npatch",
    "sketch": "sketch",
}
"""Labels of the kinds of inputs, at the left of their rows."""
LEFT = 0.72
"""Inches at the left, for these names."""
LINE = 0.17
"""Inches: the height of the words above images."""
LOOKS = {"natural": ("#0072B2", ""), "stylized": ("#E69F00", "///")}

Numbers = Mapping[str, Any]
Arrays = Mapping[str, np.ndarray]


def draw(numbers: Numbers, arrays: Arrays) -> dict[str, Figure]:
    """The figures by file stem. Raises KeyError for a missing number or array."""
    return {
        "fig6": draw_fig6(numbers, arrays),
        "figS12": draw_figS12(numbers, arrays),
        "shares": draw_cue_shares(numbers),
        "figS11": draw_figS11(),
    }


def draw_fig6(numbers: Numbers, arrays: Arrays) -> Figure:
    """Fig. 6: for inputs of every kind, samples of both networks side by side."""
    return _grid(numbers, arrays, slice(0, numbers["rows"]))


def draw_figS12(numbers: Numbers, arrays: Arrays) -> Figure:
    """Fig. S12: the same for further inputs."""
    return _grid(numbers, arrays, slice(numbers["rows"], None))


def _grid(numbers: Numbers, arrays: Arrays, part: slice) -> Figure:
    inputs = arrays["inputs"]
    _, height, width, _ = inputs.shape
    columns = arrays["natural_samples"].shape[1]
    gap, wide = gaps(width)
    block = columns * (width + gap) - gap
    across = width + 2 * (wide + block)
    inch = across / (WIDTH - LEFT - 0.06)
    y = round(LINE * inch)
    sheet = Sheet()
    starts = {name: width + wide + i * (block + wide) for i, name in enumerate(NETWORKS)}
    sheet.above("input", 0, y, width)
    for name, words in NETWORKS.items():
        sheet.above(f"{SAMPLES} of the ResNet", starts[name],
                    y - round(LINE * inch), block)  # fmt: skip
        sheet.above(words, starts[name], y, block)
    shown = {}
    for kind in KINDS:
        rows = np.flatnonzero(arrays["kinds"] == kind)[part]
        shown[kind] = len(rows)
        if not len(rows):
            continue
        sheet.beside(NAMES[kind], 0, y, len(rows) * (height + gap) - gap)
        for row in rows:
            sheet.place(inputs[row], 0, y)
            for name, x in starts.items():
                for column, image in enumerate(arrays[f"{name}_samples"][row]):
                    sheet.place(image, x + column * (width + gap), y)
            y += height + gap
        y += wide - gap
    notes = [f"N = {inputs_in_words(shown)} × {columns} samples", size_in_words(inputs)]
    return draw_sheet(sheet, notes, numbers, left=LEFT, across=across)


def draw_cue_shares(numbers: Numbers) -> Figure:
    """Share of samples that show the class of the shape and of the texture, per kind of input.

    Bars: read by the evaluator, or, without one, by the nearest embedding, with 95 % intervals.
    Diamonds: the network's own predictions for the inputs.
    """
    cues = {"shape": ("natural", "stylized", "sketch"), "texture": ("stylized", "texture")}
    names = {"natural": "natural", "stylized": "other texture", "texture": "patch",
             "sketch": "sketch"}  # fmt: skip
    with figure_style():
        figure = Figure(figsize=(WIDTH, 3), layout="constrained")
        panels = figure.subplots(1, 2, width_ratios=[3, 2])
        for axes, (cue, kinds), letter in zip(panels, cues.items(), "ab", strict=True):
            for offset, name in ((-0.2, "natural"), (0.2, "stylized")):
                _bars(axes, numbers["networks"][name], cue, kinds, offset, name)
            axes.set_xticks(range(len(kinds)), [names[kind] for kind in kinds])
            axes.set_title(f"({letter}) the class of the {cue}", loc="left")
            axes.set_ylim(0, 1.05)
            axes.set_ylabel("share of samples")
        handles, labels = panels[0].get_legend_handles_labels()
        found = dict(zip(labels, handles, strict=True))
        add_legend(figure, [found[label] for label in LABELS if label in found], 3)
        counts = f"N = {inputs_in_words(numbers['inputs'])}"
        words = [f"{counts} × {numbers['samples']} samples", f"{numbers['size']} px"]
        add_footer(figure, numbers, words)
    return figure


def _bars(
    axes: Axes,
    found: Mapping[str, Any],
    cue: str,
    kinds: tuple[str, ...],
    offset: float,
    name: str,
) -> None:
    colour, hatch = LOOKS[name]
    labelled = {"bars": NETWORKS[name], "own": OWN}
    for place, kind in enumerate(kinds):
        readers = found[kind][cue]
        share, own = readers["evaluator"] or readers["embedding"], readers["network"]
        if share is None:
            axes.text(place + offset, 0.02, "none", ha="center", fontsize=7, rotation=90)
            continue
        low, high = share["interval"]
        errors = [[max(0, share["share"] - low)], [max(0, high - share["share"])]]
        axes.bar(place + offset, share["share"], 0.36, yerr=errors, color=colour, hatch=hatch,
                 edgecolor="white", error_kw={"lw": 1},
                 label=labelled.pop("bars", None))  # fmt: skip
        label = labelled.pop("own", None) if name == "stylized" else None
        axes.plot(place + offset, own["share"], "D", color="black", mfc="white", ms=4.5,
                  label=label, clip_on=False)  # fmt: skip


BOXES = {  # the centre of a box, its width and its label
    "c": (0.06, 0.52, 0.09, "class $c$"),
    "w": (0.205, 0.52, 0.12, "embedding\n$W$"),
    "vae": (0.385, 0.52, 0.14, "dequantiser\n(VAE, Tab. S17)"),
    "noise": (0.575, 0.86, 0.14, r"$\tilde{z}\sim\mathcal{N}(0,1)$"),
    "z_bar": (0.575, 0.52, 0.12, r"$\bar{z}=(\tilde{z},\tilde{h})$"),
    "g": (0.755, 0.52, 0.12, "generator\n$D$"),
    "x": (0.925, 0.52, 0.12, r"image" "\n" r"$x=D(\bar{z})$"),
    "phi": (0.925, 0.14, 0.12, "ResNet-50\n" r"$\Phi$"),
    "t": (0.575, 0.14, 0.12, "INN $t$"),
    "v": (0.385, 0.14, 0.14, r"$v\sim\mathcal{N}(0,1)$"),
}
ARROWS = (
    ("c", "w", ""), ("w", "vae", "$h$"), ("vae", "z_bar", r"$\tilde{h}$"), ("noise", "z_bar", ""),
    ("z_bar", "g", ""), ("g", "x", ""), ("x", "phi", ""), ("phi", "t", r"condition $z=\Phi(x)$"),
)  # fmt: skip
INVERTIBLE = (("z_bar", "t"), ("t", "v"))
"""What t connects, in both directions."""
LEARNED = ("w", "vae", "g", "phi", "t")
HALF = 0.11
"""Half the height of a box."""


def draw_figS11() -> Figure:
    """Fig. S11: how t is trained on the latent codes of a generator."""
    with figure_style():
        figure = Figure(figsize=(WIDTH, 2.5))
        axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_axis_off()
        for name, (x, y, width, words) in BOXES.items():
            axes.add_patch(
                FancyBboxPatch(
                    (x - width / 2, y - HALF),
                    width,
                    2 * HALF,
                    boxstyle="round,pad=0,rounding_size=0.015",
                    facecolor="#dbe9f6" if name in LEARNED else "white",
                    edgecolor="#333333",
                    lw=1,
                )  # fmt: skip
            )
            axes.text(x, y, words, ha="center", va="center", fontsize=8.5)
        for start, end, words in ARROWS:
            _arrow(axes, start, end, words, "-|>")
        for start, end in INVERTIBLE:
            _arrow(axes, start, end, "", "<|-|>")
    return figure


def _arrow(axes: Axes, start: str, end: str, words: str, style: str) -> None:
    """An arrow between boxes in one row or column, with a label above it."""
    (x, y, width, _), (x_end, y_end, width_end, _) = BOXES[start], BOXES[end]
    if x == x_end:
        first, last = (x, y - HALF), (x_end, y_end + HALF)
    else:
        side = 1 if x < x_end else -1
        first, last = (x + side * width / 2, y), (x_end - side * width_end / 2, y_end)
    look = {"arrowstyle": style, "color": "#333333", "lw": 1.2, "shrinkA": 1, "shrinkB": 1}
    axes.annotate("", last, first, arrowprops=look)
    axes.text((first[0] + last[0]) / 2, y + 0.06, words, ha="center", va="center", fontsize=8)
