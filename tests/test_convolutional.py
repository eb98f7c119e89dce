"""The small autoencoder: shapes, sizes it refuses, and what an image costs it."""

import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.models.autoencoder import Norm
from pipeline.models.convolutional import ConvolutionalDecoder, ConvolutionalEncoder
from pipeline.models.image_autoencoder import ImageAutoencoder
from pipeline.models.inversion import InversionDecoder


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_it_ends_at_four_pixels_and_comes_back(size: int) -> None:
    images = torch.rand(2, 3, size, size) * 2 - 1
    encoder, decoder = ConvolutionalEncoder(size, 5, 4), ConvolutionalDecoder(size, 5, 4)
    features = encoder.layers(images)
    assert features.shape == (2, 4 * size // 8, 4, 4)
    encoded = encoder(images)
    assert encoded.shape == (2, 10)
    decoded = decoder(encoded[:, :5])
    assert decoded.shape == images.shape and decoded.dtype == torch.float32
    assert decoded.abs().max() <= 1
    norms = [module for module in decoder.modules() if isinstance(module, Norm)]
    assert all(norm.initialized for norm in norms)
    decoded.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in decoder.parameters())
    assert all(p.grad is not None for p in encoder.parameters())


@pytest.mark.parametrize("size", [0, 8, 24, 65])
@pytest.mark.parametrize("kind", [ConvolutionalEncoder, ConvolutionalDecoder])
def test_a_size_it_cannot_halve(kind: type, size: int) -> None:
    with pytest.raises(PipelineError, match=f"no autoencoder for images of {size} px: use 16"):
        kind(size, 4, 4)


def test_both_models_take_it_by_name() -> None:
    torch.manual_seed(0)
    autoencoder = ImageAutoencoder(32, 6, width=4, channels=4, architecture="convolutional")
    again = ImageAutoencoder(**autoencoder.arguments).eval()
    again.load_state_dict(autoencoder.state_dict())
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    mean, variance = autoencoder.eval().encode(images)
    assert mean.shape == variance.shape == (3, 6) and variance.min() > 0
    torch.testing.assert_close(again.decode(mean), autoencoder.decode(mean))

    baseline = InversionDecoder((5,), 32, 6, 4, architecture="convolutional").eval()
    z = torch.randn(40, 5)
    z_bar = z @ torch.randn(5, 6) + 1
    baseline.standardize.fit(z)
    baseline.warm_start(autoencoder, z, z_bar)
    torch.testing.assert_close(baseline(z), autoencoder.decode(z_bar), rtol=0, atol=1e-2)
