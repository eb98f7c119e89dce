"""The dequantiser of class embeddings h, a fully connected VAE (INV paper, Sec. B.6, Tab. S17)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.models.autoencoder import sample_posterior
from pipeline.models.loading import with_weights
from pipeline.storage import read_json

__all__ = ["Dequantizer", "load_dequantizer"]

SLOPE = 0.01  # of the LeakyReLUs


class Dequantizer(nn.Module):
    """VAE of embeddings h (B, features): z_bar contains a draw of its latent code instead of h.

    A class is a point, and an INN that fits a density to points overfits; the posteriors of the
    classes fill the space instead. `log_gamma` is the learned log output variance of Sec. A.1. h is
    standardised by the mean and scale of the embeddings (`fit`) and decoded to its own units.

    Every row of Tab. S17 is (linear, LeakyReLU). Here the last layers of mean, variance and output
    are linear: a mean that is hardly ever negative does not fit a standard normal prior.
    """

    def __init__(self, features: int = 128, latent: int = 128, width: int = 4096) -> None:
        super().__init__()
        self.arguments = {"features": features, "latent": latent, "width": width}
        self.encoder = nn.Sequential(*_layers(features, width, 3))
        self.mean = nn.Sequential(*_layers(width, latent, 1), *_layers(latent, width, 3))
        self.log_variance = nn.Sequential(*_layers(width, latent, 1), *_layers(latent, width, 3))
        self.mean.append(nn.Linear(width, latent))
        self.log_variance.append(nn.Linear(width, latent))
        self.decoder = nn.Sequential(*_layers(latent, width, 4), nn.Linear(width, features))
        self.log_gamma = nn.Parameter(torch.zeros(()))
        self.register_buffer("shift", torch.zeros(features))
        self.register_buffer("scale", torch.ones(()))
        self.shift: Tensor
        self.scale: Tensor

    def fit(self, embeddings: Tensor) -> None:
        """Compute shift and scale from the embeddings of all classes (K, features)."""
        self.shift.copy_(embeddings.mean(0))
        self.scale.copy_((embeddings - self.shift).square().mean().sqrt().clamp_min(1e-6))

    def encode(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and variance of the code, both (B, latent), for h (B, features)."""
        hidden = self.encoder((h - self.shift) / self.scale)
        return self.mean(hidden), self.log_variance(hidden).clamp(-20, 10).exp()

    def decode(self, code: Tensor) -> Tensor:
        """h (B, features) for codes (B, latent)."""
        return self.decoder(code) * self.scale + self.shift

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruct h (B, features) from one draw of the code; also its mean and variance."""
        mean, variance = self.encode(h)
        return self.decode(sample_posterior(mean, variance)), mean, variance


def _layers(inputs: int, outputs: int, count: int) -> list[nn.Module]:
    """`count` times (linear, LeakyReLU), all but the first from `outputs` to `outputs`."""
    layers: list[nn.Module] = []
    for index in range(count):
        layers += [nn.Linear(outputs if index else inputs, outputs), nn.LeakyReLU(SLOPE)]
    return layers


def load_dequantizer(folder: Path) -> Dequantizer:
    """Read a trained dequantiser, in evaluation mode. Raises PipelineError if it does not fit."""
    model = Dequantizer(**read_json(folder / "config.json"))
    return with_weights(model, folder / "model.safetensors").requires_grad_(False)
