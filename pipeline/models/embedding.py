"""The embedding H of a representation z, the condition of the INN t (INV paper A.3, Eq. 16)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.errors import PipelineError
from pipeline.models.norm import ActNorm, Standardize

__all__ = ["SpatialEmbedding", "VectorEmbedding", "build_embedding"]

SLOPE = 0.2  # of the LeakyReLUs


class VectorEmbedding(nn.Module):
    """H for a vector layer: [linear, ActNorm, LeakyReLU(0.2)], the last layer linear only.

    z is standardised first (call `standardize.fit`). Widths run linearly from features_in to
    features_out, e.g. 4096-2773-1450-128 in 3 layers. Weights are drawn from the global random
    state. Source: INV paper A.3, Eq. 16.
    """

    def __init__(self, features_in: int, features_out: int = 128, layers: int = 3) -> None:
        super().__init__()
        self.features_in = features_in
        self.features_out = features_out
        # Floor, in whole numbers: 4096 -> 2773.33 -> 1450.67 -> 128.
        span = features_out - features_in
        self.widths = [features_in + span * i // layers for i in range(layers + 1)]
        self.standardize = Standardize(features_in)
        pairs = zip(self.widths, self.widths[1:], strict=False)
        self.linears = nn.ModuleList(nn.Linear(*pair) for pair in pairs)
        self.norms = nn.ModuleList(ActNorm(width) for width in self.widths[1:-1])

    def forward(self, z: Tensor) -> Tensor:
        """Map z (batch, features_in, 1, ...) to h (batch, features_out).

        Raises PipelineError for another number of features.
        """
        if z.dim() < 2 or prod(z.shape[1:]) != self.features_in:
            raise PipelineError(
                f"H expects representations of {self.features_in} features, not of shape "
                f"{tuple(z.shape[1:])}: build it for the layer's shape."
            )
        z = self.standardize(z.flatten(1))
        for linear, norm in zip(self.linears, self.norms, strict=False):
            assert isinstance(norm, ActNorm)
            z = F.leaky_relu(norm.normalize(linear(z)), SLOPE)
        return self.linears[-1](z)


class SpatialEmbedding(nn.Module):
    """H for a spatial layer: strided convolutions, then one over the remaining image.

    [conv k4 s2 p1 without bias, ActNorm, LeakyReLU(0.2)] with 64, 128, 256, ... channels, until the
    longer side is at most 4 pixels or the shorter one 1; the last convolution gives features_out.
    z is standardised first (call `standardize.fit`). Weights are drawn from the global random
    state. Source: INV paper A.3, Eq. 16.
    """

    def __init__(self, shape: Sequence[int], features_out: int = 128) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.features_out = features_out
        channels, height, width = self.shape
        down = 0
        while max(height, width) >> down > 4 and min(height, width) >> down > 1:
            down += 1
        self.standardize = Standardize(channels)
        self.convolutions = nn.ModuleList()
        self.norms = nn.ModuleList()
        for i in range(down):
            self.convolutions.append(nn.Conv2d(channels, 64 << i, 4, 2, 1, bias=False))
            self.norms.append(ActNorm(64 << i))
            channels = 64 << i
        self.last = nn.Conv2d(channels, features_out, (height >> down, width >> down))

    def forward(self, z: Tensor) -> Tensor:
        """Map z (batch, *shape) to h (batch, features_out).

        Raises PipelineError for another shape.
        """
        if z.shape[1:] != self.shape:
            raise PipelineError(
                f"H expects representations of shape {self.shape}, not {tuple(z.shape[1:])}: "
                "build it for the layer's shape."
            )
        z = self.standardize(z)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            assert isinstance(norm, ActNorm)
            z = F.leaky_relu(norm.normalize(convolution(z)), SLOPE)
        return self.last(z).flatten(1)


def build_embedding(
    shape: Sequence[int], features_out: int = 128
) -> VectorEmbedding | SpatialEmbedding:
    """Build H for a layer of `shape`: (C,) and (C, 1, 1) are vectors, (C, H, W) is spatial.

    Raises PipelineError for any other shape.
    """
    if len(shape) not in (1, 3) or min(shape) < 1 or features_out < 1:
        raise PipelineError(
            f"no embedding of {features_out} features for a layer of shape {tuple(shape)}: give "
            "(features,) or (channels, height, width), all positive."
        )
    if prod(shape[1:]) == 1:
        return VectorEmbedding(shape[0], features_out)
    return SpatialEmbedding(shape, features_out)
