"""Batches on threads of their own: all of them, on one thread each, and errors come through."""

import threading
from collections.abc import Iterator

import pytest
import torch

from pipeline.parallel import run_in_threads


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_each_item_once_and_on_one_thread(threads: int) -> None:
    seen, lock = [], threading.Lock()

    def work(item: int) -> None:
        with lock:
            seen.append((item, torch.get_num_threads()))

    run_in_threads(work, range(20))
    assert sorted(seen) == [(item, 1) for item in range(20)]
    assert torch.get_num_threads() == threads


def test_one_at_a_time_where_a_gpu_is_in_use(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    seen = []
    run_in_threads(lambda item: seen.append((item, threading.get_ident())), range(20))
    assert seen == [(item, threading.get_ident()) for item in range(20)]


def test_an_error_comes_through(threads: int) -> None:
    def work(item: int) -> None:
        if item == 3:
            raise ValueError("the third")

    with pytest.raises(ValueError, match="the third"):
        run_in_threads(work, range(1000))
    assert torch.get_num_threads() == threads
