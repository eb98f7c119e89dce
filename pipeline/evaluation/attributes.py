"""Known factors read from images by an evaluator network, and how well it reads held-out ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch

from pipeline.datasets.blur import gaussian_blur
from pipeline.datasets.images import ImageSet, to_images
from pipeline.errors import PipelineError
from pipeline.models.evaluator import Evaluator
from pipeline.parallel import run_in_threads

__all__ = ["BLUR", "attribute_quality", "held_out_quality", "read_attributes"]

BLUR = 0.02
"""Standard deviation of the blur held-out images are also read with, as a share of their size."""


def read_attributes(
    evaluator: Evaluator, pixels: np.ndarray, *, blur: float = 0.0, batch_size: int = 250
) -> dict[str, np.ndarray]:
    """What the evaluator reads from images (R, size, size, 3) uint8, an array (R,) per factor.

    Classes are called as in the ground truth, numbers are float32 in its units. `blur` is the
    standard deviation, in pixels, of a Gaussian that the images are blurred with first.

    Raises PipelineError for images of another size or kind than the evaluator was trained on.
    """
    size = evaluator.size
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (size, size, 3):
        raise PipelineError(
            f"the evaluator reads uint8 images of shape (images, {size}, {size}, 3), not "
            f"{pixels.dtype} of shape {pixels.shape}: give images of the size it was trained on."
        )
    device = next(evaluator.parameters()).device
    training = evaluator.training
    evaluator.eval()  # a batch must not change what is read from an image
    codes = {name: np.empty(len(pixels), np.int64) for name in evaluator.classes}
    numbers = np.empty((len(pixels), len(evaluator.numbers)), np.float32)

    @torch.no_grad()
    def read(first: int) -> None:
        rows = slice(first, first + batch_size)
        part = torch.from_numpy(np.ascontiguousarray(pixels[rows]))
        images = to_images(part.to(device))
        if blur:
            images = gaussian_blur(images, torch.full((len(images),), blur, device=device))
        best, values = evaluator.read(images)
        numbers[rows] = values.cpu().numpy()
        for name, indices in best.items():
            codes[name][rows] = indices.cpu().numpy()

    run_in_threads(read, range(0, len(pixels), batch_size))
    evaluator.train(training)
    result = dict(zip(evaluator.numbers, numbers.T, strict=True))
    return result | {
        name: np.array(classes)[codes[name]] for name, classes in evaluator.classes.items()
    }


def attribute_quality(
    readings: Mapping[str, np.ndarray], truth: pd.DataFrame, numbers: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """How well what was read (R,) fits the ground truth, for each factor.

    `numbers` have `r2`, 1 - squared error / variance, at most 1 and 0 for a constant truth, and
    `mean_absolute_error` in the unit of the number. Other factors have `accuracy`, in [0, 1].
    """
    result = {}
    for name, values in readings.items():
        true = truth[name].to_numpy()
        if name not in numbers:
            result[name] = {"accuracy": round(float(np.mean(values == true)), 4)}
            continue
        error = values.astype(np.float64) - true
        variance = float(np.var(true))
        r2 = 1 - float(np.mean(error**2)) / variance if variance > 0 else 0.0
        absolute = float(np.mean(np.abs(error)))
        result[name] = {"r2": round(r2, 4), "mean_absolute_error": round(absolute, 4)}
    return result


def held_out_quality(evaluator: Evaluator, data: ImageSet) -> dict[str, Any]:
    """Quality on all images of a split: as they are (`sharp`), and blurred (`blurred`).

    The blur, `blur_pixels`, is about that of an autoencoder's decoder.
    """
    pixels, blur = data.pixels(slice(None)), BLUR * evaluator.size
    result: dict[str, Any] = {"images": len(data), "blur_pixels": blur}
    for kind, sigma in (("sharp", 0.0), ("blurred", blur)):
        readings = read_attributes(evaluator, pixels, blur=sigma)
        result[kind] = attribute_quality(readings, data.truth, evaluator.numbers)
    return result
