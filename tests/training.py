"""Trainings without a stage, and what tests of models share."""

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from pipeline.training.checkpoints import CheckpointFolder
from pipeline.training.log import TrainingLog
from pipeline.training.loop import FitResult
from pipeline.training.run import TrainingRun


def run_in(folder: Path, name: str = "net", **changes: Any) -> TrainingRun:
    """A run on the CPU with checkpoints in `folder`, and no curves."""
    fields = {
        "seed": 3,
        "fabric": Fabric(accelerator="cpu", devices=1),
        "checkpoints": CheckpointFolder(folder),
        "log": TrainingLog(None, name),
    }
    return TrainingRun(name, "smoke", "train", name, **(fields | changes))


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def assert_equal(first: Any, second: Any) -> None:
    """Bitwise equality of nested tensors and values."""
    if isinstance(first, Tensor):
        assert torch.equal(first, second)
    elif isinstance(first, nn.Module):
        assert_equal(dict(first.state_dict()), dict(second.state_dict()))
    elif isinstance(first, FitResult):
        assert_equal(vars(first), vars(second))
    elif isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_equal(first[key], second[key])
    elif isinstance(first, tuple | list):
        for one, other in zip(first, second, strict=True):
            assert_equal(one, other)
    else:
        assert first == second


def gradients(module: nn.Module) -> list[Tensor | None]:
    return [None if p.grad is None else p.grad.clone() for p in module.parameters()]


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def record(module: nn.Module, names: list[str], *inputs: Tensor) -> dict[str, tuple[int, ...]]:
    """Shapes, without the batch, of the outputs of submodules."""
    shapes: dict[str, tuple[int, ...]] = {}

    def store(name: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        shapes[name] = tuple(output.shape[1:])

    for name in names:
        module.get_submodule(name).register_forward_hook(partial(store, name))
    module(*inputs)
    return shapes


class Interrupted(TrainingLog):
    """Stops the training by a signal in step `left`."""

    def __init__(self, left: int) -> None:
        super().__init__(None, "training")
        self.left = left

    def advance(self) -> None:
        super().advance()
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGINT)
