"""Bring the graph up to date as `dvc repro` does, but with independent stages at the same time.

    python -m pipeline.reproduce --jobs 2

`dvc repro` runs one stage after the other, and most stages gain little from a second core: two at
once, each with half of the cores, take two thirds of the time. Every stage is run by a
`dvc repro --single-item` of its own; DVC's locks keep these apart.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

from pipeline import paths
from pipeline.cli import report_errors
from pipeline.errors import PipelineError
from pipeline.params import Params, load_params
from pipeline.runtime import available_cores
from pipeline.storage import read_json

__all__ = ["out_of_date", "remaining_seconds", "run_stages", "stage_graph"]

Graph = Mapping[str, frozenset[str]]
"""The stages that each stage needs."""


def stage_graph() -> Graph:
    """All stages of dvc.yaml, with those that each needs directly."""
    drawn = _dvc("dag", "--dot")
    needs: dict[str, set[str]] = {name: set() for name in re.findall(r'(?m)^"([^"]+)";', drawn)}
    for earlier, later in re.findall(r'"([^"]+)" -> "([^"]+)"', drawn):
        needs[later].add(earlier)
    return {name: frozenset(others) for name, others in needs.items()}


def out_of_date(graph: Graph, changed: set[str]) -> Graph:
    """The part of the graph that may have to run: changed stages, and whatever follows them."""
    chosen: set[str] = set()
    for name in TopologicalSorter(graph).static_order():
        if name in changed or graph[name] & chosen:
            chosen.add(name)
    return {name: graph[name] & chosen for name in graph if name in chosen}


def remaining_seconds(graph: Graph, costs: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Seconds from the start of each stage to the end of all that wait for it, if none waits.

    `costs` are those of an earlier run; a stage without takes a second.
    """
    later = {name: [other for other in graph if name in graph[other]] for name in graph}

    @cache
    def seconds(name: str) -> float:
        own = costs.get(name, {}).get("seconds", 1.0)
        return own + max((seconds(other) for other in later[name]), default=0.0)

    return {name: seconds(name) for name in graph}


def run_stages(graph: Graph, urgency: Mapping[str, float], jobs: int, threads: int) -> None:
    """Run every stage of the graph after those it needs, `jobs` at once, the most urgent first.

    Each has `threads` CPU threads where params.yaml says auto. Raises PipelineError where a stage
    fails, after those that were running have ended; none is begun then.
    """
    environment = _environment() | {"OMP_NUM_THREADS": str(threads)}
    running: dict[Future[str], tuple[str, subprocess.Popen[str]]] = {}
    ready: list[str] = []
    order = TopologicalSorter(graph)
    order.prepare()
    started = 0
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while order.is_active():
                ready = sorted([*ready, *order.get_ready()], key=lambda name: -urgency[name])
                while ready and len(running) < jobs:
                    name = ready.pop(0)
                    started += 1
                    print(f"[{started}/{len(graph)}] {name}", flush=True)
                    # In a session of its own, so that an interruption reaches it once: from here.
                    process = subprocess.Popen(
                        _COMMAND + ["--wait-for-lock", "repro", "--single-item", name],
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        text=True,
                        start_new_session=True,
                    )
                    running[pool.submit(_output, process)] = (name, process)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name, process = running.pop(future)
                    if process.returncode:
                        print(future.result(), file=sys.stderr, end="")
                        raise PipelineError(
                            f"the stage {name} failed, see above; run the same command again to "
                            "go on from there."
                        )
                    order.done(name)
        except KeyboardInterrupt:
            for _, process in running.values():
                os.killpg(process.pid, signal.SIGINT)
            raise


_COMMAND = [sys.executable, "-m", "dvc"]


def _output(process: subprocess.Popen[str]) -> str:
    """What a process has printed when it has ended."""
    return process.communicate()[0]


def _environment() -> dict[str, str]:
    """The stages' commands say `python`, which has to be this one."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    }


def _dvc(*arguments: str) -> str:
    """What a command of DVC prints."""
    command = [*_COMMAND, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=_environment())
    if result.returncode:
        raise PipelineError(f"`dvc {' '.join(arguments)}` failed: {result.stderr.strip()}")
    return result.stdout


def _default_jobs(params: Params) -> int:
    """Two on a CPU with two cores; one where there is a GPU, whose memory they would share."""
    if params.device != "cpu":
        import torch

        if params.device == "cuda" or torch.cuda.is_available():
            return 1
    return min(2, available_cores())


def main() -> None:
    """Bring all tables and figures up to date, with independent stages at the same time."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.reproduce", description=(main.__doc__ or "").strip()
    )
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="stages at the same time, which share the cores; by default 2, and 1 with a GPU",
    )
    jobs = parser.parse_args().jobs
    if jobs is not None and jobs < 1:
        parser.error("--jobs must be at least 1")
    with report_errors():
        params = load_params()
        jobs = jobs or _default_jobs(params)
        # What a change of code or of params.yaml is about is known when these have run.
        _dvc("repro", "code", "rows")
        changed = set(json.loads(_dvc("status", "--json")))
        if changed:
            graph = out_of_date(stage_graph(), changed)
            costs = paths.costs(params.scale)
            known = read_json(costs) if costs.exists() else {}
            threads = max(1, available_cores() // jobs)
            run_stages(graph, remaining_seconds(graph, known), jobs, threads)


if __name__ == "__main__":
    main()
