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
FOLDS = 5  # parts of the images; what is predicted for one comes from a fit to the others
RUNS = 50  # runs of consecutive images that the parts are made of
POSITIONS, INPUTS = 5, 4000
"""Spatial z are pooled to at least 5 x 5 positions, and to more while the regression has at most
4000 inputs: its cost is cubic in them."""
ROWS = 4000
"""Images whose products are summed at once."""


class LinearPrediction(nn.Module):
    """The least-squares prediction of (B, features) numbers of an image from its z (B, *shape).

    Spatial z are average-pooled first, to 5 x 5 positions, or to more if they have few channels.
    It may read `more` further numbers (B, more). `scale` (features,) is the standard deviation of
    the residual of images that a fit has not seen. The prediction is 0 and the scale 1 until `fit`
    is called; both are in the state dict and never trained by gradient.
    """

    def __init__(self, shape: Sequence[int], features: int, more: int = 0) -> None:
        super().__init__()
        most = max(POSITIONS, isqrt(INPUTS // shape[0]))
        self.positions = tuple(min(side, most) for side in shape[1:])
        inputs = shape[0]
        for side in self.positions:
            inputs *= side
        self.standardize = Standardize(inputs + more)
        self.linear = nn.Linear(inputs + more, features).requires_grad_(False)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("scale", torch.ones(features))
        self.scale: Tensor

    def forward(self, z: Tensor, more: Tensor | None = None) -> Tensor:
        """Predict (B, features) from z (B, *shape) and the further numbers, if it reads any."""
        return self.linear(self.standardize(self._inputs(z, more)))

    def fit(self, z: Tensor, targets: Tensor, more: Tensor | None = None) -> Tensor:
        """Fit to z (R, *shape), `more` and targets (R, features) of the same images.

        Returns predictions (R, features) out of fold: each image's by a fit to other images. What
        learns from predictions of these images takes those, for they err as on new images.
        """
        inputs = torch.empty(len(z), self.linear.in_features)
        for rows in torch.arange(len(z)).split(ROWS):
            inputs[rows] = self._inputs(z[rows], None if more is None else more[rows])
        self.standardize.fit(inputs)
        for part in inputs.split(ROWS):  # in place: these are gigabytes
            part.copy_(self.standardize(part))
        weight, bias, predicted = ridge_regression(inputs, targets.float())
        self.linear.weight.copy_(weight)
        self.linear.bias.copy_(bias)
        self.scale.copy_((targets - predicted).square().mean(0).sqrt().clamp_min(1e-4))
        return predicted

    def _inputs(self, z: Tensor, more: Tensor | None) -> Tensor:
        if len(self.positions) == 2:
            z = F.adaptive_avg_pool2d(z.float(), self.positions)
        flat = z.float().flatten(1)
        return flat if more is None else torch.cat([flat, more], 1)


def ridge_regression(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Ridge regression of targets (R, N) on inputs (R, F): weight (N, F), bias (N,), predictions.

    The fit uses all rows; the predictions (R, N) of each fifth of the rows are those of a fit to
    the others. The penalty is R times the value of PENALTIES that predicts one fifth best. Fewer
    than 50 rows are predicted by the mean of the others.
    """
    origin = (inputs.mean(0), targets.mean(0))  # float32 sums products precisely near it
    if len(inputs) < RUNS:
        others = (targets.sum(0) - targets) / max(1, len(targets) - 1)
        return torch.zeros(targets.shape[1], inputs.shape[1]), origin[1], others
    if len(inputs) < inputs.shape[1]:
        # No fit leaves the span of the rows, in whose coordinates there are fewer unknowns.
        basis = torch.linalg.qr(inputs.T)[0]
        weight, bias, predicted = ridge_regression(inputs @ basis, targets)
        return weight @ basis.T, bias, predicted
    # Runs of rows: neighbours may show the same thing, as colourings of one digit do.
    run = torch.arange(len(inputs)) * RUNS // len(inputs)
    folds = [torch.nonzero(run % FOLDS == fold)[:, 0] for fold in range(FOLDS)]
    parts = [_Normal.sum_up(inputs[fold], targets[fold], origin) for fold in folds]
    every = sum(parts[1:], parts[0])

    def predict(fold: int, penalty: float) -> Tensor:
        weight, bias = (every - parts[fold]).solve(penalty)
        return inputs[folds[fold]] @ weight.T + bias

    trials = {penalty: predict(0, penalty) for penalty in PENALTIES}
    known = targets[folds[0]]
    penalty = min(trials, key=lambda some: float((trials[some] - known).square().mean()))
    predicted = torch.empty_like(targets)
    predicted[folds[0]] = trials[penalty]
    for fold in range(1, FOLDS):
        predicted[folds[fold]] = predict(fold, penalty)
    return *every.solve(penalty), predicted


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

    def __add__(self, other: _Normal) -> _Normal:
        """The equations of the rows of both."""
        return self._combine(other, 1)

    def __sub__(self, part: _Normal) -> _Normal:
        """The equations of the rows not in `part`."""
        return self._combine(part, -1)

    def _combine(self, other: _Normal, sign: int) -> _Normal:
        return _Normal(
            self.origin,
            self.count + sign * other.count,
            self.inputs + sign * other.inputs,
            self.targets + sign * other.targets,
            self.gram + sign * other.gram,
            self.moment + sign * other.moment,
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
