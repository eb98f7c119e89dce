"""Stages at the same time: what runs, in which order, and what happens when one fails."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest
import torch
from settings import change

from pipeline import paths, reproduce
from pipeline.errors import PipelineError
from pipeline.reporting import report
from pipeline.reproduce import (
    JOB_MIB,
    PAGES,
    SHORT,
    Costs,
    memory_left,
    next_batch,
    out_of_date,
    remaining_seconds,
    run_stages,
    stage_graph,
)
from pipeline.storage import read_json

ROOT = Path(__file__).resolve().parents[1]
GRAPH = {
    "data": frozenset[str](),
    "network": frozenset({"data"}),
    "encoder": frozenset({"data"}),
    "t": frozenset({"network", "encoder"}),
    "figure": frozenset({"t"}),
}

MEET = """
import pathlib, sys, time
mine, other = map(pathlib.Path, sys.argv[1:])
mine.touch()
for _ in range(600):
    if other.exists(): break
    time.sleep(0.1)
else: sys.exit("alone")
"""
"""Each of two stages waits for the other to have begun."""

WAIT = """
import pathlib, time
try:
    pathlib.Path("left.begun").touch()
    time.sleep(90)
except KeyboardInterrupt:
    pathlib.Path("left.saved").touch()
    raise
"""

TRAIN = """
import sys
from pipeline.training.log import TrainingLog
log = TrainingLog(None, sys.argv[1])
log.start(20, 0, [])
print("nothing to show")
log.record({"step": 20, "loss": 1.0}, 20)
"""


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"data"}, {"data", "network", "encoder", "t", "figure"}),
        ({"encoder"}, {"encoder", "t", "figure"}),
        ({"figure"}, {"figure"}),
        (set(), set()),
    ],
)
def test_what_follows_a_change_is_out_of_date(changed: set[str], found: set[str]) -> None:
    part = out_of_date(GRAPH, changed)
    assert set(part) == found
    assert all(part[name] == GRAPH[name] & found for name in found)


def test_the_longest_way_to_the_end_is_most_urgent() -> None:
    costs: dict[str, Any] = {"network": {"seconds": 5}, "encoder": {"seconds": 40}}
    seconds = remaining_seconds(GRAPH, costs)
    assert seconds == {"data": 43, "network": 7, "encoder": 42, "t": 2, "figure": 1}


@pytest.mark.parametrize(
    ("count", "seconds", "jobs", "found"),
    [
        (1, 1.0, 2, 1),
        (3, 1.0, 2, 1),
        (22, 1.0, 2, 5),  # as many again for each job
        (22, 1.0, 1, 11),
        (22, SHORT / 3, 2, 3),
        (22, SHORT + 1.0, 2, 1),
    ],
)
def test_short_stages_share_a_call_of_dvc(
    count: int, seconds: float, jobs: int, found: int
) -> None:
    ready = [str(number) for number in range(count)]
    costs = {name: {"seconds": seconds} for name in ready}
    assert next_batch(ready, costs, jobs) == ready[:found]


@pytest.mark.parametrize(
    ("running", "found"),
    [
        ([], ["large"]),
        (["large"], []),  # alone
        (["small"], ["medium"]),
        (["medium"], ["small"]),
        (["small", "medium"], ["unknown"]),
    ],
)
def test_the_most_urgent_stage_that_fits_is_next(running: list[str], found: list[str]) -> None:
    peaks = {"large": 5 * JOB_MIB, "medium": 1.4 * JOB_MIB, "small": 0.5 * JOB_MIB}
    costs = {name: {"peak_rss_mib": peak} for name, peak in peaks.items()}
    ready = [name for name in (*peaks, "unknown") if name not in running]
    memory = memory_left([[name] for name in running], costs, jobs=2)
    assert next_batch(ready, costs, 2, memory) == found


def test_a_batch_takes_what_its_largest_stage_takes() -> None:
    costs = {"a": {"peak_rss_mib": 100.0}, "b": {"peak_rss_mib": 2 * JOB_MIB - 50.0}}
    assert memory_left([["a", "b", "unknown"]], costs, jobs=2) == 50
    assert next_batch(["a"], costs, 2, memory=50) == []


@pytest.fixture
def commands(here: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A folder with a graph of four stages, whose commands a test may change before `write`."""
    if shutil.which("git") is None:
        pytest.skip("DVC needs git")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    (here / "meet.py").write_text(MEET)
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, check=True, capture_output=True)
    return {
        "first": "echo $OMP_NUM_THREADS > first",
        "left": "python meet.py left.begun right.begun && echo 1 > left",
        "right": "python meet.py right.begun left.begun && echo 1 > right",
        "last": "cat left right > last",
    }


NEEDS = {"left": ["first"], "right": ["first"], "last": ["left", "right"]}


def write(commands: dict[str, str], needs: dict[str, list[str]] = NEEDS) -> None:
    stages = {
        name: {"cmd": command, "deps": needs.get(name, []), "outs": [name]}
        for name, command in commands.items()
    }
    Path("dvc.yaml").write_text(json.dumps({"stages": stages}))


def run(jobs: int, threads: int = 1, costs: Costs | None = None) -> None:
    run_stages(stage_graph(), costs or {}, jobs, threads)


def test_independent_stages_run_at_the_same_time(commands: dict[str, str]) -> None:
    write(commands)
    assert stage_graph()["last"] == {"left", "right"}
    run(jobs=2, threads=3)
    assert Path("first").read_text() == "3\n"
    assert Path("last").read_text() == "1\n1\n"
    said = subprocess.run([sys.executable, "-m", "dvc", "status"], capture_output=True, text=True)
    assert "up to date" in said.stdout


def test_a_failure_among_several_is_named(
    commands: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    write({name: f"test {name} != b && echo {name} > {name}" for name in "abcd"}, {})
    with pytest.raises(PipelineError, match="one of the stages a, b failed.*rerun"):
        run(jobs=1)
    assert "failed to reproduce 'b'" in capfd.readouterr().err
    assert Path("a").exists() and not Path("c").exists()


def test_a_failure_ends_the_run_after_what_is_running(
    commands: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    commands["left"] = "python meet.py left.begun right.begun && echo no such thing && exit 1"
    commands["right"] = "python meet.py right.begun left.begun && sleep 1 && echo 1 > right"
    write(commands)
    with pytest.raises(PipelineError, match=r"stage left failed.*rerun"):
        run(jobs=2)
    assert "no such thing" in capfd.readouterr().err
    assert Path("right").exists() and not Path("last").exists()
    commands["left"] = "echo 1 > left"
    write(commands)
    run(jobs=1)
    assert Path("last").exists()


def test_large_stages_do_not_run_at_the_same_time(commands: dict[str, str]) -> None:
    for name in ("left", "right"):
        commands[name] = f"mkdir busy && sleep 1 && rmdir busy && echo 1 > {name}"
    write(commands)
    run(jobs=2, costs={name: {"peak_rss_mib": 3 * JOB_MIB} for name in commands})
    assert Path("last").exists()


@pytest.mark.parametrize(("pause", "shown"), [(0, ["a", "b", "c", "d: 004750"]), (30, [])])
def test_progress_is_shown_now_and_then(
    commands: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    pause: int,
    shown: list[str],
) -> None:
    Path("train.py").write_text(TRAIN)
    names = {"a": "a", "b": "b", "c": "c", "d": "004750"}  # what a stage calls its training
    write({name: f"python train.py {names[name]} && echo > {name}" for name in names}, {})
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(reproduce, "PAUSE", pause)
    run(jobs=1)
    said = capfd.readouterr().out
    lines = [line.partition(",")[0] for line in said.splitlines() if not line.startswith("[")]
    assert lines == [f"{name}: step 20 of 20" for name in shown]


@pytest.mark.parametrize(
    ("ignored", "sent", "code"),
    [
        ([], [signal.SIGINT], 130),
        ([], [signal.SIGTERM], 143),
        ([], [signal.SIGHUP], 129),
        # nohup in the background of a script
        ([signal.SIGHUP, signal.SIGINT], [signal.SIGHUP, signal.SIGINT, signal.SIGTERM], 143),
    ],
)
def test_an_interruption_reaches_the_stages(
    commands: dict[str, str], ignored: list[int], sent: list[int], code: int
) -> None:
    Path("left.py").write_text(WAIT)
    # One process: a shell that is interrupted between two commands goes on with the second.
    write(commands | {"left": "exec python left.py"})
    program = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may ignore it
for number in {[int(number) for number in ignored]}:
    signal.signal(number, signal.SIG_IGN)
from pipeline.cli import report_errors
from pipeline.reproduce import run_stages, stage_graph
with report_errors(): run_stages(stage_graph(), {{}}, 2, 1)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", program], env=environment) as process:
        for _ in range(600):
            if Path("left.begun").exists():
                break
            time.sleep(0.1)
        for number in sent:
            time.sleep(0.5)
            assert process.poll() is None and not Path("left.saved").exists()
            process.send_signal(number)
        assert process.wait(timeout=60) == code
    assert Path("left.saved").exists()


def test_an_interruption_after_the_last_stage_is_raised(
    commands: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(running: Any, return_when: str) -> None:
        futures.wait(running)
        raise KeyboardInterrupt

    write(commands)
    monkeypatch.setattr(reproduce, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(jobs=2)


SMALL = """
stages:
  plan: {cmd: head -n 1 given > plan && echo plan >> ran, deps: [given], outs: [plan]}
  prepare:
    foreach: [digits, faces]
    do:
      cmd: cp plan ${item} && echo ${item} >> ran
      deps: [plan, "given-${item}"]
      outs: ["${item}"]
"""
"""Stages that say in the file `ran` that they ran."""


@pytest.fixture
def small(
    commands: dict[str, str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[str]]:
    """A small graph and the real settings; `small()` reproduces it: what ran, page included."""
    Path("dvc.yaml").write_text(SMALL)
    for name in ("given", "given-digits", "given-faces"):
        Path(name).write_text("1\n")

    def write_report(root: Path, _: Any) -> None:
        for page in PAGES:
            (root / page).parent.mkdir(exist_ok=True)
            (root / page).write_text("")
        with Path("ran").open("a") as file:
            file.write("page\n")

    monkeypatch.setattr(report, "write_report", write_report)
    monkeypatch.setattr(sys, "argv", ["reproduce", "--jobs", "1"])

    def run() -> list[str]:
        Path("ran").write_text("")
        reproduce.main()
        return Path("ran").read_text().split()

    return run


@pytest.mark.parametrize(
    ("device", "gpu", "jobs"),
    [("cpu", True, 2), ("auto", False, 2), ("auto", True, 1), ("cuda", True, 1)],
)
def test_stages_share_a_cpu_but_no_gpu(
    monkeypatch: pytest.MonkeyPatch, device: str, gpu: bool, jobs: int
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(reproduce, "available_cores", lambda: 8)
    assert reproduce._default_jobs(device) == jobs
    monkeypatch.setattr(reproduce, "available_cores", lambda: 1)
    assert reproduce._default_jobs(device) == 1


def test_no_jobs_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["reproduce", "--jobs", "0"])
    with pytest.raises(SystemExit):
        reproduce.main()
    assert "--jobs must be at least 1" in capsys.readouterr().err


def test_a_second_run_only_looks(
    small: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    change(Path(), "params.yaml", "scale", "smoke")
    assert sorted(small()) == ["digits", "faces", "page", "plan"]
    whole = read_json(paths.costs("smoke"))
    assert whole["wall"]["stages"] == 3 and whole["wall"]["jobs"] == 1
    asked = []
    ask = reproduce._dvc
    with monkeypatch.context() as patch:
        patch.setattr(reproduce, "_dvc", lambda *words: asked.append(words) or ask(*words))
        patch.setattr(reproduce, "_default_jobs", lambda _: pytest.fail("torch is imported"))
        patch.setattr(sys, "argv", ["reproduce"])
        assert small() == []
    assert asked == [("status", "--json")]

    PAGES[0].unlink()
    assert small() == ["page"]
    costs, later = paths.costs("smoke"), PAGES[0].stat().st_mtime + 10
    os.utime(costs, (later, later))  # a stage ran after the report was written
    assert small() == ["page"]
    for page in PAGES:
        os.utime(page, (later, later))
    Path("given").write_text("1\nand what no stage is about\n")
    assert small() == ["plan", "page"]
    Path("given-digits").write_text("2\n")
    assert small() == ["digits", "page"]
    assert read_json(costs) == whole  # the wall time is that of a whole run


def test_settings_and_raw_data_are_looked_at_before_a_run_begins(
    small: Callable[[], list[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    def refused() -> str:
        with pytest.raises(SystemExit) as caught:
            small()
        said = capfd.readouterr().err
        assert caught.value.code == 1
        assert said.startswith("error: ") and said.count("\n") == 1
        return said

    change(Path(), "params.yaml", "scale", "paper")
    change(Path(), "scales/paper.yaml", "train_cinn.default.stpes", 1)
    assert "train_cinn.default.stpes" in refused()
    assert Path("ran").read_text() == ""

    shutil.copy(ROOT / "scales/paper.yaml", "scales")
    assert "data/raw/celeba (prepare.faces.folder)" in refused()
    assert Path("ran").read_text().split() == ["plan"]

    folder = Path("data/raw/celeba")
    folder.mkdir(parents=True)
    assert sorted(small()) == ["digits", "faces", "page"]
    folder.rmdir()  # of no use to what is left to do
    Path("given-digits").write_text("2\n")
    assert small() == ["digits", "page"]
