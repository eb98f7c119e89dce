"""CUDA graphs: on a GPU, the many small kernels of a training step are launched at once.

A step of an invertible network of 20 blocks launches thousands of kernels, most of which finish
before the next one is launched. Recorded once and replayed, forward and backward are one launch
each.
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
    """Within the block, steps on one GPU replay `modules` from CUDA graphs; elsewhere a no-op.

    The replayed kernels are those that would have been launched. A module must take and return
    tensors, run once per step, draw no random numbers and have no buffers that training changes.
    Double backward, and gradients of only some of its parameters, are not supported, and gradients
    must be None between steps because each replay overwrites them. The first call runs as usual, so
    that ActNorm can initialise; so do calls without gradients, in evaluation mode, or with tensors
    of other shapes or types than the recorded ones.
    """
    chosen = list(modules)
    if not chosen or fabric.device.type != "cuda" or fabric.world_size > 1:
        yield
        return
    # A loss or a reference cycle may still hold the last graph of an earlier training. Freed during
    # a recording, it would break it; freed later, it takes along workspaces that newer graphs use.
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
            replay.graph = None  # frees its memory


def _allocate_workspaces(device: torch.device) -> None:
    """Allocate cuBLAS workspaces on the recording stream before a recording begins.

    cuBLAS keeps one workspace per thread and stream. Allocated while a module is recorded, it would
    share memory with activations of that module's graph, and the graphs of all other modules, which
    write to the same workspace, would overwrite them.
    """
    stream = torch.cuda.graph(torch.cuda.CUDAGraph()).capture_stream
    assert stream is not None
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        x = torch.ones(16, 16, device=device, requires_grad=True)
        torch.autograd.grad(torch.addmm(x[0], x, x).sum(), x)  # backward runs on another thread


@contextmanager
def _side_stream(device: torch.device) -> Iterator[None]:
    """Run the block on a stream of its own.

    Autograd accumulates gradients on the stream where it first met the weights. If that were the
    default stream, it would have to wait for a recording, which CUDA does not allow.
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
    """One stream for all trainings, because each stream keeps its own workspaces."""
    return torch.cuda.Stream(device)


class _Replay:
    """Replaces the forward of a module."""

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
        # Copies, because every replay writes its inputs to their memory.
        samples = tuple(x.detach().clone().requires_grad_(x.requires_grad) for x in inputs)
        device = inputs[0].device.type
        # For forward only, as in steps that are not replayed, and without the cache, which would
        # share the graph's copies of weights with code outside of it.
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
