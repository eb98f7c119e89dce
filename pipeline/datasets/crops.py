"""Random parts of training images, as the published networks on ImageNet are trained with."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["random_crops"]

LARGEST_ASPECT = 4 / 3
"""Of width to height, and of height to width, of a part (Szegedy et al. 2015)."""


def random_crops(images: Tensor, smallest: float, generator: torch.Generator) -> Tensor:
    """A random part of each of the images (B, C, H, W), resized to (H, W), bilinearly.

    A part has a share of the image's area that is uniform from `smallest`, in (0, 1], to 1, and an
    aspect whose logarithm is uniform; where it would be longer than the image, it is cut to it.
    As torchvision's RandomResizedCrop, which takes the same part of all images of a batch, and
    random numbers that a resumed training does not have again.
    """
    share, aspect, x, y = torch.rand(4, len(images), generator=generator, device=images.device)
    share = smallest + (1 - smallest) * share
    aspect = torch.exp((2 * aspect - 1) * math.log(LARGEST_ASPECT))
    width = (share * aspect).sqrt().clamp_max(1)
    height = (share / aspect).sqrt().clamp_max(1)
    # From coordinates of the part to those of the image, both from -1 to 1.
    places = images.new_zeros(len(images), 2, 3)
    places[:, 0, 0], places[:, 0, 2] = width, (1 - width) * (2 * x - 1)
    places[:, 1, 1], places[:, 1, 2] = height, (1 - height) * (2 * y - 1)
    grid = F.affine_grid(places, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
