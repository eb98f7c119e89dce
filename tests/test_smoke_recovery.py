"""A graph that has run at scale smoke, as a user changes, loses, interrupts and repeats its parts.

The tests run in this order and share one copy; each leaves it complete.
"""

import json
import random
import shutil
import signal
import time

import pytest
from settings import change
from smoke_project import COSTS, Project

pytestmark = pytest.mark.slow

SMOKE = "scales/smoke.yaml"
CINN = ("models/cinn", "reports/smoke/metrics", "reports/smoke/training")
T = "train_cinn.squeezenet-fire8"
FIG5 = "pipeline/experiments/fig5"


def test_changes_run_what_depends_on_them(smoke: Project) -> None:
    before = smoke.digests("data", "models", "reports/smoke")
    row = {"network": "alexnet", "dataset": "animals", "module": "classifier.4"}
    code = {"pipeline/models/inn.py": "# A comment.\n", f"{FIG5}/measure.py": "CHANGED = 1\n"}
    with smoke.restored(*code):
        for file, addition in code.items():
            text = (smoke.folder / file).read_text()
            (smoke.folder / file).write_text(text + addition)
        change(smoke.folder, SMOKE, f"{T}.width", 24)
        change(smoke.folder, "params.yaml", "layers.alexnet-new", row)
        diff = json.loads(smoke.dvc("params", "diff", "--json"))
        assert diff[SMOKE][f"{T}.width"]["new"] == 24
        assert smoke.ran("repro", "plan") == ["plan"]
        new = ["extract@alexnet-new", "train_cinn@alexnet-new"]
        own = ["train_cinn@squeezenet-fire8", "measure-fig5"]
        assert sorted(json.loads(smoke.dvc("status", "--json"))) == sorted(new + own)
        ran = smoke.ran("repro", "train_cinn@alexnet-new", "measure-fig5", "draw@fig4")
        assert sorted(ran) == sorted([*new, *own, "measure-fig4", "draw@fig4"])
    assert smoke.ran() == []
    assert smoke.digests("data", "models", "reports/smoke") == before


def test_a_queue_of_experiments_fills_a_table(smoke: Project) -> None:
    """In copies of the workspace that share its cache, nothing is trained a second time."""
    smoke.commit()
    before = smoke.digests("reports/inspect", "params.yaml", "scales")
    steps = "train_cinn.alexnet-conv5.steps"  # not in the file, where `default` has it
    for changes in (["network=squeezenet", "layer=fire8"], ["layer=conv5", f"{SMOKE}:+{steps}=8"]):
        options = [word for change in changes for word in ("-S", change)]
        smoke.dvc("exp", "run", "--queue", *options, "inspect")
    ran = smoke.ran("exp", "run", "--run-all")
    assert sorted(ran) == ["inspect", "inspect", "plan", "plan", "train_cinn@alexnet-conv5"]
    listed = json.loads(smoke.dvc("exp", "show", "--json"))
    runs = [run["revs"][0]["data"] for row in listed for run in row["experiments"] or []]
    trained = {
        run["params"]["params.yaml"]["data"]["layer"]: run["params"][SMOKE]["data"]["train_cinn"]
        for run in runs
    }
    assert trained["conv5"]["alexnet-conv5"]["steps"] == 8
    assert "alexnet-conv5" not in trained["fire8"]
    found = [run["metrics"]["reports/inspect/metrics.json"]["data"] for run in runs]
    assert {(row["network"], row["layer"]) for row in found} == {
        ("squeezenet", "fire8"),
        ("alexnet", "conv5"),
    }
    assert len({tuple(row) for row in found}) == 1
    assert smoke.digests("reports/inspect", "params.yaml", "scales") == before


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
