"""Published weights: recognised by their SHA-256, never unpickled before."""

import hashlib
import inspect
import pickle
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pipeline import paths
from pipeline.datasets.animals import prepare_animals
from pipeline.datasets.splits import load_split
from pipeline.errors import PipelineError
from pipeline.networks import weights
from pipeline.networks.loading import build_network, builder_arguments, load_network
from pipeline.networks.weights import PUBLISHED, PublishedWeights, published_weights
from pipeline.params import Params, load_params
from pipeline.stages.train_network import train_network
from pipeline.storage import read_json, write_parquet
from pipeline.torchvision_compat import torchvision

# isort: split
from facenet_pytorch.models import inception_resnet_v1

ROOT = Path(__file__).resolve().parents[1]
STATE = OrderedDict(weight=torch.arange(6.0).view(2, 3), bias=torch.tensor([1.0, -1.0]))

TORCHVISION = sorted(set(PUBLISHED) - {"facenet", "resnet50_stylized"})


def publish(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enter the file at `path` into the table as `made_up`."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = PublishedWeights(f"https://example.org/models/{path.name}", digest)
    monkeypatch.setitem(weights.PUBLISHED, "made_up", entry)


@pytest.mark.parametrize("name", PUBLISHED)
def test_entries_are_complete(name: str) -> None:
    entry = PUBLISHED[name]
    assert len(entry.sha256) in (8, 64) and int(entry.sha256, 16)
    assert entry.url.startswith("https://") and entry.file == Path(entry.url).name


@pytest.mark.parametrize("name", TORCHVISION)
def test_names_say_what_the_digests_are(name: str) -> None:
    """torchvision's convention: the name ends in the first eight digits."""
    entry = PUBLISHED[name]
    assert Path(entry.file).stem.rpartition("-")[2] == entry.sha256[:8]


@pytest.mark.parametrize("name", TORCHVISION)
def test_the_files_are_those_torchvision_names(name: str) -> None:
    default = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    assert PUBLISHED[name].url == default.url


def test_the_file_of_facenet_is_the_one_its_library_names() -> None:
    source = inspect.getsource(inception_resnet_v1.load_weights)
    assert PUBLISHED["facenet"].url in source


def test_weights_that_are_not_known(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no weights of squeezenet are known: describe their"):
        published_weights("squeezenet", tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool
) -> None:
    """As torch saves it today, and as it did until 1.6."""
    path = tmp_path / "made-up.pth"
    state = OrderedDict(STATE, weight=nn.Parameter(STATE["weight"]))
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    publish(path, monkeypatch)
    found = published_weights("made_up", tmp_path)
    assert type(found) is dict and list(found) == list(STATE)
    for name, value in found.items():
        assert type(value) is torch.Tensor and not value.requires_grad
        assert torch.equal(value, STATE[name])


def test_a_classifier_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "made-up.pth"
    torch.save({**STATE, "logits.weight": torch.ones(2), "logitsum": torch.ones(1)}, path)
    publish(path, monkeypatch)
    kept = replace(weights.PUBLISHED["made_up"], head="logits.")
    monkeypatch.setitem(weights.PUBLISHED, "made_up", kept)
    assert list(published_weights("made_up", tmp_path)) == [*STATE, "logitsum"]


def test_a_state_dict_inside_of_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "made-up.pth"
    state = {f"module.{name}": value for name, value in STATE.items()}
    torch.save({"epoch": 60, "state_dict": state}, path)
    publish(path, monkeypatch)
    entry = weights.PUBLISHED["made_up"]
    entry = replace(entry, inside="state_dict", prefix="module.", sha256=entry.sha256[:8])
    monkeypatch.setitem(weights.PUBLISHED, "made_up", entry)
    assert list(published_weights("made_up", tmp_path)) == list(STATE)
    monkeypatch.setitem(weights.PUBLISHED, "made_up", replace(entry, sha256="0" * 8))
    with pytest.raises(PipelineError, match="is not the published file"):
        published_weights("made_up", tmp_path)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_missing_file_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(PipelineError) as caught:
        published_weights(name, tmp_path / "nowhere")
    entry = PUBLISHED[name]
    assert str(caught.value) == (
        f"the weights {tmp_path / 'nowhere' / entry.file} are missing: download {entry.url} and "
        "put it there."
    )


def test_a_folder_in_the_files_place_is_told(tmp_path: Path) -> None:
    (tmp_path / PUBLISHED["alexnet"].file).mkdir()
    with pytest.raises(PipelineError, match="cannot be read .*make them readable"):
        published_weights("alexnet", tmp_path)


class Trap:
    """Says so when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was executed",))


@pytest.mark.parametrize("known", [True, False])
def test_no_pickle_is_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    path = tmp_path / "made-up.pth"
    torch.save({"weight": Trap()}, path)
    publish(path, monkeypatch)
    if not known:
        path.write_bytes(path.read_bytes() + b"\0")
    sentence = "holds no plain state dict" if known else "is not the published file"
    with pytest.raises(PipelineError, match=sentence):
        published_weights("made_up", tmp_path)


def test_another_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "made-up.pth"
    torch.save(STATE, path)
    publish(path, monkeypatch)
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(path.read_bytes()[:-1])
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(PipelineError) as caught:
        published_weights("made_up", tmp_path)
    assert str(caught.value) == (
        f"{path} is not the published file: its SHA-256 is {found[:12]}..., not "
        f"{expected[:12]}...; fetch it again from https://example.org/models/made-up.pth."
    )


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps(["a", "list"], protocol=2)])
def test_a_file_of_another_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    path = tmp_path / "made-up.pth"
    path.write_bytes(content)
    publish(path, monkeypatch)
    with pytest.raises(PipelineError, match="holds no plain state dict of tensors"):
        published_weights("made_up", tmp_path)


@pytest.mark.parametrize("content", [[torch.ones(2)], {"state_dict": STATE}, {1: torch.ones(2)}])
def test_tensors_that_are_no_state_dict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any
) -> None:
    path = tmp_path / "made-up.pth"
    torch.save(content, path)
    publish(path, monkeypatch)
    with pytest.raises(PipelineError, match="holds no plain state dict of tensors"):
        published_weights("made_up", tmp_path)


# --- the stage -----------------------------------------------------------------------------------


@pytest.fixture
def animals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """The settings of an AlexNet whose weights lie in tmp_path, and a few animals it classifies."""
    monkeypatch.chdir(tmp_path)
    params = load_params(ROOT)
    sizes = {"size": 32, "train": 12, "validation": 2, "test": 5, "reference": 1}
    settings = replace(params.settings.prepare["animals"], **sizes)
    folder = paths.prepared("animals")
    folder.mkdir(parents=True)
    truth = prepare_animals(settings, 0, folder / "images.npy", threads=1)
    write_parquet(folder / "ground_truth.parquet", truth)
    network = replace(params.settings.train_network["alexnet"], weights=str(tmp_path), hidden=16)
    settings = replace(params.settings, train_network={"alexnet": network})
    return replace(params, settings=settings)


def own_weights(params: Params, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> nn.Module:
    """Publish a network of the data set's classes as that of `params`; return it."""
    classes = 1 + int(load_split(paths.prepared("animals"), "train").label.max())
    settings = replace(params.settings.train_network["alexnet"], **changes)
    network = build_network("alexnet", **builder_arguments("alexnet", settings, classes))
    torch.save(network.state_dict(), "own.pth")
    digest = hashlib.sha256(Path("own.pth").read_bytes()).hexdigest()
    entry = PublishedWeights("https://example.org/own.pth", digest, imagenet=False)
    monkeypatch.setitem(weights.PUBLISHED, "alexnet", entry)
    return network


def test_weights_of_a_network_of_the_data_sets_classes(
    animals: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = own_weights(animals, monkeypatch)
    train_network(animals, "alexnet", torch.device("cpu"))
    found = load_network(paths.network("alexnet"), torch.device("cpu")).state_dict()
    assert all(torch.equal(value, found[key]) for key, value in expected.state_dict().items())
    metrics = read_json(paths.metrics("laptop", "train_network-alexnet"))
    assert 0 <= metrics["test_accuracy"] <= 1


def test_weights_of_another_network_are_told(
    animals: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_weights(animals, monkeypatch, hidden=24)
    with pytest.raises(PipelineError) as caught:
        train_network(animals, "alexnet", torch.device("cpu"))
    sentence = str(caught.value)
    assert sentence.startswith("the weights of alexnet in ") and "\n" not in sentence
    assert "are those of another network (size mismatch for classifier" in sentence
    assert not paths.network("alexnet").exists()
