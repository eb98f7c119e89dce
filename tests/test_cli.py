"""What all command lines share: items, errors, exit codes, costs."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline import cli, paths
from pipeline.errors import PipelineError
from pipeline.params import Params
from pipeline.storage import read_json


def run(work: Callable[..., Any], *argv: str, stage: str = "train_cinn", **options: Any) -> None:
    cli.run_stage(stage, work, argv=argv, **options)


def failing(error: BaseException) -> Callable[..., None]:
    def work(*_: Any) -> None:
        raise error

    return work


def outcome(capsys: pytest.CaptureFixture[str], work: Callable[..., Any], *argv: str) -> Any:
    """Exit code and the one line on stderr."""
    with pytest.raises(SystemExit) as caught:
        run(work, *argv, torch=False)
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    return caught.value.code, text.strip()


def test_a_stage_gets_params_item_and_device(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(cli, "prepare_runtime", lambda *args: torch.device("cpu"))
    run(lambda *args: calls.append(args), "squeezenet-fire8")
    ((params, item, device),) = calls
    assert (
        isinstance(params, Params) and item == "squeezenet-fire8" and device == torch.device("cpu")
    )
    assert "train_cinn@squeezenet-fire8" in read_json(paths.costs("laptop"))


def test_a_stage_without_torch_or_items(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(cli, "prepare_runtime", failing(AssertionError()))
    run(lambda *args: calls.append(args), stage="report", items=None, torch=False)
    run(lambda *args: calls.append(args), "fig4", stage="plot", items="evaluate", torch=False)
    assert [len(call) for call in calls] == [1, 2]
    assert set(read_json(paths.costs("laptop"))) == {"report", "plot@fig4"}


def test_an_unknown_item(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, line = outcome(capsys, failing(AssertionError()), "squeezenet")
    assert code == 1
    assert line == (
        "error: train_cinn has no item 'squeezenet' (did you mean squeezenet-fire8?); "
        "known are squeezenet-fire8, alexnet-conv5, alexnet-fc6, alexnet-fc7, alexnet-fc8, "
        "alexnet-output, facenet-conv2d_4a, facenet-mixed_6a, facenet-mixed_7a, "
        "facenet-avgpool_1a, facenet-embedding, facenet_animalfaces-conv2d_4a, "
        "facenet_animalfaces-mixed_6a, facenet_animalfaces-mixed_7a, "
        "facenet_animalfaces-avgpool_1a, facenet_animalfaces-embedding, resnet101-input, "
        "resnet101-conv, resnet101-fc, resnet101-logits, resnet50-fc, resnet50_stylized-fc."
    )


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
def test_errors_are_told_in_one_line(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    line: str,
) -> None:
    found_code, found = outcome(capsys, failing(error), "squeezenet-fire8")
    assert (found_code, found[: len(line)]) == (code, line)
    assert not paths.costs("laptop").exists()


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), RuntimeError(), KeyError("a")])
def test_a_fault_of_the_program_keeps_its_traceback(project: Path, error: Exception) -> None:
    with pytest.raises(type(error)):
        run(failing(error), "squeezenet-fire8", torch=False)


def test_bad_params_stop_every_stage(
    edit: Callable[[str, str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    edit("params.yaml", "device: auto", "device: tpu")
    code, line = outcome(capsys, failing(AssertionError()), "squeezenet-fire8")
    assert code == 1 and line.startswith("error: params.yaml: device 'tpu'")
