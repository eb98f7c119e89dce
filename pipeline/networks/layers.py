"""Split an unmodified network f at a named layer: z = Phi(x), f(x) = Psi(z) (INV paper, Sec. 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.datasets.images import Images
from pipeline.errors import PipelineError

__all__ = ["phi", "psi", "represent", "represent_pixels"]


def _module(network: nn.Module, path: str) -> nn.Module:
    try:
        return network.get_submodule(path)
    except AttributeError as error:
        raise PipelineError(
            f"the network has no module '{path}': correct `module` of this layer in params.yaml."
        ) from error


class _Reached(Exception):
    """Ends a forward pass at the layer: what follows is not needed for z."""

    def __init__(self, z: Tensor) -> None:
        self.z = z


@torch.no_grad()
def phi(network: nn.Module, path: str, images: Tensor) -> Tensor:
    """z = Phi(x): the output (B, ...) of the module `path` for images (B, C, H, W)."""

    def stop(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        raise _Reached(output)

    handle = _module(network, path).register_forward_hook(stop)
    try:
        network(images)
    except _Reached as reached:
        return reached.z
    finally:
        handle.remove()
    raise PipelineError(_unused(path))


@torch.no_grad()
def psi(network: nn.Module, path: str, z: Tensor, image_shape: tuple[int, int, int]) -> Tensor:
    """f = Psi(z): the network's output (B, ...) when the module `path` gives `z` (B, ...).

    `image_shape` (C, H, W) is what the network takes: the layers before `path` run on blank images
    and what they compute is discarded.
    """
    handle = _module(network, path).register_forward_hook(lambda *_: z.clone())
    try:
        return network(z.new_zeros(len(z), *image_shape))
    finally:
        handle.remove()


@torch.no_grad()
def represent(
    network: nn.Module,
    layers: Mapping[str, tuple[str, Sequence[int]]],
    data: Images,
    batch_size: int,
) -> dict[str, Tensor]:
    """z = Phi(x) of every image of `data` and of several layers, in one pass of the network.

    `layers` names for each layer its module and the shape of its z, without the batch. Returns
    (R, *shape) float16 on the CPU per layer: float16 rounds by 5e-4 of the value, far below what z
    varies. Raises PipelineError if representations have another shape than the settings say.
    """
    device = next(network.parameters()).device
    result = {
        key: torch.empty(len(data), *shape, dtype=torch.float16)
        for key, (_, shape) in layers.items()
    }
    reached: dict[str, Tensor] = {}

    def keep(key: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        # A copy: what follows in the network may write into its input.
        reached[key] = output.to("cpu", torch.float16, copy=True)

    handles = [
        _module(network, path).register_forward_hook(partial(keep, key))
        for key, (path, _) in layers.items()
    ]
    try:
        for first in range(0, len(data), batch_size):
            rows = slice(first, first + batch_size)
            network(data.images(rows).to(device))
            for key, (path, shape) in layers.items():
                if key not in reached:
                    raise PipelineError(_unused(path))
                z = reached.pop(key)
                if tuple(z.shape[1:]) != tuple(shape):
                    raise PipelineError(
                        f"the module '{path}' gives z of shape {list(z.shape[1:])}, not "
                        f"{list(shape)}: correct the shape of this layer below `extract` in "
                        "scales/<scale>.yaml."
                    )
                result[key][rows] = z
    finally:
        for handle in handles:
            handle.remove()
    return result


def represent_pixels(
    network: nn.Module, path: str, pixels: np.ndarray, batch_size: int = 256
) -> Tensor:
    """z = Phi(x) of images (R, H, W, 3) uint8: (R, ...) on the CPU."""
    device = next(network.parameters()).device
    parts = []
    for part in torch.from_numpy(pixels).split(batch_size):
        images = part.to(device).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        parts.append(phi(network, path, images).cpu())
    return torch.cat(parts)


def _unused(path: str) -> str:
    return f"the network does not use its module '{path}': name another one."
