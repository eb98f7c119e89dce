"""Device, threads, precision, seeds and determinism.

torch is imported where it is needed only, so that stages without networks start at once.
"""

from __future__ import annotations

import contextlib
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    import torch
    from lightning_fabric import Fabric

__all__ = ["available_cores", "make_fabric", "prepare_runtime"]

MOST_THREADS = 8  # small matrices gain nothing from more


def available_cores() -> int:
    """Default number of threads: OMP_NUM_THREADS, else the physical cores available, at most 8."""
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
    with contextlib.suppress(OSError, ValueError):  # a container may have a share of the time only
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
    from pipeline.runtime.allocator import keep_freed_memory

    keep_freed_memory()
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - for packages that use the global generator
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = False
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":  # Lightning rejects the setting on a GPU
        from pipeline.runtime.matmul import use_fast_matmul

        use_fast_matmul()
    # A few GPU operations have no deterministic form: torch warns, and runs agree closely.
    torch.use_deterministic_algorithms(True, warn_only=device == "cuda")
    if device == "cuda" and "LOCAL_RANK" in os.environ:  # one GPU per process of torchrun
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    # Filling new memory costs time and only helps programs that read it before writing it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # not in torch's annotations
    return torch.device(device)


def make_fabric(
    device: torch.device | str, *, mixed: bool = False, alternating: bool = False
) -> Fabric:
    """Make and launch the Lightning Fabric that trains on `device`.

    One process by default; the processes that torchrun starts train together (DDP). With `mixed`,
    products and convolutions run in bfloat16 if the device has instructions for it; do not use it
    for invertible networks, which bfloat16 cannot invert. With `alternating`, a step may leave some
    parameters without a gradient, which processes that train together have to agree on.
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
    """Whether the device has bfloat16 instructions; emulation is slower than float32."""
    import torch

    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
