"""A graph that has run at scale smoke, as a user loses, interrupts and repeats parts of it.

The tests run in this order and share one copy; each leaves it complete.
"""

import json
import random
import re
import shutil
import signal
import time

import pytest
from smoke_project import COSTS, Project

pytestmark = pytest.mark.slow


CINN = ("models/cinn", "reports/smoke/metrics", "reports/smoke/training")


def test_lost_results_come_back_from_the_cache(smoke: Project) -> None:
    before = smoke.digests("data", "models")
    shutil.rmtree(smoke.folder / "models")
    shutil.rmtree(smoke.folder / "data/features")
    result = smoke.run("python", "-m", "dvc", "checkout")
    assert result.returncode == 0, result.stdout
    assert smoke.digests("data", "models") == before
    assert "Running stage" not in smoke.reproduce()


def test_what_was_computed_once_is_not_computed_again(smoke: Project) -> None:
    """As after switching to another scale, or another setting, and back: dvc.lock knows nothing."""
    before, lock = smoke.digests("data", "models"), smoke.lock()
    files = [smoke.folder / name for name in ("dvc.lock", COSTS)]
    texts = [file.read_text() for file in files]
    for file in files:
        file.unlink()
    shutil.rmtree(smoke.folder / "models")
    smoke.reproduce("plot@fig4")
    # Its figures are in git, not in the cache, and quickly made.
    assert json.loads((smoke.folder / COSTS).read_text()).keys() == {"plot@fig4"}
    found = smoke.lock()
    assert {"train_autoencoder@digits", "train_cinn@squeezenet-fire8"} < found.keys()
    assert found == {name: lock[name] for name in found}
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    result = smoke.run("python", "-m", "dvc", "checkout")
    assert result.returncode == 0, result.stdout
    assert smoke.digests("data", "models") == before
    assert "Running stage" not in smoke.reproduce()


def test_a_changed_setting_runs_what_depends_on_it(smoke: Project) -> None:
    before, lock = smoke.digests("data", "models", "reports/smoke/metrics"), smoke.lock()
    settings = smoke.folder / "scales/smoke.yaml"
    text = settings.read_text()
    start = text.index("\n  squeezenet-fire8:\n    start:")
    settings.write_text(text[:start] + text[start:].replace("steps: 10\n", "steps: 9\n", 1))
    ran = re.findall(r"Running stage '([\w@-]+)'", smoke.reproduce("plot@fig4"))
    assert ran == ["train_cinn@squeezenet-fire8", "evaluate@fig4", "plot@fig4"]
    settings.write_text(text)
    smoke.reproduce()
    assert smoke.digests("data", "models", "reports/smoke/metrics") == before
    assert smoke.lock() == lock


def kill_at_a_random_moment(smoke: Project, moments: random.Random) -> bool:
    """Kill the stage after the first of its trainings is done; whether it had not ended before."""
    with smoke.start("train_cinn", "squeezenet-fire8") as process:
        assert process.stdout is not None and process.stderr is not None
        if not process.stdout.readline():
            pytest.fail(process.stderr.read())
        time.sleep(moments.uniform(0, 0.5))
        process.kill()
    return process.returncode == -signal.SIGKILL


def finish(smoke: Project) -> None:
    """Run the stage undisturbed; then all is as dvc.lock has it."""
    result = smoke.run("python", "-m", "pipeline.stages.train_cinn", "squeezenet-fire8")
    assert result.returncode == 0, result.stdout
    assert not smoke.leftovers()
    # `dvc repro` would bring what differs back from its cache.
    result = smoke.run("python", "-m", "dvc", "status", "train_cinn@squeezenet-fire8")
    assert "up to date" in result.stdout, result.stdout


def test_killed_three_times_it_ends_with_the_same_files(smoke: Project) -> None:
    before = smoke.digests(*CINN)
    moments, killed = random.Random(0), 0
    for _ in range(9):  # on a busy machine it may have ended before it is killed
        killed += kill_at_a_random_moment(smoke, moments)
        if killed == 3:
            break
    assert killed == 3
    finish(smoke)
    assert smoke.digests(*CINN) == before


def test_interrupted_it_says_so_and_resumes(smoke: Project) -> None:
    before = smoke.digests(*CINN)
    for _ in range(5):  # on a busy machine it may have ended before it is interrupted
        with smoke.start("train_cinn", "squeezenet-fire8") as process:
            assert process.stdout is not None and process.stderr is not None
            process.stdout.readline()  # it trains
            process.send_signal(signal.SIGINT)
            error = process.stderr.read()
        if process.returncode:
            break
    assert process.returncode == 130
    assert error == "interrupted; run the same command to resume\n"
    assert list((smoke.folder / ".checkpoints").glob("train_cinn-squeezenet-fire8/*"))
    finish(smoke)
    assert smoke.digests(*CINN) == before


def test_a_queue_of_layers_fills_a_table(smoke: Project) -> None:
    """In copies of the workspace that share its cache, nothing is trained a second time."""
    for command in (("git", "add", "-A"), ("git", "commit", "-q", "-m", "run")):
        result = smoke.run(*command)
        assert result.returncode == 0, result.stdout
    before = smoke.digests("reports/inspect", "params.yaml")
    run = ("python", "-m", "dvc", "exp", "run")
    for command in (
        (*run, "--queue", "-S", "layer=conv5,output", "inspect"),
        (*run, "--run-all"),
        ("python", "-m", "dvc", "exp", "show", "--json"),
    ):
        result = smoke.run(*command)
        assert result.returncode == 0, result.stdout
        if "--run-all" in command:
            ran = re.findall(r"Running stage '([\w@]+)'", result.stdout)
            assert sorted(ran) == ["choose", "choose", "inspect", "inspect"]
    listed = json.loads(result.stdout[result.stdout.index("[") :])
    runs = [run["revs"][0]["data"] for row in listed for run in row["experiments"] or []]
    found = [run["metrics"]["reports/inspect/metrics.json"]["data"] for run in runs]
    assert {row["layer"] for row in found} == {"conv5", "output"}
    assert len({tuple(row) for row in found}) == 1
    assert smoke.digests("reports/inspect", "params.yaml") == before
