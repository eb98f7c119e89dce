"""Samples z_bar = t^-1(v | z) for a crossed design of inputs and invariances (INV paper, Eq. 2)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pipeline.models.autoencoder import DigitsAutoencoder
from pipeline.models.inn import ConditionalINN, SemanticINN

__all__ = ["crossed_factors", "crossed_samples", "decode_images"]


@torch.no_grad()
def crossed_samples(t: ConditionalINN, z: Tensor, v: Tensor) -> Tensor:
    """z_bar = t^-1(v | z) for every z (X, ...) with every v (V, N): (X, V, N)."""
    rows = [t.inverse(v, one.unsqueeze(0)) for one in z]
    return torch.stack(rows)


@torch.no_grad()
def crossed_factors(e: SemanticINN, t: ConditionalINN, z: Tensor, v: Tensor) -> np.ndarray:
    """e(t^-1(v | z)) for every z (X, ...) with every v (V, N): (X, V, N) float32."""
    z_bar = crossed_samples(t, z, v)
    return e(z_bar.flatten(0, 1))[0].view(z_bar.shape).cpu().numpy()


@torch.no_grad()
def decode_images(model: DigitsAutoencoder, z_bar: Tensor) -> np.ndarray:
    """Images (..., 28, 28, 3) uint8 for z_bar (..., N)."""
    images = model.decode(z_bar.flatten(0, -2)).add(1).mul(127.5).round().clamp(0, 255).byte()
    return images.permute(0, 2, 3, 1).reshape(*z_bar.shape[:-1], *images.shape[2:], 3).cpu().numpy()
