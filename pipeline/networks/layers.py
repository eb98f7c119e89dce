"""Read an unmodified network f at a named layer: z = Phi(x), where f(x) = Psi(z) (Sec. 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from threading import get_ident

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.datasets.images import Images, to_images
from pipeline.errors import PipelineError
from pipeline.parallel import run_in_threads

__all__ = ["phi", "represent", "represent_images", "represent_pixels", "stopping_at"]


def _module(network: nn.Module, path: str) -> nn.Module:
    try:
        return network.get_submodule(path)
    except AttributeError as error:
        raise PipelineError(
            f"the network has no module '{path}': correct `module` of this layer in params.yaml."
        ) from error


class _Reached(Exception):
    """Ends a forward pass at the layer: what follows costs time, and might overwrite its output."""

    def __init__(self, z: Tensor) -> None:
        self.z = z


@contextmanager
def stopping_at(network: nn.Module, path: str) -> Iterator[Callable[[Tensor], Tensor]]:
    """A function that runs the network on images as far as its module `path`, on any thread.

    It gives that module's output, with its gradient unless the caller turns gradients off. Raises
    PipelineError if the network has no such module or does not use it.
    """

    def stop(_module: nn.Module, _inputs: object, output: object) -> None:
        raise _Reached(_tensor(path, output))

    def run(images: Tensor) -> Tensor:
        try:
            network(images)
        except _Reached as reached:
            return reached.z
        raise PipelineError(_unused(path))

    handle = _module(network, path).register_forward_hook(stop)
    try:
        yield run
    finally:
        handle.remove()


@torch.no_grad()
def phi(network: nn.Module, path: str, images: Tensor) -> Tensor:
    """z = Phi(x): the output (B, ...) of the module `path` for images (B, C, H, W)."""
    with stopping_at(network, path) as run:
        return run(images)


def represent(
    network: nn.Module,
    layers: Mapping[str, tuple[str, Sequence[int]]],
    data: Images,
    batch_size: int,
    result: Mapping[str, Tensor],
) -> None:
    """z = Phi(x) of every image of `data` and of several layers, in one pass of the network.

    `layers` names for each layer its module and the shape of its z, without the batch. `result` has
    room for it, (R, *shape) float16 on the CPU: float16 rounds by 5e-4 of the value, far below what
    z varies. Raises PipelineError if representations have another shape than the settings say, or
    are not finite in float16, and for a module that is used more than once or gives no tensor.
    """
    device = next(network.parameters()).device
    reached: dict[tuple[int, str], Tensor] = {}  # by thread and layer

    def keep(key: str, _module: nn.Module, _inputs: object, output: object) -> None:
        path, _ = layers[key]
        if (get_ident(), key) in reached:
            raise PipelineError(
                f"the network uses its module '{path}' more than once, so that its output is not "
                "one z: name another one, such as the block that it is in."
            )
        # A copy: what follows in the network may write into its input.
        z = _tensor(path, output)
        reached[get_ident(), key] = z.to("cpu", torch.float16, copy=True)

    @torch.no_grad()
    def fill(first: int) -> None:
        rows = slice(first, first + batch_size)
        network(data.images(rows).to(device))
        found, wrong = {}, []
        for key, (path, shape) in layers.items():
            if (get_ident(), key) not in reached:
                raise PipelineError(_unused(path))
            z = found[key] = reached.pop((get_ident(), key))
            if tuple(z.shape[1:]) != tuple(shape):
                wrong.append(
                    f"the module '{path}' gives z of shape {list(z.shape[1:])}, not {list(shape)}"
                )
        if wrong:
            which = "this layer" if len(wrong) == 1 else "these layers"
            raise PipelineError(
                f"{', '.join(wrong)}: correct the shape of {which} below `extract` in "
                "scales/<scale>.yaml."
            )
        for key, z in found.items():
            if not z.isfinite().all():
                raise PipelineError(
                    f"the module '{layers[key][0]}' gives values that are not finite or above "
                    "65,504, the largest that are stored: name another one, or scale its output."
                )
            result[key][rows] = z

    handles = [
        _module(network, path).register_forward_hook(partial(keep, key))
        for key, (path, _) in layers.items()
    ]
    try:
        run_in_threads(fill, range(0, len(data), batch_size))
    finally:
        for handle in handles:
            handle.remove()


def represent_pixels(
    network: nn.Module, path: str, pixels: np.ndarray, batch_size: int = 256
) -> Tensor:
    """z = Phi(x) of images (R, H, W, 3) uint8: (R, ...) on the CPU."""
    return _represent(network, path, torch.from_numpy(pixels), batch_size, to_images)


def represent_images(
    network: nn.Module, path: str, images: Tensor, batch_size: int = 256
) -> Tensor:
    """z = Phi(x) of images (R, 3, H, W) in [-1, 1]: (R, ...) on the CPU."""
    return _represent(network, path, images, batch_size, lambda part: part)


def _represent(
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
        def represent_part(first: int) -> None:
            parts[first] = run(prepare(data[first : first + batch_size].to(device))).cpu()

        run_in_threads(represent_part, range(0, len(data), batch_size))
    return torch.cat([parts[first] for first in sorted(parts)])


def _tensor(path: str, output: object) -> Tensor:
    if not isinstance(output, Tensor):
        raise PipelineError(
            f"the module '{path}' gives a {type(output).__name__}, no tensor: name one that does, "
            "such as a part of it."
        )
    return output


def _unused(path: str) -> str:
    return f"the network does not use its module '{path}': name another one."
