"""LPIPS: VGG-16's shapes, its closed form, and where the weights come from."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from test_biggan import parameters

from pipeline.errors import PipelineError
from pipeline.models import perceptual
from pipeline.models.perceptual import LPIPS, VGG16Features, load_lpips
from pipeline.networks import weights
from pipeline.torchvision_compat import torchvision

CHANNELS = (64, 128, 256, 512, 512)


@pytest.fixture(scope="module")
def lpips() -> LPIPS:
    torch.manual_seed(0)
    return LPIPS()


@pytest.fixture(scope="module")
def images() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    first, second = torch.rand(2, 3, 3, 32, 32, generator=generator) * 2 - 1
    return first, second


def test_shapes_of_tab_s5() -> None:
    with torch.device("meta"):
        features = VGG16Features()
        shapes = [tuple(f.shape[1:]) for f in features(torch.zeros(2, 3, 128, 128))]
        vgg = torchvision.models.vgg16().features
    assert shapes == [(c, 128 >> i, 128 >> i) for i, c in enumerate(CHANNELS)]
    assert parameters(features) == parameters(vgg) == 14_714_688


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


def test_distance_in_one_formula(lpips: LPIPS, images: tuple[torch.Tensor, torch.Tensor]) -> None:
    mean, std = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    normalised = [(x - mean.view(3, 1, 1)) / std.view(3, 1, 1) for x in images]
    expected = torch.zeros(3)
    for head, a, b in zip(lpips.heads, *map(lpips.features, normalised), strict=True):
        a, b = (torch.nn.functional.normalize(f, dim=1) for f in (a, b))
        expected += torch.einsum("bchw,c->b", (a - b).square(), head) / a[0, 0].numel()
    torch.testing.assert_close(lpips(*images), expected)


def test_distance_is_a_distance(lpips: LPIPS, images: tuple[torch.Tensor, torch.Tensor]) -> None:
    assert lpips(images[0], images[0]).abs().max() == 0
    assert lpips(*images).min() > 0
    torch.testing.assert_close(lpips(*images), lpips(*reversed(images)))


def test_only_the_second_images_learn(
    lpips: LPIPS, images: tuple[torch.Tensor, torch.Tensor]
) -> None:
    others = images[1].clone().requires_grad_()
    lpips(images[0], others).sum().backward()
    assert others.grad is not None and others.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in lpips.parameters())


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files as the packages publish them, random and with digests of their own."""
    vgg = torchvision.models.vgg16(weights=None)
    state = {k: v for k, v in vgg.state_dict().items() if k.startswith("features.")}
    folder = tmp_path / "weights"
    folder.mkdir()
    entry = weights.PUBLISHED["vgg16"]
    torch.save(state | {"classifier.6.bias": torch.zeros(1000)}, folder / entry.file)
    heads = tmp_path / "lpips" / perceptual.HEADS
    heads.parent.mkdir(parents=True)
    torch.save(
        {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(CHANNELS)}, heads
    )
    digest = hashlib.sha256((folder / entry.file).read_bytes()).hexdigest()
    monkeypatch.setitem(weights.PUBLISHED, "vgg16", weights.PublishedWeights(entry.url, digest))
    digest = hashlib.sha256(heads.read_bytes()).hexdigest()
    monkeypatch.setattr(perceptual, "HEADS_SHA256", digest)
    origin = SimpleNamespace(origin=str(tmp_path / "lpips/__init__.py"))
    monkeypatch.setattr(perceptual.importlib.util, "find_spec", lambda _: origin)
    return folder


def test_weights_are_converted_once(published: Path) -> None:
    entry = weights.PUBLISHED["vgg16"]
    expected = torch.load(published / entry.file, weights_only=True)
    model = load_lpips(published)
    assert model.features.stages[0][0].weight.equal(expected["features.0.weight"])  # type: ignore[index, union-attr]
    assert model.features.stages[4][5].bias.equal(expected["features.28.bias"])  # type: ignore[index, union-attr]
    (published / entry.file).unlink()
    again = load_lpips(published)
    for name, value in model.state_dict().items():
        assert again.state_dict()[name].equal(value), name


def test_another_file_of_heads_is_told(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual, "HEADS_SHA256", "0" * 64)
    with pytest.raises(PipelineError, match="not the published file; install lpips==0.1.4"):
        load_lpips(published)


def test_a_missing_package_is_told(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(PipelineError, match="lpips is not installed: run `pip install lpips"):
        load_lpips(published)


def test_missing_weights_are_told(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="vgg16-397923af.pth are missing: download"):
        load_lpips(tmp_path)
