"""A small E and D for images of 16 px and more: Tab. S1 of the INV paper, with more stages.

On two CPU cores, they reach two thirds of the squared error of slim ResNet and BigGAN models in the
same time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.models.autoencoder import Norm

__all__ = ["ConvolutionalDecoder", "ConvolutionalEncoder"]

SMALLEST = 4
"""Height and width of the smallest feature map."""
SLOPE = 0.2  # of the LeakyReLUs


class ConvolutionalEncoder(nn.Module):
    """E: images (B, 3, size, size) to 2 * latent numbers, the mean and log variance of z_bar.

    Each 2x2 square of pixels becomes channels; then each [Conv 4x4, Norm, LeakyReLU] halves the
    image and doubles the channels, from `width` on, down to 4x4. Raises PipelineError unless the
    size is a power of two of at least 16.
    """

    def __init__(self, size: int, latent: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(12, width, 3, padding=1), nn.LeakyReLU(SLOPE)
        )
        for _ in range(_halvings(size)):
            self.layers.append(nn.Conv2d(width, 2 * width, 4, 2, 1))
            self.layers.append(Norm(2 * width))
            self.layers.append(nn.LeakyReLU(SLOPE))
            width *= 2
        self.head = nn.Linear(width * SMALLEST**2, 2 * latent)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 3, size, size) to (B, 2 * latent)."""
        return self.head(self.layers(images).flatten(1))


class ConvolutionalDecoder(nn.Module):
    """D: z_bar (B, latent) to images (B, 3, size, size) in [-1, 1]; mirrors the encoder."""

    def __init__(self, size: int, latent: int, width: int) -> None:
        super().__init__()
        halvings = _halvings(size)
        width <<= halvings
        self.first = nn.Linear(latent, width * SMALLEST**2)
        self.layers = nn.Sequential(Norm(width), nn.LeakyReLU(SLOPE))
        for _ in range(halvings):
            self.layers.append(nn.ConvTranspose2d(width, width // 2, 4, 2, 1))
            self.layers.append(Norm(width // 2))
            self.layers.append(nn.LeakyReLU(SLOPE))
            width //= 2
        self.output = nn.Conv2d(width, 12, 3, padding=1)

    def forward(self, z_bar: Tensor) -> Tensor:
        """Decode z_bar (B, latent) to images (B, 3, size, size), in float32."""
        x = self.first(z_bar).unflatten(1, (-1, SMALLEST, SMALLEST))
        return torch.pixel_shuffle(self.output(self.layers(x)).float(), 2).tanh()


def _halvings(size: int) -> int:
    """Number of stages between the 2x2 squares of an image and the smallest feature map."""
    halvings = (size // (2 * SMALLEST)).bit_length() - 1
    if halvings < 1 or size != 2 * SMALLEST << halvings:
        raise PipelineError(f"no autoencoder for images of {size} px: use 16, 32, 64 or 128.")
    return halvings
