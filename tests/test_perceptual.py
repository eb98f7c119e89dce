"""LPIPS: VGG-16's features, its closed form, and where the weights come from."""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from training import assert_equal, normal

from pipeline.errors import PipelineError
from pipeline.models import perceptual
from pipeline.models.perceptual import LPIPS, VGG16Features, load_lpips
from pipeline.models.weights import PublishedWeights
from pipeline.torchvision_compat import torchvision

CHANNELS = (64, 128, 256, 512, 512)


@pytest.fixture
def images() -> tuple[torch.Tensor, torch.Tensor]:
    return normal(3, 3, 32, 32).tanh(), normal(3, 3, 32, 32, seed=1).tanh()


def test_features_are_torchvisions(images: tuple[torch.Tensor, torch.Tensor]) -> None:
    features, vgg = VGG16Features(), torchvision.models.vgg16().features
    state = zip(features.state_dict(), vgg.state_dict().values(), strict=True)
    features.load_state_dict(dict(state))
    expected, x = [], images[0]
    for layer in vgg[:-1]:  # without the last max-pool
        if isinstance(layer, torch.nn.MaxPool2d):
            expected.append(x)
        x = layer(x)
    with torch.no_grad():
        torch.testing.assert_close(list(features(images[0])), [*expected, x])


def test_distance_in_one_formula_of_which_only_the_second_images_learn(
    images: tuple[torch.Tensor, torch.Tensor],
) -> None:
    torch.manual_seed(0)
    lpips, (first, second) = LPIPS(), images
    mean, std = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    normalised = [(x - mean.view(3, 1, 1)) / std.view(3, 1, 1) for x in images]
    expected = torch.zeros(3)
    for head, a, b in zip(lpips.heads, *map(lpips.features, normalised), strict=True):
        a, b = (torch.nn.functional.normalize(f, dim=1) for f in (a, b))
        expected += torch.einsum("bchw,c->b", (a - b).square(), head) / a[0, 0].numel()
    distance = lpips(first, second.requires_grad_())
    torch.testing.assert_close(distance, expected)
    assert lpips(first, first).abs().max() == 0
    distance.sum().backward()
    assert second.grad is not None and second.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in lpips.parameters())


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of files as the packages publish them, random and with digests of their own."""
    vgg = torchvision.models.vgg16(weights=None).state_dict()
    vgg = {name: value for name, value in vgg.items() if name.startswith("features.")}
    file, heads = tmp_path / perceptual.VGG16.file, tmp_path / perceptual.HEADS
    heads.parent.mkdir(parents=True)
    torch.save(vgg | {"classifier.6.bias": torch.zeros(1000)}, file)
    torch.save(
        {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(CHANNELS)}, heads
    )
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (file, heads)]
    weights = PublishedWeights(perceptual.VGG16.url, digests[0])
    monkeypatch.setattr(perceptual, "VGG16", weights)
    monkeypatch.setattr(perceptual, "HEADS_SHA256", digests[1])
    origin = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(perceptual.importlib.util, "find_spec", lambda _: origin)
    return tmp_path


def test_weights_are_converted_once(published: Path) -> None:
    file = published / perceptual.VGG16.file
    expected = torch.load(file, weights_only=True)
    model: Any = load_lpips(published)
    assert model.features.stages[0][0].weight.equal(expected["features.0.weight"])
    assert model.features.stages[4][5].bias.equal(expected["features.28.bias"])
    file.unlink()
    assert_equal(load_lpips(published), model)


def test_heads_that_cannot_be_used(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual, "HEADS_SHA256", "0" * 64)
    with pytest.raises(PipelineError, match="vgg.pth is not the published file"):
        load_lpips(published)
    monkeypatch.setattr(perceptual.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(PipelineError, match="lpips is not installed"):
        load_lpips(published)
