"""A graph that has run at scale smoke, as a user loses, interrupts and repeats parts of it.

The tests run in this order and share one copy; each leaves it complete.
"""

import json
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from smoke_project import COSTS, Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("git") is None, reason="DVC needs git"),
]


@pytest.fixture(scope="module")
def project(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = built.copy(tmp_path_factory.mktemp("recovery") / "copy")
    yield project
    shutil.rmtree(project.folder)


CINN = ("models/cinn", "reports/smoke/metrics", "reports/smoke/training")


def test_lost_results_come_back_from_the_cache(project: Project) -> None:
    before = project.digests("data", "models")
    shutil.rmtree(project.folder / "models")
    shutil.rmtree(project.folder / "data/features")
    result = project.run("python", "-m", "dvc", "checkout")
    assert result.returncode == 0, result.stdout
    assert project.digests("data", "models") == before
    assert "Running stage" not in project.reproduce()


def test_what_was_computed_once_is_not_computed_again(project: Project) -> None:
    """As after switching to another scale, or another setting, and back: dvc.lock knows nothing."""
    before, lock = project.digests("data", "models"), project.lock()
    files = [project.folder / name for name in ("dvc.lock", COSTS)]
    texts = [file.read_text() for file in files]
    for file in files:
        file.unlink()
    shutil.rmtree(project.folder / "models")
    project.reproduce("plot@fig4")
    # Its figures are in git, not in the cache, and quickly made.
    assert json.loads((project.folder / COSTS).read_text()).keys() == {"plot@fig4"}
    found = project.lock()
    assert {"train_autoencoder@digits", "train_cinn@squeezenet-fire8"} < found.keys()
    assert found == {name: lock[name] for name in found}
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    result = project.run("python", "-m", "dvc", "checkout")
    assert result.returncode == 0, result.stdout
    assert project.digests("data", "models") == before
    assert "Running stage" not in project.reproduce()


def test_a_changed_setting_runs_what_depends_on_it(project: Project) -> None:
    before, lock = project.digests("data", "models", "reports/smoke/metrics"), project.lock()
    settings = project.folder / "scales/smoke.yaml"
    text = settings.read_text()
    start = text.index("\n  squeezenet-fire8:\n    start:")
    settings.write_text(text[:start] + text[start:].replace("steps: 10\n", "steps: 9\n", 1))
    ran = re.findall(r"Running stage '([\w@-]+)'", project.reproduce("plot@fig4"))
    assert ran == ["train_cinn@squeezenet-fire8", "evaluate@fig4", "plot@fig4"]
    settings.write_text(text)
    project.reproduce()
    assert project.digests("data", "models", "reports/smoke/metrics") == before
    assert project.lock() == lock


def random_moment(process: subprocess.Popen[str], seed: int) -> None:
    """Wait for a random moment after the first of the stage's trainings is done."""
    assert process.stdout is not None and process.stderr is not None
    if not process.stdout.readline():
        pytest.fail(process.stderr.read())
    time.sleep(random.Random(seed).uniform(0, 0.5))


def finish(project: Project) -> None:
    """Run the stage undisturbed; then nothing is left to do."""
    result = project.run("python", "-m", "pipeline.stages.train_cinn", "squeezenet-fire8")
    assert result.returncode == 0, result.stdout
    assert not project.leftovers()
    assert "Running stage" not in project.reproduce("train_cinn@squeezenet-fire8")


def test_killed_three_times_it_ends_with_the_same_files(project: Project) -> None:
    before = project.digests(*CINN)
    codes = []
    for seed in range(3):
        with project.start("train_cinn", "squeezenet-fire8") as process:
            random_moment(process, seed)
            process.kill()
        codes.append(process.returncode)
    assert -signal.SIGKILL in codes
    finish(project)
    assert project.digests(*CINN) == before


def test_interrupted_it_says_so_and_resumes(project: Project) -> None:
    before = project.digests(*CINN)
    for _ in range(5):  # on a busy machine it may have ended before it is interrupted
        with project.start("train_cinn", "squeezenet-fire8") as process:
            assert process.stdout is not None and process.stderr is not None
            process.stdout.readline()  # it trains
            process.send_signal(signal.SIGINT)
            error = process.stderr.read()
        if process.returncode:
            break
    assert process.returncode == 130
    assert error == "interrupted; run the same command to resume\n"
    assert list((project.folder / ".checkpoints").glob("train_cinn-squeezenet-fire8/*"))
    finish(project)
    assert project.digests(*CINN) == before


def test_a_queue_of_layers_fills_a_table(project: Project) -> None:
    """In copies of the workspace that share its cache, nothing is trained a second time."""
    for command in (("git", "add", "-A"), ("git", "commit", "-q", "-m", "run")):
        result = project.run(*command)
        assert result.returncode == 0, result.stdout
    before = project.digests("reports/inspect", "params.yaml")
    run = ("python", "-m", "dvc", "exp", "run")
    for command in (
        (*run, "--queue", "-S", "layer=conv5,output", "inspect"),
        (*run, "--run-all"),
        ("python", "-m", "dvc", "exp", "show", "--json"),
    ):
        result = project.run(*command)
        assert result.returncode == 0, result.stdout
        if "--run-all" in command:
            ran = re.findall(r"Running stage '([\w@]+)'", result.stdout)
            assert sorted(ran) == ["choose", "choose", "inspect", "inspect"]
    listed = json.loads(result.stdout[result.stdout.index("[") :])
    runs = [run["revs"][0]["data"] for row in listed for run in row["experiments"] or []]
    found = [run["metrics"]["reports/inspect/metrics.json"]["data"] for run in runs]
    assert {row["layer"] for row in found} == {"conv5", "output"}
    assert len({tuple(row) for row in found}) == 1
    assert project.digests("reports/inspect", "params.yaml") == before
