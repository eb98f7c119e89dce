"""The decoder that inverts one layer by itself, after Dosovitskiy and Brox (INV paper, B.3)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.models.image_autoencoder import Architecture, ImageAutoencoder, build_decoder
from pipeline.models.layout import to_channels_last
from pipeline.models.loading import with_weights
from pipeline.models.norm import Standardize
from pipeline.models.regression import ridge_regression
from pipeline.storage import read_json

__all__ = ["InversionDecoder", "load_baseline"]


class InversionDecoder(nn.Module):
    """Decodes representations z of `shape` to images of `size` px with the decoder of Tab. S9.

    z is flattened and standardised (call `standardize.fit`); a linear layer follows unless z has
    `latent` features already, 4096 in the paper. `channels`, `classes`, `architecture` and
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
        to_channels_last(self)

    def forward(self, z: Tensor) -> Tensor:
        """Images (B, 3, size, size) in [-1, 1] for z (B, *shape).

        Raises PipelineError for z of another shape.
        """
        if z.shape[1:] != self.shape:
            raise PipelineError(
                f"this decoder inverts representations of shape {self.shape}, not "
                f"{tuple(z.shape[1:])}: build it for the layer's shape."
            )
        return self.decoder(self.linear(self.standardize(z.float().flatten(1))))

    @torch.no_grad()
    def warm_start(self, autoencoder: ImageAutoencoder, z: Tensor, z_bar: Tensor) -> None:
        """Initialise with the autoencoder's D, after a ridge regression of z_bar on z.

        z (R, *shape) and z_bar (R, N) belong to the same R images; call `standardize.fit` first. If
        `latent` is not N, or without a linear layer, there is no regression, and the layers of D
        that read z_bar keep their random weights.
        """
        ours, theirs = self.decoder.state_dict(), autoencoder.decoder.state_dict()
        fits = {k: v for k, v in theirs.items() if k in ours and ours[k].shape == v.shape}
        self.decoder.load_state_dict(ours | fits)
        if isinstance(self.linear, nn.Linear) and self.linear.out_features == z_bar.shape[1]:
            device = self.linear.weight.device
            inputs = torch.cat(
                [self.standardize(part.to(device).float().flatten(1)) for part in z.split(2000)]
            )
            weight, bias, _ = ridge_regression(inputs, z_bar.to(device).float())
            self.linear.weight.copy_(weight)
            self.linear.bias.copy_(bias)


def load_baseline(folder: Path) -> InversionDecoder:
    """Load a baseline, the decoder of one layer, in evaluation mode."""
    model = InversionDecoder(**read_json(folder / "config.json"))
    return with_weights(model, folder / "model.safetensors")
