"""The stochastic autoencoder E, D: z_bar = E(x), and D decodes it (INV paper, Sec. A.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.models.norm import ActNorm

__all__ = ["Autoencoder", "DigitsAutoencoder", "sample_posterior"]


def sample_posterior(mean: Tensor, variance: Tensor) -> Tensor:
    """Draw z_bar ~ N(mean, diag(variance)), of the same shape, from the global random state."""
    return mean + variance.sqrt() * torch.randn_like(mean)


class Norm(ActNorm):
    """ActNorm without log_det, for networks that are not invertible."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]  # without log_det
        """Normalise x (B, C, ...) per channel; same shape."""
        return self.normalize(x)


class Autoencoder(nn.Module):
    """E and D: `encoder` gives mean and log variance of z_bar, `decoder` an image for z_bar."""

    encoder: nn.Module
    decoder: nn.Module

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and variance of z_bar, both (B, latent), for images (B, 3, H, W)."""
        mean, log_variance = self.encoder(images).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-20, 10).exp()

    def decode(self, z_bar: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] for z_bar (B, latent)."""
        return self.decoder(z_bar)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruct images (B, 3, H, W) from one draw of z_bar; also its mean and variance."""
        mean, variance = self.encode(images)
        return self.decode(sample_posterior(mean, variance)), mean, variance


class DigitsAutoencoder(Autoencoder):
    """Autoencoder for 28x28 colour images (INV paper, Tab. S1; Norm is ActNorm).

    `log_gamma` is the learned log output variance of Sec. A.1.
    """

    def __init__(self, latent: int = 64, widths: Sequence[int] = (64, 128)) -> None:
        super().__init__()
        first, second = widths
        self.arguments = {"latent": latent, "widths": list(widths)}  # written to config.json
        self.encoder = nn.Sequential(
            nn.Conv2d(3, first, 4, 2, 1),
            Norm(first),
            nn.LeakyReLU(0.2),
            nn.Conv2d(first, second, 4, 2, 1),
            Norm(second),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(second * 7 * 7, 2 * latent),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, second * 7 * 7),
            nn.Unflatten(1, (second, 7, 7)),
            nn.ConvTranspose2d(second, first, 4, 2, 1),
            Norm(first),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(first, 3, 4, 2, 1),
            nn.Tanh(),
        )
        self.log_gamma = nn.Parameter(torch.zeros(()))
