"""Figs. 2, S4, S5 and S6: images recovered from each layer's representation, by three methods.

Draws from arrays and numbers alone:

- examples: `{"inputs": (X, H, W, 3) uint8, "reconstructions": (X, H, W, 3), "names": (X,) str,
  "layers": {layer: {"ours": (X, S, H, W, 3) uint8, "dosovitskiy": (X, H, W, 3), "mahendran":
  (X, H, W, 3)}}}`, the layers in the order of depth, reconstructions D(E(x)); `load_examples` reads
  it from an npz file.
- meta: `{"scale": str, "seed": int}`, such as `metrics/table1.json`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.figures.arrays import open_arrays
from pipeline.figures.sheet import RIGHT, Sheet, draw_sheet, gaps, size_in_words

__all__ = ["draw_fig2", "draw_figS4", "draw_figS5", "load_examples"]

LAYERS = ("conv5", "fc6", "fc7", "fc8", "output")
NAMES = {"output": r"$\sigma$(fc8)"}
"""How a layer is written where its own name says less."""

RECONSTRUCTION = "$D(E(x))$"
METHODS = {"ours": "ours", "dosovitskiy": "D&B", "mahendran": "M&V"}

Pixels = NDArray[np.uint8]


def load_examples(path: Path) -> dict[str, Any]:
    """Examples from an npz file; arrays that are not needed are ignored.

    It holds `inputs`, `reconstructions`, `names` and `<layer>_<method>`. Layers are conv5, fc6,
    fc7, fc8 and output, methods ours, dosovitskiy and mahendran.

    Raises:
        PipelineError: the file or one of the arrays is missing.
    """
    with open_arrays(path, "examples") as arrays:
        return {
            "inputs": arrays["inputs"],
            "reconstructions": arrays["reconstructions"],
            "names": arrays["names"],
            "layers": {
                layer: {method: arrays[f"{layer}_{method}"] for method in METHODS}
                for layer in LAYERS
            },
        }


def draw_fig2(examples: Mapping[str, Any], meta: Mapping[str, Any]) -> Figure:
    """Fig. 2: each example's input and D(E(x)), a column per layer, a row per method.

    Ours is the first of the samples. See the module for the formats.

    Raises:
        PipelineError: arrays whose shapes do not fit.
    """
    _check(examples)
    inputs, layers = examples["inputs"], examples["layers"]
    count, height, width, _ = inputs.shape
    gap, wide = gaps(width)
    first = width + 5 * width // 6  # of the layers' columns, with room for the methods' names
    block = first + len(layers) * (width + gap) - gap
    between = 2 * wide
    tall = len(METHODS) * (height + gap) - gap
    sheet = Sheet()
    for example in range(count):
        left = (example % 2) * (block + between)  # two examples side by side
        top = (example // 2) * (tall + height // 2)
        sheet.place(inputs[example], left, top)
        sheet.above(_species(examples, example), left, top, width, italic=True)
        # Between two rows, for it belongs to none of the methods.
        below = top + height + height // 2
        sheet.place(examples["reconstructions"][example], left, below)
        sheet.above(RECONSTRUCTION, left, below, width)
        for row, (method, name) in enumerate(METHODS.items()):
            y = top + row * (height + gap)
            sheet.beside(name, left + first, y, height)
            for column, (layer, images) in enumerate(layers.items()):
                x = left + first + column * (width + gap)
                shown = images[method][example]
                sheet.place(shown[0] if method == "ours" else shown, x, y)
                if row == 0:
                    sheet.above(_name(layer), x, y, width)
    words = [f"N = {count} test images", "ours: the first sample of each layer"]
    return draw_sheet(
        sheet, [*words, size_in_words(inputs)], meta, left=RIGHT, across=2 * block + between
    )


def draw_figS4(examples: Mapping[str, Any], meta: Mapping[str, Any]) -> Figure:
    """Fig. S4: all samples of each layer beside D&B's reconstruction, for the first two examples.

    Above them stand the input and D(E(x)). See the module for the formats.

    Raises:
        PipelineError: arrays whose shapes do not fit, or fewer than two examples.
    """
    _check(examples)
    inputs, layers = examples["inputs"], examples["layers"]
    if len(inputs) < 2:
        raise PipelineError(
            f"Fig. S4 shows two examples, not {len(inputs)}: set evaluate.table1.examples to 2 or "
            "more."
        )
    _, height, width, _ = inputs.shape
    samples = _samples(layers)
    gap, wide = gaps(width)
    ours = samples * (width + gap) - gap
    block = ours + wide + width
    between = 2 * wide
    top = height + 2 * height // 3  # with room for the heads of the columns
    sheet = Sheet()
    for example in range(2):
        left = example * (block + between)
        sheet.place(inputs[example], left, 0)
        sheet.above(_species(examples, example), left, 0, width, italic=True)
        # A column further than the next one leaves room for the species' name.
        right = left + min(2, samples) * (width + gap)
        sheet.place(examples["reconstructions"][example], right, 0)
        sheet.above(RECONSTRUCTION, right, 0, width)
        sheet.above(f"ours, {samples} samples", left, top, ours)
        sheet.above(METHODS["dosovitskiy"], left + ours + wide, top, width)
        for row, (layer, images) in enumerate(layers.items()):
            y = top + row * (height + gap)
            for column in range(samples):
                sheet.place(images["ours"][example, column], left + column * (width + gap), y)
            sheet.place(images["dosovitskiy"][example], left + ours + wide, y)
            if example == 0:
                sheet.beside(_name(layer), 0, y, height)
    sheet.beside("input", 0, 0, height)
    return draw_sheet(
        sheet, [f"N = 2 test images × {samples} samples", size_in_words(inputs)], meta
    )


def draw_figS5(examples: Mapping[str, Any], meta: Mapping[str, Any], example: int = 0) -> Figure:
    """Fig. S5, or S6 for example 1: the rows of Fig. S4 of the first and last layer, enlarged.

    See the module for the formats.

    Raises:
        PipelineError: arrays whose shapes do not fit, or no such example.
    """
    _check(examples)
    inputs, layers = examples["inputs"], examples["layers"]
    if not 0 <= example < len(inputs):
        raise PipelineError(
            f"there is no example {example} among {len(inputs)}: set evaluate.table1.examples "
            "higher."
        )
    _, height, width, _ = inputs.shape
    samples = _samples(layers)
    gap, wide = gaps(width)
    lines = 2 if samples > 3 else 1
    columns = -(-samples // lines)
    ours = columns * (width + gap) - gap
    sheet = Sheet()
    names = list(layers)
    for position, layer in enumerate(dict.fromkeys((names[0], names[-1]))):
        top = position * (lines * (height + gap) - gap + wide)
        sheet.place(inputs[example], 0, top)
        for sample in range(samples):
            line, column = divmod(sample, columns)
            x = width + wide + column * (width + gap)
            sheet.place(layers[layer]["ours"][example, sample], x, top + line * (height + gap))
        sheet.place(layers[layer]["dosovitskiy"][example], width + 2 * wide + ours, top)
        sheet.beside(_name(layer), 0, top, height)
    sheet.above(f"input: {_species(examples, example)}", 0, 0, width)
    sheet.above(f"ours, {samples} samples", width + wide, 0, ours)
    sheet.above(METHODS["dosovitskiy"], width + 2 * wide + ours, 0, width)
    return draw_sheet(sheet, [f"N = 1 test image × {samples} samples", size_in_words(inputs)], meta)


def _name(layer: str) -> str:
    return NAMES.get(layer, layer)


def _species(examples: Mapping[str, Any], example: int) -> str:
    return str(examples["names"][example]).replace("_", " ")


def _samples(layers: Mapping[str, Mapping[str, Pixels]]) -> int:
    return int(next(iter(layers.values()))["ours"].shape[1])


def _check(examples: Mapping[str, Any]) -> None:
    inputs, layers = np.asarray(examples["inputs"]), examples["layers"]
    rebuilt = np.asarray(examples["reconstructions"])
    if inputs.dtype != np.uint8 or inputs.ndim != 4 or inputs.shape[-1] != 3 or not inputs.size:
        raise PipelineError(
            f"the inputs shown must be uint8 images of shape (examples, H, W, 3), not "
            f"{inputs.dtype} {inputs.shape}."
        )
    if rebuilt.dtype != np.uint8 or rebuilt.shape != inputs.shape:
        raise PipelineError(
            f"the reconstructions shown must be uint8 of shape {inputs.shape}, as the inputs, not "
            f"{rebuilt.dtype} {rebuilt.shape}."
        )
    if len(examples["names"]) != len(inputs):
        raise PipelineError(f"{len(examples['names'])} names do not fit {len(inputs)} examples.")
    if not layers:
        raise PipelineError("there is no layer to show: name at least one in params.yaml.")
    samples = {np.shape(images["ours"])[1:2] for images in layers.values()}
    for layer, images in layers.items():
        for method in METHODS:
            array = np.asarray(images[method])
            expected = inputs.shape
            if method == "ours":
                expected = (inputs.shape[0], *max(samples), *inputs.shape[1:])
            if array.dtype != np.uint8 or array.shape != expected or 0 in array.shape:
                raise PipelineError(
                    f"the images '{method}' of layer {layer} must be uint8 of shape {expected}, "
                    f"not {array.dtype} {array.shape}."
                )
