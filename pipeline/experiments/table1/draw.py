"""Figs. 2, S4, S5 and S6: images recovered from each layer's representation, by three methods.

The arrays are `inputs` (X, H, W, 3) uint8, `reconstructions` D(E(x)) like them, `names` (X,) str,
and for every layer `<layer>_ours` (X, S, H, W, 3) uint8, `<layer>_dosovitskiy` and
`<layer>_mahendran` (X, H, W, 3). The numbers are those of `summary`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipeline.drawing.sheet import RIGHT, Sheet, draw_sheet, gaps, size_in_words
from pipeline.errors import PipelineError
from pipeline.experiments.table1.summary import PAPER

__all__ = ["draw", "draw_fig2", "draw_figS4", "draw_figS5"]

LAYERS = tuple(PAPER)
NAMES = {"output": r"$\sigma$(fc8)"}
"""Labels of layers whose own name says less."""

RECONSTRUCTION = "$D(E(x))$"
METHODS = {"ours": "ours", "dosovitskiy": "D&B", "mahendran": "M&V"}

Arrays = Mapping[str, np.ndarray]


def draw(numbers: Mapping[str, Any], arrays: Arrays) -> dict[str, Figure]:
    """The figures by file stem.

    Raises:
        PipelineError: arrays of wrong shapes, or fewer than two examples.
        KeyError: a missing number or array.
    """
    return {
        "fig2": draw_fig2(numbers, arrays),
        "figS4": draw_figS4(numbers, arrays),
        "figS5": draw_figS5(numbers, arrays),
        "figS6": draw_figS5(numbers, arrays, example=1),
    }


def draw_fig2(numbers: Mapping[str, Any], arrays: Arrays) -> Figure:
    """Fig. 2: each example's input and D(E(x)), a column per layer, a row per method.

    Ours is the first of the samples.
    """
    _check(arrays)
    inputs = arrays["inputs"]
    count, height, width, _ = inputs.shape
    gap, wide = gaps(width)
    first = width + 5 * width // 6  # of the layers' columns, with room for the methods' names
    block = first + len(LAYERS) * (width + gap) - gap
    between = 2 * wide
    tall = len(METHODS) * (height + gap) - gap
    sheet = Sheet()
    for example in range(count):
        left = (example % 2) * (block + between)  # two examples side by side
        top = (example // 2) * (tall + height // 2)
        sheet.place(inputs[example], left, top)
        sheet.above(_species(arrays, example), left, top, width, italic=True)
        # Between two rows, since it belongs to none of the methods.
        below = top + height + height // 2
        sheet.place(arrays["reconstructions"][example], left, below)
        sheet.above(RECONSTRUCTION, left, below, width)
        for row, (method, name) in enumerate(METHODS.items()):
            y = top + row * (height + gap)
            sheet.beside(name, left + first, y, height)
            for column, layer in enumerate(LAYERS):
                x = left + first + column * (width + gap)
                shown = arrays[f"{layer}_{method}"][example]
                sheet.place(shown[0] if method == "ours" else shown, x, y)
                if row == 0:
                    sheet.above(_name(layer), x, y, width)
    words = [f"N = {count} test images", "ours: the first sample of each layer"]
    return draw_sheet(
        sheet, [*words, size_in_words(inputs)], numbers, left=RIGHT, across=2 * block + between
    )


def draw_figS4(numbers: Mapping[str, Any], arrays: Arrays) -> Figure:
    """Fig. S4: all samples of each layer next to D&B's reconstruction, for the first two examples.

    Above them, the input and D(E(x)).
    """
    _check(arrays)
    inputs = arrays["inputs"]
    if len(inputs) < 2:
        raise PipelineError(
            f"Fig. S4 shows two examples, not {len(inputs)}: set experiments.table1.examples to 2 "
            "or more."
        )
    _, height, width, _ = inputs.shape
    samples = _samples(arrays)
    gap, wide = gaps(width)
    ours = samples * (width + gap) - gap
    block = ours + wide + width
    between = 2 * wide
    top = height + 2 * height // 3  # with room for the heads of the columns
    sheet = Sheet()
    for example in range(2):
        left = example * (block + between)
        sheet.place(inputs[example], left, 0)
        sheet.above(_species(arrays, example), left, 0, width, italic=True)
        # A column further than the next one leaves room for the species' name.
        right = left + min(2, samples) * (width + gap)
        sheet.place(arrays["reconstructions"][example], right, 0)
        sheet.above(RECONSTRUCTION, right, 0, width)
        sheet.above(f"ours, {samples} samples", left, top, ours)
        sheet.above(METHODS["dosovitskiy"], left + ours + wide, top, width)
        for row, layer in enumerate(LAYERS):
            y = top + row * (height + gap)
            for column, image in enumerate(arrays[f"{layer}_ours"][example]):
                sheet.place(image, left + column * (width + gap), y)
            sheet.place(arrays[f"{layer}_dosovitskiy"][example], left + ours + wide, y)
            if example == 0:
                sheet.beside(_name(layer), 0, y, height)
    sheet.beside("input", 0, 0, height)
    words = [f"N = 2 test images × {samples} samples", size_in_words(inputs)]
    return draw_sheet(sheet, words, numbers)


def draw_figS5(numbers: Mapping[str, Any], arrays: Arrays, example: int = 0) -> Figure:
    """Fig. S5, or S6 for example 1: the first and last row of Fig. S4, enlarged."""
    _check(arrays)
    inputs = arrays["inputs"]
    if not 0 <= example < len(inputs):
        raise PipelineError(
            f"there is no example {example} among {len(inputs)}: increase "
            "experiments.table1.examples."
        )
    _, height, width, _ = inputs.shape
    samples = _samples(arrays)
    gap, wide = gaps(width)
    lines = 2 if samples > 3 else 1
    columns = -(-samples // lines)
    ours = columns * (width + gap) - gap
    sheet = Sheet()
    for position, layer in enumerate((LAYERS[0], LAYERS[-1])):
        top = position * (lines * (height + gap) - gap + wide)
        sheet.place(inputs[example], 0, top)
        for sample, image in enumerate(arrays[f"{layer}_ours"][example]):
            line, column = divmod(sample, columns)
            x = width + wide + column * (width + gap)
            sheet.place(image, x, top + line * (height + gap))
        sheet.place(arrays[f"{layer}_dosovitskiy"][example], width + 2 * wide + ours, top)
        sheet.beside(_name(layer), 0, top, height)
    sheet.above(f"input: {_species(arrays, example)}", 0, 0, width)
    sheet.above(f"ours, {samples} samples", width + wide, 0, ours)
    sheet.above(METHODS["dosovitskiy"], width + 2 * wide + ours, 0, width)
    words = [f"N = 1 test image × {samples} samples", size_in_words(inputs)]
    return draw_sheet(sheet, words, numbers)


def _name(layer: str) -> str:
    return NAMES.get(layer, layer)


def _species(arrays: Arrays, example: int) -> str:
    return str(arrays["names"][example]).replace("_", " ")


def _samples(arrays: Arrays) -> int:
    return int(arrays[f"{LAYERS[0]}_ours"].shape[1])


def _check(arrays: Arrays) -> None:
    """Raise PipelineError for arrays whose shapes or types do not fit."""
    inputs = arrays["inputs"]
    if inputs.dtype != np.uint8 or inputs.ndim != 4 or inputs.shape[-1] != 3 or not inputs.size:
        raise PipelineError(
            f"the array 'inputs' must be uint8 images of shape (examples, H, W, 3), not "
            f"{inputs.dtype} {inputs.shape}."
        )
    if len(arrays["names"]) != len(inputs):
        raise PipelineError(f"{len(arrays['names'])} names do not fit {len(inputs)} examples.")
    samples = arrays[f"{LAYERS[0]}_ours"].shape[1:2]
    shapes = {"reconstructions": inputs.shape}
    for layer in LAYERS:
        shapes |= dict.fromkeys((f"{layer}_dosovitskiy", f"{layer}_mahendran"), inputs.shape)
        shapes[f"{layer}_ours"] = (len(inputs), *samples, *inputs.shape[1:])
    for name, expected in shapes.items():
        array = arrays[name]
        if array.dtype != np.uint8 or array.shape != expected or 0 in array.shape:
            raise PipelineError(
                f"the array '{name}' must be uint8 of shape {expected}, as 'inputs', not "
                f"{array.dtype} {array.shape}."
            )
