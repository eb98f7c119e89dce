"""Device, threads and seeds."""

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline import runtime
from pipeline.errors import PipelineError


@pytest.fixture(autouse=True)
def undo(unchanged_torch: None) -> None:
    """Leave torch as it was for the other tests."""


def test_runs_are_seeded_and_deterministic() -> None:
    draws = []
    for _ in range(2):
        device = runtime.prepare_runtime("cpu", 1, 7)
        draws.append((random.random(), np.random.rand(), torch.rand(()).item()))  # noqa: NPY002
    assert device == torch.device("cpu")
    assert draws[0] == draws[1]
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == 1
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"]


def test_a_missing_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(PipelineError, match="device is cuda, but torch finds no usable GPU"):
        runtime.prepare_runtime("cuda", 1, 0)
    assert runtime.prepare_runtime("auto", 1, 0) == torch.device("cpu")


def test_a_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert runtime.prepare_runtime("auto", 1, 0) == torch.device("cuda")
    assert runtime.prepare_runtime("cpu", 1, 0) == torch.device("cpu")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert runtime.prepare_runtime("auto", 1, 0) == torch.device("cuda:1")
    assert runtime.prepare_runtime("cpu", 1, 0) == torch.device("cpu")


def test_available_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert runtime.available_cores() == 5
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert 1 <= runtime.available_cores() <= 8
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
        assert runtime.available_cores() == 1
        # Processors that the machine does not have: no topology to read, each counts.
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(10_000, 10_100)))
        monkeypatch.setattr(runtime, "Path", lambda path: Path("/nowhere") / path[1:])
        assert runtime.available_cores() == 8


def test_fabric_runs_in_this_process() -> None:
    fabric = runtime.make_fabric(torch.device("cpu"))
    assert fabric.world_size == 1 and fabric.device == torch.device("cpu")


@pytest.mark.parametrize(
    ("options", "strategy"),
    [({}, "ddp"), ({"alternating": True}, "ddp_find_unused_parameters_true")],
)
def test_processes_that_train_together(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, bool], strategy: str
) -> None:
    seen: dict[str, Any] = {}

    class Recorder:
        def __init__(self, **arguments: Any) -> None:
            seen.update(arguments)

        def launch(self) -> None:
            pass

    monkeypatch.setattr("lightning_fabric.Fabric", Recorder)
    monkeypatch.setenv("WORLD_SIZE", "6")
    monkeypatch.setenv("GROUP_WORLD_SIZE", "2")
    runtime.make_fabric("cpu", **options)
    assert (seen["strategy"], seen["devices"], seen["num_nodes"]) == (strategy, 3, 2)
