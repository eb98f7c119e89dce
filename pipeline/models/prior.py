"""The density p(z_bar) that log p(z_bar given z) is counted from: t without a representation."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from pipeline.models.cinn import build_cinn
from pipeline.models.inn import ConditionalINN
from pipeline.models.loading import with_weights
from pipeline.storage import read_json

__all__ = ["load_prior", "nothing"]


def nothing(images: int) -> Tensor:
    """In place of z, what says nothing about `images` images: (R, 1, 1, 1) of zeros."""
    return torch.zeros(images, 1, 1, 1)


def load_prior(folder: Path) -> ConditionalINN:
    """Load a t that was trained on `nothing`, in evaluation mode."""
    model = build_cinn(**read_json(folder / "config.json"))
    return with_weights(model, folder / "model.safetensors")
