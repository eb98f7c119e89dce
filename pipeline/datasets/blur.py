"""Gaussian blur with a width per image."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["gaussian_blur"]

SHARP = 0.05
"""Standard deviations below this, in pixels, change nothing and would divide by zero."""


def gaussian_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur images (B, C, H, W) by a Gaussian of standard deviation `sigma` (B,), in pixels.

    At the border, the weights inside the image are scaled to sum to 1.
    """
    height, width = images.shape[2:]
    rows, columns = _weights(height, sigma), _weights(width, sigma)
    return rows @ images @ columns.mT


def _weights(size: int, sigma: Tensor) -> Tensor:
    """Weights (B, 1, size, size) of the pixels (last) in each blurred pixel along an axis."""
    places = torch.arange(size, device=sigma.device, dtype=sigma.dtype)
    distance = (places - places[:, None]).square()
    variance = sigma.clamp_min(SHARP).square().view(-1, 1, 1, 1)
    return torch.softmax(-distance / (2 * variance), -1)
