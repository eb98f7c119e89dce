"""The decoder of Tab. S9: its shapes, its conditioning and what it computes in shorter ways."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.errors import PipelineError
from pipeline.models import biggan
from pipeline.models.biggan import BigGANDecoder, ConditionalNorm, NonLocalBlock, ResBlock


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def slim(size: int = 32, **arguments: object) -> BigGANDecoder:
    torch.manual_seed(0)
    defaults = {"latent": 10, "channels": 4, "classes": 6, "hidden": 8, "embedding": 5}
    return BigGANDecoder(size, **(defaults | arguments))  # type: ignore[arg-type]


def record(module: nn.Module, names: list[str], *inputs: Tensor) -> dict[str, tuple[int, ...]]:
    """Shapes, without the batch, of the outputs of submodules."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name in names:

        def store(_module: nn.Module, _inputs: object, output: Tensor, name: str = name) -> None:
            shapes[name] = tuple(output.shape[1:])

        module.get_submodule(name).register_forward_hook(store)
    module(*inputs)
    return shapes


def test_shapes_of_tab_s9() -> None:
    expected = {
        "class_logits.1": (256,),
        "class_logits.3": (256,),
        "class_logits.5": (256,),
        "class_logits.6": (1000,),
        "class_embedding": (128,),
        "first": (4 * 4 * 16 * 96,),
        "blocks.0": (16 * 96, 8, 8),
        "blocks.1": (8 * 96, 16, 16),
        "blocks.2": (4 * 96, 32, 32),
        "blocks.3": (2 * 96, 64, 64),
        "attention": (2 * 96, 64, 64),
        "blocks.4": (96, 64, 64),
        "norm": (96, 64, 64),
    }
    with torch.device("meta"):
        decoder, z_bar = BigGANDecoder().eval(), torch.zeros(2, 128)
        assert record(decoder, list(expected), z_bar) == expected
        assert decoder(z_bar).shape == (2, 3, 128, 128)
    assert decoder.chunks == [26, 26, 26, 25, 25]
    assert parameters(decoder) == 73_619_349


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_the_number_of_blocks_follows_from_the_size(size: int) -> None:
    decoder = slim(size)
    images = decoder(torch.randn(2, 10))
    assert images.shape == (2, 3, size, size)
    assert 4 << len(decoder.blocks) == size
    assert -1 < images.min() < images.max() < 1


@pytest.mark.parametrize("size", [8, 48, 256])
def test_other_sizes_are_told(size: int) -> None:
    with pytest.raises(PipelineError, match=f"no decoder for images of {size} px: use 16, 32"):
        slim(size)


def test_every_weight_learns() -> None:
    decoder = slim(attention=True)
    nn.init.ones_(decoder.attention.weight)  # type: ignore[union-attr, arg-type]
    decoder(torch.randn(3, 10)).square().mean().backward()
    for name, parameter in decoder.named_parameters():
        assert parameter.grad is not None, name
        if name != "first.bias":  # the first images' own mean is taken out by the first norm
            assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("chunk", range(3))
def test_every_block_reads_its_chunk(chunk: int) -> None:
    decoder = slim().train()
    z_bar = torch.randn(4, 10)
    decoder(z_bar)
    decoder.eval()
    nn.init.zeros_(decoder.first.weight)
    nn.init.zeros_(decoder.class_embedding.weight)
    changed = z_bar.clone()
    changed.split(decoder.chunks, 1)[chunk].add_(1)
    assert (decoder(changed) - decoder(z_bar)).abs().max() > 1e-3


def test_h_conditions_the_blocks() -> None:
    decoder = slim().eval()
    z_bar = torch.randn(4, 10)
    before = decoder(z_bar)
    nn.init.zeros_(decoder.class_embedding.weight)
    assert (decoder(z_bar) - before).abs().max() > 1e-5


@pytest.mark.parametrize("side", [4, 8, 12])
def test_the_transposed_convolution_is_the_convolution_of_doubled_maps(side: int) -> None:
    x = torch.randn(2, 3, side, side, dtype=torch.float64, requires_grad=True)
    convolution = nn.Conv2d(3, 5, 3, padding=1).double()
    expected = convolution(F.interpolate(x, scale_factor=2))
    found = biggan._doubled_convolution(x, convolution)
    torch.testing.assert_close(found, expected)
    wanted = torch.autograd.grad(expected.square().sum(), (x, convolution.weight))
    given = torch.autograd.grad(found.square().sum(), (x, convolution.weight))
    torch.testing.assert_close(given, wanted)


def test_resblock_in_one_formula() -> None:
    block = ResBlock(4, 6, 3, up=True).double().eval()
    for norm in (block.norm1, block.norm2):
        nn.init.normal_(norm.log_scale, std=0.1)
        nn.init.normal_(norm.shift)
    x, condition = torch.randn(2, 4, 8, 8).double(), torch.randn(2, 3).double()
    gain1, bias1, gain2, bias2 = block.modulation(condition)[..., None, None].split(block.widths, 1)

    def normalise(y: Tensor, norm: ConditionalNorm, gain: Tensor, bias: Tensor) -> Tensor:
        y = y * norm.log_scale.exp()[:, None, None] + norm.shift[:, None, None]
        return (1 + gain) * y + bias

    y = F.interpolate(normalise(x, block.norm1, gain1, bias1).relu(), scale_factor=2)
    y = normalise(block.convolution1(y), block.norm2, gain2, bias2).relu()
    expected = block.shortcut(F.interpolate(x, scale_factor=2)) + block.convolution2(y)
    torch.testing.assert_close(block(x, condition), expected, rtol=1e-5, atol=1e-5)


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


def test_bfloat16_stays_close() -> None:
    decoder, z_bar = slim().eval(), torch.randn(4, 10)
    with torch.autocast("cpu", torch.bfloat16):
        images = decoder(z_bar)
    assert images.dtype == torch.float32
    torch.testing.assert_close(images, decoder(z_bar), atol=0.05, rtol=0)
