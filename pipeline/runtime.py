"""The machine: device, threads, seeds, determinism, and what a stage cost.

Nothing here imports torch before it is needed, so that stages without networks start at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.storage import read_json, write_json

if TYPE_CHECKING:
    import torch
    from lightning_fabric import Fabric

__all__ = ["available_cores", "make_fabric", "measure", "prepare_runtime"]

MOST_THREADS = 8  # small matrices gain nothing from more


def available_cores() -> int:
    """Threads to use by default: OMP_NUM_THREADS, else this process's physical cores, at most 8."""
    wish = os.environ.get("OMP_NUM_THREADS", "")
    if wish.isdecimal() and int(wish) > 0:
        return int(wish)
    if hasattr(os, "sched_getaffinity"):
        logical = sorted(os.sched_getaffinity(0))
    else:
        logical = list(range(os.cpu_count() or 1))
    cores = set()
    for cpu in logical:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text())
        except OSError:  # not Linux: count each logical processor
            cores.add(str(cpu))
    count = len(cores)
    with contextlib.suppress(OSError, ValueError):  # a container may own a share of the time only
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        count = min(count, max(1, int(quota) // int(period)))
    return min(count, MOST_THREADS)


def prepare_runtime(device: str, threads: int, seed: int) -> torch.device:
    """Seed everything, fix the number of threads, ask for determinism and choose the device.

    `device` is auto, cpu or cuda. Raises PipelineError for cuda without a usable GPU.
    """
    # cuBLAS is deterministic only with a fixed workspace, which it reads once, at its start.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise PipelineError(
            "device is cuda, but torch finds no usable GPU; set device to auto or cpu in "
            "params.yaml, or install a CUDA build of torch and its driver."
        )
    from pipeline.models.cpu import keep_freed_memory

    keep_freed_memory()
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - for packages that use the global generator
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = False
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    # A few GPU operations have no deterministic form: there torch warns, and runs agree closely.
    torch.use_deterministic_algorithms(True, warn_only=device == "cuda")
    if device == "cuda" and "LOCAL_RANK" in os.environ:  # torchrun's processes take a GPU each
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    # Filling memory before it is written costs time and only helps programs that read it first.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device(device)


def make_fabric(
    device: torch.device | str, *, mixed: bool = False, alternating: bool = False
) -> Fabric:
    """Make and launch the Lightning Fabric that trains on `device`.

    One process by default; the processes that torchrun starts train together (DDP). With `mixed`,
    products and convolutions run in bfloat16 where the device has instructions for it; never for
    invertible networks, which bfloat16 would not invert. With `alternating`, an update may leave
    out some parameters, which processes that train together have to agree on.
    """
    from lightning_fabric import Fabric

    kind = str(device).split(":")[0]
    world = int(os.environ.get("WORLD_SIZE", "1"))
    nodes = int(os.environ.get("GROUP_WORLD_SIZE", "1"))  # torchrun's number of nodes
    if world > 1:
        strategy = "ddp_find_unused_parameters_true" if alternating else "ddp"
        launch: dict[str, Any] = {
            "devices": world // nodes,
            "num_nodes": nodes,
            "strategy": strategy,
        }
    else:
        launch = {"devices": 1}
    precision: Any = "bf16-mixed" if mixed and _has_bfloat16(kind) else "32-true"
    fabric = Fabric(accelerator=kind, precision=precision, **launch)
    fabric.launch()
    return fabric


def _has_bfloat16(kind: str) -> bool:
    """Whether the device computes in bfloat16 itself: an emulation is slower than float32."""
    import torch

    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


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
        entry["peak_gpu_mib"] = round(torch.cuda.max_memory_allocated(device) / 2**20)
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
