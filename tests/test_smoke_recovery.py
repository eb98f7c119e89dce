"""A graph that has run at scale smoke, as a user changes, loses, interrupts and repeats its parts.

The tests run in this order and share one copy; each leaves it complete.
"""

import json
import random
import shutil
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from settings import change
from smoke_project import COSTS, Project

pytestmark = pytest.mark.slow

SMOKE = "scales/smoke.yaml"
CINN = ("models/cinn", "reports/smoke/metrics", "reports/smoke/training")
T = "train_cinn.squeezenet-fire8"


# --- changes -------------------------------------------------------------------------------------


def test_a_changed_setting_runs_what_depends_on_it(smoke: Project) -> None:
    before = smoke.digests("data", "models", "reports/smoke")
    with smoke.restored():
        change(smoke.folder, SMOKE, f"{T}.steps", 9)
        diff = json.loads(smoke.dvc("params", "diff", "--json"))
        assert diff[SMOKE][f"{T}.steps"]["new"] == 9
        ran = smoke.ran("repro", "draw@fig4")
        assert ran == ["plan", "train_cinn@squeezenet-fire8", "measure-fig4", "draw@fig4"]
    assert smoke.ran() == []
    assert smoke.digests("data", "models", "reports/smoke") == before


def test_a_new_layer_runs_its_own_stages(smoke: Project) -> None:
    row = {"network": "alexnet", "dataset": "animals", "module": "classifier.4"}
    own = ("extract@alexnet-new", "train_cinn@alexnet-new")
    with smoke.restored():
        change(smoke.folder, "params.yaml", "layers.alexnet-new", row)
        assert smoke.ran("repro", "plan") == ["plan"]
        assert json.loads(smoke.dvc("status", "--json")).keys() == {*own}
        assert smoke.ran() == [*own]


@pytest.mark.parametrize(
    ("file", "addition", "expected"),
    [
        ("pipeline/models/inn.py", "# A comment.\n", ["plan"]),
        ("pipeline/experiments/fig4/measure.py", "CHANGED = 1\n", ["plan", "measure-fig4"]),
    ],
)
def test_changed_code_runs_where_it_computes(
    smoke: Project, file: str, addition: str, expected: list[str]
) -> None:
    with smoke.restored(file), (smoke.folder / file).open("a") as module:
        module.write(addition)
        module.flush()
        assert smoke.ran() == expected  # what is the same as before is not drawn again


# --- experiments of DVC --------------------------------------------------------------------------


@pytest.fixture
def committed(smoke: Project) -> Iterator[Project]:
    """The project with all files in git; what experiments change is undone in the end."""
    smoke.commit()
    with smoke.restored():
        yield smoke


def experiments(smoke: Project) -> list[dict[str, Any]]:
    """Params and metrics of each run, as `dvc exp show` lists them."""
    listed = json.loads(smoke.dvc("exp", "show", "--json"))
    return [run["revs"][0]["data"] for row in listed for run in row["experiments"] or []]


def test_an_experiment_changes_settings_and_lists_them(committed: Project) -> None:
    # Not 9, as above: DVC would restore that run from its cache.
    changes = [f"{SMOKE}:+{T}.steps=8", f"{SMOKE}:experiments.fig4.inputs=19"]
    changes += ["network=squeezenet", "layer=fire8"]
    options = [word for change in changes for word in ("-S", change)]
    ran = committed.ran("exp", "run", *options, "measure-fig4", "inspect")
    assert sorted(ran) == ["inspect", "measure-fig4", "plan", "train_cinn@squeezenet-fire8"]
    (run,) = experiments(committed)
    settings, params = (run["params"][file]["data"] for file in (SMOKE, "params.yaml"))
    assert settings["train_cinn"]["squeezenet-fire8"]["steps"] == 8
    assert settings["experiments"]["fig4"]["inputs"] == 19
    assert (params["network"], params["layer"]) == ("squeezenet", "fire8")


def test_a_queue_of_layers_fills_a_table(committed: Project) -> None:
    """In copies of the workspace that share its cache, nothing is trained a second time."""
    before = committed.digests("reports/inspect", "params.yaml")
    committed.dvc("exp", "run", "--queue", "-S", "layer=conv5,output", "inspect")
    ran = committed.ran("exp", "run", "--run-all")
    assert sorted(ran) == ["inspect", "inspect", "plan", "plan"]
    found = [
        run["metrics"]["reports/inspect/metrics.json"]["data"] for run in experiments(committed)
    ]
    assert {row["layer"] for row in found} >= {"conv5", "output"}
    assert len({tuple(row) for row in found}) == 1
    assert committed.digests("reports/inspect", "params.yaml") == before


# --- losses and interruptions --------------------------------------------------------------------


def test_lost_results_come_back_from_the_cache(smoke: Project) -> None:
    before = smoke.digests("data", "models")
    shutil.rmtree(smoke.folder / "models")
    shutil.rmtree(smoke.folder / "data/features")
    smoke.dvc("checkout")
    assert smoke.digests("data", "models") == before
    assert smoke.ran() == []


def test_what_was_computed_once_is_not_computed_again(smoke: Project) -> None:
    """As after switching to another scale, or another setting, and back: dvc.lock knows nothing."""
    before, lock = smoke.digests("data", "models"), smoke.lock()
    files = [smoke.folder / name for name in ("dvc.lock", COSTS)]
    texts = [file.read_text() for file in files]
    for file in files:
        file.unlink()
    shutil.rmtree(smoke.folder / "models")
    # Its figures are in git, not in the cache, and quickly made.
    assert smoke.ran("repro", "draw@fig4") == ["draw@fig4"]
    found = smoke.lock()
    assert {"train_autoencoder@digits", "train_cinn@squeezenet-fire8"} < found.keys()
    assert found == {name: lock[name] for name in found}
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    smoke.dvc("checkout")
    assert smoke.digests("data", "models") == before
    assert smoke.ran() == []


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
    smoke.stage("train_cinn@squeezenet-fire8")
    assert not smoke.leftovers()
    # `dvc repro` would bring what differs back from its cache.
    assert "up to date" in smoke.dvc("status", "train_cinn@squeezenet-fire8")


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
