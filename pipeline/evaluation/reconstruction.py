"""Distances of reconstructions from their images, in pixels and in a network's features."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import PipelineError
from pipeline.evaluation.perceptual_features import load_extractor

__all__ = ["perceptual_distance", "reconstruction_quality"]

BLOCKS = (0, 2, 4, 10, 15)
"""Blocks of EfficientNet-Lite0 whose outputs are compared: the last of each resolution."""
BATCH = 16


def reconstruction_quality(
    images: np.ndarray, reconstructions: np.ndarray, device: torch.device | str = "cpu"
) -> dict[str, float]:
    """Mean distances of images (R, H, W, 3) uint8 from their `reconstructions`.

    Returns:
        l1: absolute error per channel of images in [0, 1].
        psnr: peak signal-to-noise ratio in dB, capped at 100 for equal images.
        perceptual: `perceptual_distance`.

    Raises:
        PipelineError: other shapes or types.
    """
    if images.shape != reconstructions.shape or images.ndim != 4 or not len(images):
        raise PipelineError(
            f"reconstructions of shape {reconstructions.shape} cannot be compared with images of "
            f"shape {images.shape}: pass one reconstruction per image, of its size."
        )
    difference = (images.astype(np.float32) - reconstructions) / 255
    squares = np.square(difference).mean((1, 2, 3), dtype=np.float64)
    return {
        "l1": float(np.abs(difference).mean(dtype=np.float64)),
        "psnr": float(np.mean(-10 * np.log10(np.maximum(squares, 1e-10)))),
        "perceptual": float(perceptual_distance(images, reconstructions, device).mean()),
    }


@torch.no_grad()
def perceptual_distance(
    images: np.ndarray, others: np.ndarray, device: torch.device | str = "cpu"
) -> np.ndarray:
    """An LPIPS-type distance between pairs of images (R, H, W, 3) uint8: (R,), at least 0.

    Squared differences of EfficientNet-Lite0's features at five resolutions, channels scaled to
    length 1 at each position, averaged over positions and summed over resolutions: LPIPS without
    learned weights (Zhang et al. 2018), on a network that is available offline and that no training
    here uses. Not comparable with LPIPS of the literature.
    """
    network = load_extractor("efficientnet-lite0", device=device).network
    blocks: list[nn.Module] = list(network.network._blocks)  # type: ignore[union-attr, arg-type]  # EfficientNet's, which has no types
    found: list[Tensor] = []
    handles = [
        blocks[i].register_forward_hook(lambda _m, _i, output: found.append(output)) for i in BLOCKS
    ]

    def features(pixels: np.ndarray) -> list[Tensor]:
        found.clear()
        network(torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float())
        return [functional.normalize(output, dim=1) for output in found]

    result = np.empty(len(images))
    try:
        for first in range(0, len(images), BATCH):
            rows = slice(first, first + BATCH)
            pairs = zip(features(images[rows]), features(others[rows]), strict=True)
            distances = [(a - b).square().sum(1).mean((1, 2)) for a, b in pairs]
            result[rows] = torch.stack(distances).sum(0).cpu().numpy()
    finally:
        for handle in handles:
            handle.remove()
    return result
