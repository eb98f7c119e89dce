"""Writes are atomic and deterministic; damaged or missing files end in one sentence."""

import errno
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline import storage
from pipeline.errors import PipelineError

FRAME = pd.DataFrame({"label": np.arange(50) % 10, "red": np.linspace(0, 1, 50), "name": "a"})
MATRIX = torch.arange(6.0).reshape(2, 3).T
TENSORS = {
    "weight": MATRIX,  # not contiguous
    "part": MATRIX[:2],  # of the same memory
    "scale": torch.tensor(2.0, dtype=torch.bfloat16),
    "flag": torch.tensor([True, False, True]),
    "count": torch.tensor(7),
}
ARRAYS = {"b": np.eye(3, dtype=np.float32), "a": np.arange(4)}

WRITERS: dict[str, Callable[[Path], None]] = {
    "text": lambda path: storage.write_text(path, "Grüße\n"),
    "json": lambda path: storage.write_json(path, {"b": [1, 2.5], "a": "ü"}),
    "npy": lambda path: storage.write_npy(path, np.arange(5)),
    "npz": lambda path: storage.write_npz(path, **ARRAYS),
    "parquet": lambda path: storage.write_parquet(path, FRAME),
    "safetensors": lambda path: storage.write_safetensors(path, TENSORS),
}
READERS: dict[str, Callable[[Path], Any]] = {
    "json": storage.read_json,
    "npy": storage.read_array,
    "npz": storage.read_arrays,
    "parquet": storage.read_parquet,
    "safetensors": storage.read_tensors,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_equal_content_gives_equal_bytes(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    WRITERS[kind](tmp_path / "first")
    clock, local = time.time, time.localtime
    # Zip archives count in steps of two seconds.
    monkeypatch.setattr(time, "time", lambda: clock() + 4)
    monkeypatch.setattr(time, "localtime", lambda seconds=None: local((seconds or clock()) + 4))
    (tmp_path / ".second.partial").write_text("of a killed process")
    WRITERS[kind](tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["first", "second"]


def test_equal_tensors_give_equal_bytes_in_another_process(
    tmp_path: Path, repository: Path
) -> None:
    """Hash tables of the library are in an order that is drawn per process."""
    code = (
        "import sys, torch; from pipeline.storage import write_safetensors as w; "
        "w(sys.argv[1], {f'key{i}': torch.ones(3) for i in range(20)})"
    )
    environment = os.environ | {"PYTHONPATH": str(repository)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], env=environment, check=True)
    storage.write_safetensors(tmp_path / "b", {f"key{i}": torch.ones(3) for i in range(20)})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    for kind, write in WRITERS.items():
        write(tmp_path / "new" / kind)
    folder = tmp_path / "new"
    assert storage.read_json(folder / "json") == {"b": [1, 2.5], "a": "ü"}
    assert (folder / "json").read_text(encoding="utf-8").startswith('{\n  "a": "ü",\n')
    np.testing.assert_array_equal(storage.read_array(folder / "npy"), np.arange(5))
    arrays = storage.read_arrays(folder / "npz")
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
    pd.testing.assert_frame_equal(storage.read_parquet(folder / "parquet"), FRAME)
    tensors = storage.read_tensors(folder / "safetensors")
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype and torch.equal(tensors[name], tensor)


def test_an_array_written_into_a_file_is_that_written_at_once(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float16).reshape(3, 2, 2)
    array = storage.new_array(tmp_path / "folder/new.npy", values.shape, np.float16)
    array[2:], array[:2] = values[2:], values[:2]
    array.flush()
    storage.write_npy(tmp_path / "whole.npy", values)
    assert (tmp_path / "folder/new.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert not storage.read_array(tmp_path / "whole.npy").flags.writeable


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room cannot be asked for")
def test_an_array_that_the_disk_has_no_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    storage.new_array(tmp_path / "new.npy", (3, 2), np.float16)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(PipelineError, match=r"cannot write new\.npy .*free some space"):
        storage.new_array(tmp_path / "new.npy", (3, 2), np.float16)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: storage.write_json(path, {"x": float("nan")}),
        lambda path: storage.write_json(path, {"x": float("inf")}),
        lambda path: storage.write_npz(path, good=np.ones(2), bad=np.array([{}, None])),
    ],
    ids=["nan", "inf", "objects"],
)
def test_what_a_format_does_not_have_is_refused(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    with pytest.raises(ValueError):
        write(tmp_path / "a")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", WRITERS)
def test_a_failing_write_leaves_the_old_file(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(io.FileIO):
        """Takes some bytes, then none."""

        def write(self, data: Any) -> int:
            if self.tell() + memoryview(data).nbytes > 10:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    path = tmp_path / "result"
    path.write_bytes(b"old")
    monkeypatch.setattr(storage, "open", FullDisk, raising=False)
    with pytest.raises(PipelineError, match="cannot write result in .*No space left on device"):
        storage.write_text(path, "x" * 100) if kind == "text" else WRITERS[kind](path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["result"]


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PipelineError, match=f"cannot write a.json in {tmp_path}/file"):
        storage.write_json(tmp_path / "file" / "a.json", 1)
    with (
        pytest.raises(PipelineError, match=f"cannot write folder in {tmp_path}/file"),
        storage.new_folder(tmp_path / "file" / "folder"),
    ):
        pass


def make(path: Path, kind: str) -> None:
    """A file, or a folder with one."""
    if kind == "folder":
        path.mkdir()
        path /= "old"
    path.write_text("old")


@pytest.mark.parametrize("kind", ["folder", "file", "link", "link to nothing"])
def test_new_folder_replaces_what_is_in_its_way(tmp_path: Path, kind: str) -> None:
    """And what a killed process left."""
    target, elsewhere = tmp_path / "target", tmp_path / "elsewhere"
    if kind.startswith("link"):
        target.symlink_to(elsewhere)
    else:
        make(target, kind)
    if kind == "link":
        make(elsewhere, "folder")
    for name, leftover in (("first", "folder"), ("second", "file")):
        make(tmp_path / ".target.partial", leftover)
        make(tmp_path / ".target.old", leftover)
        with storage.new_folder(target) as folder:
            assert not list(folder.iterdir())
            (folder / name).write_text("")
        assert os.listdir(target) == [name] and not target.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "target"][kind != "link" :]
    assert kind != "link" or os.listdir(elsewhere) == ["old"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_new_folder_keeps_the_old_one_if_it_fails(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "deep" / "target"
    with storage.new_folder(target) as folder:
        assert folder.parent == target.parent
        (folder / "first").write_text("")
    with pytest.raises(error), storage.new_folder(target) as folder:
        (folder / "new").write_text("")
        raise error
    assert os.listdir(target) == ["first"] and os.listdir(tmp_path / "deep") == ["target"]


@pytest.mark.parametrize("kind", ["folder", "file"])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_new_folder_restores_what_it_cannot_replace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, error: type[BaseException]
) -> None:
    target = tmp_path / "target"
    make(target, kind)
    rename = Path.rename

    def refuse(self: Path, to: Path) -> Path:
        if self.name == ".target.partial":
            raise error
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", refuse)
    expected = PipelineError if error is OSError else error
    with pytest.raises(expected), storage.new_folder(target) as folder:
        (folder / "new").write_text("")
    assert os.listdir(tmp_path) == ["target"]
    assert (target if kind == "file" else target / "old").read_text() == "old"


@pytest.mark.parametrize("kind", WRITERS)
def test_another_process_leaves_nothing(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the first of torchrun's processes writes; the others read back what they fill."""
    with storage.new_folder(tmp_path / "target") as folder:
        (folder / "old").write_text("")
    monkeypatch.setenv("RANK", "1")
    WRITERS[kind](tmp_path / "deep" / "result")
    with storage.new_folder(tmp_path / "target") as folder:
        WRITERS[kind](folder / "part" / "result")
        if kind in READERS:
            READERS[kind](folder / "part" / "result")
        assert os.listdir(folder / "part") == ["result"]
    assert not folder.exists()
    with pytest.raises(RuntimeError), storage.new_folder(tmp_path / "target") as folder:
        raise RuntimeError
    assert not folder.exists()
    assert os.listdir(tmp_path) == ["target"] and os.listdir(tmp_path / "target") == ["old"]


PICKLE = io.BytesIO()
np.save(PICKLE, np.array([{}]), allow_pickle=True)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("damage", ["truncated", "foreign", "empty", "pickle"])
def test_a_missing_or_damaged_file_is_named(tmp_path: Path, kind: str, damage: str) -> None:
    path = tmp_path / "file"
    with pytest.raises(PipelineError, match=f"{path} is missing; run `dvc repro`"):
        READERS[kind](path)
    WRITERS[kind](path)
    half = path.read_bytes()[: path.stat().st_size // 2]
    contents = {"foreign": b"x" * 99, "empty": b"", "pickle": PICKLE.getvalue()}
    path.write_bytes(contents.get(damage, half))
    with pytest.raises(PipelineError, match=f"{path} is damaged .*delete it and run") as error:
        READERS[kind](path)
    assert "\n" not in str(error.value)
