"""D&B's decoder: what it reads, and its warm start."""

import pytest
import torch
from test_biggan import parameters
from torch import nn

from pipeline.errors import PipelineError
from pipeline.models.image_autoencoder import ImageAutoencoder
from pipeline.models.inversion import InversionDecoder
from pipeline.models.regression import ridge_regression


def inversion(shape: tuple[int, ...] = (3, 2, 2), latent: int = 8) -> InversionDecoder:
    torch.manual_seed(0)
    return InversionDecoder(shape, 32, latent, channels=2, classes=4, attention=False)


def autoencoder(latent: int = 8) -> ImageAutoencoder:
    torch.manual_seed(1)
    return ImageAutoencoder(32, latent, (1, 1), 4, 2, 4, attention=False)


@pytest.mark.parametrize(("shape", "linear"), [((256, 7, 7), True), ((4096,), False)])
def test_full_size(shape: tuple[int, ...], linear: bool) -> None:
    with torch.device("meta"):
        decoder = InversionDecoder(shape).eval()
        assert decoder(torch.zeros(2, *shape)).shape == (2, 3, 128, 128)
    assert isinstance(decoder.linear, nn.Linear) == linear
    assert parameters(decoder.linear) == (12544 * 4096 + 4096 if linear else 0)
    assert decoder.decoder.latent == 4096


def test_z_is_standardised() -> None:
    model, z = inversion(), torch.randn(50, 3, 2, 2) * 100 + 30
    model.standardize.fit(z.flatten(1))
    plain = inversion().eval()
    standard = (z - z.mean(0)) / z.std(0)
    torch.testing.assert_close(model.eval()(z), plain(standard), atol=1e-4, rtol=1e-4)


def test_another_shape_is_told() -> None:
    with pytest.raises(PipelineError, match=r"shape \(3, 2, 2\), not \(12,\): build it for"):
        inversion()(torch.zeros(2, 12))


def test_a_warm_start_begins_with_the_autoencoders_images() -> None:
    model, source = inversion(), autoencoder()
    source(torch.rand(8, 3, 32, 32) * 2 - 1)
    z = torch.randn(100, 3, 2, 2)
    z_bar = z.flatten(1) @ torch.randn(12, 8) + 3  # what z determines exactly
    model.standardize.fit(z.flatten(1))
    model.warm_start(source, z, z_bar)
    decoded, expected = model.eval()(z), source.eval().decode(z_bar)
    assert (decoded - expected).square().mean() < 1e-2 * expected.var()
    for name, value in source.decoder.state_dict().items():
        assert model.decoder.state_dict()[name].equal(value), name


def test_a_warm_start_with_another_latent_dimension_keeps_what_fits() -> None:
    model, source = inversion(latent=6), autoencoder()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        for parameter in source.decoder.parameters():
            parameter.add_(1)
    model.warm_start(source, torch.randn(20, 3, 2, 2), torch.randn(20, 8))
    assert model.linear.weight.equal(before["linear.weight"])
    assert model.decoder.first.weight.equal(before["decoder.first.weight"])
    for name in ("blocks.2.convolution2.weight", "class_embedding.weight", "output.bias"):
        assert model.decoder.state_dict()[name].equal(source.decoder.state_dict()[name]), name


def test_ridge_regression_finds_a_linear_map() -> None:
    inputs, truth = torch.randn(2000, 5), torch.randn(3, 5)
    weight, bias = ridge_regression(inputs, inputs @ truth.T + 7)
    torch.testing.assert_close(weight, truth, atol=0.02, rtol=0)
    torch.testing.assert_close(bias, torch.full((3,), 7.0), atol=0.02, rtol=0)


def test_ridge_regression_shrinks_what_is_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(60, 50, generator=generator)
    weight, _ = ridge_regression(inputs, torch.randn(60, 1, generator=generator))
    fitted = torch.linalg.lstsq(inputs, torch.randn(60, 1, generator=generator)).solution
    assert weight.norm() < 0.2 * fitted.norm()
