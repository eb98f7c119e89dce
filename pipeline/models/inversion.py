"""The decoder that inverts one layer by itself, after Dosovitskiy and Brox (INV paper, B.3)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.models.embedding import Standardize
from pipeline.models.image_autoencoder import Architecture, ImageAutoencoder, build_decoder

__all__ = ["InversionDecoder", "ridge_regression"]

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
HELD_OUT = 10  # every tenth image chooses the penalty


class InversionDecoder(nn.Module):
    """Images of `size` px from representations z of `shape`, by the decoder of Tab. S9.

    z is flattened and standardised (`standardize.fit`), and a linear layer follows only if z has
    another size than `latent`, 4096 in the paper; `channels`, `classes`, `architecture` and
    `attention` are those of ImageAutoencoder.
    """

    def __init__(
        self,
        shape: Sequence[int],
        size: int = 128,
        latent: int = 4096,
        channels: int = 96,
        classes: int = 1000,
        *,
        architecture: Architecture = "biggan",
        attention: bool = True,
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        features = prod(self.shape)
        self.standardize = Standardize(features)
        self.linear = nn.Linear(features, latent) if features != latent else nn.Identity()
        self.decoder = build_decoder(
            architecture, size, latent, channels, classes, attention=attention
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, z: Tensor) -> Tensor:
        """Images (B, 3, size, size) in [-1, 1] for z (B, *shape).

        Raises PipelineError where z has another shape.
        """
        if z.shape[1:] != self.shape:
            raise PipelineError(
                f"this decoder inverts representations of shape {self.shape}, not "
                f"{tuple(z.shape[1:])}: build it for the layer's shape."
            )
        return self.decoder(self.linear(self.standardize(z.float().flatten(1))))

    @torch.no_grad()
    def warm_start(self, autoencoder: ImageAutoencoder, z: Tensor, z_bar: Tensor) -> None:
        """Begin with the autoencoder's D, and with the ridge regression of z_bar on z before it.

        z (R, *shape) and z_bar (R, N) belong to the same R images; z must have been given to
        `standardize.fit`. With another latent dimension than N, or without a linear layer, there
        is no regression, and the layers of D that read z_bar keep their random weights.
        """
        ours, theirs = self.decoder.state_dict(), autoencoder.decoder.state_dict()
        fits = {k: v for k, v in theirs.items() if k in ours and ours[k].shape == v.shape}
        self.decoder.load_state_dict(ours | fits)
        if isinstance(self.linear, nn.Linear) and self.linear.out_features == z_bar.shape[1]:
            device = self.linear.weight.device
            inputs = torch.cat(
                [self.standardize(part.to(device).float().flatten(1)) for part in z.split(2000)]
            )
            weight, bias = ridge_regression(inputs, z_bar.to(device).float())
            self.linear.weight.copy_(weight)
            self.linear.bias.copy_(bias)


def ridge_regression(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Linear map from inputs (R, F) to targets (R, N): weight (N, F) and bias (N,).

    The penalty is the one of PENALTIES, times R, under which every tenth row is predicted best
    from the others; then all rows are used.
    """
    held_out = torch.arange(len(inputs), device=inputs.device) % HELD_OUT == 0
    best, penalty = torch.inf, PENALTIES[-1]
    if len(inputs) > HELD_OUT:
        seen = _Normal(inputs[~held_out], targets[~held_out])
        for candidate in PENALTIES:
            weight, bias = seen.solve(candidate)
            predicted = inputs[held_out] @ weight.T + bias
            error = (predicted - targets[held_out]).square().mean().item()
            if error < best:
                best, penalty = error, candidate
    return _Normal(inputs, targets).solve(penalty)


class _Normal:
    """The normal equations of a regression, in double precision."""

    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        self.mean, self.target_mean = inputs.mean(0), targets.mean(0)
        centred = inputs - self.mean
        self.count = len(inputs)
        self.gram = (centred.T @ centred).double()
        self.moment = (centred.T @ (targets - self.target_mean)).double()

    def solve(self, penalty: float) -> tuple[Tensor, Tensor]:
        ridge = self.gram.clone()
        ridge.diagonal().add_(penalty * self.count)
        weight = torch.cholesky_solve(self.moment, torch.linalg.cholesky(ridge)).T.to(self.mean)
        return weight, self.target_mean - weight @ self.mean
