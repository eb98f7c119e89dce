"""Slimmer copies of convolutional networks: the same layers with fewer channels."""

from __future__ import annotations

from typing import Any

from torch import nn

__all__ = ["IMAGE_CHANNELS", "scale_channels"]

IMAGE_CHANNELS = 3


def scale_channels(network: nn.Module, width: float) -> None:
    """Replace every convolution and batch normalisation by one with `width` times the channels.

    In place, with new random weights. An image keeps its three channels; layers of another kind,
    such as linear ones, are left to the caller.
    """

    def channels(count: int) -> int:
        return count if count == IMAGE_CHANNELS else max(1, round(width * count))

    old: Any  # a layer of any kind
    new: nn.Module
    for module in list(network.modules()):
        for name, old in module.named_children():
            if isinstance(old, nn.Conv2d):
                shape: dict[str, Any] = {
                    key: getattr(old, key) for key in ("kernel_size", "stride", "padding")
                }
                new = nn.Conv2d(
                    channels(old.in_channels),
                    channels(old.out_channels),
                    **shape,
                    bias=old.bias is not None,
                )
            elif isinstance(old, nn.BatchNorm2d):
                new = nn.BatchNorm2d(channels(old.num_features), old.eps, old.momentum)
            else:
                continue
            setattr(module, name, new)
