"""Figs. 7, S8 and S9: faces in which one factor of e is replaced, StarGAN's edits beside them.

Draws from arrays and numbers alone:

- edits: `{"inputs": (R, H, W, 3) uint8, "reconstructions": (R, H, W, 3), "ours": (R, A, H, W, 3),
  "stargan": (R, A, H, W, 3), "attributes": (A,) str, "values": (R, A) bool}`, the values being the
  inputs' own; `load_edits` reads it from an npz file.
- summary: `metrics/fig7.json`, whose factors are the same attributes in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import seaborn
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.evaluation.concepts import EFFECTS, asked, concept_of, in_order
from pipeline.evaluation.fig7 import SHOWN
from pipeline.figures.arrays import open_arrays
from pipeline.figures.drawing import add_footer, figure_style
from pipeline.figures.sheet import RIGHT, WIDTH, Sheet, draw_sheet, gaps, size_in_words

__all__ = ["draw_changes", "draw_fig7", "draw_figS8", "draw_figS9", "load_edits"]

METHODS = {"ours": "ours", "stargan": "StarGAN"}

SHARE_S8 = 0.6
"""Fig. S8 shows so many of the inputs that Fig. 7 does not show, Fig. S9 the others."""

LINE, CELL = 0.17, 0.19
"""Inches: the height of the words above an image, and of a cell below."""
ROOM = 0.5
"""Inches at the left of Fig. 7, for the names of its last rows."""

ABOUT = ("scale", "seed", "images")
"""What every figure says of its numbers."""


def load_edits(path: Path) -> dict[str, Any]:
    """Edits from an npz file; its other arrays are ignored.

    Raises:
        PipelineError: the file or one of the arrays is missing.
    """
    names = ("inputs", "reconstructions", *METHODS, "attributes", "values")
    with open_arrays(path, "edits") as arrays:
        return {name: arrays[name] for name in names}


def draw_fig7(edits: Mapping[str, Any], summary: Mapping[str, Any]) -> Figure:
    """Fig. 7: the first inputs with each factor replaced, and how far FaceNet's embedding moves.

    The last rows are means and standard deviations over all test images; the two largest of a row
    are bold. See the module for the formats.

    Raises:
        PipelineError: arrays whose shapes do not fit, or a number that is missing.
    """
    attributes = _check(edits, summary)
    rows = _measured(lambda: _distances(summary, attributes))
    pairs = _measured(lambda: _pairs(summary))
    inputs = edits["inputs"][:SHOWN]
    count, height, width, _ = inputs.shape
    gap, wide = gaps(width)
    first = 2 * width + gap + wide
    across = first + len(attributes) * (width + gap) - gap
    inch = across / (WIDTH - ROOM - RIGHT)
    line, cell = round(LINE * inch), round(CELL * inch)
    columns = [first + i * (width + gap) for i in range(len(attributes))]
    sheet = Sheet()
    sheet.above("input $x$", 0, 0, width)
    sheet.above("$D(E(x))$", width + gap, 0, width)
    _heads(sheet, attributes, columns, width)
    for row in range(count):
        y = line + row * (height + line)
        sheet.place(inputs[row], 0, y)
        sheet.place(edits["reconstructions"][row], width + gap, y)
        _edits(sheet, edits, "ours", row, columns, y)
        _requests(sheet, edits, row, columns, y)
    y = count * (height + line) + gap
    title = (
        r"distance of FaceNet's embedding $f$ of the edit $x^{\ast}$, mean ± std over the test set"
    )
    sheet.inside(title, first, y, across - first, cell)
    y += cell
    for name, spared, numbers in rows:
        sheet.rule(width + gap, y, across - width - gap)
        sheet.beside(name, width + gap, y, cell, size=8)
        bold = set(np.argsort([mean for mean, _ in numbers])[-2:]) if None not in numbers else set()
        if spared is not None:
            sheet.inside(_spread(spared), width + gap, y, width, cell)
        for column, pair in enumerate(numbers):
            sheet.inside(_spread(pair), columns[column], y, width, cell, bold=column in bold)
        y += cell
    sheet.rule(width + gap, y, across - width - gap)
    sheet.inside(pairs, first, y, across - first, cell)
    words = [f"N = {summary['images']:,} test images, each edited once per factor",
             size_in_words(inputs), "bold: the two largest"]  # fmt: skip
    return draw_sheet(sheet, words, summary, left=ROOM, across=across, down=y + cell)


def draw_figS8(edits: Mapping[str, Any], summary: Mapping[str, Any]) -> Figure:
    """Fig. S8: further inputs, edited by replacing factors and, below that, by StarGAN.

    See the module for the formats.

    Raises:
        PipelineError: arrays whose shapes do not fit.
    """
    attributes = _check(edits, summary)
    return _compared(edits, summary, attributes, _further(edits)[0], [])


def draw_figS9(edits: Mapping[str, Any], summary: Mapping[str, Any]) -> Figure:
    """Fig. S9: more inputs as in Fig. S8, and the Fréchet and kernel distances of all edits.

    Of two numbers of a column, the smaller is bold. See the module for the formats.

    Raises:
        PipelineError: arrays whose shapes do not fit, or a number that is missing.
    """
    attributes = _check(edits, summary)
    numbers = _measured(lambda: _frechet(summary, attributes))
    return _compared(edits, summary, attributes, _further(edits)[1], numbers)


def _further(edits: Mapping[str, Any]) -> tuple[range, range]:
    """The rows of Fig. S8 and of Fig. S9: others than those of Fig. 7, as far as there are."""
    count = len(edits["inputs"])
    if count <= SHOWN + 1:
        last = range(min(SHOWN, count - 1), count)
        return last, last
    end = SHOWN + min(count - SHOWN - 1, math.ceil(SHARE_S8 * (count - SHOWN)))
    return range(SHOWN, end), range(end, count)


def _compared(
    edits: Mapping[str, Any],
    summary: Mapping[str, Any],
    attributes: Sequence[str],
    rows: range,
    numbers: Sequence[tuple[str, Sequence[Sequence[float | None]], str]],
) -> Figure:
    """Inputs with a line of edits per method, and below them a table of `numbers`.

    An entry of `numbers` has a name, for each method a number per attribute, and words on floors.
    """
    inputs = edits["inputs"]
    _, height, width, _ = inputs.shape
    gap, wide = gaps(width)
    first = width + 3 * width // 4  # with room for the methods' names
    across = first + len(attributes) * (width + gap) - gap
    inch = across / (WIDTH - 2 * RIGHT)
    line = round(LINE * inch)
    tall = 2 * height + gap
    columns = [first + i * (width + gap) for i in range(len(attributes))]
    sheet = Sheet()
    sheet.above("input $x$", 0, 0, width)
    sheet.above("method", width, 0, first - width)
    _heads(sheet, attributes, columns, width)
    y = 0
    for row in rows:
        y += line
        sheet.place(inputs[row], 0, y + (tall - height) // 2)
        _requests(sheet, edits, row, columns, y)
        for position, (method, name) in enumerate(METHODS.items()):
            top = y + position * (height + gap)
            sheet.beside(name, first, top, height)
            _edits(sheet, edits, method, row, columns, top)
        y += tall + 2 * gap
    y += wide // 2 if numbers else 0
    for name, lines, remark in numbers:
        sheet.rule(0, y, across)
        rise = round(CELL * inch)
        sheet.inside(name, 0, y, width, len(METHODS) * rise)
        for position, (method, cells) in enumerate(zip(METHODS.values(), lines, strict=True)):
            top = y + position * rise
            sheet.beside(method, first, top, rise, size=8)
            for column, cell in enumerate(cells):
                pair = [other[column] for other in lines]
                best = None not in pair and cell == min(pair) and pair[0] != pair[1]  # type: ignore[type-var]
                text = "not stated" if cell is None else _short(cell)
                sheet.inside(text, columns[column], top, width, rise, bold=best)
        y += len(METHODS) * rise
        if remark:
            sheet.inside(remark, first, y, across - first, rise)
            y += rise
    words = [f"N = {len(rows)} test images", size_in_words(inputs)]
    if numbers:
        sheet.rule(0, y, across)
        words[0] = f"N = {len(rows)} test images, {summary['images']:,} for distances"
        words.append("bold: the smaller")
    return draw_sheet(sheet, words, summary, left=RIGHT, across=across, down=y + gap)


def _heads(sheet: Sheet, attributes: Sequence[str], columns: Sequence[int], width: int) -> None:
    for i, (attribute, x) in enumerate(zip(attributes, columns, strict=True)):
        sheet.above(f"{concept_of(attribute)} $e_{i + 1}$", x, 0, width)


def _edits(
    sheet: Sheet,
    edits: Mapping[str, Any],
    method: str,
    row: int,
    columns: Sequence[int],
    y: int,
) -> None:
    for image, x in zip(edits[method][row], columns, strict=True):
        sheet.place(image, x, y)


def _requests(
    sheet: Sheet, edits: Mapping[str, Any], row: int, columns: Sequence[int], y: int
) -> None:
    """Above each edited image, what it was to become."""
    width = edits["inputs"].shape[2]
    for i, x in enumerate(columns):
        words = asked(str(edits["attributes"][i]), not edits["values"][row, i])
        sheet.above(words, x, y, width, italic=True, size=7)


def _distances(summary: Mapping[str, Any], attributes: Sequence[str]) -> list[tuple[str, Any, Any]]:
    """The last rows of Fig. 7: name, that of reconstructions, and (mean, deviation) of edits."""

    def pair(numbers: Mapping[str, float]) -> tuple[float, float]:
        return numbers["mean"], numbers["std"]

    factors = [_factor(summary, attribute) for attribute in attributes]
    return [
        (
            "from $f(x)$",
            pair(summary["reconstruction_distance"]),
            [pair(factor["ours"]["distance"]) for factor in factors],
        ),
        (
            "from $f(D(E(x)))$",
            None,
            [pair(factor["ours"]["distance_from_reconstruction"]) for factor in factors],
        ),
        (
            "paper, CelebA",
            None,
            [factor["paper_distance"] for factor in factors],
        ),
    ]


def _pairs(summary: Mapping[str, Any]) -> str:
    def spread(name: str) -> str:
        return f"{summary['pairs'][name]['mean']:.3f} ± {summary['pairs'][name]['std']:.3f}"

    return (
        f"between two test images, without edits: of the same person {spread('same')}, "
        f"of different people {spread('different')}"
    )


def _frechet(
    summary: Mapping[str, Any], attributes: Sequence[str]
) -> list[tuple[str, list[list[float | None]], str]]:
    """The last rows of Fig. S9: name, a number per attribute for each method, the floors."""
    factors = [_factor(summary, attribute) for attribute in attributes]
    result = []
    for name, key in ((summary["label"], "fid"), ("KID × 1000", "kid")):
        real, rebuilt = (summary["floors"][kind][key] for kind in ("real", "reconstruction"))
        remark = f"floors: real images {_short(real)}, reconstructions {_short(rebuilt)}"
        lines = [[factor[method][key] for factor in factors] for method in METHODS]
        result.append((name, lines, remark))
    lines = [
        [None if factor["paper_fid"] is None else factor["paper_fid"][method] for factor in factors]
        for method in METHODS
    ]
    result.append(("FID of the paper,\nCelebA", lines, ""))
    return result


def _factor(summary: Mapping[str, Any], attribute: str) -> Mapping[str, Any]:
    factor: Mapping[str, Any] = summary["factors"][attribute]
    return factor


def _measured(numbers: Callable[[], Any]) -> Any:
    try:
        return numbers()
    except KeyError as error:
        raise PipelineError(
            f"metrics/fig7.json lacks {error}: run `dvc repro -f evaluate@fig7`."
        ) from error


def _spread(pair: Sequence[float] | None) -> str:
    return "not stated" if pair is None else f"{pair[0]:.3f} ± {pair[1]:.3f}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{1 if abs(value) >= 100 else 2}f}"


def draw_changes(summary: Mapping[str, Any]) -> Figure:
    """How often each attribute is read otherwise after each edit, for both methods side by side.

    On the diagonal, framed, the share in which the edited attribute is read as asked. See the
    module for the format.

    Raises:
        PipelineError: a number is missing.
    """
    attributes = _measured(lambda: in_order(summary["factors"]))
    _measured(lambda: [summary[key] for key in ABOUT])
    shares = _measured(lambda: {method: _shares(summary, attributes, method) for method in METHODS})
    right = _measured(lambda: [summary["evaluator"][attribute] for attribute in attributes])
    count = len(attributes)
    with figure_style():
        figure = Figure(figsize=(WIDTH, 3.84))
        across, up = figure.get_size_inches()
        side, left, low = 2.72, (0.98, 3.86), 0.8
        bar = figure.add_axes((6.82 / across, low / up, 0.12 / across, side / up))
        for position, (method, name) in enumerate(METHODS.items()):
            axes = figure.add_axes((left[position] / across, low / up, side / across, side / up))
            seaborn.heatmap(
                100 * shares[method],
                ax=axes,
                vmin=0,
                vmax=100,
                cmap="Blues",
                annot=_annotations(shares[method], attributes),
                fmt="",
                annot_kws={"fontsize": 8.5},
                linewidths=0.6,
                linecolor="white",
                cbar=position == 0,
                cbar_ax=bar if position == 0 else None,
                xticklabels=[
                    f"{concept_of(a)}\n{100 * r:.1f}"
                    for a, r in zip(attributes, right, strict=True)
                ],
                yticklabels=[concept_of(a) for a in attributes] if position == 0 else False,
            )
            axes.tick_params(length=0, labelsize=8)
            axes.tick_params(axis="y", rotation=0)
            axes.tick_params(axis="x", rotation=0)
            axes.set_title(name)
            for i in range(count):
                axes.add_patch(
                    Rectangle((i, i), 1, 1, fill=False, ec="black", lw=1.1, clip_on=False)
                )
            if position == 0:
                axes.set_ylabel("attribute edited")
        bar.tick_params(labelsize=7.5, length=2)
        bar.set_ylabel("edits [%]", fontsize=8)
        figure.text(
            (left[0] + left[1] + side) / 2 / across, 0.27 / up,
            "attribute read, and in how many % of unedited images the evaluator reads it right",
            ha="center", fontsize=8.5,
        )  # fmt: skip
        words = [f"N = {summary['images']:,} edits per row",
                 "framed: read as asked, of beard in men only",
                 "†: caused by the edited attribute"]  # fmt: skip
        add_footer(figure, summary, words)
    return figure


def _shares(
    summary: Mapping[str, Any], attributes: Sequence[str], method: str
) -> NDArray[np.float64]:
    """(edited, read) in [0, 1]: the share changed, and on the diagonal the share read as asked."""
    return np.array(
        [
            [
                factor[method]["success"] if read == edited else factor[method]["changed"][read]
                for read in attributes
            ]
            for edited, factor in ((name, summary["factors"][name]) for name in attributes)
        ],
        dtype=np.float64,
    )


def _annotations(shares: NDArray[np.float64], attributes: Sequence[str]) -> NDArray[np.str_]:
    return np.array(
        [
            [
                f"{100 * share:.1f}{'†' if read in EFFECTS.get(edited, ()) else ''}"
                for read, share in zip(attributes, row, strict=True)
            ]
            for edited, row in zip(attributes, shares, strict=True)
        ]
    )


def _check(edits: Mapping[str, Any], summary: Mapping[str, Any]) -> list[str]:
    """The names of the attributes, of edits whose arrays fit each other."""
    _measured(lambda: [summary[key] for key in ABOUT])
    inputs, attributes = np.asarray(edits["inputs"]), [str(name) for name in edits["attributes"]]
    if inputs.dtype != np.uint8 or inputs.ndim != 4 or inputs.shape[-1] != 3 or not inputs.size:
        raise PipelineError(
            f"the inputs shown must be uint8 images of shape (rows, H, W, 3), not {inputs.dtype} "
            f"{inputs.shape}."
        )
    edited = (len(inputs), len(attributes), *inputs.shape[1:])
    shapes = {"reconstructions": inputs.shape, **dict.fromkeys(METHODS, edited)}
    shapes["values"] = edited[:2]
    for name, shape in shapes.items():
        array = np.asarray(edits[name])
        kind = np.bool_ if name == "values" else np.uint8
        if array.dtype != kind or array.shape != shape or not array.size:
            raise PipelineError(
                f"the array '{name}' of edits must be {np.dtype(kind)} of shape {shape}, not "
                f"{array.dtype} {array.shape}: run `dvc repro -f evaluate@fig7`."
            )
    return attributes
