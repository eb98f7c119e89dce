"""StarGAN, the baseline of semantic editing (Choi et al., CVPR 2018; INV paper, Sec. B.5, Fig. S9).

One generator edits any of a list of binary attributes of an image. It is given the wanted values of
all attributes, not which of them to change.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.models.loading import with_weights
from pipeline.storage import read_json

__all__ = ["StarGANCritic", "StarGANGenerator", "edit_attribute", "load_stargan"]

SLOPE = 0.01  # of the critic's LeakyReLUs
INSIDE = 0.99
"""Factor on the image before a residual G adds to it: tanh never reaches -1 or 1."""


class StarGANGenerator(nn.Module):
    """G: an image and its wanted attributes to an edited image (StarGAN, Tab. 4).

    `attributes` are their names, in the order of the columns passed to `forward`. The first
    convolution has `width` channels; two downsamplings double them, `blocks` residual blocks keep
    them, two upsamplings halve them again. Every convolution but the last is followed by an affine
    instance normalisation. The defaults are the paper's, for 128 px. With `residual`, the output is
    added to the image and starts at zero, so that G need not learn to keep what it does not change.
    """

    def __init__(
        self, attributes: Sequence[str], width: int = 64, blocks: int = 6, residual: bool = False
    ) -> None:
        super().__init__()
        self.attributes = tuple(attributes)
        self.residual = residual
        self.arguments = {"attributes": list(attributes), "width": width, "blocks": blocks}
        self.arguments["residual"] = residual
        inputs = 3 + len(self.attributes)
        layers = [*_normalised(nn.Conv2d(inputs, width, 7, 1, 3, bias=False)), nn.ReLU()]
        for channels in (width, 2 * width):
            halving = nn.Conv2d(channels, 2 * channels, 4, 2, 1, bias=False)
            layers += [*_normalised(halving), nn.ReLU()]
        layers += [_Residual(4 * width) for _ in range(blocks)]
        for channels in (4 * width, 2 * width):
            doubling = nn.ConvTranspose2d(channels, channels // 2, 4, 2, 1, bias=False)
            layers += [*_normalised(doubling), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 3, 7, 1, 3, bias=False))
        if residual:
            nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]  # a convolution's

    def forward(self, images: Tensor, attributes: Tensor) -> Tensor:
        """Edit images (B, 3, H, W) in [-1, 1] to show `attributes` (B, A), each 0 or 1.

        H and W are multiples of 4. Raises PipelineError for other sizes, or another number of
        attributes than A per image.
        """
        height, width = images.shape[-2:]
        if attributes.shape != (len(images), len(self.attributes)):
            raise PipelineError(
                f"{len(images)} images with attributes of shape {tuple(attributes.shape)}: StarGAN "
                f"expects {len(self.attributes)} for each, {', '.join(self.attributes)}."
            )
        if height % 4 or width % 4:
            raise PipelineError(
                f"no StarGAN for images of {height} x {width} px: use multiples of 4."
            )
        maps = attributes.to(images.dtype)[:, :, None, None].expand(-1, -1, height, width)
        change = self.layers(torch.cat([images.contiguous(), maps], 1)).float()
        kept = torch.atanh(INSIDE * images.float()) if self.residual else 0
        return (kept + change).tanh()


class StarGANCritic(nn.Module):
    """D: scores images as real or edited and classifies attributes (StarGAN, Tab. 5).

    Each of `layers` convolutions halves images of `size` px, down to overlapping patches; the first
    has `width` channels, and each of the others doubles them. No normalisation. The defaults are
    the paper's. Raises PipelineError for a size that cannot be halved that often.
    """

    def __init__(self, attributes: int, size: int = 128, width: int = 64, layers: int = 6) -> None:
        super().__init__()
        patches = size >> layers
        if patches < 1 or size != patches << layers:
            raise PipelineError(
                f"no StarGAN critic of {layers} layers for images of {size} px: use a multiple of "
                f"{2**layers} px, or fewer layers."
            )
        self.layers = nn.Sequential()
        inputs, outputs = 3, width
        for _ in range(layers):
            self.layers.append(nn.Conv2d(inputs, outputs, 4, 2, 1))
            self.layers.append(nn.LeakyReLU(SLOPE))
            inputs, outputs = outputs, 2 * outputs
        self.source = nn.Conv2d(inputs, 1, 3, 1, 1, bias=False)
        self.classes = nn.Conv2d(inputs, attributes, patches, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Patch scores (B, 1, P, P), larger for real ones, and attribute logits (B, A).

        Images (B, 3, size, size) in [-1, 1]; P = size / 2**layers.
        """
        x = self.layers(images.contiguous())
        return self.source(x).float(), self.classes(x).flatten(1).float()


@torch.no_grad()
def edit_attribute(
    generator: StarGANGenerator, images: Tensor, attributes: Tensor, index: int
) -> Tensor:
    """Edit images (B, 3, H, W) in [-1, 1] so that one attribute is negated (Fig. S8).

    `attributes` (B, A) are those of the images, 0 or 1; `index` counts from 0. Raises PipelineError
    if there is no such attribute.
    """
    if not 0 <= index < len(generator.attributes):
        raise PipelineError(
            f"StarGAN has no attribute {index}: it has {len(generator.attributes)}, counted from "
            f"0: {', '.join(generator.attributes)}."
        )
    wanted = attributes.clone()
    wanted[:, index] = 1 - wanted[:, index]
    return generator(images, wanted)


class _Residual(nn.Module):
    """x + F(x), F two normalised convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.layers = nn.Sequential(*_normalised(first), nn.ReLU(), *_normalised(second))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _normalised(convolution: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [convolution, nn.InstanceNorm2d(convolution.out_channels, affine=True)]


def load_stargan(folder: Path) -> StarGANGenerator:
    """Load StarGAN's generator, in evaluation mode."""
    model = StarGANGenerator(**read_json(folder / "config.json"))
    return with_weights(model, folder / "model.safetensors")
