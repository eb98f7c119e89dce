"""Figs. 4 and S7: which factors a representation holds while its network trains.

Draws from arrays and numbers alone. The functions here share these formats:

- curves: `{"steps": (C,), "accuracy": (C,), factor: {"total": (C,), "total_se": (C,),
  "first_order": (C,), "first_order_se": (C,)}}` for digit, foreground and background, shares and
  accuracies in [0, 1]; made by `curves_of`.
- grids: `{"early": grid, "late": grid}`, each `{"step": int, "inputs": (rows, H, W, 3) uint8,
  "samples": (rows, columns, H, W, 3) uint8}`; made by `grids_of`.
- meta: `{"scale": str, "seed": int, "inputs": int, "invariances": int}`.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pipeline.drawing.drawing import add_footer, figure_style, whole_pixels
from pipeline.errors import PipelineError
from pipeline.experiments.fig4.summary import SHOWN

__all__ = ["curves_of", "draw", "draw_fig4", "draw_figS7", "grids_of"]

FACTORS: dict[str, dict[str, Any]] = {
    "digit": {"label": "digit", "color": "#0072B2", "linestyle": "-", "marker": "o"},
    "foreground": {
        "label": "foreground colour",
        "color": "#E69F00",
        "linestyle": (0, (5, 1.6)),
        "marker": "s",
    },
    "background": {
        "label": "background colour",
        "color": "#D55E00",
        "linestyle": (0, (5, 1.4, 1, 1.4)),
        "marker": "^",
    },
}
ACCURACY: dict[str, Any] = {
    "label": "accuracy (right axis)",
    "color": "#444444",
    "linestyle": (0, (1, 1.2)),
}
MOMENTS = ("early", "late")

COLUMNS = 8
"""Samples per input in Fig. 4; Fig. S7 shows all."""

WIDTH = 7.4
GRID_WIDTH = 3.4
GRID_LEFT = (0.22, 3.92)
"""Inches, like all lengths of the layout."""

Pixels = NDArray[np.uint8]


def draw(numbers: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, Figure]:
    """The figures by file stem. Raises KeyError for a missing number or array."""
    curves, grids = curves_of(numbers), grids_of(arrays)
    return {
        "fig4": draw_fig4(curves, grids, numbers),
        "figS7": draw_figS7(curves, grids, numbers),
    }


def curves_of(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Curves to draw, from `metrics/fig4.json`. Raises KeyError for a missing number."""
    records = numbers["curves"]

    def column(name: str) -> NDArray[np.float64]:
        return np.array([record[name] for record in records], dtype=np.float64)

    curves: dict[str, Any] = {"steps": column("step"), "accuracy": column("accuracy")}
    for factor in FACTORS:
        curves[factor] = {
            name: column(f"{factor}_{name}")
            for name in ("total", "total_se", "first_order", "first_order_se")
        }
    return curves


def grids_of(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Grids to draw, from `<early|late>_<step|inputs|samples>`. Raises KeyError."""
    return {
        moment: {
            "step": int(arrays[f"{moment}_step"]),
            "inputs": arrays[f"{moment}_inputs"],
            "samples": arrays[f"{moment}_samples"],
        }
        for moment in MOMENTS
    }


def draw_fig4(
    curves: Mapping[str, Any], grids: Mapping[str, Mapping[str, Any]], meta: Mapping[str, Any]
) -> Figure:
    """Fig. 4: explained variance over training, and samples at an early and a late checkpoint.

    Panel (a) shows Eq. 20 with the accuracy, panel (b) the first-order index on the same scale;
    bands are one standard error to each side.

    Raises:
        PipelineError: arrays whose shapes do not fit.
    """
    _check_curves(curves)
    with figure_style():
        shown = {moment: _part(grids[moment], slice(SHOWN), COLUMNS) for moment in MOMENTS}
        grid_height = max(_grid_height(grid) for grid in shown.values())
        height = grid_height + 3.67
        figure = _figure(height, shown)
        total = _axes(figure, 0.52, grid_height + 1.14, 2.75, 2.02)
        first_order = _axes(figure, 4.55, grid_height + 1.14, 2.75, 2.02)
        _draw_shares(total, curves, "total")
        _draw_shares(first_order, curves, "first_order")
        lowest, highest = _range(curves)
        letters = {"early": "c", "late": "d"}
        for axes in (total, first_order):
            axes.set_ylim(lowest, highest)
            for moment, grid in shown.items():
                _mark_step(axes, int(grid["step"]), letters[moment])
        total.set_ylabel("variance explained by $z$ (Eq. 20) [%]")
        first_order.set_ylabel("first-order index of $z$ [%]")
        _title(total, "a", "all that depends on $z$ (Eq. 20)")
        _title(first_order, "b", "$z$ alone, without interaction with $v$")

        accuracy = total.twinx()
        accuracy.spines["right"].set_visible(True)
        accuracy.grid(False)
        accuracy.plot(curves["steps"], 100 * np.asarray(curves["accuracy"]), **_line(ACCURACY))
        # Both axes have their zero at the same height.
        accuracy.set_ylim(110 * lowest / highest, 110)
        accuracy.set_yticks([0, 25, 50, 75, 100])
        accuracy.set_ylabel("classification accuracy [%]", labelpad=2)

        figure.legend(
            handles=[Line2D([], [], **_line(look)) for look in (*FACTORS.values(), ACCURACY)],
            loc="upper center",
            bbox_to_anchor=(0.5, 1 - 0.01 / height),
            ncol=4,
            handlelength=3.2,
            columnspacing=2.2,
        )
        for (moment, grid), left in zip(shown.items(), GRID_LEFT, strict=True):
            axes = _grid_axes(figure, left, 0.24 + grid_height, grid)
            _draw_grid(axes, grid)
            _title(axes, letters[moment], f"samples at step {int(grid['step']):,}", pad=17)
        add_footer(figure, meta, [*_counts(meta), "bands: ± 1 bootstrap standard error"])
    return figure


def draw_figS7(
    curves: Mapping[str, Any], grids: Mapping[str, Mapping[str, Any]], meta: Mapping[str, Any]
) -> Figure:
    """Fig. S7: grids of further inputs, early and late, with the shares that z explains.

    Raises:
        PipelineError: arrays whose shapes do not fit, or a grid of a step that has no checkpoint.
    """
    _check_curves(curves)
    with figure_style():
        further = slice(SHOWN if len(grids["early"]["inputs"]) > SHOWN else 0, None)
        grids = {moment: _part(grids[moment], further) for moment in MOMENTS}
        grid_height = max(_grid_height(grid) for grid in grids.values())
        figure = _figure(grid_height + 0.92, grids)
        for moment, left, letter in zip(MOMENTS, GRID_LEFT, "ab", strict=True):
            grid = grids[moment]
            axes = _grid_axes(figure, left, 0.24 + grid_height, grid)
            _draw_grid(axes, grid)
            _title(axes, letter, f"samples at step {int(grid['step']):,}", pad=31)
            axes.annotate(
                _explained(curves, int(grid["step"])),
                (0, 1),
                (0, 19),
                xycoords="axes fraction",
                textcoords="offset points",
                fontsize=8,
            )
        add_footer(figure, meta, _counts(meta))
    return figure


def _counts(meta: Mapping[str, Any]) -> list[str]:
    return [f"N = {meta['inputs']:,} inputs × {meta['invariances']:,} invariances"]


def _explained(curves: Mapping[str, Any], step: int) -> str:
    found = np.flatnonzero(np.asarray(curves["steps"]) == step)
    if not found.size:
        raise PipelineError(
            f"the grid of step {step} belongs to no checkpoint of the curves: "
            f"run `dvc repro -f measure-fig4`."
        )
    parts = [
        f"{factor} {100 * float(curves[factor]['total'][found[0]]):.1f} %" for factor in FACTORS
    ]
    return "explained by $z$ (Eq. 20): " + ", ".join(parts)


def _figure(height: float, grids: Mapping[str, Mapping[str, Any]]) -> Figure:
    """A figure of that height in inches, with dots so small that a pixel is a square of them."""
    _, dpi = whole_pixels(max(_grid_size(grid)[0] for grid in grids.values()), GRID_WIDTH)
    return Figure(figsize=((round(WIDTH * dpi) + 0.01) / dpi, (round(height * dpi) + 0.01) / dpi),
                  dpi=dpi)  # fmt: skip


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place in inches, aligned to whole dots."""
    across, up = figure.get_size_inches()
    left, bottom = (round(place * figure.dpi) / figure.dpi for place in (left, bottom))
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def _grid_axes(figure: Figure, left: float, top: float, grid: Mapping[str, Any]) -> Axes:
    """Axes of a grid with whole dots per pixel, whose upper edge is `top` inches high."""
    columns, rows = _grid_size(grid)
    dots = max(1, math.floor(GRID_WIDTH * figure.dpi / columns + 0.1)) / figure.dpi
    return _axes(figure, left, top - rows * dots, columns * dots, rows * dots)


def _range(curves: Mapping[str, Any]) -> tuple[float, float]:
    """Limits of both panels in percent: the same height means the same share."""
    bands = [
        100 * (np.asarray(curves[factor][index]) + side * np.asarray(curves[factor][f"{index}_se"]))
        for factor in FACTORS
        for index in ("total", "first_order")
        for side in (-1, 1)
    ]
    highest = 1.1 * max(1.0, float(np.max(bands)))
    # Estimates of zero may be slightly negative; a thin strip keeps their markers whole.
    return min(-0.03 * highest, 1.1 * float(np.min(bands))), highest


def _mark_step(axes: Axes, step: int, letter: str) -> None:
    """A line at the checkpoint whose samples the panel of that letter shows."""
    axes.axvline(step, color="#888888", linewidth=0.7, zorder=0)
    axes.annotate(
        letter,
        (step, 1),
        (0, 1),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=8.5,
        fontweight="bold",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
    )


def _line(look: Mapping[str, Any]) -> dict[str, Any]:
    return {**look, "markeredgecolor": "white", "markeredgewidth": 0.5}


def _draw_shares(axes: Axes, curves: Mapping[str, Any], index: str) -> None:
    steps = np.asarray(curves["steps"], dtype=np.float64)
    for factor, look in FACTORS.items():
        share = 100 * np.asarray(curves[factor][index], dtype=np.float64)
        error = 100 * np.asarray(curves[factor][f"{index}_se"], dtype=np.float64)
        band: dict[str, Any] = {
            "color": look["color"],
            "alpha": 0.22,
            "linewidth": 0,
            "zorder": 1.5,
        }
        axes.fill_between(steps, share - error, share + error, **band)
        axes.plot(steps, share, clip_on=False, zorder=3, **_line(look))
    axes.set_xlabel("training step")
    margin = 0.02 * (steps[-1] - steps[0])
    axes.set_xlim(steps[0] - margin, steps[-1] + margin)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_locator(MaxNLocator(6))


def _title(axes: Axes, letter: str, text: str, pad: float = 5) -> None:
    axes.set_title(rf"$\bf{{{letter}}}$   {text}", loc="left", pad=pad)


def _part(grid: Mapping[str, Any], rows: slice, columns: int | None = None) -> dict[str, Any]:
    return {
        "step": grid["step"],
        "inputs": np.asarray(grid["inputs"])[rows],
        "samples": np.asarray(grid["samples"])[rows, :columns],
    }


def _gaps(width: int) -> tuple[int, int]:
    """Pixels between samples, and between the inputs and the samples."""
    return max(1, width // 14), max(3, width // 4)


def _grid_size(grid: Mapping[str, Any]) -> tuple[int, int]:
    """Pixels of a grid across and down."""
    _check_grid(np.asarray(grid["inputs"]), np.asarray(grid["samples"]))
    rows, columns, height, width, _ = np.shape(grid["samples"])
    gap, wide_gap = _gaps(width)
    return width + wide_gap + columns * (width + gap) - gap, rows * (height + gap) - gap


def _grid_height(grid: Mapping[str, Any]) -> float:
    """Height in inches of a grid that is GRID_WIDTH wide."""
    across, down = _grid_size(grid)
    return GRID_WIDTH * down / across


def _mosaic(inputs: Pixels, samples: Pixels, gap: int, wide_gap: int) -> Pixels:
    """One image on white: the inputs in the first column, then the samples of each row."""
    rows, columns, height, width, _ = samples.shape
    sheet = np.full(
        (
            rows * (height + gap) - gap,
            width + wide_gap + columns * (width + gap) - gap,
            3,
        ),
        255,
        dtype=np.uint8,
    )
    for row in range(rows):
        y = row * (height + gap)
        sheet[y : y + height, :width] = inputs[row]
        for column in range(columns):
            x = width + wide_gap + column * (width + gap)
            sheet[y : y + height, x : x + width] = samples[row, column]
    return sheet


def _draw_grid(axes: Axes, grid: Mapping[str, Any]) -> None:
    inputs, samples = np.asarray(grid["inputs"]), np.asarray(grid["samples"])
    width = samples.shape[3]
    gap, wide_gap = _gaps(width)
    # Viewers blur the pixels of a PDF's images unless they are repeated.
    sheet = _mosaic(inputs, samples, gap, wide_gap).repeat(6, axis=0).repeat(6, axis=1)
    total_width, total_height = _grid_size(grid)
    axes.imshow(
        sheet, extent=(0, total_width, total_height, 0), interpolation="none", aspect="auto"
    )
    axes.set_axis_off()
    first = width + wide_gap
    label: dict[str, Any] = {
        "ha": "center",
        "va": "bottom",
        "fontsize": 8.5,
        "annotation_clip": False,
    }
    axes.annotate("$x$", (width / 2, 0), (0, 3), textcoords="offset points", **label)
    middle = (first + total_width) / 2
    axes.annotate(
        r"$D(t^{-1}(v\,|\,z))$,  columns: $v \sim \mathcal{N}(0, 1)$",
        (middle, 0),
        (0, 3),
        textcoords="offset points",
        **label,
    )
    axes.annotate(
        r"rows: $z = \Phi(x)$",
        (0, total_height / 2),
        (-4, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        rotation=90,
        fontsize=8.5,
        annotation_clip=False,
    )


def _check_curves(curves: Mapping[str, Any]) -> None:
    count = len(np.asarray(curves["steps"]))
    lengths = {"accuracy": len(np.asarray(curves["accuracy"]))}
    for factor in FACTORS:
        for name, values in curves[factor].items():
            lengths[f"{factor} {name}"] = len(np.asarray(values))
    for name, length in lengths.items():
        if length != count:
            raise PipelineError(
                f"the curve of '{name}' has {length} points, but there are {count} checkpoints."
            )


def _check_grid(inputs: np.ndarray, samples: np.ndarray) -> None:
    fits = (
        samples.ndim == 5
        and inputs.shape == (samples.shape[0], *samples.shape[2:])
        and samples.shape[-1] == 3
        and inputs.dtype == samples.dtype == np.uint8
    )
    if not fits:
        raise PipelineError(
            f"A sample grid needs uint8 inputs (rows, H, W, 3) and samples "
            f"(rows, columns, H, W, 3), not {inputs.dtype} {inputs.shape} and "
            f"{samples.dtype} {samples.shape}."
        )
