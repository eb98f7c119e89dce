"""Class-conditional generators G(z~, h), h = W c, with BigGAN's interface (INV paper, Sec. B.6)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.models.autoencoder import Autoencoder
from pipeline.models.biggan_deep import BigGANDeep
from pipeline.models.dequantizer import Dequantizer, load_dequantizer
from pipeline.models.image_autoencoder import load_autoencoder
from pipeline.models.inn import ConditionalINN, InvertibleNetwork
from pipeline.models.loading import with_weights
from pipeline.storage import read_json

__all__ = [
    "ClassEmbedding",
    "Generator",
    "InvertibleGenerator",
    "LatentGenerator",
    "build_class_inn",
    "load_generator",
    "load_latent_generator",
]


class ClassEmbedding(nn.Linear):
    """W: classes as numbers (B,) to h = W c (B, features_out), c the one-hot class."""

    def __init__(self, classes: int, features_out: int) -> None:
        super().__init__(classes, features_out, bias=False)
        self.classes = classes
        self.features_out = features_out
        nn.init.normal_(self.weight)

    def forward(self, labels: Tensor) -> Tensor:
        """Embed classes (B,), whole numbers of any type."""
        return self.weight.T[labels.long()]


def build_class_inn(
    features: int,
    classes: int,
    embedding: int,
    blocks: int,
    width: int,
    depth: int,
    base: Mapping[str, int] | None = None,
    dropout: float = 0.0,
    seed: int = 0,
) -> ConditionalINN:
    """Build t_h for z_bar of `features` dimensions, conditioned on a class by h = W c alone.

    `base` has blocks, width and depth of unconditional blocks applied first, whose weights the
    caller loads. All other weights are a pure function of `seed`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        w = ClassEmbedding(classes, embedding)
    fixed = None if base is None else InvertibleNetwork(features, **base)
    return ConditionalINN(features, w, blocks, width, depth, dropout, seed, base=fixed)


class InvertibleGenerator(nn.Module):
    """G(z~, h) = D(t_h^-1(z~ | h)): a class-conditional INN followed by an autoencoder's decoder.

    z~ (B, noise) is standard normal, h (B, embedding). The interface is BigGAN's.
    """

    def __init__(self, inn: ConditionalINN, autoencoder: Autoencoder, features: int) -> None:
        super().__init__()
        assert isinstance(inn.embedding, ClassEmbedding)
        self.inn = inn
        self.autoencoder = autoencoder
        self.noise = features
        self.classes = inn.embedding.classes
        self.embedding = inn.embedding.features_out

    def embed(self, labels: Tensor) -> Tensor:
        """h = W c (B, embedding) of classes (B,)."""
        return self.inn.embedding(labels)

    def forward(self, noise: Tensor, h: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] for z~ (B, noise) and h (B, embedding)."""
        z_bar = self.inn.network.inverse(noise, h)
        if self.inn.base is not None:
            z_bar = self.inn.base.inverse(z_bar)
        return self.autoencoder.decode(z_bar)


Generator = InvertibleGenerator | BigGANDeep


class LatentGenerator(nn.Module):
    """The generator as a decoder of z_bar = (z~, code of h), for samples of t (Sec. B.6).

    The dequantiser's decoder maps the code back to an embedding h.
    """

    def __init__(self, generator: Generator, dequantizer: Dequantizer) -> None:
        super().__init__()
        self.generator = generator
        self.dequantizer = dequantizer

    def encode(self, noise: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of z_bar (B, noise + latent): z~ is known, the code has a posterior."""
        mean, variance = self.dequantizer.encode(self.generator.embed(labels))
        return torch.cat([noise, mean], 1), torch.cat([torch.zeros_like(noise), variance], 1)

    def decode(self, z_bar: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] for z_bar (B, noise + latent)."""
        noise, h = z_bar.split([self.generator.noise, z_bar.shape[1] - self.generator.noise], 1)
        return self.generator(noise, self.dequantizer.decode(h))


def load_generator(folder: Path) -> Generator:
    """Read a generator, in evaluation mode; ours has its autoencoder in the subfolder `decoder`.

    Raises PipelineError if a file is missing, damaged or belongs to another model.
    """
    config: dict[str, Any] = read_json(folder / "config.json")
    weights = folder / "model.safetensors"
    generator: Generator
    if config["kind"] == "biggan":
        generator = with_weights(BigGANDeep(**config["model"]), weights)
    else:
        inn = with_weights(build_class_inn(**config["model"]), weights)
        decoder = load_autoencoder(folder / "decoder")
        generator = InvertibleGenerator(inn, decoder, config["model"]["features"])
    return generator.requires_grad_(False).eval()


def load_latent_generator(folder: Path) -> LatentGenerator:
    """Read a generator and its dequantiser from the subfolders `generator` and `dequantizer`."""
    generator = load_generator(folder / "generator")
    return LatentGenerator(generator, load_dequantizer(folder / "dequantizer"))
