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


def stand_in(monkeypatch: pytest.MonkeyPatch, record: Any) -> None:
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    monkeypatch.setattr(replay, "_side_stream", nullcontext)
    monkeypatch.setattr(replay, "_allocate_workspaces", lambda _: None)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The inputs of what was recorded; a recording gives three times its input."""
    inputs: list[Any] = []

    def record(module: nn.Module, samples: tuple[Tensor, ...]) -> nn.Module:
        module(*samples)  # as torch's, which runs the module to record it
        inputs.append(samples)
        module.forward = lambda x: 3 * x
        return module

    stand_in(monkeypatch, record)
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


def test_every_training_has_its_workspaces_before_it_records(
    recorded: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before: list[int] = []
    monkeypatch.setattr(replay, "_allocate_workspaces", lambda _: before.append(len(recorded)))
    for _ in range(2):
        with replayed([Doubled()], GPU):
            pass
        module, x = Doubled(), torch.ones(4)
        with replayed([module], GPU):
            module(x)
            module(x)
    assert before == [0, 0, 1, 1]


def test_other_calls_run_as_usual(recorded: list[Any]) -> None:
    module, x = Doubled(), torch.ones(4)
    with replayed([module], GPU):
        for _ in range(2):
            module(x)
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


def test_a_recording_computes_in_the_precision_of_the_update(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[Any] = []

    class Layer(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            found.append(torch.is_autocast_cache_enabled())
            return super().forward(x)

    def record(module: nn.Module, samples: tuple[Tensor, ...]) -> None:
        assert not torch.is_autocast_enabled("cpu")  # where the backward is recorded
        found.append(module(*samples).dtype)

    stand_in(monkeypatch, record)
    module, x = Layer(4, 4), torch.ones(2, 4)
    with replayed([module], GPU), torch.autocast("cpu", torch.bfloat16):
        for _ in range(2):
            assert module(x).dtype == torch.bfloat16
    assert found[:3] == [True, False, torch.bfloat16]


def test_a_recording_that_fails_leaves_the_module_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def record(*_: Any) -> None:
        raise torch.OutOfMemoryError

    stand_in(monkeypatch, record)
    module, x = Doubled(), torch.ones(4)
    with replayed([module], GPU):
        module(x)
        with pytest.raises(torch.OutOfMemoryError):
            module(x)
        assert torch.equal(module.eval()(x), 2 * x)
    assert "forward" not in vars(module)


def test_without_modules_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "_side_stream", None)
    with replayed([], GPU):
        pass


def test_an_error_leaves_the_module_as_it_was(recorded: list[Any]) -> None:
    module = Doubled()
    with pytest.raises(KeyboardInterrupt), replayed([module], GPU):
        raise KeyboardInterrupt
    assert "forward" not in vars(module)
