"""The training loop: exact resumption first of all, then everything it promises."""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.training import loop
from pipeline.training.checkpoints import CheckpointFolder
from pipeline.training.log import TrainingLog
from pipeline.training.loop import FitResult, batch_indices, cosine, fit, linear_decay

STEPS = 30
INPUTS = torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
TARGETS = INPUTS.square().sum(1)


class Net(nn.Module):
    """Has what makes resumption hard: buffers, dropout, and sampling by two generators."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.Sequential(
                nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1)
            )

    def error(self, inputs: Tensor, targets: Tensor) -> Tensor:
        return (self.layers(inputs).squeeze(1) - targets).square().mean()


class Objective:
    """Calls `at[step]` when that step comes."""

    def __init__(self, at: dict[int, Callable[[], Any]] | None = None) -> None:
        self.calls, self.at = 0, at or {}

    def __call__(self, model: Net, indices: Tensor, generator: torch.Generator) -> Any:
        action = self.at.get(self.calls)
        self.calls += 1
        noise = torch.randn(4, generator=generator) + torch.randn(4)
        loss = model.error(INPUTS[indices] + 0.1 * noise, TARGETS[indices])
        if action:
            action()
        return {"loss": loss, "items": indices.sum()}


def validate(model: Net) -> dict[str, Any]:
    noise = torch.randn(50)  # the same each time
    return {"error": model.error(INPUTS, TARGETS), "noise": noise.sum()}


def train(folder: Path, objective: Any = None, *, model: Net | None = None, **changes: Any) -> Any:
    model = model or Net()
    options: dict[str, Any] = {
        "steps": STEPS,
        "batch_size": 8,
        "dataset_size": 50,
        "seed": 3,
        "fabric": Fabric(accelerator="cpu", devices=1),
        "checkpoints": CheckpointFolder(folder / "checkpoints"),
        "log": TrainingLog(None, "net"),
        "log_every": 4,
        "save_every_seconds": 0,
        "validate": validate,
        "validate_every": 5,
        "keep_best": "error",
        "schedule": cosine(STEPS, warmup=3),
        "snapshot_steps": (0, 7, 20),
        "clip_norm": 5.0,
    } | changes
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    result = fit(model, objective or Objective(), optimizer, **options)
    return model, result


def assert_equal(first: Any, second: Any) -> None:
    """Bitwise equality of nested tensors and values."""
    if isinstance(first, Tensor):
        assert torch.equal(first, second)
    elif isinstance(first, nn.Module):
        assert_equal(first.state_dict(), second.state_dict())
    elif isinstance(first, FitResult):
        assert_equal(vars(first), vars(second))
    elif isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_equal(first[key], second[key])
    elif isinstance(first, tuple):
        for one, other in zip(first, second, strict=True):
            assert_equal(one, other)
    else:
        assert first == second


class Killed(Exception):
    pass


def die() -> None:
    raise Killed


# --- resumption ----------------------------------------------------------------------------------


def test_a_repeated_training_is_equal(tmp_path: Path) -> None:
    assert_equal(train(tmp_path / "a"), train(tmp_path / "b"))


def test_another_seed_is_not(tmp_path: Path) -> None:
    _, first = train(tmp_path / "a")
    _, second = train(tmp_path / "b", seed=4)
    assert first.history != second.history


@pytest.mark.parametrize("attempt", range(3))
@pytest.mark.parametrize("interval", [0, 1e9], ids=["saved", "unsaved"])
def test_resuming_is_exact(tmp_path: Path, attempt: int, interval: float) -> None:
    steps = sorted(random.sample(range(STEPS), 3))
    print("killed at", steps)
    expected = train(tmp_path / "whole")
    done = 0
    for step in steps:
        with pytest.raises(Killed):
            train(tmp_path, Objective({step - done: die}), save_every_seconds=interval)
        done = step if interval == 0 else 0
    torch.rand(7)  # the process's own random state does not matter
    assert_equal(train(tmp_path, save_every_seconds=interval), expected)


@pytest.mark.parametrize("writing", [0, 5])
def test_slow_checkpoints_are_rare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writing: int
) -> None:
    """By a clock that goes on by a second whenever it is looked at, once per update."""
    seconds, saved = itertools.count(), []
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(seconds)))

    class Slow(CheckpointFolder):
        def save(self, state: Any) -> None:
            saved.append(state["step"])
            for _ in range(writing):
                next(seconds)

    monkeypatch.setattr(loop, "SAVING", 1 if not writing else STEPS)
    train(tmp_path, save_every_seconds=2, checkpoints=Slow(tmp_path / "slow"))
    often = [*range(2, STEPS, 2), STEPS]
    assert saved == ([2, STEPS] if writing else often)


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    expected = train(tmp_path)
    drawn = torch.rand(3)
    objective = Objective()
    assert_equal(train(tmp_path, objective), expected)
    assert objective.calls == 0
    assert torch.equal(torch.rand(3), drawn)  # so what follows is equal, too


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_and_saves(tmp_path: Path, number: int) -> None:
    expected = train(tmp_path / "whole")
    before = signal.getsignal(number)
    objective = Objective({11: lambda: os.kill(os.getpid(), number)})
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, objective, save_every_seconds=1e9)
    assert signal.getsignal(number) == before
    state = CheckpointFolder(tmp_path / "checkpoints").load()
    assert state is not None and state["step"] == 12 == objective.calls
    assert_equal(train(tmp_path), expected)


def test_a_signal_in_the_last_step_counts(tmp_path: Path) -> None:
    objective = Objective({STEPS - 1: lambda: os.kill(os.getpid(), signal.SIGINT)})
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, objective)
    assert_equal(train(tmp_path), train(tmp_path / "whole"))


CHILD = """
import sys, time
from pathlib import Path
from test_loop import Objective, train

class Slow(Objective):
    def __call__(self, *args):
        time.sleep(0.02)
        return super().__call__(*args)

train(Path(sys.argv[1]), Slow())
"""


def test_resuming_after_sigkill_is_exact(tmp_path: Path, repository: Path) -> None:
    environment = os.environ | {"PYTHONPATH": f"{repository}:{repository / 'tests'}"}
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], env=environment)
    checkpoint = tmp_path / "checkpoints" / "checkpoint.pt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.001)
    time.sleep(random.uniform(0, 0.4))
    child.kill()
    assert child.wait() == -signal.SIGKILL
    step = torch.load(checkpoint)["step"]
    print("killed after", step)
    assert 0 < step < STEPS

    objective = Objective()
    resumed = train(tmp_path, objective)
    assert objective.calls == STEPS - step
    assert_equal(resumed, train(tmp_path / "whole"))


def test_a_checkpoint_of_another_model_is_told(tmp_path: Path) -> None:
    train(tmp_path)
    other = Net()
    other.layers[4] = nn.Linear(8, 2)
    with pytest.raises(PipelineError, match="belongs to another training; delete the folder"):
        train(tmp_path, model=other)


def test_a_checkpoint_without_its_parts_is_told(tmp_path: Path) -> None:
    CheckpointFolder(tmp_path / "checkpoints").save({"step": 1})
    with pytest.raises(PipelineError, match="delete the folder"):
        train(tmp_path)
    CheckpointFolder(tmp_path / "checkpoints").save({})
    with pytest.raises(PipelineError, match="delete the folder"):
        train(tmp_path)


# --- what it does while it trains ----------------------------------------------------------------


def test_it_learns(tmp_path: Path) -> None:
    _, result = train(tmp_path)
    errors = [e["validation/error"] for e in result.history if "validation/error" in e]
    assert errors[-1] < errors[0]


def test_history(tmp_path: Path) -> None:
    _, result = train(tmp_path)
    logged = [entry["step"] for entry in result.history if "train/loss" in entry]
    assert logged == [4, 8, 12, 16, 20, 24, 28, 30]
    validated = [entry["step"] for entry in result.history if "validation/error" in entry]
    assert validated == [5, 10, 15, 20, 25, 30]
    assert set(result.history[4 + 2]) == {
        "step",
        "train/loss",
        "train/items",
        "train/gradient_norm",
    }
    assert len({e["validation/noise"] for e in result.history if "validation/noise" in e}) == 1
    assert result.last_validation == {
        name: result.history[-1][f"validation/{name}"] for name in ("error", "noise")
    }
    assert result.stopped_step == STEPS
    items = [batch_indices(step, 8, 50, 3).sum().item() for step in range(4)]
    assert result.history[0]["train/items"] == pytest.approx(sum(items) / 4)


def test_a_scalar_of_some_updates_is_their_mean(tmp_path: Path) -> None:
    plain = Objective()

    def objective(model: Net, indices: Tensor, generator: torch.Generator) -> Any:
        scalars = plain(model, indices, generator)
        if plain.calls % 3 == 0:
            scalars["third"] = torch.tensor(float(plain.calls))
        return scalars

    _, result = train(tmp_path, objective)
    found = {e["step"]: e.get("train/third") for e in result.history if "train/loss" in e}
    means = {4: 3, 8: 6, 12: 10.5, 16: 15, 20: 18, 24: 22.5, 28: 27, 30: 30}
    assert found == means


def test_plain_training(tmp_path: Path) -> None:
    """The same as a loop of five lines."""
    inputs: list[Tensor] = []

    def objective(model: nn.Linear, indices: Tensor, _: torch.Generator) -> dict[str, Tensor]:
        inputs.append(indices)
        return {"loss": (model(INPUTS[indices]).squeeze(1) - TARGETS[indices]).square().mean()}

    torch.manual_seed(0)
    model, reference = nn.Linear(4, 1), nn.Linear(4, 1)
    reference.load_state_dict(model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    fit(
        model,
        objective,
        optimizer,
        steps=9,
        batch_size=8,
        dataset_size=50,
        seed=0,
        fabric=Fabric(accelerator="cpu", devices=1),
        checkpoints=CheckpointFolder(tmp_path),
        log=TrainingLog(None, "net"),
        log_every=5,
        schedule=linear_decay(9, 0.5),
    )
    assert optimizer.param_groups[0]["lr"] == 0.01
    plain = torch.optim.SGD(reference.parameters(), lr=0.01)
    for step in range(9):
        plain.param_groups[0]["lr"] = 0.01 * linear_decay(9, 0.5)(step)
        plain.zero_grad()
        loss = reference(INPUTS[inputs[step]]).squeeze(1) - TARGETS[inputs[step]]
        loss.square().mean().backward()
        plain.step()
    assert_equal(model, reference)
    assert not model.training


def test_batches_cover_every_item_once_per_epoch() -> None:
    batches = [batch_indices(step, 10, 50, 0) for step in range(10)]
    first, second = torch.cat(batches[:5]), torch.cat(batches[5:])
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(50))
    assert not torch.equal(first, second)
    assert torch.equal(batch_indices(7, 10, 50, 0), batches[7])
    assert not torch.equal(batch_indices(7, 10, 50, 1), batches[7])
    assert batch_indices(5, 8, 50, 0).shape == (8,)  # the sixth batch; two items are left out
    assert not torch.equal(batch_indices(6, 8, 50, 0), batch_indices(0, 8, 50, 0))


def test_snapshots(tmp_path: Path) -> None:
    fresh = Net().state_dict()
    model, result = train(tmp_path, snapshot_steps=(0, 5, STEPS), keep_best=None)
    assert set(result.snapshots) == {0, 5, STEPS}
    assert_equal(result.snapshots[0], dict(fresh))
    assert_equal(result.snapshots[STEPS], dict(model.state_dict()))
    _, short = train(tmp_path / "short", steps=5, snapshot_steps=(5,), keep_best=None)
    assert_equal(result.snapshots[5], short.snapshots[5])
    assert result.best_step == STEPS


def scripted(values: list[float]) -> Callable[[nn.Module], dict[str, float]]:
    remaining = iter(values)
    return lambda model: {"error": next(remaining)}


def test_the_best_state_is_kept(tmp_path: Path) -> None:
    errors = [3.0, 2.0, 1.0, 2.0, 2.0, 2.0]
    model, result = train(tmp_path, validate=scripted(errors), snapshot_steps=(15,))
    assert result.best_step == 15 and result.stopped_step == STEPS
    assert_equal(dict(model.state_dict()), result.snapshots[15])


def test_patience(tmp_path: Path) -> None:
    errors = [3.0, 2.0, 2.5, 1.0, 1.0, 1.0, 9.0]
    _, result = train(tmp_path, validate=scripted(errors), validate_every=3, patience=2)
    assert result.best_step == 12 and result.stopped_step == 18
    assert result.history[-1]["step"] == 18
    objective = Objective()
    train(tmp_path, objective, validate_every=3, patience=2)  # stopped for good
    assert objective.calls == 0


@pytest.mark.parametrize("key", ["loss", "items"])
def test_a_scalar_that_is_not_finite_is_told(tmp_path: Path, key: str) -> None:
    def objective(model: Net, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        scalars = objective.inner(model, indices, generator)  # type: ignore[attr-defined]
        if objective.inner.calls == 7:  # type: ignore[attr-defined]
            scalars[key] = scalars[key] * float("nan")
        return scalars

    objective.inner = Objective()  # type: ignore[attr-defined]
    with pytest.raises(
        PipelineError, match=f"net: {key} is not finite at step 7; lower learning_r"
    ):
        train(tmp_path, objective)
    state = CheckpointFolder(tmp_path / "checkpoints").load()
    assert state is not None and state["step"] == 6


def test_a_gradient_that_is_not_finite_is_told(tmp_path: Path) -> None:
    def objective(model: Net, indices: Tensor, _: torch.Generator) -> dict[str, Tensor]:
        return {"loss": (0 * model.error(INPUTS[indices], TARGETS[indices])).sqrt()}

    with pytest.raises(PipelineError, match="net: gradient_norm is not finite at step 1;"):
        train(tmp_path, objective)


def test_a_validation_that_is_not_finite_is_told(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="net: error is not finite at step 5;"):
        train(tmp_path, validate=scripted([float("inf")]))


def test_a_batch_larger_than_the_data(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="batch_size 51 is more than the 50 items"):
        train(tmp_path, batch_size=51)


@pytest.mark.parametrize(
    "options",
    [
        {"validate_every": 0},
        {"validate": None},
        {"keep_best": None, "patience": 2},
    ],
    ids=str,
)
def test_options_that_contradict_each_other(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        train(tmp_path, **options)


def test_linear_decay() -> None:
    factor = linear_decay(100, 0.6)
    assert [factor(0), factor(60)] == [1, 1]
    assert factor(80) == pytest.approx(0.5)
    assert 0 < factor(99) < 0.03
    assert linear_decay(100, 1.0)(99) == 1


def test_cosine() -> None:
    factor = cosine(100, warmup=20)
    assert [factor(0), factor(9)] == pytest.approx([1 / 21, 10 / 21])
    assert factor(20) == 1 and factor(60) == pytest.approx(0.5)
    assert 0 < factor(99) < 0.01
    assert factor(100) == pytest.approx(0)


# --- several processes ---------------------------------------------------------------------------


class Affine(nn.Module):
    """Initialises itself from its first batch, as ActNorm does."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(4))
        self.linear = nn.Linear(4, 1)
        nn.init.ones_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("ready", torch.tensor(False))

    def error(self, inputs: Tensor, targets: Tensor) -> Tensor:
        if not self.ready:
            self.shift.data.copy_(-inputs.mean(0))
            self.ready.fill_(True)
        return (self.linear(inputs + self.shift).squeeze(1) - targets).square().mean()


def objective_without_noise(model: Affine, indices: Tensor, _: torch.Generator) -> dict:
    return {"loss": model.error(INPUTS[indices], TARGETS[indices])}


PARALLEL = """
import sys
from pathlib import Path
import torch
from pipeline.runtime import make_fabric
from test_loop import Affine, objective_without_noise, train

fabric, folder = make_fabric("cpu"), Path(sys.argv[1])
model, result = train(folder, objective_without_noise, model=Affine(), fabric=fabric)
torch.save([model.state_dict(), result.history], folder / f"{fabric.global_rank}.pt")
"""


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path, repository: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(PARALLEL)
    environment = os.environ | {"PYTHONPATH": f"{repository}:{repository / 'tests'}"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*launch, str(script), str(tmp_path)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    model, result = train(tmp_path / "one", objective_without_noise, model=Affine())
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert_equal(first[0], second[0])
    assert_equal(first[1], second[1])
    for name, value in model.state_dict().items():
        torch.testing.assert_close(first[0][name], value, rtol=1e-4, atol=1e-5)
    assert first[1][-1]["train/loss"] == pytest.approx(result.history[-1]["train/loss"], rel=1e-4)


# --- log -----------------------------------------------------------------------------------------


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    def read(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    return read


def test_log_files_are_equal_after_resuming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: Callable[[Path], dict[str, bytes]]
) -> None:
    monkeypatch.chdir(tmp_path)
    train(tmp_path / "a", log=TrainingLog("log_a", "net"))
    with pytest.raises(Killed):
        train(tmp_path / "b", Objective({17: die}), log=TrainingLog("log_b", "net"))
    partial = contents(Path("log_b"))
    for path in sorted(Path("log_b").rglob("*"), reverse=True):  # as DVC does with outs
        path.rmdir() if path.is_dir() else path.unlink()
    train(tmp_path / "b", log=TrainingLog("log_b", "net"))
    whole = contents(Path("log_a"))
    assert whole == contents(Path("log_b")) != partial
    names = {"loss", "items", "gradient_norm"}
    assert set(whole) == {"net/metrics.json"} | {
        f"net/plots/metrics/{name}.tsv"
        for name in {f"train/{name}" for name in names} | {"validation/error", "validation/noise"}
    }
    table = whole["net/plots/metrics/train/loss.tsv"].decode().splitlines()
    assert table[0] == "step\tloss" and table[-1].startswith("30\t")


def test_lines_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("net: step 30 of 30, train/loss ")
    with pytest.raises(Killed):
        train(tmp_path / "b", Objective({3: die}))
    train(tmp_path / "b")
    assert "net: resuming at step 3 of 30" in capsys.readouterr().out


def test_bar_on_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    train(tmp_path)
    captured = capsys.readouterr()
    assert "net: 100%" in captured.err and "30/30" in captured.err
    assert captured.out == ""
