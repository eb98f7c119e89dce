"""A stage's training: what its checkpoints depend on, how they end, and where results go."""

import io
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from training import assert_equal

from pipeline import paths
from pipeline.config.rows import Rows
from pipeline.config.settings import ExtractSettings
from pipeline.errors import PipelineError
from pipeline.storage import read_json, read_tensors, write_bytes
from pipeline.task import Task
from pipeline.training.checkpoints import CheckpointFolder, open_checkpoints
from pipeline.training.run import TrainingRun

pytestmark = pytest.mark.usefixtures("here")
CPU = torch.device("cpu")
TASK: Task[Any] = Task("train", "a", "smoke", 7, 1, ExtractSettings(), Rows(), {}, "digest")


def checkpoints(digest: str = "digest", *inputs: Path) -> CheckpointFolder:
    return open_checkpoints("train", "a", digest, inputs)


def test_the_folder_depends_on_the_task_the_inputs_and_torch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = Path("data")
    write_bytes(data / "a.npy", b"a")
    folders = [checkpoints(), checkpoints("other"), checkpoints("digest", data)]
    assert checkpoints("digest", data) == folders[-1]
    for name in ("a.npy", "c.npy"):
        write_bytes(data / name, b"b")
        folders.append(checkpoints("digest", data))
    monkeypatch.setattr(torch, "__version__", "0")
    folders.append(checkpoints("digest", data))
    assert len({folder.path for folder in folders}) == 6
    assert {folder.path.parent for folder in folders} == {Path(".checkpoints/train-a")}
    with pytest.raises(PipelineError, match="data/b.npy is missing"):
        checkpoints("digest", data / "b.npy")


def test_only_the_newest_folder_is_kept_and_only_the_first_process_changes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, other_item = checkpoints(), open_checkpoints("train", "b", "digest", [])
    for some in (folder, other_item):
        some.save({"step": 1})
    monkeypatch.setenv("RANK", "1")
    other = checkpoints("other")
    other.save({"step": 2})
    folder.clear()
    assert checkpoints().load() == {"step": 1} and other.load() is None
    monkeypatch.setenv("RANK", "0")
    assert checkpoints("other").load() is None
    assert folder.load() is None and other_item.load() == {"step": 1}


def test_save_load_clear_and_damage() -> None:
    folder = CheckpointFolder(Path("stage/fingerprint"))
    assert folder.load() is None
    state = {"step": 3, "weights": {"a": torch.arange(3)}, "history": [{"loss": 0.5}]}
    for some in ({"step": 2}, state):
        folder.save(some)
    assert_equal(folder.load(), state)
    assert list(folder.path.iterdir()) == [folder.file]
    contents = [b"", b"x" * 50, folder.file.read_bytes()[:-100]]
    for other in ({"path": types.SimpleNamespace()}, [1]):
        torch.save(other, buffer := io.BytesIO())
        contents.append(buffer.getvalue())
    for content in contents:
        folder.file.write_bytes(content)
        with pytest.raises(PipelineError, match=f"delete the folder {folder.path}"):
            folder.load()
    for _ in range(2):  # the second time is harmless
        folder.clear()
        assert not Path("stage").exists()


def test_a_run_has_what_trainers_need_and_saves_what_they_make() -> None:
    curves, model = paths.training("smoke", "train", "a"), nn.Linear(2, 3)
    with TrainingRun.open(TASK, CPU, []) as run:
        assert (run.name, run.seed, run.device, run.log.folder) == ("train-a", 7, CPU, curves)
        part = run.part("step-5")
        assert part.name == part.log.name == "step-5" and part.fabric is run.fabric
        assert part.log.folder == curves / "step-5"
        run.skip()
        run.save_model(Path("model"), model, {"b": 1}, training={"steps": 2})
        run.save_model(Path("again"), model.state_dict(), {})
        run.save_metrics({"loss": 0.5})
    assert read_json(curves / "metrics.json") == {}
    assert read_json("model/config.json") == {"b": 1}
    assert read_json("model/training.json") == {"steps": 2}
    for folder in ("model", "again"):
        assert_equal(read_tensors(f"{folder}/model.safetensors"), model.state_dict())
    assert read_json(paths.training_metrics("smoke", "train", "a")) == {"loss": 0.5}


def test_checkpoints_last_until_the_stage_succeeds() -> None:
    with pytest.raises(KeyboardInterrupt), TrainingRun.open(TASK, CPU, []) as run:
        run.part("b").checkpoints.save({"step": 4})
        assert run.checkpoints.load() is None
        run.checkpoints.save({"step": 3})
        raise KeyboardInterrupt
    with TrainingRun.open(TASK, CPU, []) as again:
        assert again.checkpoints.load() == {"step": 3}
        assert again.part("b").checkpoints.load() == {"step": 4}
    assert not Path(".checkpoints/train-a").exists()
