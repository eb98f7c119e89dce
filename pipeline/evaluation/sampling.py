"""Samples z_bar = t^-1(v | z) for a crossed design of inputs and invariances (INV paper, Eq. 2)."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pipeline.datasets.images import to_pixels
from pipeline.models.inn import ConditionalINN, SemanticINN
from pipeline.runtime.parallel import run_in_threads

__all__ = [
    "Decoder",
    "conditional_samples",
    "crossed_factors",
    "crossed_samples",
    "decode_images",
]

ROWS = 512
"""Samples per batch."""


class Decoder(Protocol):
    """An autoencoder, or a generator with its dequantiser."""

    def decode(self, z_bar: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] for z_bar (B, N)."""
        ...


@torch.no_grad()
def conditional_samples(t: ConditionalINN, z: Tensor, v: Tensor, batch: int = ROWS) -> Tensor:
    """z_bar = t^-1(v | z), one for each z (R, ...) with its own v (R, N): (R, N)."""
    device = next(t.parameters()).device
    pairs = zip(z.split(batch), v.split(batch), strict=True)
    return torch.cat([t.inverse(v_.to(device), z_.to(device)) for z_, v_ in pairs])


@torch.no_grad()
def crossed_samples(t: ConditionalINN, z: Tensor, v: Tensor) -> Tensor:
    """z_bar = t^-1(v | z) for every z (X, ...) with every v (V, N): (X, V, N)."""
    rows = [t.inverse(v.repeat(len(some), 1), some) for some in z.split(max(1, ROWS // len(v)))]
    return torch.cat(rows).view(len(z), *v.shape)


@torch.no_grad()
def crossed_factors(e: SemanticINN, t: ConditionalINN, z: Tensor, v: Tensor) -> np.ndarray:
    """e(t^-1(v | z)) for every z (X, ...) with every v (V, N): (X, V, N) float32."""
    z_bar = crossed_samples(t, z, v)
    return e(z_bar.flatten(0, 1))[0].view(z_bar.shape).cpu().numpy()


@torch.no_grad()
def decode_images(model: Decoder, z_bar: Tensor, batch: int = 256) -> np.ndarray:
    """Images (..., H, W, 3) uint8 for z_bar (..., N)."""
    flat = z_bar.flatten(0, -2)
    parts: dict[int, Tensor] = {}

    @torch.no_grad()
    def decode(first: int) -> None:
        parts[first] = to_pixels(model.decode(flat[first : first + batch])).cpu()

    run_in_threads(decode, range(0, len(flat), batch))
    images = torch.cat([parts[first] for first in sorted(parts)])
    return images.unflatten(0, z_bar.shape[:-1]).numpy()
