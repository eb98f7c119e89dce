"""The autoencoders of images, slim, and the decoders that invert a layer by itself."""

import copy
from functools import partial
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from training import assert_equal

from pipeline.errors import PipelineError
from pipeline.models.biggan import BigGANDecoder, ConditionalNorm, NonLocalBlock, ResBlock
from pipeline.models.convolutional import ConvolutionalDecoder, ConvolutionalEncoder
from pipeline.models.image_autoencoder import ImageAutoencoder
from pipeline.models.inversion import InversionDecoder
from pipeline.models.regression import ridge_regression

KINDS: Any = ConvolutionalEncoder, ConvolutionalDecoder, BigGANDecoder


def slim(latent: int = 8, **arguments: Any) -> ImageAutoencoder:
    torch.manual_seed(0)
    options = {"blocks": (1, 1), "width": 8, "channels": 2, "classes": 4, "attention": False}
    return ImageAutoencoder(32, latent, **(options | arguments))


def inversion(latent: int = 8, **arguments: Any) -> InversionDecoder:
    torch.manual_seed(1)
    options = {"channels": 2, "classes": 4, "attention": False}
    return InversionDecoder((3, 2, 2), 32, latent, **(options | arguments))


def images(count: int, size: int = 32) -> Tensor:
    return torch.rand(count, 3, size, size) * 2 - 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"bottleneck": True, "pooling": True},
        {"bottleneck": True, "pooling": False},
        {"bottleneck": False, "pooling": True},
        {"bottleneck": False, "pooling": False, "attention": True},
        {"architecture": "convolutional"},
    ],
    ids=str,
)
def test_every_weight_of_slim_variants_learns(arguments: dict[str, Any]) -> None:
    model, x = slim(latent=6, **arguments), images(4)
    if "attention" in arguments:
        nn.init.ones_(model.decoder.attention.weight)  # type: ignore[union-attr, arg-type]
    reconstructions, mean, variance = model(x)
    assert mean.shape == variance.shape == (4, 6) and variance.min() > 0
    (reconstructions.square().mean() + mean.square().mean() + variance.log().mean()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        if name != "decoder.first.bias":  # the mean of the first maps is taken out by their norm
            assert parameter.grad.abs().max() > 0, name
    together, alone = (model.decode(model.encode(some)[0]) for some in (x, x[:1]))
    assert together.shape == x.shape
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_the_number_of_blocks_follows_from_the_size(size: int) -> None:
    encoder, small, biggan = (kind(size, 5, 4) for kind in KINDS)
    assert encoder.layers(images(2, size)).shape == (2, 4 * size // 8, 4, 4)
    assert 4 << len(biggan.blocks) == size
    z_bar = encoder(images(2, size))[:, :5]
    for decoder in (small, biggan):
        decoded = decoder(z_bar)
        assert decoded.shape == (2, 3, size, size) and decoded.abs().max() <= 1


@pytest.mark.parametrize(
    ("kind", "size"), [*product(KINDS, (8, 24, 65)), (KINDS[0], 0), (KINDS[1], 0), (KINDS[2], 256)]
)
def test_a_size_that_cannot_be_halved(kind: type, size: int) -> None:
    with pytest.raises(PipelineError, match=f"{size} px"):
        kind(size, 4, 4)


def test_z_is_standardised() -> None:
    model, z = inversion(), torch.randn(50, 3, 2, 2) * 100 + 30
    model.standardize.fit(z.flatten(1))
    expected = inversion().eval()((z - z.mean(0)) / z.std(0))
    torch.testing.assert_close(model.eval()(z), expected, atol=1e-4, rtol=1e-4)
    with pytest.raises(PipelineError, match=r"\(3, 2, 2\), not \(12,\)"):
        model(torch.zeros(2, 12))


@pytest.mark.parametrize("architecture", ["biggan", "convolutional"])
def test_a_warm_start_begins_with_the_autoencoders_images(architecture: str) -> None:
    model, source = (build(architecture=architecture) for build in (inversion, slim))
    source(images(8))
    z = torch.randn(100, 3, 2, 2)
    z_bar = z.flatten(1) @ torch.randn(12, 8) + 3  # what z determines exactly
    model.standardize.fit(z.flatten(1))
    model.warm_start(source, z, z_bar)
    decoded, expected = model.eval()(z), source.eval().decode(z_bar)
    assert (decoded - expected).square().mean() < 1e-2 * expected.var()
    assert_equal(model.decoder, source.decoder)


def test_a_warm_start_with_another_latent_dimension_keeps_what_fits() -> None:
    model, source = inversion(latent=6), slim()
    before = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        for parameter in source.decoder.parameters():
            parameter.add_(1)
    model.warm_start(source, torch.randn(20, 3, 2, 2), torch.randn(20, 8))
    after, theirs = model.state_dict(), source.decoder.state_dict()
    for name in ("linear.weight", "decoder.first.weight"):
        assert after[name].equal(before[name]), name
    for name in ("blocks.2.convolution2.weight", "class_embedding.weight", "output.bias"):
        assert after[f"decoder.{name}"].equal(theirs[name]), name


def test_ridge_regression_finds_a_linear_map_and_shrinks_noise() -> None:
    inputs, truth = torch.randn(2000, 5), torch.randn(3, 5)
    weight, bias, _ = ridge_regression(inputs, inputs @ truth.T + 7)
    torch.testing.assert_close(weight, truth, atol=0.02, rtol=0)
    torch.testing.assert_close(bias, torch.full((3,), 7.0), atol=0.02, rtol=0)
    generator = torch.Generator().manual_seed(0)
    inputs, *targets = (torch.randn(60, n, generator=generator) for n in (50, 1, 1))
    weight, *_ = ridge_regression(inputs, targets[0])
    assert weight.norm() < 0.2 * torch.linalg.lstsq(inputs, targets[1]).solution.norm()


def test_every_block_reads_its_chunk_and_h_and_bfloat16_stays_close() -> None:
    torch.manual_seed(0)
    decoder = BigGANDecoder(32, latent=10, channels=4, classes=6, hidden=8, embedding=5)
    z_bar = torch.randn(4, 10)
    decoder(z_bar)
    before = decoder.eval()(z_bar)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(decoder(z_bar), before, atol=0.05, rtol=0)
    nn.init.zeros_(decoder.class_embedding.weight)
    assert (decoder(z_bar) - before).abs().max() > 1e-5
    nn.init.zeros_(decoder.first.weight)
    for chunk in range(3):
        changed = z_bar.clone()
        changed.split(decoder.chunks, 1)[chunk].add_(1)
        assert (decoder(changed) - decoder(z_bar)).abs().max() > 1e-3


@pytest.mark.parametrize("side", [4, 8, 12])
def test_a_resblock_and_its_gradients_in_one_formula(side: int) -> None:
    """Whose convolution of doubled maps is a transposed one, from 8 x 8 on."""
    block = ResBlock(4, 6, 3, up=True).double().eval()
    for norm in (block.norm1, block.norm2):
        nn.init.normal_(norm.log_scale, std=0.1)
        nn.init.normal_(norm.shift)
    x = torch.randn(2, 4, side, side, dtype=torch.float64, requires_grad=True)
    condition = torch.randn(2, 3, dtype=torch.float64)
    gain1, bias1, gain2, bias2 = block.modulation(condition)[..., None, None].split(block.widths, 1)

    def normalise(y: Tensor, norm: ConditionalNorm, gain: Tensor, bias: Tensor) -> Tensor:
        y = y * norm.log_scale.exp()[:, None, None] + norm.shift[:, None, None]
        return (1 + gain) * y + bias

    double = partial(F.interpolate, scale_factor=2)
    y = block.convolution1(double(normalise(x, block.norm1, gain1, bias1).relu()))
    y = block.convolution2(normalise(y, block.norm2, gain2, bias2).relu())
    results = block(x, condition), block.shortcut(double(x)) + y
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)
    variables = x, *block.parameters()
    slopes = [torch.autograd.grad(some.square().sum(), variables) for some in results]
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-4)


def test_norms_start_with_the_statistics_of_the_first_batch() -> None:
    norm = ConditionalNorm(3).train()
    x = 5 + 2 * torch.randn(8, 3, 6, 6)
    nothing = torch.zeros(8, 3)
    y = norm(x, nothing, nothing)
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(y.var((0, 2, 3), correction=0), torch.ones(3), atol=1e-4, rtol=0)
    assert norm.eval()(x[:1], nothing[:1], nothing[:1]).equal(y[:1])  # no statistics of the batch


def test_the_non_local_block_starts_as_the_identity_and_mixes_positions() -> None:
    block, x = NonLocalBlock(8), torch.randn(2, 8, 6, 6)
    assert block(x).equal(x)
    nn.init.ones_(block.weight)
    elsewhere = x.clone()
    elsewhere[:, :, 5, 5] += 1
    assert (block(elsewhere) - block(x))[:, :, 0, 0].abs().max() > 1e-6
