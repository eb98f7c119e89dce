"""The evaluator, a small network that predicts known factors of images; never interpreted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.models.layout import to_channels_last
from pipeline.models.loading import with_weights
from pipeline.storage import read_json

__all__ = ["ClassValue", "Evaluator", "load_evaluator"]

ClassValue = str | int | bool
"""Name of a class in the ground truth: a species, or whether there are glasses."""

SMALLEST = 4
"""Height and width of the smallest feature map."""
HIDDEN = 256  # units between the feature map and the factors


class Evaluator(nn.Module):
    """Images (B, 3, size, size) in [-1, 1] to the factors they were made from.

    Each 2x2 square of pixels becomes channels; then each [convolution, BatchNorm, ReLU] halves the
    image and doubles the channels, from `width` on, down to 4x4, which keeps positions. One hidden
    layer leads to all factors. Factors that are correlated in the training images, such as a
    species and its coat, are not separated.

    Args:
        size: height and width of the images, a power of two of at least 16.
        width: channels of the first convolution.
        classes: categorical factors: name, and names of the classes in the ground truth.
        numbers: real-valued factors; an angle around the full circle is not one.

    Raises:
        PipelineError: another size.
    """

    def __init__(
        self,
        size: int,
        width: int,
        classes: Sequence[tuple[str, Sequence[ClassValue]]],
        numbers: Sequence[str],
    ) -> None:
        super().__init__()
        if size < 16 or size & (size - 1):
            raise PipelineError(f"no evaluator for images of {size} px: use 16, 32, 64 or 128.")
        self.size = size
        self.classes = {name: tuple(values) for name, values in classes}
        self.numbers = tuple(numbers)
        self.arguments = {  # written to config.json
            "size": size,
            "width": width,
            "classes": [[name, list(values)] for name, values in self.classes.items()],
            "numbers": list(numbers),
        }
        self.layers = nn.Sequential(nn.PixelUnshuffle(2), *_convolution(12, width, stride=1))
        for _ in range((size // (2 * SMALLEST)).bit_length() - 1):
            self.layers.extend(_convolution(width, 2 * width, stride=2))
            width *= 2
        self.sizes = [*(len(values) for values in self.classes.values()), len(self.numbers)]
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(width * SMALLEST**2, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, sum(self.sizes)),
        )
        self.register_buffer("mean", torch.zeros(len(self.numbers)))
        self.register_buffer("scale", torch.ones(len(self.numbers)))
        self.mean: Tensor
        self.scale: Tensor
        to_channels_last(self)

    def fit_scale(self, numbers: Tensor) -> None:
        """Compute mean and standard deviation of each number over training images (R, numbers)."""
        self.mean.copy_(numbers.mean(0))
        std = (numbers - self.mean).square().mean(0).sqrt()
        self.scale.copy_(torch.where(std > 0, std, 1.0))  # a constant keeps its scale

    def standardise(self, numbers: Tensor) -> Tensor:
        """Numbers (B, numbers) in units of their spread over the training images."""
        return (numbers - self.mean) / self.scale

    def forward(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Logits (B, K) per factor with K classes, and standardised numbers (B, numbers)."""
        outputs = self.head(self.layers(images)).float()
        *logits, numbers = outputs.split(self.sizes, 1)
        return dict(zip(self.classes, logits, strict=True)), numbers

    def read(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Index of the most likely class (B,) per factor; numbers (B, numbers) in their units."""
        logits, numbers = self(images)
        best = {name: values.argmax(1) for name, values in logits.items()}
        return best, numbers * self.scale + self.mean


def _convolution(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def load_evaluator(folder: Path) -> Evaluator:
    """Load an evaluator, in evaluation mode."""
    model = Evaluator(**read_json(folder / "config.json"))
    return with_weights(model, folder / "model.safetensors")
