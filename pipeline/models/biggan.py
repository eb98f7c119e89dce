"""The decoder D after BigGAN, its class conditioning replaced by z_bar (INV paper, Tab. S9)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.errors import PipelineError
from pipeline.models.norm import ActNorm

__all__ = ["BigGANDecoder", "ChannelNorm", "ConditionalNorm", "NonLocalBlock", "ResBlock"]

MULTIPLIERS = (16, 16, 8, 4, 2, 1)
"""Channels per resolution at 128 px, in units of `channels`; smaller images leave out the first."""
SMALLEST = 4
"""Height and width of the first feature map."""


class ChannelNorm(ActNorm):
    """ActNorm for networks that are not invertible; computes in the precision of its input.

    BigGAN uses BatchNorm. ActNorm behaves the same in training and at test, even with the batches
    of 16 that a small machine affords, and needs no pass over the batch.
    """

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]  # without log_det
        """Normalise x (B, C, H, W) per channel; same shape."""
        if self.training and self._pending:
            self._initialize(x.detach())
        return _affine(x, self.log_scale.exp(), self.shift)


class ConditionalNorm(ActNorm):
    """ActNorm, then scaled by 1 + gain and shifted by bias, both per image and channel.

    BigGAN's conditional normalisation; `ChannelNorm` says why it is not BatchNorm.
    """

    def forward(self, x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:  # type: ignore[override]  # has a condition
        """Normalise x (B, C, H, W) with gain and bias, both (B, C); same shape."""
        if self.training and self._pending:
            self._initialize(x.detach())
        gain = 1 + gain.float()
        return _affine(
            x, self.log_scale.exp() * gain, torch.addcmul(bias.float(), self.shift, gain)
        )


def _affine(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """scale * x + shift in the precision of x, for (..., C) scale and shift of (B, C, H, W) x."""
    scale, shift = scale.to(x.dtype), shift.to(x.dtype)
    return torch.addcmul(shift[..., None, None], x, scale[..., None, None])


class ResBlock(nn.Module):
    """BigGAN's residual block: twice [conditional norm, ReLU, 3x3 convolution] plus a shortcut.

    `up` doubles height and width before the first convolution. Source: INV paper, Tab. S9.
    """

    def __init__(self, inputs: int, outputs: int, condition: int, *, up: bool) -> None:
        super().__init__()
        self.widths = (inputs, inputs, outputs, outputs)
        self.up = up
        self.modulation = nn.Linear(condition, sum(self.widths), bias=False)
        self.norm1 = ConditionalNorm(inputs)
        self.convolution1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = ConditionalNorm(outputs)
        self.convolution2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map x (B, inputs, H, W) and condition (B, condition) to (B, outputs, H or 2H, ...)."""
        gain1, bias1, gain2, bias2 = self.modulation(condition).split(self.widths, 1)
        y = self.norm1(x, gain1, bias1).relu_()
        x = self.shortcut(x)  # before doubling: same result at a quarter of the cost
        if self.up:
            x, y = F.interpolate(x, scale_factor=2), _doubled_convolution(y, self.convolution1)
        else:
            y = self.convolution1(y)
        y = self.norm2(y, gain2, bias2).relu_()
        return x + self.convolution2(y)


def _doubled_convolution(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    """3x3 convolution of x (B, C, H, W) after nearest-neighbour upsampling: (B, ..., 2H, 2W).

    Four output pixels share their inputs, so one transposed convolution with a 4x4 kernel computes
    the same with 4/9 of the products. On small maps, summing the kernels costs more than it saves.
    """
    if x.shape[-1] < 8:
        return convolution(F.interpolate(x, scale_factor=2))
    kernel = convolution.weight.to(x.dtype).flip(2, 3).transpose(0, 1)
    kernel = F.pad(kernel, (0, 1, 0, 0)) + F.pad(kernel, (1, 0, 0, 0))
    kernel = F.pad(kernel, (0, 0, 0, 1)) + F.pad(kernel, (0, 0, 1, 0))
    return F.conv_transpose2d(x, kernel, convolution.bias, stride=2, padding=1)


class NonLocalBlock(nn.Module):
    """Self-attention over all positions, added to its input with a weight that starts at zero.

    Keys and values are taken at half the resolution, as in BigGAN. Source: INV paper, Tab. S9.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner, values = max(1, channels // 8), max(1, channels // 2)
        self.query = nn.Conv2d(channels, inner, 1, bias=False)
        self.key = nn.Conv2d(channels, inner, 1, bias=False)
        self.value = nn.Conv2d(channels, values, 1, bias=False)
        self.output = nn.Conv2d(values, channels, 1, bias=False)
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C, H, W), H and W even, to the same shape."""
        query = self.query(x).flatten(2)
        key = F.max_pool2d(self.key(x), 2).flatten(2)
        value = F.max_pool2d(self.value(x), 2).flatten(2)
        attention = (query.mT @ key).softmax(2)
        attended = (value @ attention.mT).unflatten(2, x.shape[2:])
        return x + self.weight * self.output(attended)


class BigGANDecoder(nn.Module):
    """D of Tab. S9: z_bar (B, latent) to images (B, 3, size, size) in [-1, 1].

    A small fully connected network turns z_bar into a mixture of `classes` soft classes, whose
    embedding h conditions every block together with the block's own chunk of z_bar. The number of
    blocks follows from `size`: as in the table, all blocks but the last double the resolution, and
    so does the last convolution (sub-pixel convolution). `attention` puts the non-local block
    before the last ResBlock, at size / 2.

    Raises PipelineError for a `size` that is not a power of two between 16 and 128.
    """

    def __init__(
        self,
        size: int = 128,
        latent: int = 128,
        channels: int = 96,
        classes: int = 1000,
        hidden: int = 256,
        embedding: int = 128,
        *,
        attention: bool = True,
    ) -> None:
        super().__init__()
        doublings = (size // SMALLEST).bit_length() - 1
        if not 2 <= doublings < len(MULTIPLIERS) or size != SMALLEST << doublings:
            raise PipelineError(f"no decoder for images of {size} px: use 16, 32, 64 or 128.")
        widths = [channels * multiplier for multiplier in MULTIPLIERS[-doublings - 1 :]]
        chunks = [len(chunk) for chunk in torch.empty(latent, device="cpu").tensor_split(doublings)]
        self.size, self.latent, self.chunks = size, latent, chunks
        self.class_logits = nn.Sequential(
            nn.Linear(latent, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, classes),
        )
        self.class_embedding = nn.Linear(classes, embedding, bias=False)
        self.first = nn.Linear(latent, widths[0] * SMALLEST**2)
        self.blocks = nn.ModuleList(
            ResBlock(inputs, outputs, embedding + chunk, up=i < doublings - 1)
            for i, ((inputs, outputs), chunk) in enumerate(
                zip(pairwise(widths), chunks, strict=True)
            )
        )
        self.attention = NonLocalBlock(widths[-2]) if attention else None
        self.norm = ChannelNorm(widths[-1])
        self.output = nn.Conv2d(widths[-1], 4 * 3, 3, padding=1)

    def forward(self, z_bar: Tensor) -> Tensor:
        """Decode z_bar (B, latent) to images (B, 3, size, size) in [-1, 1], in float32."""
        h = self.class_embedding(self.class_logits(z_bar).softmax(1))
        x = self.first(z_bar).unflatten(1, (SMALLEST, SMALLEST, -1)).permute(0, 3, 1, 2)
        for i, (block, chunk) in enumerate(
            zip(self.blocks, z_bar.split(self.chunks, 1), strict=True)
        ):
            if self.attention is not None and i == len(self.blocks) - 1:
                x = self.attention(x)
            x = block(x, torch.cat([chunk.to(h.dtype), h], 1))
        x = self.output(self.norm(x).relu_())
        return F.pixel_shuffle(x.float(), 2).tanh()
