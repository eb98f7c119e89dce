"""What all command lines share: tasks, errors, exit codes, costs."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from settings import change

from pipeline import cli, paths
from pipeline.config.fields import Count, Section
from pipeline.config.rows import Rows
from pipeline.errors import PipelineError
from pipeline.storage import read_json, write_json

LAYER = {"network": "squeezenet", "dataset": "digits", "module": "features.11"}


class Settings(Section):
    steps: Count


@pytest.fixture(autouse=True)
def planned(project: Path) -> dict[str, Any]:
    """The plan of one item with rows, and of a stage without items, in a project."""
    content = {
        "scale": "smoke",
        "seed": 3,
        "settings": {"steps": 7},
        "rows": Rows.model_validate({"layers": {"squeezenet-fire8": LAYER}}).model_dump(),
        "related": {"train_autoencoder": {"latent": 2}},
        "modules": {"pipeline/stages/train_cinn.py": "0a1b"},
    }
    write_json(paths.plan("train_cinn", "squeezenet-fire8"), content)
    write_json(paths.plan("report"), content)
    return content


def run(work: Callable[..., Any], *argv: str, stage: str = "train_cinn", **options: Any) -> None:
    settings = options.pop("settings", Settings)
    cli.run_stage(stage, work, settings, argv=argv, **({"torch": False} | options))


def received(*argv: str, **options: Any) -> tuple[Any, ...]:
    """What a stage is called with."""
    calls: list[Any] = []
    run(lambda *args: calls.append(args), *argv, **options)
    (call,) = calls
    return call


def failing(error: BaseException) -> Callable[..., None]:
    def work(*_: Any) -> None:
        raise error

    return work


def outcome(capsys: pytest.CaptureFixture[str], work: Callable[..., Any], *argv: str) -> Any:
    """Exit code and the one line on stderr."""
    with pytest.raises(SystemExit) as caught:
        run(work, *argv)
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    return caught.value.code, text.strip()


def test_a_stage_gets_its_task_and_a_device(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[Any] = []
    change(project, "params.yaml", "device", "cuda")
    monkeypatch.setattr(cli, "prepare_runtime", lambda *args: prepared.append(args) or "cpu")
    task, device = received("squeezenet-fire8", torch=True)
    assert device == "cpu" and prepared == [("cuda", task.threads, 3)]
    assert (task.stage, task.item, task.scale, task.seed) == (
        "train_cinn", "squeezenet-fire8", "smoke", 3
    )  # fmt: skip
    assert task.settings == Settings(steps=7)
    assert task.rows.layers["squeezenet-fire8"].module == "features.11"
    assert task.related == {"train_autoencoder": {"latent": 2}}
    assert set(read_json(paths.costs("smoke"))) == {"train_cinn@squeezenet-fire8"}


def test_a_stage_without_torch_or_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "prepare_runtime", failing(AssertionError()))
    (task,) = received(stage="report")
    assert (task.item, task.name) == ("", "report")
    assert set(read_json(paths.costs("smoke"))) == {"report"}


def test_settings_may_depend_on_rows() -> None:
    class Other(Section):
        steps: int

    seen: list[Any] = []
    (task,) = received("squeezenet-fire8", settings=lambda *args: seen.append(args) or Other)
    assert isinstance(task.settings, Other)
    assert seen == [("squeezenet-fire8", task.rows)]


@pytest.mark.parametrize("key", ["scale", "seed", "settings", "rows", "related", "modules"])
def test_a_digest_is_that_of_the_plan(planned: dict[str, Any], key: str) -> None:
    (task,) = received("squeezenet-fire8")
    assert received("squeezenet-fire8")[0].digest == task.digest
    other = {"scale": "gpu", "seed": 4, "settings": {"steps": 8}}.get(key, {})
    write_json(paths.plan("train_cinn", "squeezenet-fire8"), planned | {key: other})
    assert received("squeezenet-fire8")[0].digest != task.digest


def test_threads_are_automatic_or_given(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def threads() -> int:
        return received("squeezenet-fire8")[0].threads

    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads() == 3
    change(project, "params.yaml", "threads", 2)
    assert threads() == 2


@pytest.mark.parametrize("item", ["squeezenet", ""])
def test_an_item_that_is_not_planned(capsys: pytest.CaptureFixture[str], item: str) -> None:
    code, line = outcome(capsys, failing(AssertionError()), item)
    assert code == 1 and line.startswith(f"error: {paths.plan('train_cinn', item)} is missing")
    assert "dvc repro plan" in line and "squeezenet-fire8" in line


def test_a_plan_of_other_settings(capsys: pytest.CaptureFixture[str]) -> None:
    class Changed(Section):
        other: int

    options = {"settings": Changed}
    with pytest.raises(SystemExit):
        run(failing(AssertionError()), "squeezenet-fire8", **options)
    assert "is out of date: run `dvc repro plan`" in capsys.readouterr().err


def test_help_is_the_docstring(capsys: pytest.CaptureFixture[str]) -> None:
    def work(*_: Any) -> None:
        """Train t.

        Details.
        """

    with pytest.raises(SystemExit) as caught:
        run(work, "--help")
    text = capsys.readouterr().out
    assert caught.value.code == 0
    assert "python -m pipeline.stages.train_cinn" in text and "Train t." in text
    assert "Details" not in text


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (PipelineError("x is wrong."), 1, "error: x is wrong."),
        (KeyboardInterrupt(), 130, "interrupted; run the same command to resume"),
        (OSError(errno.ENOSPC, "No space", "a/b"), 1, "error: no space left on the disk (a/b);"),
        (PermissionError(errno.EACCES, "Permission denied", "a"), 1, "error: Permission denied (a"),
        (OSError(errno.EROFS, "Read-only file system"), 1, "error: Read-only file system; make it"),
        (MemoryError(), 1, "error: out of memory; lower batch_size"),
        (OutOfMemoryError(), 1, "error: out of GPU memory; lower batch_size"),
    ],
)
def test_an_error_is_one_line(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, line: str
) -> None:
    found_code, found = outcome(capsys, failing(error), "squeezenet-fire8")
    assert (found_code, found[: len(line)]) == (code, line)
    assert not paths.costs("smoke").exists()


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), RuntimeError(), KeyError("a")])
def test_a_fault_of_the_program_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)):
        run(failing(error), "squeezenet-fire8")
