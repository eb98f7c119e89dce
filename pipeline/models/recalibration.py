"""Recalibration of v on images that t was not trained on.

A t that overfits is overconfident on new images: their v is wider than the standard normal that
samples draw from. An invertible map of v, fitted to held-out images, mends that. It has an explicit
density, so t with it is a normalising flow as before. Source: latent recalibration (arXiv
2505.16636).
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import gammaincinv
from torch import Tensor, nn

from pipeline.errors import PipelineError

__all__ = ["Recalibration"]

KNOTS = 12
"""Points of the radial map."""
LEAST = 20
"""Images per knot at least; with fewer images there are fewer knots."""
SHRINKAGE = 30.0
"""So many images count as much as what holds without any: mean 0, and all variances alike."""


class Recalibration(nn.Module):
    """v -> v': each dimension shifted and scaled, then |v| mapped monotonically.

    The logarithm of |v'| is piecewise linear in that of |v|: the quantiles of |v| of held-out
    images become those of the norm of a standard normal (chi, N degrees of freedom). Outside, the
    slope is 1. The identity until `fit` is called; everything is in the state dict and never
    trained by gradient.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.register_buffer("knots", torch.linspace(0, 1, KNOTS))
        self.register_buffer("values", torch.linspace(0, 1, KNOTS))
        self.register_buffer("fitted", torch.tensor(False))
        self.fitted: Tensor
        self._pending = True  # mirrors the buffer: reading it would wait for the accelerator
        self.register_load_state_dict_post_hook(_read_fitted)
        self.shift: Tensor
        self.scale: Tensor
        self.knots: Tensor
        self.values: Tensor

    def forward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Map v (batch, features) to (v', log_det), of shapes (batch, features), (batch,)."""
        if self._pending:
            return v, v.new_zeros(len(v))
        v = (v - self.shift) / self.scale
        radius = v.norm(dim=1).clamp_min(1e-12).log()
        mapped, slope = _interpolate(radius, self.knots, self.values)
        growth = mapped - radius
        log_det = v.shape[1] * growth + slope.log() - self.scale.log().sum()
        return v * growth.exp()[:, None], log_det

    def inverse(self, v: Tensor) -> Tensor:
        """Undo forward: v' (batch, features) to v of the same shape."""
        if self._pending:
            return v
        radius = v.norm(dim=1).clamp_min(1e-12).log()
        growth = _interpolate(radius, self.values, self.knots)[0] - radius
        return v * growth.exp()[:, None] * self.scale + self.shift

    def fit(self, v: Tensor) -> None:
        """Fit to v (R, features) of images that t was not trained on.

        Raises PipelineError if v is not finite or of fewer than 2 images.
        """
        if len(v) < 2 or not v.isfinite().all():
            raise PipelineError(
                f"v of {len(v)} held-out images cannot be recalibrated: at least 2 are needed, and "
                "all have to be finite."
            )
        count, features = v.shape
        v = v.double()
        trust = count / (count + SHRINKAGE)
        mean, variance = trust * v.mean(0), v.var(0)
        # Towards the mean of all dimensions' variances: what they share is never shrunk.
        variance = (trust * variance + (1 - trust) * variance.mean()).clamp_min(1e-12)
        self.shift.copy_(mean)
        self.scale.copy_(variance.sqrt())
        radii = ((v - mean) / variance.sqrt()).norm(dim=1).cpu().numpy()
        used = min(KNOTS, max(2, count // LEAST))
        shares = (np.arange(used) + 0.5) / used
        knots = np.log(np.quantile(radii, shares, method="hazen"))
        knots += 1e-6 * np.arange(used)  # increasing, whatever the images
        values = np.log(2 * gammaincinv(features / 2, shares)) / 2  # quantiles of chi
        # As many as the buffers hold: the last one is repeated a step further, with slope 1.
        more = 1 + np.arange(KNOTS - used)
        self.knots.copy_(torch.from_numpy(np.concatenate([knots, knots[-1] + more])))
        self.values.copy_(torch.from_numpy(np.concatenate([values, values[-1] + more])))
        self.fitted.fill_(True)
        self._pending = False


def _read_fitted(module: nn.Module, _keys: object) -> None:
    assert isinstance(module, Recalibration)
    module._pending = not bool(module.fitted)


def _interpolate(x: Tensor, knots: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Piecewise linear through (knots, values) (K,), of slope 1 outside: value and slope of x."""
    place = torch.searchsorted(knots, x.contiguous()).clamp(1, len(knots) - 1)
    slopes = (values[1:] - values[:-1]) / (knots[1:] - knots[:-1])
    inside = (x >= knots[0]) & (x <= knots[-1])
    slope = torch.where(inside, slopes[place - 1], 1.0)
    start = torch.where(x > knots[-1], knots[-1], torch.where(inside, knots[place - 1], knots[0]))
    at = torch.where(x > knots[-1], values[-1], torch.where(inside, values[place - 1], values[0]))
    return at + slope * (x - start), slope
