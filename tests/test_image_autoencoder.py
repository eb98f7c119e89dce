"""The encoder of Tab. S8 and the whole autoencoder, at full size and slim."""

import pytest
import torch
from test_biggan import parameters, record

from pipeline.models.image_autoencoder import ImageAutoencoder, ResNetEncoder
from pipeline.torchvision_compat import torchvision

SLIM = {"size": 32, "latent": 6, "blocks": (1, 1), "width": 8, "channels": 2, "classes": 5}


def slim(**arguments: object) -> ImageAutoencoder:
    torch.manual_seed(0)
    return ImageAutoencoder(**(SLIM | arguments))  # type: ignore[arg-type]


def test_shapes_of_tab_s8() -> None:
    expected = {
        "stem.0": (64, 64, 64),
        "stem": (64, 32, 32),
        "stages.0": (256, 32, 32),
        "stages.1": (512, 16, 16),
        "stages.2": (1024, 8, 8),
        "stages.3": (2048, 4, 4),
        "head": (2 * 128,),
    }
    with torch.device("meta"):
        encoder = ResNetEncoder(128).eval()
        assert record(encoder, list(expected), torch.zeros(2, 3, 128, 128)) == expected
        resnet = torchvision.models.resnet101(num_classes=2 * 128)
    # Like BatchNorm, ActNorm has two numbers per channel.
    assert parameters(encoder) == parameters(resnet) == 43_024_704
    assert [len(stage) for stage in encoder.stages] == [3, 4, 23, 3]


@pytest.mark.parametrize("bottleneck", [True, False])
@pytest.mark.parametrize("pooling", [True, False])
def test_slim_variants(bottleneck: bool, pooling: bool) -> None:
    model = slim(bottleneck=bottleneck, pooling=pooling, attention=False)
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    reconstructions, mean, variance = model(images)
    assert reconstructions.shape == images.shape
    assert mean.shape == variance.shape == (3, 6)
    assert variance.min() > 0
    (reconstructions.square().mean() + mean.square().mean() + variance.log().mean()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name


def test_a_model_read_back_is_the_same() -> None:
    model = slim()
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    model(images)  # initialises the norms
    copy = slim()
    copy.load_state_dict(model.state_dict())
    mean, variance = model.eval().encode(images)
    assert copy.eval().encode(images)[0].equal(mean)
    assert copy.decode(mean).equal(model.decode(mean))
    copy.train()  # loaded norms do not start anew
    copy(images + 1)
    assert copy.eval().encode(images)[0].equal(mean)


def test_images_do_not_influence_each_other() -> None:
    model = slim().train()
    images = torch.rand(4, 3, 32, 32) * 2 - 1
    model(images)
    together = model.decode(model.encode(images)[0])
    alone = model.decode(model.encode(images[:1])[0])
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-5)
