"""The machine: device, threads, seeds, processes, and matrix products."""

import itertools
import os
import random
import threading
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from training import normal

from pipeline.errors import PipelineError
from pipeline.runtime import device as runtime
from pipeline.runtime.matmul import TOLERANCE, use_fast_matmul
from pipeline.runtime.parallel import run_in_threads

pytestmark = pytest.mark.usefixtures("unchanged_torch")
CPU = torch.device("cpu")


def test_runs_are_seeded_and_deterministic() -> None:
    draws = []
    for _ in range(2):
        assert runtime.prepare_runtime("cpu", 1, 7) == CPU
        draws.append((random.random(), np.random.rand(), torch.rand(()).item()))  # noqa: NPY002
    assert draws[0] == draws[1]
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == 1
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"]


def test_a_gpu_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(PipelineError, match="device is cuda, .* no usable GPU"):
        runtime.prepare_runtime("cuda", 1, 0)
    assert runtime.prepare_runtime("auto", 1, 0) == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert runtime.prepare_runtime("auto", 1, 0) == torch.device("cuda")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert runtime.prepare_runtime("auto", 1, 0) == torch.device("cuda:1")
    assert runtime.prepare_runtime("cpu", 1, 0) == CPU


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


@pytest.mark.parametrize("alternating", [False, True])
def test_processes_that_train_together(monkeypatch: pytest.MonkeyPatch, alternating: bool) -> None:
    assert runtime.make_fabric(CPU).world_size == 1
    fabric = Mock()
    monkeypatch.setattr("lightning_fabric.Fabric", fabric)
    monkeypatch.setenv("WORLD_SIZE", "6")
    monkeypatch.setenv("GROUP_WORLD_SIZE", "2")
    runtime.make_fabric("cpu", alternating=alternating)
    strategy = "ddp_find_unused_parameters_true" if alternating else "ddp"
    expected = {"strategy": strategy, "devices": 3, "num_nodes": 2}
    assert expected.items() <= fabric.call_args.kwargs.items()


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest, unchanged_torch: None) -> int:
    torch.set_num_threads(request.param)
    return request.param


def test_each_item_once_and_on_one_thread(threads: int) -> None:
    seen: list[tuple[int, int]] = []
    run_in_threads(lambda item: seen.append((item, torch.get_num_threads())), range(20))
    assert sorted(seen) == [(item, 1) for item in range(20)]
    assert torch.get_num_threads() == threads


def test_one_at_a_time_where_a_gpu_is_in_use(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    seen: list[tuple[int, int]] = []
    run_in_threads(lambda item: seen.append((item, threading.get_ident())), range(20))
    assert seen == [(item, threading.get_ident()) for item in range(20)]


def test_an_error_comes_through(threads: int) -> None:
    with pytest.raises(ZeroDivisionError):
        run_in_threads(lambda item: 1 / (item - 3), range(1000))
    assert torch.get_num_threads() == threads


@pytest.fixture
def matmul(unchanged_torch: None) -> Any:
    """Torch's setting, restored after the test."""
    found = getattr(torch.backends.mkldnn, "matmul", None)
    if not hasattr(found, "fp32_precision"):
        pytest.skip("this PyTorch has no such setting")
    return found


def test_the_setting_stays_only_where_it_is_exact(matmul: Any) -> None:
    before = matmul.fp32_precision
    report = use_fast_matmul()
    assert (report["before"], report["value"]) == (before, matmul.fp32_precision)
    assert report["enabled"] == (report["error"] is not None and report["error"] <= TOLERANCE)
    matmul.fp32_precision = before
    refused = use_fast_matmul(tolerance=0)
    assert not refused["enabled"] and matmul.fp32_precision == before == refused["value"]
    runtime.prepare_runtime("cpu", 1, 0)  # stages use it
    assert matmul.fp32_precision == report["value"]


@pytest.mark.parametrize("rows", [1, 7, 64, 256])
def test_products_of_any_shape_are_exact(matmul: Any, rows: int) -> None:
    use_fast_matmul()
    for inner, columns in itertools.product((3, 64, 192, 300, 512), (6, 12, 128, 512)):
        a, b = normal(2, rows, inner), normal(2, columns, inner, seed=1)
        exact = a.double() @ b.double().mT
        for product in (a @ b.mT, torch.stack([x @ y.T for x, y in zip(a, b, strict=True)])):
            assert (product - exact).norm() / exact.norm() <= TOLERANCE
