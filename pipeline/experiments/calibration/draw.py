"""Charts of the calibration: coverage, ranks, and nats over depth."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import numpy as np
import seaborn
from matplotlib.figure import Figure

from pipeline.config.rows import layer_name
from pipeline.drawing.drawing import add_footer, figure_style
from pipeline.drawing.sheet import WIDTH
from pipeline.evaluation.coverage import coverage

__all__ = ["draw", "draw_coverage", "draw_nats", "draw_ranks"]

SHARES = np.linspace(0, 1, 101)
COLUMNS = 3
"""Panels side by side."""

Numbers = Mapping[str, Any]
Arrays = Mapping[str, np.ndarray]


def draw(numbers: Numbers, arrays: Arrays) -> dict[str, Figure]:
    """The figures by file stem; without ranked factors, there are no ranks."""
    figures = {"coverage": draw_coverage(numbers, arrays), "nats": draw_nats(numbers)}
    if numbers["ranked_pairs"]:
        figures["ranks"] = draw_ranks(numbers)
    return figures


def _chains(numbers: Numbers) -> dict[str, list[str]]:
    """Layers of each network and data set, in order of depth."""
    layers = numbers["order"]
    pairs = groupby(layers, key=lambda key: numbers["layers"][key]["chain"])
    return {chain: list(keys) for chain, keys in pairs}


def draw_coverage(numbers: Numbers, arrays: Arrays) -> Figure:
    """Share of test images in the region of each nominal share, a panel per network."""
    chains = _chains(numbers)
    with figure_style():
        columns = min(COLUMNS, len(chains))
        rows = -(-len(chains) // columns)
        figure = Figure(figsize=(WIDTH, 2.5 * rows + 0.3), layout="constrained")
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, (chain, layers) in zip(panels, chains.items(), strict=False):
            axes.plot([0, 1], [0, 1], color="#333333", linewidth=0.8, linestyle="--")
            colours = seaborn.color_palette("viridis", len(layers))
            for key, colour in zip(layers, colours, strict=True):
                found = arrays[f"{key}_regions"][-1], arrays[f"{key}_regions_before"][-1]
                axes.plot(SHARES, coverage(found[1], SHARES), color=colour, linewidth=0.7,
                          linestyle=":")  # fmt: skip
                axes.plot(SHARES, coverage(found[0], SHARES), color=colour, linewidth=1.2,
                          label=layer_name(key))  # fmt: skip
            axes.set_title(chain, loc="left")
            axes.set_ylabel("share of test images")
            axes.label_outer()
            axes.legend(fontsize=7, loc="upper left")
        for axes in panels[max(0, len(chains) - columns) : len(chains)]:  # none is below them
            axes.set_xlabel("nominal share")
            axes.tick_params(axis="x", labelbottom=True)
        for axes in panels[len(chains) :]:
            axes.axis("off")
        add_footer(figure, numbers, ["dotted: before recalibration"])
    return figure


def draw_nats(numbers: Numbers) -> Figure:
    """Nats that z tells of z_bar, and the variance of z_bar that it explains, over depth."""
    chains = {name: keys for name, keys in _chains(numbers).items() if len(keys) > 1}
    with figure_style():
        figure = Figure(figsize=(WIDTH, 2.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        colours = seaborn.color_palette("colorblind", len(chains))
        for (chain, keys), colour in zip(chains.items(), colours, strict=True):
            found = [numbers["layers"][key] for key in keys]
            place = range(len(keys))
            left.errorbar(place, [row["kept"] for row in found],
                          [row["kept_error"] for row in found], color=colour, marker="o",
                          markersize=3, linewidth=1.2, capsize=2, label=chain)  # fmt: skip
            right.plot(place, [row["explained_by_t"] for row in found], color=colour, marker="o",
                       markersize=3, linewidth=1.2)  # fmt: skip
            right.plot(place, [row["explained_by_regression"] for row in found], color=colour,
                       linewidth=1, linestyle=":")  # fmt: skip
        left.set_title("(a) nats kept, log p(z̄|z) − log p(z̄)", loc="left")
        left.set_ylabel("nats")
        left.legend(fontsize=7)
        right.set_title("(b) variance of z̄ explained", loc="left")
        right.set_ylim(0, 1)
        for axes in (left, right):
            axes.set_xlabel("layer of the network, in order of depth")
            axes.xaxis.get_major_locator().set_params(integer=True)
        add_footer(
            figure,
            numbers,
            ["(a) ± standard error", "(b) dotted: ridge regression on z"],
        )
    return figure


def draw_ranks(numbers: Numbers) -> Figure:
    """Share of test images in the central 90 % of ranks, for each factor and layer."""
    ranked = [key for key in numbers["order"] if "ranks" in numbers["layers"][key]]
    chains = {
        chain: list(keys)
        for chain, keys in groupby(ranked, key=lambda key: numbers["layers"][key]["chain"])
    }
    with figure_style():
        most = max(len(numbers["layers"][keys[0]]["ranks"]) for keys in chains.values())
        figure = Figure(figsize=(WIDTH, 0.2 * most + 1.1), layout="constrained")
        panels = figure.subplots(1, len(chains), squeeze=False).ravel()
        for axes, (chain, keys) in zip(panels, chains.items(), strict=True):
            factors = list(numbers["layers"][keys[0]]["ranks"])
            shares = [[numbers["layers"][key]["ranks"][name] for key in keys] for name in factors]
            seaborn.heatmap(
                100 * np.array(shares), ax=axes, vmin=80, vmax=100, cmap="vlag",
                annot=True, fmt=".0f", annot_kws={"fontsize": 7}, cbar=False,
                xticklabels=[layer_name(key) for key in keys],
                yticklabels=[name.replace("_", " ") for name in factors],
            )  # fmt: skip
            axes.set_title(chain, loc="left")
            axes.tick_params(axis="x", rotation=0, labelsize=7)
            axes.tick_params(axis="y", rotation=0, labelsize=7)
        words = f"{numbers['ranked_images']} test images, {numbers['samples']} samples of each"
        add_footer(figure, numbers, [words])
    return figure
