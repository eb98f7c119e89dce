"""Figs. 2, S4, S5 and S6: images recovered from each layer's representation, by three methods.

Draws from arrays and numbers alone:

- examples: `{"inputs": (X, H, W, 3) uint8, "names": (X,) str, "layers": {layer: {"ours":
  (X, S, H, W, 3) uint8, "dosovitskiy": (X, H, W, 3), "mahendran": (X, H, W, 3)}}}`, the layers in
  the order of depth; `load_examples` reads it from an npz file.
- meta: `{"scale": str, "seed": int}`, such as `metrics/table1.json`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.figures.drawing import figure_style

__all__ = ["draw_fig2", "draw_figS4", "draw_figS5", "load_examples"]

LAYERS = ("conv5", "fc6", "fc7", "fc8", "output")
NAMES = {"output": r"$\sigma$(fc8)"}
"""How a layer is written where its own name says less."""

METHODS = {"ours": "ours", "dosovitskiy": "D&B", "mahendran": "M&V"}

WIDTH = 7.4
"""Inches, as all lengths of the layout: of the figure."""
LEFT, RIGHT, TOP, BOTTOM = 0.5, 0.06, 0.26, 0.24
"""White around the images, for labels."""
PRINTED = 2200
"""Pixels across that the images get at least, by repeating them: they stay sharp on paper."""

Pixels = NDArray[np.uint8]


def load_examples(path: Path) -> dict[str, Any]:
    """Examples from an npz file with `inputs`, `names` and `<layer>_<method>`; others are ignored.

    Layers are conv5, fc6, fc7, fc8 and output, methods ours, dosovitskiy and mahendran.

    Raises:
        PipelineError: the file or one of the arrays is missing.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {
                "inputs": arrays["inputs"],
                "names": arrays["names"],
                "layers": {
                    layer: {method: arrays[f"{layer}_{method}"] for method in METHODS}
                    for layer in LAYERS
                },
            }
    except (OSError, KeyError, ValueError) as error:
        raise PipelineError(
            f"{path} holds no examples ({error}): run `dvc repro -f evaluate@table1`."
        ) from error


def draw_fig2(examples: Mapping[str, Any], meta: Mapping[str, Any]) -> Figure:
    """Fig. 2: each example's input, then one column per layer, one row per method.

    Ours is the first of the samples. See the module for the formats.

    Raises:
        PipelineError: arrays whose shapes do not fit.
    """
    _check(examples)
    inputs, layers = examples["inputs"], examples["layers"]
    count, height, width, _ = inputs.shape
    gap, wide = _gaps(width)
    first = width + 2 * width // 3  # of the layers' columns, with room for the methods' names
    block = first + len(layers) * (width + gap) - gap
    between = 2 * wide
    tall = len(METHODS) * (height + gap) - gap
    sheet = _Sheet()
    for example in range(count):
        left = (example % 2) * (block + between)  # two examples side by side
        top = (example // 2) * (tall + height // 2)
        sheet.place(inputs[example], left, top)
        sheet.above(examples["names"][example], left, top, width, italic=True)
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
    return _draw(sheet, [*words, _size(inputs)], meta, left=RIGHT, across=2 * block + between)


def draw_figS4(examples: Mapping[str, Any], meta: Mapping[str, Any]) -> Figure:
    """Fig. S4: all samples of each layer beside D&B's reconstruction, for the first two examples.

    See the module for the formats.

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
    gap, wide = _gaps(width)
    ours = samples * (width + gap) - gap
    block = ours + wide + width
    between = 2 * wide
    sheet = _Sheet()
    for example in range(2):
        left = example * (block + between)
        sheet.place(inputs[example], left, 0)
        sheet.above(examples["names"][example], left, 0, width, italic=True)
        # Beside the input there is room for the heads of the columns.
        sheet.above(f"ours, {samples} samples", left, height + wide, ours)
        sheet.above(METHODS["dosovitskiy"], left + ours + wide, height + wide, width)
        for row, (layer, images) in enumerate(layers.items()):
            y = height + wide + row * (height + gap)
            for column in range(samples):
                sheet.place(images["ours"][example, column], left + column * (width + gap), y)
            sheet.place(images["dosovitskiy"][example], left + ours + wide, y)
            if example == 0:
                sheet.beside(_name(layer), 0, y, height)
    sheet.beside("input", 0, 0, height)
    return _draw(sheet, [f"N = 2 test images × {samples} samples", _size(inputs)], meta)


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
    gap, wide = _gaps(width)
    lines = 2 if samples > 3 else 1
    columns = -(-samples // lines)
    ours = columns * (width + gap) - gap
    sheet = _Sheet()
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
    sheet.above(f"input: {examples['names'][example]}", 0, 0, width)
    sheet.above(f"ours, {samples} samples", width + wide, 0, ours)
    sheet.above(METHODS["dosovitskiy"], width + 2 * wide + ours, 0, width)
    return _draw(sheet, [f"N = 1 test image × {samples} samples", _size(inputs)], meta)


@dataclass
class _Sheet:
    """Images at places given in their own pixels, and words around them."""

    images: list[tuple[Pixels, int, int]] = field(default_factory=list)
    words: list[tuple[str, float, float, dict[str, Any]]] = field(default_factory=list)

    def place(self, image: Pixels, x: int, y: int) -> None:
        self.images.append((np.asarray(image), x, y))

    def above(self, text: str, x: int, y: int, width: int, italic: bool = False) -> None:
        look = {"style": "italic"} if italic else {}
        options = {"xytext": (0, 2.5), "ha": "center", "va": "bottom", "fontsize": 8.5, **look}
        self.words.append((str(text).replace("_", " "), x + width / 2, y, options))

    def beside(self, text: str, x: int, y: int, height: int) -> None:
        options = {"xytext": (-4, 0), "ha": "right", "va": "center"}
        self.words.append((text, x, y + height / 2, options))

    def canvas(self, across: int) -> Pixels:
        """All images on white, at least `across` pixels wide."""
        width = max(across, *(x + image.shape[1] for image, x, _ in self.images))
        height = max(y + image.shape[0] for image, _, y in self.images)
        canvas = np.full((height, width, 3), 255, dtype=np.uint8)
        for image, x, y in self.images:
            canvas[y : y + image.shape[0], x : x + image.shape[1]] = image
        return canvas

    def write(self, axes: Axes) -> None:
        for text, x, y, options in self.words:
            axes.annotate(
                text, (x, y), textcoords="offset points", annotation_clip=False, **options
            )


def _draw(
    sheet: _Sheet,
    words: Sequence[str],
    meta: Mapping[str, Any],
    left: float = LEFT,
    across: int = 0,
) -> Figure:
    with figure_style():
        canvas = sheet.canvas(across)
        rows, columns, _ = canvas.shape
        wide = WIDTH - left - RIGHT
        tall = wide * rows / columns
        height = tall + TOP + BOTTOM
        figure = Figure(figsize=(WIDTH, height))
        place = (left / WIDTH, BOTTOM / height, wide / WIDTH, tall / height)
        axes = figure.add_axes(place)
        repeat = -(-PRINTED // columns)
        axes.imshow(
            canvas.repeat(repeat, axis=0).repeat(repeat, axis=1),
            extent=(0, columns, rows, 0),
            interpolation="antialiased",
            aspect="auto",
        )
        axes.set_axis_off()
        sheet.write(axes)
        footer = "  ·  ".join([f"scale {meta['scale']}", *words, f"seed {meta['seed']}"])
        figure.text(0.99, 0.06 / height, footer, ha="right", fontsize=7, color="#555555")
    return figure


def _name(layer: str) -> str:
    return NAMES.get(layer, layer)


def _size(inputs: Pixels) -> str:
    return f"{inputs.shape[2]} × {inputs.shape[1]} px"


def _gaps(width: int) -> tuple[int, int]:
    """Pixels between images, and between groups of them."""
    return max(1, width // 24), max(3, width // 5)


def _samples(layers: Mapping[str, Mapping[str, Pixels]]) -> int:
    return int(next(iter(layers.values()))["ours"].shape[1])


def _check(examples: Mapping[str, Any]) -> None:
    inputs, layers = np.asarray(examples["inputs"]), examples["layers"]
    if inputs.dtype != np.uint8 or inputs.ndim != 4 or inputs.shape[-1] != 3 or not inputs.size:
        raise PipelineError(
            f"the inputs shown must be uint8 images of shape (examples, H, W, 3), not "
            f"{inputs.dtype} {inputs.shape}."
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
