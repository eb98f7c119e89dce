"""Architectures of the papers at full size: shapes of their tables, and numbers of parameters."""

from typing import Any

import pytest
import torch
from torch import Tensor
from training import parameters, record

from pipeline.models.biggan import BigGANDecoder
from pipeline.models.biggan_deep import BigGANDeep
from pipeline.models.dequantizer import Dequantizer
from pipeline.models.discriminator import PatchDiscriminator
from pipeline.models.image_autoencoder import ResNetEncoder
from pipeline.models.inversion import InversionDecoder
from pipeline.models.stargan import StarGANCritic, StarGANGenerator


def images(size: int = 128) -> Tensor:
    return torch.zeros(2, 3, size, size)


def vectors(*sizes: int) -> tuple[Tensor, ...]:
    return tuple(torch.zeros(2, size) for size in sizes)


# Parameters counted by hand: of StarGAN for five attributes, and of the dequantiser.
GENERATOR = (3 + 5) * 64 * 49 + 64 * 128 * 16 + 128 * 256 * 16 + 6 * 2 * 256 * 256 * 9
GENERATOR += 256 * 128 * 16 + 128 * 64 * 16 + 64 * 3 * 49
GENERATOR += 2 * (64 + 128 + 256 + 6 * 2 * 256 + 128 + 64)  # norms
CRITIC = 3 * 64 * 16 + 16 * 64 * 128 * (1 + 4 + 16 + 64 + 256)
CRITIC += 64 + 128 + 256 + 512 + 1024 + 2048 + 2048 * 9 + 2048 * 5 * 2 * 2  # biases and heads
WIDER, SAME, NARROWER = 129 * 4096, 4097 * 4096, 4097 * 128  # linear layers
DEQUANTIZER = 4 * WIDER + 9 * SAME + 5 * NARROWER + 1  # gamma

# fmt: off
# build, inputs, shapes of submodules without the batch ("" is the whole), parameters
TABLES: dict[str, tuple[Any, Any, dict[str, tuple[int, ...]], int]] = {
    "Tab. S6": (PatchDiscriminator, lambda: [images()], {
        "layers.1": (64, 64, 64), "layers.4": (128, 32, 32), "layers.7": (256, 16, 16),
        "layers.10": (512, 8, 8), "layers.14": (512, 8, 8), "": (1, 8, 8),
    }, 6_960_961),
    "Tab. S8": (lambda: ResNetEncoder(128), lambda: [images()], {
        "stem.0": (64, 64, 64), "stem": (64, 32, 32), "stages.0": (256, 32, 32),
        "stages.1": (512, 16, 16), "stages.2": (1024, 8, 8), "stages.3": (2048, 4, 4),
        "": (2 * 128,),
    }, 43_024_704),
    "Tab. S9": (BigGANDecoder, lambda: vectors(128), {
        "class_logits.1": (256,), "class_logits.3": (256,), "class_logits.5": (256,),
        "class_logits.6": (1000,), "class_embedding": (128,), "first": (4 * 4 * 16 * 96,),
        "blocks.0": (16 * 96, 8, 8), "blocks.1": (8 * 96, 16, 16), "blocks.2": (4 * 96, 32, 32),
        "blocks.3": (2 * 96, 64, 64), "attention": (2 * 96, 64, 64), "blocks.4": (96, 64, 64),
        "norm": (96, 64, 64), "": (3, 128, 128),
    }, 73_619_349),
    "StarGAN, Tab. 4": (lambda: StarGANGenerator(list("abcde")), lambda: [images(), *vectors(5)], {
        "layers.2": (64, 128, 128), "layers.5": (128, 64, 64), "layers.8": (256, 32, 32),
        "layers.14": (256, 32, 32), "layers.17": (128, 64, 64), "layers.20": (64, 128, 128),
        "": (3, 128, 128),
    }, GENERATOR),
    "StarGAN, Tab. 5": (lambda: StarGANCritic(5), lambda: [images()], {
        "layers.11": (2048, 2, 2), "source": (1, 2, 2), "classes": (5, 1, 1),
    }, CRITIC),
    "BigGAN-deep": (BigGANDeep, lambda: vectors(128, 128), {
        "generator.gen_z": (16 * 2048,), "generator.layers.8": (512, 64, 64), "": (3, 256, 256),
    }, 0),
    "Tab. S17": (Dequantizer, lambda: vectors(128), {
        "encoder": (4096,), "mean.0": (128,), "mean": (128,), "log_variance.0": (128,),
        "log_variance": (128,), "decoder": (128,),
    }, DEQUANTIZER),
    "inversion": (lambda: InversionDecoder((256, 7, 7)), lambda: [torch.zeros(2, 256, 7, 7)], {
        "linear": (4096,), "": (3, 128, 128),
    }, 183_884_309 + (256 * 7 * 7 + 1) * 4096),
    "inversion of 4096": (lambda: InversionDecoder((4096,)), lambda: vectors(4096), {
        "linear": (4096,), "": (3, 128, 128),
    }, 183_884_309),
}
# fmt: on


@pytest.mark.parametrize("name", TABLES)
def test_shapes_and_parameters(name: str) -> None:
    build, inputs, expected, count = TABLES[name]
    with torch.device("meta"):
        model = build().eval()
        assert record(model, list(expected), *inputs()) == expected
    assert not count or parameters(model) == count
