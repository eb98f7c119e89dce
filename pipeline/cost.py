"""What a stage cost: seconds and memory, gathered in reports/<scale>/cost.json."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.storage import read_json, write_json

__all__ = ["measure"]


@contextlib.contextmanager
def measure(
    stage: str, item: str, scale: str, *, threads: int = 1, device: str = "cpu"
) -> Iterator[None]:
    """Write what the block took to reports/<scale>/cost.json, as the entry `<stage>@<item>`.

    An entry holds seconds, peak_rss_mib (of the process, or of its largest child process if that
    is larger), threads, device and, on a GPU, peak_gpu_mib. A block that fails writes nothing; a
    resumed one counts its last part only. Of processes that train together the first one's entry
    is written. The file differs in each run and is therefore no out of a DVC stage.
    """
    path = paths.costs(scale)
    with _locked(path.parent):  # told before the work, not after it
        pass
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, others KiB
    peak = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    entry: dict[str, object] = {
        "seconds": round(seconds, 2),
        "peak_rss_mib": round(peak / unit),
        "threads": threads,
        "device": device,
    }
    if device.startswith("cuda"):
        import torch

        entry["device"] = torch.cuda.get_device_name(device)
        entry["peak_gpu_mib"] = round(torch.cuda.max_memory_reserved(device) / 2**20)
    key = f"{stage}@{item}" if item else stage
    with _locked(path.parent):
        costs = read_json(path) if path.exists() else {}
        costs[key] = entry
        write_json(path, costs)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other stages that run at the same time from updating a file in `folder`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise PipelineError(
            f"cannot write in {folder.absolute()} ({error.strerror or error}); make it a folder "
            "that is writable."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
