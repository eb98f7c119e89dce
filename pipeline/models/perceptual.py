"""The perceptual part of the image metric: LPIPS with VGG-16 (INV paper, A.1 and Tab. S5)."""

from __future__ import annotations

import hashlib
import importlib.util
import io
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.models.weights import PublishedWeights, published_weights
from pipeline.storage import read_tensors, write_safetensors

__all__ = ["LPIPS", "VGG16Features", "load_lpips"]

STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
"""Convolutions and channels of each stage; stages are separated by max-pools."""
# LPIPS was calibrated on images normalised by ImageNet's mean and deviation, here in [-1, 1].
MEAN = (-0.030, -0.088, -0.188)
STD = (0.458, 0.448, 0.450)
HEADS = "weights/v0.1/vgg.pth"
HEADS_SHA256 = "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868"
CONVERTED = "lpips-vgg16.safetensors"
VGG16 = PublishedWeights(
    "https://download.pytorch.org/models/vgg16-397923af.pth",
    "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    imagenet=True,
)


class VGG16Features(nn.Module):
    """The convolutions of VGG-16; features are the last ReLU outputs of each stage."""

    def __init__(self) -> None:
        super().__init__()
        widths = [3, *(width for _, width in STAGES)]
        self.stages = nn.ModuleList()
        for i, ((inputs, outputs), (count, _)) in enumerate(
            zip(pairwise(widths), STAGES, strict=True)
        ):
            layers: list[nn.Module] = [nn.MaxPool2d(2)] if i else []
            for j in range(count):
                layers.append(nn.Conv2d(outputs if j else inputs, outputs, 3, padding=1))
                layers.append(nn.ReLU(inplace=True))
            self.stages.append(nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Iterator[Tensor]:
        """Yield the five features of normalised images (B, 3, H, W): (B, C, H/2^i, W/2^i)."""
        for stage in self.stages:
            x = stage(x)
            yield x


class LPIPS(nn.Module):
    """Perceptual distance: differences of unit VGG-16 features, weighted per channel.

    Weights are random until `load_lpips` reads the learned ones, and frozen. Source: Zhang et al.
    2018 (reference 65 of the INV paper).
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = VGG16Features()
        self.heads = nn.ParameterList(nn.Parameter(torch.rand(width)) for _, width in STAGES)
        for name, value in (("mean", MEAN), ("std", STD)):
            self.register_buffer(name, torch.tensor(value).view(1, 3, 1, 1), persistent=False)
        self.mean: Tensor
        self.std: Tensor
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        """Distance (B,), at least 0, of images (B, 3, H, W) and others in [-1, 1]."""
        # No gradient for the first images: they are the given ones.
        total = images.new_zeros(len(images), dtype=torch.float32)
        with torch.no_grad():
            wanted = [_unit(f) for f in self.features((images - self.mean) / self.std)]
        found = self.features((others - self.mean) / self.std)
        for head, a, b in zip(self.heads, wanted, found, strict=True):
            weighted = (a - _unit(b)).square().mean((2, 3)).float() * head
            total = total + weighted.sum(1)
        return total


def _unit(features: Tensor) -> Tensor:
    """Scale features (B, C, H, W) to length 1 at every position."""
    return features / (features.norm(dim=1, keepdim=True) + 1e-10)


def load_lpips(folder: Path) -> LPIPS:
    """LPIPS with its learned weights.

    Reads VGG-16 as torchvision published it from `folder`, and the heads from the installed package
    lpips; writes both to lpips-vgg16.safetensors in `folder`, which is read from then on. Raises
    PipelineError if a file is missing or not the published one.
    """
    model, file = LPIPS(), folder / CONVERTED
    if not file.exists():
        state = published_weights(VGG16, folder, "VGG-16")
        keys = [key for key in model.state_dict() if key.startswith("features.")]
        published = [key for key in state if key.startswith("features.")]
        tensors = {key: state[old] for key, old in zip(keys, published, strict=True)}
        write_safetensors(file, tensors | _heads())
    try:
        model.load_state_dict(read_tensors(file))
    except RuntimeError as error:
        raise PipelineError(f"{file} holds other weights; delete it and run again.") from error
    return model


def _heads() -> dict[str, Tensor]:
    spec = importlib.util.find_spec("lpips")  # only its file is wanted: nothing is imported
    if spec is None or spec.origin is None:
        raise PipelineError("the package lpips is not installed: run `pip install lpips==0.1.4`.")
    file = Path(spec.origin).parent / HEADS
    try:
        data = file.read_bytes()
    except OSError as error:
        raise PipelineError(
            f"{file} cannot be read; run `pip install --force-reinstall lpips==0.1.4`."
        ) from error
    if hashlib.sha256(data).hexdigest() != HEADS_SHA256:
        raise PipelineError(f"{file} is not the published file; install lpips==0.1.4.")
    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return {f"heads.{i}": state[f"lin{i}.model.1.weight"].flatten() for i in range(len(STAGES))}
