"""CUDA graphs: which calls of a module are replayed from one, recorded by a stand-in."""

from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor, nn

from pipeline.runtime import cuda_graphs
from pipeline.runtime.cuda_graphs import replayed

GPU: Any = SimpleNamespace(device=torch.device("cuda"), world_size=1)
X = torch.ones(4)


class Doubled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return 2 * x


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """`stand_in(record)` records by `record` what a GPU would."""
    monkeypatch.setattr(cuda_graphs, "_side_stream", nullcontext)
    monkeypatch.setattr(cuda_graphs, "_allocate_workspaces", lambda _: None)
    return lambda record: monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)


@pytest.fixture
def recorded(stand_in: Any) -> list[Any]:
    """The inputs of what was recorded; a recording gives three times its input."""
    inputs: list[Any] = []

    def record(module: nn.Module, samples: tuple[Tensor, ...]) -> None:
        module(*samples)  # as torch's, which runs the module to record it
        inputs.append(samples)
        module.forward = lambda x: 3 * x

    stand_in(record)
    return inputs


def test_steps_after_the_first_are_replayed_and_other_calls_run_as_usual(
    recorded: list[Any],
) -> None:
    module, x = Doubled(), torch.ones(4, requires_grad=True)
    with replayed([module], GPU):
        assert torch.equal(module(x), 2 * x)  # ActNorm would initialise from it
        assert not recorded
        for value in (x, x + 1):
            assert torch.equal(module(value), 3 * value)
        assert module.calls == 2
        ((sample,),) = recorded
        assert torch.equal(sample, x) and sample.data_ptr() != x.data_ptr()
        assert sample.requires_grad
        for other in (torch.ones(5, requires_grad=True), x.double(), x.detach()):
            assert torch.equal(module(other), 2 * other)
        with torch.no_grad():
            assert torch.equal(module(x), 2 * x)
        assert torch.equal(module.eval()(x), 2 * x)
        assert torch.equal(module.train()(x), 3 * x)
    assert len(recorded) == 1 and torch.equal(module(x), 2 * x)


def test_every_training_has_its_workspaces_before_it_records(
    recorded: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before: list[int] = []
    monkeypatch.setattr(cuda_graphs, "_allocate_workspaces", lambda _: before.append(len(recorded)))
    for calls in (0, 2, 0, 2):
        module = Doubled()
        with replayed([module], GPU):
            for _ in range(calls):
                module(X)
    assert before == [0, 0, 1, 1]


@pytest.mark.parametrize("device, processes", [("cpu", 1), ("cuda", 2)])
def test_only_one_gpu_replays(recorded: list[Any], device: str, processes: int) -> None:
    fabric: Any = SimpleNamespace(device=torch.device(device), world_size=processes)
    module = Doubled()
    with replayed([module], fabric):
        for _ in range(3):
            assert torch.equal(module(X), 2 * X)
    assert not recorded


def test_a_recording_computes_in_the_precision_of_the_step(stand_in: Any) -> None:
    found: list[Any] = []

    class Layer(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            found.append(torch.is_autocast_cache_enabled())
            return super().forward(x)

    def record(module: nn.Module, samples: tuple[Tensor, ...]) -> None:
        assert not torch.is_autocast_enabled("cpu")  # where the backward is recorded
        found.append(module(*samples).dtype)

    stand_in(record)
    module, x = Layer(4, 4), torch.ones(2, 4)
    with replayed([module], GPU), torch.autocast("cpu", torch.bfloat16):
        for _ in range(2):
            assert module(x).dtype == torch.bfloat16
    assert found[:3] == [True, False, torch.bfloat16]


def test_an_error_leaves_the_module_as_it_was(stand_in: Any) -> None:
    stand_in(Mock(side_effect=torch.OutOfMemoryError))
    module = Doubled()
    with pytest.raises(torch.OutOfMemoryError), replayed([module], GPU):
        module(X)
        module(X)
    assert "forward" not in vars(module)
