"""What stages and runs cost: time and memory, gathered in reports/<scale>/cost.json."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.storage import read_json, write_json

__all__ = ["WALL", "cost_key", "measure", "read_costs", "record_wall_time"]

WALL = "wall"
"""The entry of cost.json about a whole run: seconds, stages and jobs."""


@contextlib.contextmanager
def measure(
    stage: str, item: str, scale: str, *, threads: int = 1, device: str = "cpu"
) -> Iterator[None]:
    """Write what the block took to reports/<scale>/cost.json, as the entry `<stage>@<item>`.

    An entry holds seconds, peak_rss_mib (of the process or its largest child process), threads,
    device and, on a GPU, peak_gpu_mib. A block that fails writes nothing; a resumed one counts its
    last part only. Of processes that train together, only the first one's entry is written. The
    file differs from run to run, so it is not an output of a DVC stage.
    """
    path = paths.costs(scale)
    with _locked(path.parent):  # an unwritable folder is an error before the work, not after it
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
    with _locked(path.parent):
        costs = read_json(path) if path.exists() else {}
        costs[f"{stage}@{item}" if item else stage] = entry
        write_json(path, costs)


def cost_key(address: str) -> str:
    """The key in cost.json of a stage's address in DVC: measure@fig3 for `measure-fig3`."""
    return address if "@" in address else address.replace("-", "@", 1)


def read_costs(scale: str) -> dict[str, Any]:
    """The entries of all stages, by `<stage>@<item>`; none if the scale was never run."""
    path = paths.costs(scale)
    costs = read_json(path) if path.exists() else {}
    return {key: entry for key, entry in costs.items() if key != WALL}


def record_wall_time(scale: str, seconds: float, stages: Collection[str], jobs: int) -> None:
    """Write what a complete run from nothing took, from its first to its last stage.

    Entries of stages that were not part of it, which no longer exist, are dropped.

    Args:
        scale: name of the scale.
        seconds: wall time of the run.
        stages: addresses in DVC of all stages that it ran.
        jobs: stages that ran at the same time.
    """
    path = paths.costs(scale)
    ran = {cost_key(address) for address in stages}
    with _locked(path.parent):
        costs = read_json(path) if path.exists() else {}
        costs = {key: entry for key, entry in costs.items() if key in ran}
        costs[WALL] = {"seconds": round(seconds, 2), "stages": len(ran), "jobs": jobs}
        write_json(path, costs)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other stages that run at the same time from updating a file in `folder`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise PipelineError(
            f"cannot write in {folder.absolute()} ({error.strerror or error}); make the "
            "folder writable."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
