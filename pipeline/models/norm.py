"""Normalisation without batch statistics: learned from the first batch, or fitted to a data set."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["ActNorm", "Standardize"]

ROWS = 1000
"""Images whose z are summed at once: early layers of all images would not fit into memory."""


class ActNorm(nn.Module):
    """Learned shift and scale per channel, initialised on the first training batch.

    On that batch, every output channel has zero mean and unit variance. The state dict records
    whether that has happened; until then the module is the identity. Under distributed training,
    the statistics cover the batches of all processes. Source: INV paper A.2 (actnorm layers).
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(features))
        self.log_scale = nn.Parameter(torch.zeros(features))
        self.register_buffer("initialized", torch.tensor(False))
        self.initialized: Tensor
        self._pending = True  # mirrors the buffer: reading it would wait for the accelerator
        self.register_load_state_dict_post_hook(_read_initialized)

    def normalize(self, x: Tensor) -> Tensor:
        """Shift and scale x (batch, features, ...) per channel; same shape."""
        if self.training and self._pending:
            self._initialize(x.detach())
        if x.dim() == 2:
            return torch.addcmul(self.shift, x, self.log_scale.exp())
        shape = (-1, *(1,) * (x.dim() - 2))
        return torch.addcmul(self.shift.view(shape), x, self.log_scale.exp().view(shape))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (batch, features) to (value, log_det), of shapes (batch, features), (batch,)."""
        return self.normalize(x), self.log_scale.sum().expand(len(x))

    def inverse(self, value: Tensor) -> Tensor:
        """Undo forward: value (batch, features) to x of the same shape."""
        return (value - self.shift) * torch.exp(-self.log_scale)

    @torch.no_grad()
    def _initialize(self, x: Tensor) -> None:
        channels = x.transpose(0, 1).flatten(1)
        # In bfloat16, the mean of values that are large compared to their spread would be far off.
        channels = channels.to(torch.promote_types(x.dtype, torch.float32))
        mean = _mean_over_processes(channels.mean(1))
        variance = _mean_over_processes((channels - mean[:, None]).square().mean(1))
        std = variance.sqrt()
        std = torch.where(std > 1e-6, std, torch.ones_like(std))  # constant channel: shift only
        self.log_scale.copy_(-std.log())
        self.shift.copy_(-mean / std)
        self.initialized.fill_(True)
        self._pending = False


def _read_initialized(module: nn.Module, _keys: object) -> None:
    assert isinstance(module, ActNorm)
    module._pending = not bool(module.initialized)


def _mean_over_processes(value: Tensor) -> Tensor:
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(value)
        value /= dist.get_world_size()
    return value


class Standardize(nn.Module):
    """Shift and scale each channel of z to zero mean and unit variance over the training images.

    Channels of an untrained or ReLU layer differ by orders of magnitude; unscaled, H would ignore
    the small ones. The identity until `fit` is called; the statistics are in the state dict.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))
        self.mean: Tensor
        self.scale: Tensor

    def fit(self, z: Tensor) -> None:
        """Compute the statistics of z (R, C, ...); nearly constant channels are not blown up."""
        numbers = z.numel() // z.shape[1]  # of each channel
        mean = _sums(z, lambda part: part) / numbers
        squares = _sums(z, lambda part: (part - mean[:, None]).square())
        std = (squares / (numbers - 1)).sqrt()
        floor = (1e-2 * std.max()).clamp_min(torch.finfo(torch.float32).tiny)
        self.mean.copy_(mean)
        self.scale.copy_(1 / std.clamp_min(floor))

    def forward(self, z: Tensor) -> Tensor:
        """Map z (batch, C, ...) to the same shape."""
        shape = (-1, *(1,) * (z.dim() - 2))
        return (z - self.mean.view(shape)) * self.scale.view(shape)


def _sums(z: Tensor, summands: Callable[[Tensor], Tensor]) -> Tensor:
    """Sums (C,) over each channel of z (R, C, ...), of `summands` of (C, numbers); float64."""
    parts = z.split(ROWS)
    # In one array: small results between the large copies would keep their memory from reuse.
    sums = torch.empty(len(parts), z.shape[1], dtype=torch.float64, device=z.device)
    for row, part in zip(sums, parts, strict=True):
        torch.sum(summands(part.double().transpose(0, 1).flatten(1)), 1, out=row)
    return sums.sum(0)
