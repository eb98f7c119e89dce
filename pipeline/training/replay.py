"""CUDA graphs: on a GPU, the many small kernels of an update are launched at once.

An update of an invertible network of 20 blocks launches thousands of kernels, most of which end
before the next is launched. Recorded once and replayed, forward and backward are a launch each.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

__all__ = ["replayed"]


@contextmanager
def replayed(modules: Iterable[nn.Module], fabric: Fabric) -> Iterator[None]:
    """Within, updates on one GPU replay `modules` from CUDA graphs; elsewhere nothing changes.

    What is replayed are the kernels that would have been launched. A module takes and returns
    tensors, runs once per update, draws no random numbers and has no buffers that training changes.
    Nothing may be differentiated twice through it, nor with respect to some of its parameters
    alone, and gradients are set to None between updates, for the next replay overwrites them.
    Its first call runs as usual, for ActNorm initialises from it; so do calls without gradients, in
    evaluation mode, or with tensors of another shape or type than those of the recording.
    """
    chosen = list(modules)
    if not chosen or fabric.device.type != "cuda" or fabric.world_size > 1:
        yield
        return
    # The last graph of an earlier training may still be held, by a loss and by cycles. Freed during
    # a recording it would break it; freed later, it takes workspaces along that newer ones use.
    gc.collect()
    _allocate_workspaces(fabric.device)
    replays = [_Replay(module) for module in chosen]
    try:
        for module, replay in zip(chosen, replays, strict=True):
            module.forward = replay  # hides the class's forward
        with _side_stream(fabric.device):
            yield
    finally:
        for module, replay in zip(chosen, replays, strict=True):
            del module.forward
            replay.graph = None  # its memory is free for what follows


def _allocate_workspaces(device: torch.device) -> None:
    """Give products on the stream of recordings their workspaces before one begins.

    cuBLAS keeps a workspace for each thread and stream. Allocated while a module is recorded, it
    lies in the memory of that module's graph, where activations were that are not needed any more;
    but the graphs of all modules write to it, those of other modules also while they are needed.
    """
    stream = torch.cuda.graph(torch.cuda.CUDAGraph()).capture_stream
    assert stream is not None
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        x = torch.ones(16, 16, device=device, requires_grad=True)
        torch.autograd.grad(torch.addmm(x[0], x, x).sum(), x)  # backward is another thread


@contextmanager
def _side_stream(device: torch.device) -> Iterator[None]:
    """Work on a stream of its own.

    Autograd adds gradients up on the stream where it first met the weights. Were that the default
    stream, it would have to wait for a recording, which CUDA refuses.
    """
    stream = _stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    try:
        with torch.cuda.stream(stream):
            yield
    finally:
        torch.cuda.current_stream(device).wait_stream(stream)


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """The same for every training: each stream keeps workspaces of its own."""
    return torch.cuda.Stream(device)


class _Replay:
    """Stands in for the forward of a module."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.forward: Callable[..., Any] = module.forward
        self.graph: Callable[..., Any] | None = None
        self.recorded: list[Any] = []
        self.first = True

    def __call__(self, *inputs: Tensor) -> Any:
        if self.first or not (self.module.training and torch.is_grad_enabled()):
            self.first = False
            return self.forward(*inputs)
        signature = [(x.shape, x.dtype, x.requires_grad) for x in inputs]
        if self.graph is None:
            self.graph, self.recorded = self._record(inputs), signature
        return (self.graph if signature == self.recorded else self.forward)(*inputs)

    def _record(self, inputs: tuple[Tensor, ...]) -> Callable[..., Any]:
        # Copies, for every replay writes its inputs to where these are.
        samples = tuple(x.detach().clone().requires_grad_(x.requires_grad) for x in inputs)
        device = inputs[0].device.type
        # Only forward, as in updates that are launched, and without the cache, which would share a
        # graph's copies of weights with what is outside.
        precision = torch.autocast(
            device,
            dtype=torch.get_autocast_dtype(device),
            enabled=torch.is_autocast_enabled(device),
            cache_enabled=False,
        )

        def forward(*inputs: Tensor) -> Any:
            with precision:
                return self.forward(*inputs)

        self.module.forward = forward
        try:
            with torch.autocast(device, enabled=False):
                torch.cuda.make_graphed_callables(self.module, samples)
            return self.module.forward
        finally:
            self.module.forward = self
