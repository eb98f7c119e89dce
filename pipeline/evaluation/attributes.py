"""Predict known factors of images with an evaluator network, and measure how well it does."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from pipeline.datasets.blur import gaussian_blur
from pipeline.datasets.images import ImageSet, to_images
from pipeline.errors import PipelineError
from pipeline.evaluation.quality import attribute_quality
from pipeline.models.evaluator import Evaluator
from pipeline.runtime.parallel import run_in_threads

__all__ = ["BLUR", "held_out_quality", "predict_attributes", "predict_scores"]

BLUR = 0.02
"""Standard deviation of the blur of `held_out_quality`, as a share of the image size."""


def predict_attributes(
    evaluator: Evaluator, pixels: np.ndarray, *, blur: float = 0.0, batch_size: int = 250
) -> dict[str, np.ndarray]:
    """Predicted factors of images (R, size, size, 3) uint8: an array (R,) for each.

    Classes have the names of the ground truth, numbers are float32 in its units. With `blur`, the
    images are blurred by a Gaussian of this standard deviation, in pixels, first.

    Raises:
        PipelineError: images of another size or type than the evaluator was trained on.
    """
    size = evaluator.size
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (size, size, 3):
        raise PipelineError(
            f"the evaluator reads uint8 images of shape (images, {size}, {size}, 3), not "
            f"{pixels.dtype} of shape {pixels.shape}: give images of the size it was trained on."
        )
    device = next(evaluator.parameters()).device
    training = evaluator.training
    evaluator.eval()  # a prediction must not depend on its batch
    codes = {name: np.empty(len(pixels), np.int64) for name in evaluator.classes}
    numbers = np.empty((len(pixels), len(evaluator.numbers)), np.float32)

    @torch.no_grad()
    def predict(first: int) -> None:
        rows = slice(first, first + batch_size)
        part = torch.from_numpy(np.ascontiguousarray(pixels[rows]))
        images = to_images(part.to(device))
        if blur:
            images = gaussian_blur(images, torch.full((len(images),), blur, device=device))
        best, values = evaluator.read(images)
        numbers[rows] = values.cpu().numpy()
        for name, indices in best.items():
            codes[name][rows] = indices.cpu().numpy()

    run_in_threads(predict, range(0, len(pixels), batch_size))
    evaluator.train(training)
    result = dict(zip(evaluator.numbers, numbers.T, strict=True))
    return result | {
        name: np.array(classes)[codes[name]] for name, classes in evaluator.classes.items()
    }


def predict_scores(
    evaluator: Evaluator, pixels: np.ndarray, *, batch_size: int = 250
) -> dict[str, np.ndarray]:
    """One real number (R,) for each factor of images (R, size, size, 3) uint8.

    Numbers in their units; for something that is true or false, the log-odds; for more classes, the
    log-odds of each, named <factor>=<class>.
    """
    device = next(evaluator.parameters()).device
    outputs: dict[int, tuple[dict[str, torch.Tensor], torch.Tensor]] = {}

    @torch.no_grad()
    def predict(first: int) -> None:
        part = np.ascontiguousarray(pixels[first : first + batch_size])
        outputs[first] = evaluator(to_images(torch.from_numpy(part).to(device)))

    run_in_threads(predict, range(0, len(pixels), batch_size))
    parts = [outputs[first] for first in sorted(outputs)]
    numbers = torch.cat([values for _, values in parts]) * evaluator.scale + evaluator.mean
    result = dict(zip(evaluator.numbers, numbers.T.cpu().numpy(), strict=True))
    for name, classes in evaluator.classes.items():
        logits = torch.cat([found[name] for found, _ in parts])
        others = ~torch.eye(len(classes), dtype=torch.bool, device=device)
        rest = torch.where(others, logits[:, None], -torch.inf).logsumexp(2)
        log_odds = logits - rest
        odds = dict(zip(classes, log_odds.T.cpu().numpy(), strict=True))
        if set(classes) == {False, True}:
            result[name] = odds[True]
        else:
            result |= {f"{name}={value}": values for value, values in odds.items()}
    return result


def held_out_quality(evaluator: Evaluator, data: ImageSet) -> dict[str, Any]:
    """Quality on all images of a split, `sharp` and `blurred`.

    The blur, of standard deviation `blur_pixels`, is about that of an autoencoder's decoder.
    """
    pixels, blur = data.pixels(slice(None)), BLUR * evaluator.size
    result: dict[str, Any] = {"images": len(data), "blur_pixels": blur}
    for kind, sigma in (("sharp", 0.0), ("blurred", blur)):
        readings = predict_attributes(evaluator, pixels, blur=sigma)
        result[kind] = attribute_quality(readings, data.truth, evaluator.numbers)
    return result
