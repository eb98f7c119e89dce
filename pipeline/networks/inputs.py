"""What networks do to images before their first layer."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "ImageNetInputs", "resize"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of the channels of ImageNet's images in [0, 1], as torchvision's networks were trained with."""


def resize(images: Tensor, size: int) -> Tensor:
    """Images (B, C, H, W) at (B, C, size, size): bilinear, averaged where they become smaller."""
    if images.shape[-2:] == (size, size):
        return images
    larger = max(images.shape[-2:]) > size
    return F.interpolate(images, (size, size), mode="bilinear", antialias=larger)


class ImageNetInputs:
    """What a network that reads normalised images of one size does to its input."""

    size: int
    mean: Tensor
    std: Tensor

    def prepare(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] as the first layer takes them: (B, 3, size, size)."""
        return ((resize(images, self.size) + 1) / 2 - self.mean) / self.std
