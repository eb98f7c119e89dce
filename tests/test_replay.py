"""CUDA graphs: which calls of a module are replayed from one, recorded by a stand-in."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pipeline.training import replay
from pipeline.training.replay import replayed

GPU: Any = SimpleNamespace(device=torch.device("cuda"), world_size=1)


class Doubled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return 2 * x


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The inputs of what was recorded; a recording gives three times its input."""
    inputs: list[Any] = []

    def record(module: nn.Module, samples: tuple[Tensor, ...]) -> nn.Module:
        module(*samples)  # as torch's, which runs the module to record it
        inputs.append(samples)
        module.forward = lambda x: 3 * x
        return module

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    monkeypatch.setattr(replay, "_side_stream", nullcontext)
    return inputs


def test_updates_after_the_first_are_replayed(recorded: list[Any]) -> None:
    module, x = Doubled(), torch.ones(4, requires_grad=True)
    with replayed([module], GPU):
        assert torch.equal(module(x), 2 * x)  # ActNorm would initialise from it
        assert not recorded
        for value in (x, x + 1):
            assert torch.equal(module(value), 3 * value)
        ((sample,),) = recorded
        assert torch.equal(sample, x) and sample.data_ptr() != x.data_ptr()
        assert sample.requires_grad and module.calls == 2
    assert torch.equal(module(x), 2 * x)


def test_other_calls_run_as_usual(recorded: list[Any]) -> None:
    module, x = Doubled(), torch.ones(4)
    with replayed([module], GPU):
        module(x), module(x)
        assert torch.equal(module(x), 3 * x)
        longer, double, leaf = torch.ones(5), x.double(), x.clone().requires_grad_()
        for other in (longer, double, leaf):
            assert torch.equal(module(other), 2 * other)
        with torch.no_grad():
            assert torch.equal(module(x), 2 * x)
        assert torch.equal(module.eval()(x), 2 * x)
        assert torch.equal(module.train()(x), 3 * x)
    assert len(recorded) == 1


@pytest.mark.parametrize("device, processes", [("cpu", 1), ("cuda", 2)])
def test_only_one_gpu_replays(recorded: list[Any], device: str, processes: int) -> None:
    module, x = Doubled(), torch.ones(4)
    fabric: Any = SimpleNamespace(device=torch.device(device), world_size=processes)
    with replayed([module], fabric):
        for _ in range(3):
            assert torch.equal(module(x), 2 * x)
    assert not recorded


def test_an_error_leaves_the_module_as_it_was(recorded: list[Any]) -> None:
    module = Doubled()
    with pytest.raises(KeyboardInterrupt), replayed([module], GPU):
        raise KeyboardInterrupt
    assert "forward" not in vars(module)
