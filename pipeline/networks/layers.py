"""Read an unmodified network f at a layer: z = Phi(x), where f(x) = Psi(z) (INV paper, Sec. 3).

A layer is a module of the network, named by its path, such as features.11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.datasets.images import Images, to_images
from pipeline.errors import PipelineError
from pipeline.runtime.parallel import run_in_threads

__all__ = [
    "extract_features",
    "features_of_images",
    "features_of_pixels",
    "layer_shape",
    "phi",
    "stopping_at",
]


class _Reached(Exception):
    """Ends a forward pass at the layer: the rest costs time, and may overwrite z."""

    def __init__(self, z: Tensor) -> None:
        self.z = z


@contextmanager
def stopping_at(network: nn.Module, path: str) -> Iterator[Callable[[Tensor], Tensor]]:
    """Yield Phi: a function that runs the network on images up to the module `path`.

    Several threads may call it. Gradients are kept, unless the caller turns them off. Raises
    PipelineError if the network has no such module, does not use it, or gets no tensor from it.
    """

    def stop(_module: nn.Module, _inputs: object, output: object) -> None:
        raise _Reached(_tensor(path, output))

    def run(images: Tensor) -> Tensor:
        try:
            network(images)
        except _Reached as reached:
            return reached.z
        raise _unused(path)

    handle = _module(network, path).register_forward_hook(stop)
    try:
        yield run
    finally:
        handle.remove()


@torch.no_grad()
def phi(network: nn.Module, path: str, images: Tensor) -> Tensor:
    """z = Phi(x) (B, ...) of the module `path` for images x (B, C, H, W)."""
    with stopping_at(network, path) as run:
        return run(images)


@torch.no_grad()
def layer_shape(network: nn.Module, path: str, data: Images) -> tuple[int, ...]:
    """Shape of z for one image: (D,) or (C, H, W).

    The whole network runs on the first images of `data`.

    Raises:
        PipelineError: the network does not use the module exactly once, or its output is not a
            tensor or has another shape.
    """
    images = data.images(slice(0, 2)).to(next(network.parameters()).device)
    outputs: list[Tensor] = []
    handle = _module(network, path).register_forward_hook(
        lambda _module, _inputs, output: outputs.append(_tensor(path, output))
    )
    try:
        network(images)
    finally:
        handle.remove()
    if not outputs:
        raise _unused(path)
    if len(outputs) > 1:
        raise PipelineError(
            f"the network uses its module '{path}' more than once, so that z is ambiguous: choose "
            "another one, such as the block that contains it."
        )
    count, *shape = outputs[0].shape
    if count != len(images) or len(shape) not in (1, 3):
        raise PipelineError(
            f"the module '{path}' gives {list(outputs[0].shape)} for {len(images)} images; z must "
            "be a vector or have the shape (channels, height, width): choose another module."
        )
    return tuple(shape)


def extract_features(
    network: nn.Module, path: str, data: Images, batch_size: int, result: Tensor
) -> None:
    """Write z = Phi(x) of every image of `data` into `result` (R, *shape), float16 on the CPU.

    float16 rounds by at most 5e-4 of a value, far less than z varies.

    Raises:
        PipelineError: z is not finite in float16, or `stopping_at` raises it.
    """
    device = next(network.parameters()).device
    with stopping_at(network, path) as run:

        @torch.no_grad()
        def fill(first: int) -> None:
            rows = slice(first, first + batch_size)
            z = run(data.images(rows).to(device)).to("cpu", torch.float16)
            if not z.isfinite().all():
                raise PipelineError(
                    f"the module '{path}' gives values that are not finite or above 65,504, the "
                    "largest that can be stored: choose another one, or scale its output."
                )
            result[rows] = z

        run_in_threads(fill, range(0, len(data), batch_size))


def features_of_pixels(
    network: nn.Module, path: str, pixels: np.ndarray, batch_size: int = 256
) -> Tensor:
    """z = Phi(x) of images (R, H, W, 3) uint8: (R, ...) on the CPU."""
    return _features(network, path, torch.from_numpy(pixels), batch_size, to_images)


def features_of_images(
    network: nn.Module, path: str, images: Tensor, batch_size: int = 256
) -> Tensor:
    """z = Phi(x) of images (R, 3, H, W) in [-1, 1]: (R, ...) on the CPU."""
    return _features(network, path, images, batch_size, lambda part: part)


def _features(
    network: nn.Module,
    path: str,
    data: Tensor,
    batch_size: int,
    prepare: Callable[[Tensor], Tensor],
) -> Tensor:
    device = next(network.parameters()).device
    parts: dict[int, Tensor] = {}
    with stopping_at(network, path) as run:

        @torch.no_grad()
        def fill(first: int) -> None:
            parts[first] = run(prepare(data[first : first + batch_size].to(device))).cpu()

        run_in_threads(fill, range(0, len(data), batch_size))
    return torch.cat([parts[first] for first in sorted(parts)])


def _module(network: nn.Module, path: str) -> nn.Module:
    try:
        return network.get_submodule(path)
    except AttributeError as error:
        raise PipelineError(
            f"the network has no module '{path}': correct `module` of this layer in params.yaml."
        ) from error


def _tensor(path: str, output: object) -> Tensor:
    if not isinstance(output, Tensor):
        raise PipelineError(
            f"the module '{path}' returns a {type(output).__name__}, not a tensor: choose one that "
            "does, such as a part of it."
        )
    return output


def _unused(path: str) -> PipelineError:
    return PipelineError(f"the network does not use its module '{path}': choose another one.")
