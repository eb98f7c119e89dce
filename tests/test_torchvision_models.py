"""torchvision's classifiers, ours and any other by name: the same function and layers."""

import copy
import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from networks import images, make_task, write_data

from pipeline import paths
from pipeline.config.rows import NetworkRow, Rows
from pipeline.networks.card import load_card
from pipeline.networks.layers import phi
from pipeline.networks.loading import load_checkpoints
from pipeline.networks.published import load_published
from pipeline.networks.torchvision_models import build_torchvision, torchvision_card
from pipeline.stages.train_network import settings_class, train_network
from pipeline.torchvision_compat import torchvision

MODELS = torchvision.models
SMALL = {"blocks": (2, 2, 2, 2), "bottleneck": False}
NETWORKS = [("alexnet", "alexnet", {}), ("resnet50", "resnet18", SMALL)]
NETWORKS += [(name, name, {}) for name in ("resnet50", "resnet101")]
NAMES = ("resnet18", "squeezenet1_1", "mobilenet_v3_small", "googlenet", "mnasnet0_5")
NETWORKS += [(f"torchvision:{name}", name, {}) for name in NAMES]


@pytest.mark.parametrize(("build", "name", "settings"), NETWORKS)
def test_it_computes_what_torchvisions_does(build: str, name: str, settings: Any) -> None:
    torch.manual_seed(0)
    card = load_card(build)
    arguments = card.arguments(card.settings(steps=1, size=128, **settings), 7)
    options = {"init_weights": False, "transform_input": True} if name == "googlenet" else {}
    ours = card.build(**arguments).eval()
    theirs = MODELS.get_model(name, weights=None, num_classes=7, **options).eval()
    state = theirs.state_dict().items()
    ours.load_state_dict({key: value for key, value in state if not key.startswith("aux")})
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = images(128, 2)
    with torch.no_grad():
        expected = theirs(((x + 1) / 2 - mean.view(3, 1, 1)) / std.view(3, 1, 1))
        if name == "alexnet":  # whose f are log-probabilities
            expected = expected.softmax(1).log()
        assert torch.equal(ours(x), expected)
        assert torch.equal(copy.deepcopy(ours)(x), expected)
        assert ours(images(40)).shape == (3, 7)  # resized
    for path, module in theirs.named_modules():
        if path and not path.startswith("aux"):
            assert type(ours.get_submodule(path)) is type(module)


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "inception_v3"])
def test_it_is_trained_with_one_output(name: str) -> None:
    network = build_torchvision(name, 7, size=96)
    network.train()(images(96, 2)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_every_classifier_has_weights_with_a_digest() -> None:
    for name in MODELS.list_models(module=MODELS):
        weights = torchvision_card(name).weights
        assert weights is not None and len(weights.sha256) >= 8 and int(weights.sha256, 16)
        assert weights.url.startswith("https://") and weights.sha256 in weights.file


def test_inputs_are_those_the_weights_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    other = MODELS.EfficientNet_V2_L_Weights
    monkeypatch.setattr(MODELS, "get_model_weights", lambda _: other)
    network = build_torchvision("squeezenet1_1", 2, size=32)
    assert network.get_buffer("mean").flatten().tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("name", ["squeezenet1_1", "densenet121", "googlenet"])
def test_published_weights(tmp_path: Path, name: str) -> None:
    """Also with DenseNet's old names of layers, and auxiliary classifiers, which f lacks."""
    card = load_card(f"torchvision:{name}")
    network, fresh = (card.build(3, size=64) for _ in range(2))
    state = {
        key.replace("norm1", "norm.1").replace("conv2", "conv.2") if "denselayer" in key else key: v
        for key, v in network.state_dict().items()
    }
    path = tmp_path / "made-up.pth"
    torch.save(state | {"aux1.conv.conv.weight": torch.ones(1)}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    weights = replace(card.weights, url=f"https://example.org/{path.name}", sha256=digest[:8])
    found = load_published(fresh, replace(card, weights=weights), tmp_path, "mine")
    assert list(found) == list(network.state_dict())
    for key, value in network.state_dict().items():
        assert torch.equal(found[key], value) and torch.equal(fresh.state_dict()[key], value)


def test_a_row_is_enough(here: Path) -> None:
    """The stage trains it, its states are read back, and any of its modules is a layer."""
    write_data(paths.prepared("mine"), 3)
    row = NetworkRow(dataset="mine", build="torchvision:mobilenet_v3_small")
    settings = settings_class("net", Rows(networks={"net": row}))(
        steps=2, batch_size=8, checkpoints=2, size=64, crop_scale=0.5, blur=0.1
    )
    task = make_task("train_network", "net", settings, networks={"net": row})
    train_network(task, torch.device("cpu"))
    networks = load_checkpoints(paths.network("net"), torch.device("cpu"))
    first, last = (phi(network, "features.12", images(32)) for _, network in networks)
    assert first.shape == last.shape == (3, 576, 2, 2) and not torch.equal(first, last)


CODE = """
import sys
try:
    import torchvision
except RuntimeError as error:
    assert "torchvision::nms" in str(error)
from pipeline.torchvision_compat import torchvision as first
from pipeline.torchvision_compat import torchvision as second
import torchvision
assert first is second is torchvision is sys.modules["torchvision"]
"""


def test_import_after_a_failed_import(repository: Path) -> None:
    """torchvision imports with whatever build of torch."""
    environment = os.environ | {"PYTHONPATH": str(repository)}
    subprocess.run([sys.executable, "-c", CODE], env=environment, check=True)
