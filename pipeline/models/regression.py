"""What of z_bar a linear map of z predicts, found in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.models.embedding import Standardize

__all__ = ["LinearPrediction", "ridge_regression"]

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
HELD_OUT = 10  # every tenth image chooses the penalty
POSITIONS, INPUTS = 5, 1600
"""Rows and columns of a spatial z that are told apart at least, if there are so many; and more if
there are at most so many numbers then: the regression takes their cube."""


class LinearPrediction(nn.Module):
    """The least-squares prediction of z_bar (B, features) from z (B, *shape).

    Spatial representations are averaged to 5 x 5 positions first, or to more if they have few
    channels. `scale` (features,) is the standard deviation of what is left. The prediction is 0 and
    the scale 1 until `fit` is called; both are part of the state dict and never trained.
    """

    def __init__(self, shape: Sequence[int], features: int) -> None:
        super().__init__()
        most = max(POSITIONS, isqrt(INPUTS // shape[0]))
        self.positions = tuple(min(side, most) for side in shape[1:])
        inputs = shape[0]
        for side in self.positions:
            inputs *= side
        self.standardize = Standardize(inputs)
        self.linear = nn.Linear(inputs, features).requires_grad_(False)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("scale", torch.ones(features))
        self.scale: Tensor

    def forward(self, z: Tensor) -> Tensor:
        """Predict z_bar (B, features) from z (B, *shape)."""
        return self.linear(self.standardize(self._flat(z)))

    def fit(self, z: Tensor, z_bar: Tensor) -> None:
        """Find the coefficients from z (R, *shape) and z_bar (R, features) of the same images."""
        inputs = torch.cat([self._flat(part) for part in z.split(2000)])
        self.standardize.fit(inputs)
        inputs = self.standardize(inputs)
        weight, bias = ridge_regression(inputs, z_bar.float())
        self.linear.weight.copy_(weight)
        self.linear.bias.copy_(bias)
        left = z_bar - self.linear(inputs)
        self.scale.copy_(left.square().mean(0).sqrt().clamp_min(1e-4))

    def _flat(self, z: Tensor) -> Tensor:
        if len(self.positions) == 2:
            z = F.adaptive_avg_pool2d(z.float(), self.positions)
        return z.float().flatten(1)


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
