"""Figs. 7, S8 and S9: faces in which one factor of e is replaced, compared with StarGAN's edits.

The arrays are `inputs` (R, H, W, 3) uint8, `reconstructions` like them, `ours` and `stargan`
(R, A, H, W, 3) uint8, `attributes` (A,) str, and `values` (R, A) bool, the inputs' own. The numbers
are those of `summary`, with the same attributes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from pipeline.drawing.drawing import add_footer, figure_style
from pipeline.drawing.sheet import RIGHT, WIDTH, Sheet, draw_sheet, gaps, size_in_words
from pipeline.errors import PipelineError
from pipeline.evaluation.concepts import EFFECTS, asked, concept_of, in_order
from pipeline.experiments.fig7.summary import SHOWN

__all__ = ["draw", "draw_changes", "draw_fig7", "draw_figS8", "draw_figS9"]

METHODS = {"ours": "ours", "stargan": "StarGAN"}

LINE, CELL = 0.17, 0.19
"""Inches: the height of the words above an image, and of a cell below."""
ROOM = 0.5
"""Inches at the left of Fig. 7, for the names of its last rows."""

Numbers = Mapping[str, Any]
Arrays = Mapping[str, np.ndarray]


def draw(numbers: Numbers, arrays: Arrays) -> dict[str, Figure]:
    """The figures by file stem.

    Raises:
        PipelineError: arrays whose shapes do not fit.
        KeyError: a missing number or array.
    """
    return {
        "fig7": draw_fig7(numbers, arrays),
        "figS8": draw_figS8(numbers, arrays),
        "figS9": draw_figS9(numbers, arrays),
        "changes": draw_changes(numbers),
    }


def draw_fig7(numbers: Numbers, arrays: Arrays) -> Figure:
    """Fig. 7: the first inputs with each factor replaced, and how far FaceNet's embedding moves.

    The last rows are means and standard deviations over all test images, the two largest in bold.
    """
    attributes = _check(arrays)
    inputs = arrays["inputs"][:SHOWN]
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
        sheet.place(arrays["reconstructions"][row], width + gap, y)
        _place(sheet, arrays["ours"][row], columns, y)
        _requests(sheet, arrays, row, columns, y)
    y = count * (height + line) + gap
    title = (
        r"distance of FaceNet's embedding $f$ of the edit $x^{\ast}$, mean ± std over the test set"
    )
    sheet.inside(title, first, y, across - first, cell)
    y += cell
    for name, spared, pairs in _distances(numbers, attributes):
        sheet.rule(width + gap, y, across - width - gap)
        sheet.beside(name, width + gap, y, cell, size=8)
        bold = set(np.argsort([mean for mean, _ in pairs])[-2:]) if None not in pairs else set()
        if spared is not None:
            sheet.inside(_spread(spared), width + gap, y, width, cell)
        for column, pair in enumerate(pairs):
            sheet.inside(_spread(pair), columns[column], y, width, cell, bold=column in bold)
        y += cell
    sheet.rule(width + gap, y, across - width - gap)
    sheet.inside(_pairs(numbers), first, y, across - first, cell)
    words = [f"N = {numbers['images']:,} test images, each edited once per factor",
             size_in_words(inputs), "bold: the two largest"]  # fmt: skip
    return draw_sheet(sheet, words, numbers, left=ROOM, across=across, down=y + cell)


def draw_figS8(numbers: Numbers, arrays: Arrays) -> Figure:
    """Fig. S8: further inputs, edited by replacing factors and, below that, by StarGAN."""
    return _compared(numbers, arrays, _check(arrays), _further(arrays)[0], [])


def draw_figS9(numbers: Numbers, arrays: Arrays) -> Figure:
    """Fig. S9: more inputs as in Fig. S8, and the Fréchet and kernel distances of all edits.

    The smaller of two numbers in a column is bold.
    """
    attributes = _check(arrays)
    table = _frechet(numbers, attributes)
    return _compared(numbers, arrays, attributes, _further(arrays)[1], table)


def _further(arrays: Arrays) -> tuple[range, range]:
    """The rows of Figs. S8 and S9, other than those of Fig. 7 if there are enough.

    With 16 inputs, six and five, as in the paper.
    """
    count = len(arrays["inputs"])
    if count <= SHOWN + 1:
        last = range(min(SHOWN, count - 1), count)
        return last, last
    end = SHOWN + (count - SHOWN + 1) // 2
    return range(SHOWN, end), range(end, count)


def _compared(
    numbers: Numbers,
    arrays: Arrays,
    attributes: Sequence[str],
    rows: range,
    table: Sequence[tuple[str, Sequence[Sequence[float | None]], str]],
) -> Figure:
    """Inputs with a line of edits per method, and below them a table.

    An entry of `table` has a name, a number per attribute for each method, and a remark.
    """
    inputs = arrays["inputs"]
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
        _requests(sheet, arrays, row, columns, y)
        for position, (method, name) in enumerate(METHODS.items()):
            top = y + position * (height + gap)
            sheet.beside(name, first, top, height)
            _place(sheet, arrays[method][row], columns, top)
        y += tall + 2 * gap
    y += wide // 2 if table else 0
    for name, lines, remark in table:
        sheet.rule(0, y, across)
        rise = round(CELL * inch)
        sheet.inside(name, 0, y, width, len(METHODS) * rise)
        for position, (method, cells) in enumerate(zip(METHODS.values(), lines, strict=True)):
            top = y + position * rise
            sheet.beside(method, first, top, rise, size=8)
            for column, cell in enumerate(cells):
                pair = [other[column] for other in lines]
                best = None not in pair and cell == min(pair) and pair[0] != pair[1]  # type: ignore[type-var]  # None is excluded first
                text = "not stated" if cell is None else _short(cell)
                sheet.inside(text, columns[column], top, width, rise, bold=best)
        y += len(METHODS) * rise
        if remark:
            sheet.inside(remark, first, y, across - first, rise)
            y += rise
    words = [f"N = {len(rows)} test images", size_in_words(inputs)]
    if table:
        sheet.rule(0, y, across)
        words[0] = f"N = {len(rows)} test images, {numbers['images']:,} for distances"
        words.append("bold: the smaller")
    return draw_sheet(sheet, words, numbers, left=RIGHT, across=across, down=y + gap)


def _heads(sheet: Sheet, attributes: Sequence[str], columns: Sequence[int], width: int) -> None:
    for i, (attribute, x) in enumerate(zip(attributes, columns, strict=True)):
        sheet.above(f"{concept_of(attribute)} $e_{i + 1}$", x, 0, width)


def _place(sheet: Sheet, images: np.ndarray, columns: Sequence[int], y: int) -> None:
    for image, x in zip(images, columns, strict=True):
        sheet.place(image, x, y)


def _requests(sheet: Sheet, arrays: Arrays, row: int, columns: Sequence[int], y: int) -> None:
    """Above each edited image, what the edit asks for."""
    width = arrays["inputs"].shape[2]
    for i, x in enumerate(columns):
        words = asked(str(arrays["attributes"][i]), not arrays["values"][row, i])
        sheet.above(words, x, y, width, italic=True, size=7)


def _distances(numbers: Numbers, attributes: Sequence[str]) -> list[tuple[str, Any, Any]]:
    """The last rows of Fig. 7: name, (mean, deviation) of reconstructions, and those of edits."""

    def pair(found: Mapping[str, float]) -> tuple[float, float]:
        return found["mean"], found["std"]

    factors = [numbers["factors"][attribute] for attribute in attributes]
    return [
        (
            "from $f(x)$",
            pair(numbers["reconstruction_distance"]),
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


def _pairs(numbers: Numbers) -> str:
    def spread(name: str) -> str:
        return f"{numbers['pairs'][name]['mean']:.3f} ± {numbers['pairs'][name]['std']:.3f}"

    return (
        f"between two test images, without edits: of the same person {spread('same')}, "
        f"of different people {spread('different')}"
    )


def _frechet(
    numbers: Numbers, attributes: Sequence[str]
) -> list[tuple[str, list[list[float | None]], str]]:
    """The last rows of Fig. S9: name, a number per attribute for each method, the floors."""
    factors = [numbers["factors"][attribute] for attribute in attributes]
    result = []
    for name, key in ((numbers["label"], "fid"), ("KID × 1000", "kid")):
        real, rebuilt = (numbers["floors"][kind][key] for kind in ("real", "reconstruction"))
        remark = f"floors: real images {_short(real)}, reconstructions {_short(rebuilt)}"
        lines = [[factor[method][key] for factor in factors] for method in METHODS]
        result.append((name, lines, remark))
    lines = [
        [None if factor["paper_fid"] is None else factor["paper_fid"][method] for factor in factors]
        for method in METHODS
    ]
    result.append(("FID of the paper,\nCelebA", lines, ""))
    return result


def _spread(pair: Sequence[float] | None) -> str:
    return "not stated" if pair is None else f"{pair[0]:.3f} ± {pair[1]:.3f}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{1 if abs(value) >= 100 else 2}f}"


def draw_changes(numbers: Numbers) -> Figure:
    """How often the reading of each attribute changes after each edit, for both methods.

    On the diagonal, framed, the share in which the edited attribute is read as asked.
    """
    attributes = in_order(numbers["factors"])
    shares = {method: _shares(numbers, attributes, method) for method in METHODS}
    right = [numbers["evaluator"][attribute] for attribute in attributes]
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
            "attribute read, and % of unedited images in which the evaluator predicts it correctly",
            ha="center", fontsize=8.5,
        )  # fmt: skip
        words = [f"N = {numbers['images']:,} edits per row",
                 "framed: read as asked, of beard in men only",
                 "†: caused by the edited attribute"]  # fmt: skip
        add_footer(figure, numbers, words)
    return figure


def _shares(numbers: Numbers, attributes: Sequence[str], method: str) -> NDArray[np.float64]:
    """(edited, read) in [0, 1]: the share changed, and on the diagonal the share read as asked."""
    return np.array(
        [
            [
                factor[method]["success"] if read == edited else factor[method]["changed"][read]
                for read in attributes
            ]
            for edited, factor in ((name, numbers["factors"][name]) for name in attributes)
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


def _check(arrays: Arrays) -> list[str]:
    """The attributes. Raises PipelineError for arrays whose shapes or types do not fit."""
    inputs, attributes = arrays["inputs"], [str(name) for name in arrays["attributes"]]
    if inputs.dtype != np.uint8 or inputs.ndim != 4 or inputs.shape[-1] != 3 or not inputs.size:
        raise PipelineError(
            f"the array 'inputs' must be uint8 images of shape (rows, H, W, 3), not {inputs.dtype} "
            f"{inputs.shape}: run `dvc repro -f measure-fig7`."
        )
    edited = (len(inputs), len(attributes), *inputs.shape[1:])
    shapes = {"reconstructions": inputs.shape, **dict.fromkeys(METHODS, edited)}
    shapes["values"] = edited[:2]
    for name, shape in shapes.items():
        array = arrays[name]
        kind = np.bool_ if name == "values" else np.uint8
        if array.dtype != kind or array.shape != shape or not array.size:
            raise PipelineError(
                f"the array '{name}' must be {np.dtype(kind)} of shape {shape}, not {array.dtype} "
                f"{array.shape}: run `dvc repro -f measure-fig7`."
            )
    return attributes
