"""Random crops of training images, with which networks on ImageNet are trained."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["random_crops"]

LARGEST_ASPECT = 4 / 3
"""Largest ratio of width to height, and of height to width, of a crop (Szegedy et al. 2015)."""


def random_crops(images: Tensor, smallest: float, generator: torch.Generator) -> Tensor:
    """A random crop of each of the images (B, C, H, W), resized bilinearly to (H, W).

    The crop's share of the image's area is uniform from `smallest`, in (0, 1], to 1, and the
    logarithm of its aspect is uniform; a side longer than the image is cut to it. Unlike
    torchvision's RandomResizedCrop, each image of a batch has a crop of its own, and a resumed
    training draws the same ones.
    """
    share, aspect, x, y = torch.rand(4, len(images), generator=generator, device=images.device)
    share = smallest + (1 - smallest) * share
    aspect = torch.exp((2 * aspect - 1) * math.log(LARGEST_ASPECT))
    width = (share * aspect).sqrt().clamp_max(1)
    height = (share / aspect).sqrt().clamp_max(1)
    # From coordinates of the crop to those of the image, both in [-1, 1].
    places = images.new_zeros(len(images), 2, 3)
    places[:, 0, 0], places[:, 0, 2] = width, (1 - width) * (2 * x - 1)
    places[:, 1, 1], places[:, 1, 2] = height, (1 - height) * (2 * y - 1)
    grid = F.affine_grid(places, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
