"""Published weights: recognised by their SHA-256, unpickled only then, and used by the stage."""

import hashlib
import pickle
import pkgutil
from collections import OrderedDict
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from networks import make_task, write_data
from torch import nn

import pipeline.networks
from pipeline import paths
from pipeline.config.rows import NetworkRow
from pipeline.errors import PipelineError
from pipeline.models.perceptual import VGG16
from pipeline.models.weights import PublishedWeights, published_weights
from pipeline.networks import alexnet
from pipeline.networks.alexnet import CARD, AlexNetSettings
from pipeline.networks.loading import load_network
from pipeline.stages.train_network import train_network
from pipeline.storage import read_json
from pipeline.torchvision_compat import torchvision

CARDS = {
    module.name: getattr(import_module(f"pipeline.networks.{module.name}"), "CARD", None)
    for module in pkgutil.iter_modules(pipeline.networks.__path__)
}
PUBLISHED = {name: card.weights for name, card in CARDS.items() if card and card.weights}
PUBLISHED |= {"vgg16": VGG16}
STATE = OrderedDict(weight=torch.arange(6.0).view(2, 3), bias=torch.tensor([1.0, -1.0]))


def saved(path: Path, content: Any, **more: Any) -> PublishedWeights:
    """`content` as published weights, in a new file."""
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return PublishedWeights(f"https://example.org/models/{path.name}", digest, **more)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made-up.pth"


@pytest.mark.parametrize("name", PUBLISHED)
def test_descriptions_and_missing_files(tmp_path: Path, name: str) -> None:
    weights = PUBLISHED[name]
    assert len(weights.sha256) in (8, 64) and int(weights.sha256, 16)
    assert weights.url.startswith("https://") and weights.file == Path(weights.url).name
    if name in ("vgg16", "alexnet", "resnet50", "resnet101"):  # torchvision's
        default = torchvision.models.get_model_weights(name).IMAGENET1K_V1
        assert weights.url == default.url and weights.imagenet
        assert weights.sha256[:8] in weights.file
    with pytest.raises(PipelineError) as caught:
        published_weights(weights, tmp_path, name)
    assert str(tmp_path / weights.file) in str(caught.value) and weights.url in str(caught.value)
    (tmp_path / weights.file).mkdir()
    with pytest.raises(PipelineError, match=f"{weights.file} cannot be read"):
        published_weights(weights, tmp_path, name)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict_is_read(path: Path, zipped: bool) -> None:
    """As torch saves it today, and as it did until 1.6."""
    state = OrderedDict(STATE, weight=nn.Parameter(STATE["weight"]))
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    found = published_weights(saved(path, path.read_bytes()), path.parent, "made up")
    assert type(found) is dict and list(found) == list(STATE)
    for name, value in found.items():
        assert type(value) is torch.Tensor and not value.requires_grad
        assert torch.equal(value, STATE[name])


def test_parameters_are_left_out_and_renamed(path: Path) -> None:
    state = {**STATE, "logits.weight": torch.ones(2), "logitsum": torch.ones(1)}
    weights = saved(path, state, left_out=("logits.", "head."), rename=str.upper)
    assert list(published_weights(weights, path.parent, "")) == ["WEIGHT", "BIAS", "LOGITSUM"]
    # Inside of a checkpoint, of which eight digits are known.
    state = {"epoch": 60, "state_dict": {f"module.{name}": STATE[name] for name in STATE}}
    weights = saved(path, state, inside="state_dict", prefix="module.")
    weights = replace(weights, sha256=weights.sha256[:8])
    assert list(published_weights(weights, path.parent, "")) == list(STATE)
    with pytest.raises(PipelineError, match="is not the published file"):
        published_weights(replace(weights, sha256="0" * 8), path.parent, "")


class Trap:
    """Fails the test when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was executed",))


NO_STATE = [b"", b"not a pickle", pickle.dumps(["a", "list"], protocol=2), [torch.ones(2)]]


@pytest.mark.parametrize(
    "content", [{"weight": Trap()}, *NO_STATE, {"state_dict": STATE}, {1: torch.ones(2)}]
)
def test_what_is_no_state_dict(path: Path, content: Any) -> None:
    with pytest.raises(PipelineError, match="made-up.pth holds no plain state dict"):
        published_weights(saved(path, content), path.parent, "made up")


def test_another_file_is_not_unpickled(path: Path) -> None:
    weights = saved(path, {"weight": Trap()})
    path.write_bytes(path.read_bytes() + b"\0")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(PipelineError, match="is not the published file") as caught:
        published_weights(weights, path.parent, "")
    for part in (str(path), found[:12], weights.sha256[:12], weights.url):
        assert part in str(caught.value)


@pytest.fixture
def settings(here: Path) -> AlexNetSettings:
    """Of an AlexNet whose weights lie in the current folder, as a data set of five classes does."""
    write_data(paths.prepared("animals"), 5)
    return AlexNetSettings(steps=1, width=0.05, hidden=16, size=32, weights=".")


def publish(monkeypatch: pytest.MonkeyPatch, classes: int, imagenet: bool) -> nn.Module:
    """Publish a network that names everything class 162, or the last, as AlexNet; return it."""
    network = CARD.build(classes, width=0.05, hidden=16, size=32)
    with torch.no_grad():
        network.classifier[6].bias[min(162, classes - 1)] += 1000
    weights = saved(Path("own.pth"), network.state_dict(), imagenet=imagenet)
    monkeypatch.setattr(alexnet, "CARD", replace(CARD, weights=weights))
    return network


def run_stage(settings: AlexNetSettings, **changes: Any) -> dict[str, Any]:
    rows = {"mine": NetworkRow(dataset="animals", build="alexnet")}
    settings = settings.model_copy(update=changes)
    torch.manual_seed(0)
    train_network(make_task("train_network", "mine", settings, networks=rows), torch.device("cpu"))
    return read_json(paths.training_metrics("laptop", "train_network", "mine"))


@pytest.mark.parametrize(
    ("imagenet", "species", "accuracy"),
    [(False, "kind 3", 0.2), (True, "kind 3", None), (True, "beagle", 1)],
)
def test_published_weights_are_measured(
    settings: AlexNetSettings, monkeypatch: pytest.MonkeyPatch,
    imagenet: bool, species: str, accuracy: float | None,
) -> None:  # fmt: skip
    """Of weights for ImageNet, whose class 162 is the beagle, on the species that they know."""
    truth = paths.prepared("animals") / "learning" / "ground_truth.parquet"
    pd.read_parquet(truth).replace({"species": {"kind 3": species}}).to_parquet(truth)
    expected = publish(monkeypatch, 1000 if imagenet else 5, imagenet)
    metrics = run_stage(settings)
    network = load_network(paths.network("mine"), torch.device("cpu")).state_dict()
    assert all(torch.equal(value, network[key]) for key, value in expected.state_dict().items())
    config = read_json(paths.network("mine") / "config.json")
    assert config["name"] == "mine" and config["build"] == "alexnet" and config["published"]
    assert metrics == {"validation_accuracy": accuracy}


def test_other_weights(settings: AlexNetSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, 5, imagenet=False)
    with pytest.raises(PipelineError, match="weights of mine .*size mismatch") as caught:
        run_stage(settings, hidden=24)
    assert "\n" not in str(caught.value) and not paths.network("mine").exists()
    monkeypatch.setattr(alexnet, "CARD", replace(CARD, weights=None))
    with pytest.raises(PipelineError, match=r"no weights of mine .*train_network\.mine\.weights"):
        run_stage(settings)


def test_a_network_that_is_trained_here_learns(settings: AlexNetSettings) -> None:
    changes = {"steps": 60, "checkpoints": 3, "batch_size": 35, "learning_rate": 3e-3}
    metrics = run_stage(settings, weights=None, width=0.1, hidden=64, dropout=0.0, **changes)
    assert metrics["validation_accuracy"] > 0.9  # of five classes
    config = read_json(paths.network("mine") / "config.json")
    assert config["steps"] == [0, 30, 60] and not config["published"]
    curves = read_json(paths.training("laptop", "train_network", "mine") / "metrics.json")
    assert curves["step"] == 60
