"""The training loop: exact resumption first of all, then everything it promises."""

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from training import assert_equal, run_in

from pipeline.errors import PipelineError
from pipeline.models.norm import ActNorm
from pipeline.training import loop
from pipeline.training.checkpoints import CheckpointFolder
from pipeline.training.log import TrainingLog
from pipeline.training.loop import batch_indices, cosine, fit, linear_decay

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
    """Calls `at[step]` with its scalars in that step."""

    def __init__(self, at: dict[int, Callable[[dict[str, Tensor]], Any]] | None = None) -> None:
        self.calls, self.at = 0, at or {}

    def __call__(self, model: Net, indices: Tensor, generator: torch.Generator) -> Any:
        noise = torch.randn(4, generator=generator) + torch.randn(4)
        loss = model.error(INPUTS[indices] + 0.1 * noise, TARGETS[indices])
        scalars = {"loss": loss, "items": indices.sum()}
        self.calls += 1
        self.at.get(self.calls - 1, id)(scalars)
        return scalars


def validate(model: Net) -> dict[str, Any]:
    noise = torch.randn(50)  # the same each time
    return {"error": model.error(INPUTS, TARGETS), "noise": noise.sum()}


def scripted(*values: float) -> Callable[[nn.Module], dict[str, float]]:
    remaining = iter(values)
    return lambda model: {"error": next(remaining)}


def train(
    folder: Path, objective: Any = None, model: Any = None, run: Any = None, **changes: Any
) -> Any:
    model = model or Net()
    options: dict[str, Any] = {
        "steps": STEPS, "batch_size": 8, "dataset_size": 50, "log_every": 4,
        "save_every_seconds": 0, "validate": validate, "validate_every": 5, "keep_best": "error",
        "schedule": cosine(STEPS, warmup=3), "snapshot_steps": (0, 7, 20), "clip_norm": 5.0,
    }  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    options |= {"run": run_in(folder / "checkpoints", **(run or {}))} | changes
    return model, fit(model, objective or Objective(), optimizer, **options)


def saved(folder: Path) -> Any:
    return CheckpointFolder(folder / "checkpoints").load()


class Killed(Exception):
    pass


def die(_: object) -> None:
    raise Killed


def test_a_repeated_training_is_equal_and_a_finished_one_is_not_repeated(tmp_path: Path) -> None:
    expected, objective = train(tmp_path), Objective()
    drawn = torch.rand(3)
    assert_equal(train(tmp_path, objective), expected)
    assert objective.calls == 0
    assert torch.equal(torch.rand(3), drawn)  # so what follows is equal, too
    assert_equal(train(tmp_path / "again"), expected)
    assert train(tmp_path / "other", run={"seed": 4})[1].history != expected[1].history


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


@pytest.mark.parametrize(
    ("writing", "expected"), [(0, [*range(2, STEPS, 2), STEPS]), (5, [2, STEPS])]
)
def test_slow_checkpoints_are_rare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writing: int, expected: list[int]
) -> None:
    """By a clock that advances by a second whenever it is read, once per step."""
    seconds, written = itertools.count(), []

    def save(_: object, state: Any) -> None:
        written.append(state["step"])
        for _ in range(writing):
            next(seconds)

    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    monkeypatch.setattr(loop, "SAVING", STEPS if writing else 1)
    monkeypatch.setattr(CheckpointFolder, "save", save)
    train(tmp_path, save_every_seconds=2)
    assert written == expected


@pytest.mark.parametrize("step", [11, STEPS - 1])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_and_saves(tmp_path: Path, number: int, step: int) -> None:
    expected, before = train(tmp_path / "whole"), signal.getsignal(number)
    objective = Objective({step: lambda _: os.kill(os.getpid(), number)})
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, objective, save_every_seconds=1e9)
    assert signal.getsignal(number) == before
    assert saved(tmp_path)["step"] == step + 1 == objective.calls
    assert_equal(train(tmp_path), expected)


def test_history(tmp_path: Path) -> None:
    """A scalar of some steps is their mean; its summary is the last value of its curve."""

    def add(value: float) -> Callable[[dict[str, Tensor]], None]:
        return lambda scalars: scalars.update(some=torch.tensor(value))

    _, result = train(tmp_path, Objective({2: add(3), 5: add(6), 6: add(8), 25: add(27)}))
    some = {e["step"]: e.get("train/some") for e in result.history if "train/loss" in e}
    assert some == {4: 3, 8: 7, 12: None, 16: None, 20: None, 24: None, 28: 27, 30: None}
    validated = [entry for entry in result.history if "validation/error" in entry]
    assert [entry["step"] for entry in validated] == [5, 10, 15, 20, 25, 30]
    assert validated[-1]["validation/error"] < validated[0]["validation/error"]  # it learns
    assert len({entry["validation/noise"] for entry in validated}) == 1
    last = result.history[-1]
    assert result.last_validation == {k: last[f"validation/{k}"] for k in ("error", "noise")}
    logged = {name: last[f"train/{name}"] for name in ("loss", "items", "gradient_norm")}
    assert result.summary == {
        "step": STEPS,
        "train": logged | {"some": 27},
        "validation": result.last_validation,
    }
    assert result.best["step"] == result.best_step and result.stopped_step == STEPS
    items = [batch_indices(step, 8, 50, 3).sum().item() for step in range(4)]
    assert result.history[0]["train/items"] == pytest.approx(sum(items) / 4)


def test_plain_training(tmp_path: Path) -> None:
    """The same as a loop of five lines."""
    inputs: list[Tensor] = []

    def error(model: nn.Module, indices: Tensor) -> Tensor:
        return (model(INPUTS[indices]).squeeze(1) - TARGETS[indices]).square().mean()

    def objective(model: nn.Module, indices: Tensor, _: torch.Generator) -> dict[str, Tensor]:
        inputs.append(indices)
        return {"loss": error(model, indices)}

    model, reference = nn.Linear(4, 1), nn.Linear(4, 1)
    reference.load_state_dict(model.state_dict())
    optimizer, plain = (torch.optim.SGD(m.parameters(), lr=0.01) for m in (model, reference))
    schedule = linear_decay(9, 0.5)
    options = {"steps": 9, "batch_size": 8, "dataset_size": 50, "log_every": 5}
    result = fit(model, objective, optimizer, run=run_in(tmp_path), schedule=schedule, **options)
    for step in range(9):
        plain.param_groups[0]["lr"] = 0.01 * schedule(step)
        plain.zero_grad()
        error(reference, inputs[step]).backward()
        plain.step()
    assert_equal(model, reference)
    assert result.best_step == 9 and not model.training
    assert optimizer.param_groups[0]["lr"] == 0.01


def test_batches_cover_every_item_once_per_epoch() -> None:
    batches = [batch_indices(step, 10, 50, 0) for step in range(10)]
    first, second = torch.cat(batches[:5]), torch.cat(batches[5:])
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(50))
    assert not torch.equal(first, second)
    assert torch.equal(batch_indices(7, 10, 50, 0), batches[7])
    assert not torch.equal(batch_indices(7, 10, 50, 1), batches[7])
    assert batch_indices(5, 8, 50, 0).shape == (8,)  # the sixth batch; two items are left out
    assert not torch.equal(batch_indices(6, 8, 50, 0), batch_indices(0, 8, 50, 0))


def test_snapshots_and_the_best_state_are_kept_and_patience_runs_out(tmp_path: Path) -> None:
    options = {"validate_every": 3, "patience": 2, "snapshot_steps": (0, 12)}
    errors = scripted(3.0, 2.0, 2.5, 1.0, 1.0, 1.0, 9.0)
    model, result = train(tmp_path, validate=errors, **options)
    assert result.best_step == 12 and result.stopped_step == result.history[-1]["step"] == 18
    states = {0: dict(Net().state_dict()), 12: dict(model.state_dict())}
    assert_equal(result.snapshots, states)
    objective = Objective()
    train(tmp_path, objective, **options)  # stopped for good
    assert objective.calls == 0


def test_an_untrained_model_may_be_the_best(tmp_path: Path) -> None:
    options = {"validate_every": 10, "validate_first": True}
    for first, best in ((0.5, 0), (2.0, 10)):
        folder = tmp_path / str(best)
        model, result = train(folder, validate=scripted(first, 1.0, 3.0, 3.0), **options)
        assert (result.best_step, result.history[0]) == (
            best,
            {"step": 0, "validation/error": first},
        )
        untrained = all(map(torch.equal, model.state_dict().values(), Net().state_dict().values()))
        assert untrained == (best == 0)


def test_what_is_not_finite(tmp_path: Path) -> None:
    def spoil(key: str) -> Callable[[dict[str, Tensor]], None]:
        return lambda scalars: scalars.update({key: scalars[key] * float("nan")})

    def steep(model: Net, indices: Tensor, _: torch.Generator) -> dict[str, Tensor]:
        return {"loss": (0 * model.error(INPUTS[indices], TARGETS[indices])).sqrt()}

    for key in ("loss", "items"):
        with pytest.raises(PipelineError, match=f"net: {key} .* step 7; .* learning_rate"):
            train(tmp_path / key, Objective({6: spoil(key)}))
        assert saved(tmp_path / key)["step"] == 6
    with pytest.raises(PipelineError, match="gradient_norm .* step 1;"):
        train(tmp_path / "gradient", steep)
    with pytest.raises(PipelineError, match="error .* step 5;"):
        train(tmp_path / "validation", validate=scripted(float("inf")))


def test_options_and_checkpoints_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="batch_size 51 .* 50 items"):
        train(tmp_path, batch_size=51)
    for options in ({"validate_every": 0}, {"validate": None}, {"keep_best": None, "patience": 2}):
        with pytest.raises(ValueError):
            train(tmp_path, **options)
    train(tmp_path)
    folder, other = CheckpointFolder(tmp_path / "checkpoints"), Net()
    other.layers[4] = nn.Linear(8, 2)
    for model, state in ((other, folder.load()), (None, {"step": 1}), (None, {})):
        folder.save(state)
        with pytest.raises(PipelineError, match=f"delete the folder {folder.path}"):
            train(tmp_path, model=model)


def test_schedules() -> None:
    factor = linear_decay(100, 0.6)
    assert [factor(step) for step in (0, 60, 80, 99)] == pytest.approx([1, 1, 0.5, 0.025])
    assert linear_decay(100, 1.0)(99) == 1
    factor = cosine(100, warmup=20)
    found = [factor(step) for step in (0, 9, 20, 60, 100)]
    assert found == pytest.approx([1 / 21, 10 / 21, 1, 0.5, 0])


class Affine(nn.Module):
    """Initialises itself from its first batch, as ActNorm does, but without asking the others."""

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
from pipeline.models.norm import ActNorm
from pipeline.runtime.device import make_fabric
from test_loop import INPUTS, Affine, objective_without_noise, train

fabric, folder, norm = make_fabric("cpu"), Path(sys.argv[1]), ActNorm(4)
rank, run = fabric.global_rank, {"fabric": fabric}
model, result = train(folder, objective_without_noise, model=Affine(), run=run)
norm(3 * INPUTS.chunk(2)[rank] + 2)
torch.save([model.state_dict(), norm.state_dict(), result.history], folder / f"{rank}.pt")
"""


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """And the statistics of ActNorm are those of both processes."""
    script, here = tmp_path / "script.py", Path(__file__).parent
    script.write_text(PARALLEL)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = os.environ | {"PYTHONPATH": f"{here.parent}:{here}"}
    subprocess.run([*launch, str(script), str(tmp_path)], env=environment, check=True)
    model, result = train(tmp_path / "one", objective_without_noise, model=Affine())
    norm = ActNorm(4)
    norm(3 * INPUTS + 2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert_equal(first, second)
    states = [model.state_dict(), norm.state_dict()]
    torch.testing.assert_close(first[:2], states, rtol=1e-4, atol=1e-5)
    assert first[2][-1]["train/loss"] == pytest.approx(result.history[-1]["train/loss"], rel=1e-4)


def test_log_files_are_equal_after_resuming(here: Path) -> None:
    train(here / "a", run={"log": TrainingLog("log_a", "net")})
    with pytest.raises(Killed):
        train(here / "b", Objective({17: die}), run={"log": TrainingLog("log_b", "net")})
    shutil.rmtree("log_b")  # as DVC does with outs
    train(here / "b", run={"log": TrainingLog("log_b", "net")})
    files = (path for path in Path("log_a").rglob("*") if path.is_file())
    whole = {path.relative_to("log_a/net").as_posix(): path.read_text() for path in files}
    assert whole == {name: Path("log_b/net", name).read_text() for name in whole}
    curves = {"train/loss", "train/items", "train/gradient_norm"}
    curves |= {"validation/error", "validation/noise"}
    assert set(whole) == {"metrics.json"} | {f"plots/metrics/{name}.tsv" for name in curves}
    table = whole["plots/metrics/train/loss.tsv"].splitlines()
    assert table[0] == "step\tloss" and table[-1].startswith("30\t")


def test_progress(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Killed):
        train(tmp_path, Objective({3: die}))
    train(tmp_path)
    first, *_, last = capsys.readouterr().out.splitlines()
    assert "net: resuming at step 3 of 30" in first and "net: step 30 of 30, train/loss" in last
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    train(tmp_path / "bar")
    captured = capsys.readouterr()
    assert "net: 100%" in captured.err and "30/30" in captured.err and captured.out == ""
