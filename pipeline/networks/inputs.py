"""How networks prepare images for their first layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "ImageNetInputs",
    "normalise",
    "register_statistics",
    "resize",
]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Channels of ImageNet's images in [0, 1], by which torchvision's networks normalise."""


def resize(images: Tensor, size: int) -> Tensor:
    """Images (B, C, H, W) at (B, C, size, size): bilinear, antialiased when they shrink."""
    if images.shape[-2:] == (size, size):
        return images
    larger = max(images.shape[-2:]) > size
    return F.interpolate(images, (size, size), mode="bilinear", antialias=larger)


def normalise(images: Tensor, size: int, mean: Tensor, std: Tensor) -> Tensor:
    """Images (B, 3, H, W) in [-1, 1] resized and normalised: (B, 3, size, size)."""
    return ((resize(images, size) + 1) / 2 - mean) / std


def register_statistics(
    network: nn.Module,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> None:
    """Give `network` buffers `mean` and `std` (1, 3, 1, 1), which its state dict leaves out."""
    for name, value in (("mean", mean), ("std", std)):
        network.register_buffer(name, torch.tensor(value).view(1, 3, 1, 1), persistent=False)


class ImageNetInputs:
    """A network whose images are resized to `size` and normalised as ImageNet's are."""

    size: int
    mean: Tensor
    std: Tensor

    def prepare(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] as the first layer takes them: (B, 3, size, size)."""
        return normalise(images, self.size, self.mean, self.std)
