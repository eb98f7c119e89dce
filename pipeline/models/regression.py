"""Linear prediction of z_bar from z, fitted in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.models.norm import Standardize

__all__ = ["LinearPrediction", "ridge_regression"]

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
HELD_OUT = 10  # every tenth image selects the penalty
POSITIONS, INPUTS = 5, 4000
"""Spatial z are pooled to at least 5 x 5 positions, and to more while the regression has at most
4000 inputs: its cost is cubic in them."""
ROWS = 4000
"""Images whose products are summed at once."""


class LinearPrediction(nn.Module):
    """The least-squares prediction of z_bar (B, features) from z (B, *shape).

    Spatial z are average-pooled first, to 5 x 5 positions, or to more if they have few channels.
    `scale` (features,) is the standard deviation of the residual. The prediction is 0 and the scale
    1 until `fit` is called; both are in the state dict and never trained by gradient.
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
        """Fit to z (R, *shape) and z_bar (R, features) of the same images."""
        inputs = torch.empty(len(z), self.linear.in_features)
        for rows, part in zip(inputs.split(ROWS), z.split(ROWS), strict=True):
            rows.copy_(self._flat(part))
        self.standardize.fit(inputs)
        for part in inputs.split(ROWS):  # in place: these are gigabytes
            part.copy_(self.standardize(part))
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
    """Ridge regression of targets (R, N) on inputs (R, F): weight (N, F) and bias (N,).

    The penalty is R times the value of PENALTIES that predicts every tenth row best from the other
    rows; the final fit uses all rows.
    """
    held_out = slice(None, None, HELD_OUT)
    origin = (inputs.mean(0), targets.mean(0))  # float32 sums products precisely near it
    every = _Normal.sum_up(inputs, targets, origin)
    best, penalty = torch.inf, PENALTIES[-1]
    if len(inputs) > HELD_OUT:
        seen = every.without(_Normal.sum_up(inputs[held_out], targets[held_out], origin))
        for candidate in PENALTIES:
            weight, bias = seen.solve(candidate)
            predicted = inputs[held_out] @ weight.T + bias
            error = (predicted - targets[held_out]).square().mean().item()
            if error < best:
                best, penalty = error, candidate
    return every.solve(penalty)


@dataclass(frozen=True)
class _Normal:
    """The normal equations of a regression: sums over `count` rows, in double precision.

    Sums of inputs (F,), targets (N,), and their products, gram (F, F) and moment (F, N), all
    relative to an origin, (F,) and (N,).
    """

    origin: tuple[Tensor, Tensor]
    count: int
    inputs: Tensor
    targets: Tensor
    gram: Tensor
    moment: Tensor

    @classmethod
    def sum_up(cls, inputs: Tensor, targets: Tensor, origin: tuple[Tensor, Tensor]) -> _Normal:
        sums: list[Tensor] = []
        for x, y in zip(inputs.split(ROWS), targets.split(ROWS), strict=True):
            x, y = x - origin[0], y - origin[1]
            parts = (x.sum(0), y.sum(0), _gram(x), x.T @ y)
            sums = sums or [torch.zeros_like(part, dtype=torch.float64) for part in parts]
            for total, part in zip(sums, parts, strict=True):
                total += part
        return cls(origin, len(inputs), *sums)

    def without(self, part: _Normal) -> _Normal:
        """The equations of the rows not in `part`."""
        return _Normal(
            self.origin,
            self.count - part.count,
            self.inputs - part.inputs,
            self.targets - part.targets,
            self.gram - part.gram,
            self.moment - part.moment,
        )

    def solve(self, penalty: float) -> tuple[Tensor, Tensor]:
        """Weight (N, F) and bias (N,) for a penalty per row."""
        x, y = self.inputs / self.count, self.targets / self.count
        ridge = self.gram - self.count * torch.outer(x, x)
        ridge.diagonal().add_(penalty * self.count)
        moment = self.moment - self.count * torch.outer(x, y)
        weight = torch.cholesky_solve(moment, torch.linalg.cholesky(ridge)).T
        bias = self.origin[1] + y - weight @ (self.origin[0] + x)
        return weight.to(self.origin[0]), bias.to(self.origin[1])


def _gram(x: Tensor) -> Tensor:
    """x^T x. NumPy computes one half and mirrors it, which halves the time on a CPU."""
    return torch.from_numpy(x.numpy().T @ x.numpy()) if x.is_cpu else x.T @ x
