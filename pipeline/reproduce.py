"""Bring the graph up to date as `dvc repro` does, but with independent stages at the same time.

    python -m pipeline.reproduce --jobs 2

`dvc repro` runs one stage after the other, but most stages gain little from a second core: two at
once, each with half of the cores, take two thirds of the time. Stages run under `dvc repro
--single-item`, several short ones per call; DVC's locks keep the calls apart. The output of a
stage is shown if it fails; until then, a line reports its training's progress once in a while.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import cache
from graphlib import TopologicalSorter
from itertools import accumulate
from pathlib import Path

from pipeline.cli import report_errors
from pipeline.config.files import load_run
from pipeline.cost import cost_key, read_costs, record_wall_time
from pipeline.errors import PipelineError
from pipeline.raw_data import check_raw_data
from pipeline.runtime.device import available_cores
from pipeline.validation.loading import load_config

__all__ = [
    "memory_left",
    "next_batch",
    "out_of_date",
    "remaining_seconds",
    "run_stages",
    "stage_graph",
]

Graph = Mapping[str, frozenset[str]]
"""The stages that each stage needs."""

Costs = Mapping[str, Mapping[str, float]]
"""Costs of stages in an earlier run, as in reports/<scale>/cost.json."""

PAGES = (Path("reports/index.html"), Path("reports/README.md"))
"""The report, which is not an output of a stage: it shows what the run cost."""

SHORT = 20
"""Seconds of work per call of DVC, which takes some itself to start."""

JOB_MIB = 3 * 1024
"""Memory per job: two stages together take up to 6 GiB, one alone whatever it needs.

Cautious: a stage's peak counts files that it has mapped, whose pages the system can take back.
"""

PAUSE = 30
"""Seconds between two lines on the progress of one stage."""


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


def remaining_seconds(graph: Graph, costs: Costs) -> dict[str, float]:
    """Seconds from the start of each stage to the end of all that wait for it, if none waits."""
    later = {name: [other for other in graph if name in graph[other]] for name in graph}

    @cache
    def seconds(name: str) -> float:
        return _seconds(name, costs) + max(map(seconds, later[name]), default=0.0)

    return {name: seconds(name) for name in graph}


def _seconds(name: str, costs: Costs) -> float:
    """Seconds a stage takes; one if that is not known."""
    return _cost(name, costs).get("seconds", 1.0)


def _mebibytes(name: str, costs: Costs) -> float:
    """Peak memory of a stage; none if it is not known."""
    return _cost(name, costs).get("peak_rss_mib", 0.0)


def _cost(name: str, costs: Costs) -> Mapping[str, float]:
    """The entry of a stage; empty if there is none."""
    return costs.get(cost_key(name), {})


def memory_left(running: Iterable[Sequence[str]], costs: Costs, jobs: int) -> float:
    """MiB left for another batch; no limit if none is running."""
    taken = [max(_mebibytes(name, costs) for name in batch) for batch in running]
    return jobs * JOB_MIB - sum(taken) if taken else math.inf


def next_batch(
    ready: Sequence[str], costs: Costs, jobs: int, memory: float = math.inf
) -> list[str]:
    """The first of the stages that may run, and those after it that share its call of DVC.

    A batch is a single stage or takes at most `SHORT` seconds, and leaves enough stages for the
    other jobs. Stages that need more MiB than `memory` are skipped; if all do, it is empty.
    """
    fitting = [name for name in ready if _mebibytes(name, costs) <= memory]
    most = max(1, len(fitting) // (2 * jobs))
    spent = accumulate(_seconds(name, costs) for name in fitting[:most])
    return fitting[: max(1, sum(seconds <= SHORT for seconds in spent))]


def run_stages(graph: Graph, costs: Costs, jobs: int, threads: int) -> None:
    """Run every stage of the graph after those it needs, `jobs` at once, the most urgent first.

    Each has `threads` CPU threads where params.yaml says auto. Fewer than `jobs` run if memory is
    short. If a stage fails, no other is started, and PipelineError is raised once those that are
    running have ended. An interruption is passed on to the stages.
    """
    environment = _environment() | {"OMP_NUM_THREADS": str(threads)}
    urgency = remaining_seconds(graph, costs)
    running: dict[Future[str], tuple[list[str], subprocess.Popen[str]]] = {}
    ready: list[str] = []
    order = TopologicalSorter(graph)
    order.prepare()
    started = 0
    with _stop_signals(), ThreadPoolExecutor(jobs) as pool:
        try:
            while order.is_active():
                ready = sorted([*ready, *order.get_ready()], key=lambda name: -urgency[name])
                while len(running) < jobs:
                    memory = memory_left((batch for batch, _ in running.values()), costs, jobs)
                    batch = next_batch(ready, costs, jobs, memory)
                    if not batch:
                        break
                    ready = [name for name in ready if name not in batch]
                    started += len(batch)
                    print(f"[{started}/{len(graph)}] {', '.join(batch)}", flush=True)
                    # In a session of its own, so that an interruption reaches it once: from here.
                    process = subprocess.Popen(
                        [*_COMMAND, "--wait-for-lock", "repro", "--single-item", *batch],
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        text=True,
                        errors="replace",
                        start_new_session=True,
                    )
                    running[pool.submit(_follow, process, batch[0])] = (batch, process)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    said = future.result()
                    batch, process = running.pop(future)
                    if process.returncode:
                        print(said, file=sys.stderr, end="")
                        which = "the stage" if len(batch) == 1 else "one of the stages"
                        raise PipelineError(
                            f"{which} {', '.join(batch)} failed, see above; rerun the same command "
                            "to resume."
                        )
                    order.done(*batch)
        except (KeyboardInterrupt, SystemExit, OSError):  # OSError: nobody reads any more
            for _, process in running.values():
                with suppress(ProcessLookupError):  # it has just ended
                    os.killpg(process.pid, signal.SIGINT)
            raise


_COMMAND = [sys.executable, "-m", "dvc"]


def _follow(process: subprocess.Popen[str], stage: str) -> str:
    """What a process has printed when it has ended; until then, show how far its stages are."""
    said = []
    shown = time.monotonic()
    with process:
        for line in process.stdout or ():
            said.append(line)
            if begun := re.match(r"Running stage '(.+)':", line):
                stage = begun[1]
            elif _PROGRESS.search(line) and time.monotonic() - shown >= PAUSE:
                shown = time.monotonic()
                progress = line.removeprefix(f"{stage.replace('@', '-')}: ")
                print(f"{stage}: {progress}", end="", flush=True)
    return "".join(said)


_PROGRESS = re.compile(r"\bstep \d+ of \d+")  # as TrainingLog prints it


@contextmanager
def _stop_signals() -> Iterator[None]:
    """Have SIGTERM and SIGHUP raise SystemExit, as SIGINT raises KeyboardInterrupt.

    What is ignored stays so, as SIGHUP under nohup.
    """

    def leave(number: int, _: object) -> None:
        sys.exit(128 + number)

    handlers = {
        number: leave
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Ignored by a handler, which stages do not inherit: it is SIGINT that ends them.
        handlers[signal.SIGINT] = lambda *_: None
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _environment() -> dict[str, str]:
    """The stages' commands say `python`, which has to be this one."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    }


def _report_is_current() -> bool:
    """Whether the report is there, and newer than the claims and costs of every scale."""
    shown = [file for name in ("claims", "cost") for file in Path("reports").glob(f"*/{name}.json")]
    latest = max((file.stat().st_mtime for file in shown), default=0.0)
    return all(page.exists() and page.stat().st_mtime >= latest for page in PAGES)


def _changed() -> set[str]:
    """The stages that are out of date themselves, not only by those they need."""
    return set(json.loads(_dvc("status", "--json")))


def _dvc(*arguments: str) -> str:
    """What a command of DVC prints."""
    command = [*_COMMAND, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=_environment())
    if result.returncode:
        raise PipelineError(f"`dvc {' '.join(arguments)}` failed: {result.stderr.strip()}")
    return result.stdout


def _default_jobs(device: str) -> int:
    """Two on a CPU with two cores; one where there is a GPU, whose memory they would share."""
    if device != "cpu":
        import torch

        if device == "cuda" or torch.cuda.is_available():
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
    started = time.monotonic()
    with report_errors():
        run, config = load_run(), None
        changed = _changed()
        if not changed and _report_is_current():
            return
        if "plan" in changed:
            # What a change of settings or of code is about is known when this has run.
            config = load_config()
            _dvc("repro", "plan")
            changed = _changed()
        if changed:
            stages = stage_graph()
            graph = out_of_date(stages, changed)
            check_raw_data(config or load_config(), graph)
            known = read_costs(run.scale)
            jobs = jobs or _default_jobs(run.device)
            threads = max(1, available_cores() // jobs)
            run_stages(graph, known, jobs, threads)
            _dvc("repro")  # finds nothing to do
            if graph.keys() >= stages.keys() - {"plan"}:
                seconds = time.monotonic() - started
                record_wall_time(run.scale, seconds, stages, jobs)
        # The stage report does not run for a change of costs alone, and cannot know its own.
        from pipeline.experiments import reports
        from pipeline.reporting.report import write_report

        write_report(Path(), reports())


if __name__ == "__main__":
    main()
