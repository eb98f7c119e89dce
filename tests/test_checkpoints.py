"""Fingerprints change with everything a training depends on; damaged checkpoints are told."""

import dataclasses
import sys
import types
from pathlib import Path

import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.training.checkpoints import CheckpointFolder, fingerprint, open_checkpoints


@dataclasses.dataclass(frozen=True)
class Settings:
    steps: int = 3
    widths: tuple[int, ...] = (1, 2)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.npy").write_bytes(b"a")
    return tmp_path


def test_fingerprint_is_stable(here: Path) -> None:
    first = fingerprint([Settings(), {"b": 1, "a": Path("x")}], [Path("data")])
    assert first == fingerprint([Settings(), {"a": Path("x"), "b": 1}], [Path("data")])
    assert len(first) == 16


def test_fingerprint_sees_settings_and_files(here: Path) -> None:
    seen = {fingerprint(Settings(), [Path("data")])}
    seen.add(fingerprint(Settings(steps=4), [Path("data")]))
    seen.add(fingerprint(Settings(), []))
    (here / "data" / "a.npy").write_bytes(b"b")
    seen.add(fingerprint(Settings(), [Path("data")]))
    (here / "data" / "c.npy").write_bytes(b"c")
    seen.add(fingerprint(Settings(), [Path("data")]))
    assert len(seen) == 5
    with pytest.raises(PipelineError, match="data/b.npy is missing; `dvc repro` makes it"):
        fingerprint(Settings(), [Path("data/b.npy")])


def test_fingerprint_sees_sources_and_torch(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {fingerprint({}, [])}
    source = here / "extra.py"
    module = types.ModuleType("pipeline.extra")
    module.__file__ = str(source)
    monkeypatch.setitem(sys.modules, "pipeline.extra", module)
    for text in ("a = 1", "a = 2"):
        source.write_text(text)
        seen.add(fingerprint({}, []))
    monkeypatch.setattr(torch, "__version__", "0")
    seen.add(fingerprint({}, []))
    assert len(seen) == 4


def test_a_value_without_a_place_is_refused() -> None:
    with pytest.raises(TypeError):
        fingerprint({"x": object()}, [])


def test_save_load_clear(here: Path) -> None:
    folder = CheckpointFolder(Path("stage/fingerprint"))
    assert folder.load() is None
    state = {"step": 3, "weights": {"a": torch.arange(3)}, "history": [{"loss": 0.5}]}
    folder.save({"step": 2})
    folder.save(state)
    loaded = folder.load()
    assert loaded is not None and torch.equal(loaded["weights"]["a"], torch.arange(3))
    assert loaded["step"] == 3 and loaded["history"] == state["history"]
    assert [path.name for path in folder.path.iterdir()] == ["checkpoint.pt"]
    part = folder.part("b")
    part.save({"step": 1})
    assert folder.load() is not None and part.load() == {"step": 1}
    folder.clear()
    assert not Path("stage").exists()
    folder.clear()  # harmless


def test_only_the_newest_fingerprint_is_kept(here: Path) -> None:
    first = open_checkpoints("train", "a", Settings(), [Path("data")])
    first.save({"step": 1})
    other = open_checkpoints("train", "b", Settings(), [])
    other.save({"step": 1})
    assert open_checkpoints("train", "a", Settings(), [Path("data")]).load() == {"step": 1}
    second = open_checkpoints("train", "a", Settings(steps=4), [Path("data")])
    assert second.load() is None and first.load() is None and other.load() is not None
    assert first.path.parent == Path(".checkpoints/train-a")


def test_only_the_first_process_changes_checkpoints(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = open_checkpoints("train", "a", Settings(), [])
    folder.save({"step": 1})
    monkeypatch.setenv("RANK", "1")
    other = open_checkpoints("train", "a", Settings(steps=4), [])
    other.save({"step": 2})
    folder.clear()
    assert folder.load() == {"step": 1} and other.load() is None
    monkeypatch.setenv("RANK", "0")
    folder.clear()
    assert folder.load() is None


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "pickle", "list"])
def test_an_unusable_checkpoint_is_told(here: Path, damage: str) -> None:
    folder = CheckpointFolder(here / "stage" / "fingerprint")
    folder.save({"weights": torch.ones(1000)})
    data = folder.file.read_bytes()
    if damage == "pickle":
        torch.save({"path": types.SimpleNamespace()}, folder.file)
    elif damage == "list":
        torch.save([1], folder.file)
    else:
        content = {"truncated": data[: len(data) // 2], "empty": b"", "text": b"x" * 50}
        folder.file.write_bytes(content[damage])
    with pytest.raises(PipelineError, match=f"delete the folder {folder.path} and run the stage"):
        folder.load()
