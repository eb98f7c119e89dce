"""BigGAN-deep with published weights, as a generator G(z~, h) (INV paper, Sec. B.6).

The layout is that of the weights of pytorch-pretrained-biggan: names of tensors, the order of
blocks, spectral normalisation as a vector pair per weight, and statistics of the normalisations
for 51 truncations, of which only the last, no truncation, is used here.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.errors import PipelineError
from pipeline.storage import read_tensors

__all__ = ["BIGGAN_DEEP_256", "BigGANDeep", "read_biggan", "unspectral"]

Block = tuple[bool, int, int]
"""Whether a block doubles the image; its input and output channels in units of `channels`."""

BIGGAN_DEEP_256: tuple[Block, ...] = (
    (False, 16, 16), (True, 16, 16), (False, 16, 16), (True, 16, 8), (False, 8, 8), (True, 8, 8),
    (False, 8, 8), (True, 8, 4), (False, 4, 4), (True, 4, 2), (False, 2, 2), (True, 2, 1),
)  # fmt: skip
"""The blocks for images of 256 px."""
ATTENTION = 8
"""Blocks before the self-attention."""
EPSILON = 1e-4
REDUCTION = 4  # of the channels inside of a block
FILES = ("model.safetensors", "pytorch_model.bin")
URL = "https://s3.amazonaws.com/models.huggingface.co/biggan/biggan-deep-256-pytorch_model.bin"


class _Norm(nn.Module):
    """Batch normalisation with fixed statistics, its gain and bias linear in the condition."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.register_buffer("running_means", torch.zeros(channels))
        self.register_buffer("running_vars", torch.ones(channels))
        self.running_means: Tensor
        self.running_vars: Tensor
        if condition:
            self.scale = nn.Linear(condition, channels, bias=False)
            self.offset = nn.Linear(condition, channels, bias=False)
        else:
            self.weight = nn.Parameter(torch.ones(channels))
            self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Normalise x (B, channels, H, W); same shape."""
        x = (x - self.running_means[:, None, None]) * torch.rsqrt(
            self.running_vars[:, None, None] + EPSILON
        )
        if condition is None:
            return x * self.weight[:, None, None] + self.bias[:, None, None]
        scale, offset = self.scale(condition), self.offset(condition)
        return x * (1 + scale[..., None, None]) + offset[..., None, None]


class _Block(nn.Module):
    """The residual block of BigGAN-deep: 1x1, two 3x3 and 1x1 convolutions plus a shortcut."""

    def __init__(self, inputs: int, outputs: int, condition: int, *, up: bool) -> None:
        super().__init__()
        inner = inputs // REDUCTION
        self.up, self.outputs = up, outputs
        self.bn_0, self.conv_0 = _Norm(inputs, condition), nn.Conv2d(inputs, inner, 1)
        self.bn_1, self.conv_1 = _Norm(inner, condition), nn.Conv2d(inner, inner, 3, padding=1)
        self.bn_2, self.conv_2 = _Norm(inner, condition), nn.Conv2d(inner, inner, 3, padding=1)
        self.bn_3, self.conv_3 = _Norm(inner, condition), nn.Conv2d(inner, outputs, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map x (B, inputs, H, W) to (B, outputs, H or 2H, W or 2W)."""
        y = self.conv_0(self.bn_0(x, condition).relu())
        y = self.bn_1(y, condition).relu()
        if self.up:
            y = F.interpolate(y, scale_factor=2)
        y = self.conv_1(y)
        y = self.conv_2(self.bn_2(y, condition).relu())
        y = self.conv_3(self.bn_3(y, condition).relu())
        x = x[:, : self.outputs]  # a block with fewer outputs drops the last channels
        return y + (F.interpolate(x, scale_factor=2) if self.up else x)


class _Attention(nn.Module):
    """Self-attention over all positions, keys and values at half the resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner, values = channels // 8, channels // 2
        self.snconv1x1_theta = nn.Conv2d(channels, inner, 1, bias=False)
        self.snconv1x1_phi = nn.Conv2d(channels, inner, 1, bias=False)
        self.snconv1x1_g = nn.Conv2d(channels, values, 1, bias=False)
        self.snconv1x1_o_conv = nn.Conv2d(values, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, channels, H, W), H and W even, to the same shape."""
        theta = self.snconv1x1_theta(x).flatten(2)
        phi = F.max_pool2d(self.snconv1x1_phi(x), 2).flatten(2)
        g = F.max_pool2d(self.snconv1x1_g(x), 2).flatten(2)
        attended = (g @ (theta.mT @ phi).softmax(2).mT).unflatten(2, x.shape[2:])
        return x + self.gamma * self.snconv1x1_o_conv(attended)


class _Layers(nn.Module):
    def __init__(
        self, noise: int, embedding: int, channels: int, blocks: Sequence[Block], attention: int
    ) -> None:
        super().__init__()
        condition = noise + embedding
        first = blocks[0][1] * channels
        self.gen_z = nn.Linear(condition, 16 * first)
        self.layers = nn.ModuleList()
        for index, (up, inputs, outputs) in enumerate(blocks):
            if index == attention:
                self.layers.append(_Attention(inputs * channels))
            self.layers.append(_Block(inputs * channels, outputs * channels, condition, up=up))
        self.bn = _Norm(channels, 0)
        self.conv_to_rgb = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, condition: Tensor) -> Tensor:
        x = self.gen_z(condition).unflatten(1, (4, 4, -1)).permute(0, 3, 1, 2)
        for layer in self.layers:
            x = layer(x, condition) if isinstance(layer, _Block) else layer(x)
        return self.conv_to_rgb(self.bn(x).relu())[:, :3].tanh()


class BigGANDeep(nn.Module):
    """BigGAN-deep: G(z~, h) with h = W c; every block is conditioned on (z~, h).

    noise, embedding: dimensions of z~ and h; channels: of the last block's outputs; blocks: see
    BIGGAN_DEEP_256; attention: number of blocks before the self-attention.
    """

    def __init__(
        self,
        classes: int = 1000,
        noise: int = 128,
        embedding: int = 128,
        channels: int = 128,
        blocks: Sequence[Block] = BIGGAN_DEEP_256,
        attention: int = ATTENTION,
    ) -> None:
        super().__init__()
        self.arguments = {
            "classes": classes, "noise": noise, "embedding": embedding, "channels": channels,
            "blocks": [list(block) for block in blocks], "attention": attention,
        }  # fmt: skip
        self.classes, self.noise, self.embedding = classes, noise, embedding
        self.embeddings = nn.Linear(classes, embedding, bias=False)
        self.generator = _Layers(noise, embedding, channels, blocks, attention)

    def embed(self, labels: Tensor) -> Tensor:
        """h = W c (B, embedding) of classes (B,)."""
        return self.embeddings.weight.T[labels.long()]

    def forward(self, noise: Tensor, h: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] for z~ (B, noise) and h (B, embedding)."""
        return self.generator(torch.cat([noise, h], 1))


def unspectral(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the published state dict for BigGANDeep.

    Weights are divided by their largest singular value u W v; of the statistics, the last ones are
    kept, those without truncation.
    """
    result = {}
    for name, value in state.items():
        if name.endswith((".weight_u", ".weight_v")):
            continue
        if name.endswith(".weight_orig"):
            stem = name.removesuffix("_orig")
            u, v = state[f"{stem}_u"], state[f"{stem}_v"]
            result[stem] = value / torch.dot(u, value.flatten(1) @ v)
        elif name.endswith((".running_means", ".running_vars")):
            result[name] = value[-1]
        else:
            result[name] = value
    return result


def read_biggan(folder: Path, sha256: str | None) -> dict[str, Tensor]:
    """Read published weights from `folder`, converted for BigGANDeep.

    Either model.safetensors, or pytorch_model.bin, which is opened only if its SHA-256 is the given
    one, and with `weights_only`. Raises PipelineError if both are missing, or for another file.
    """
    path = next((folder / name for name in FILES if (folder / name).exists()), None)
    if path is None:
        raise PipelineError(
            f"{folder} holds no weights of BigGAN: download {URL}, put it there as {FILES[1]}, "
            "and write its SHA-256 into train_generator.animals.sha256."
        )
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 is None and path.suffix == ".bin":
        raise PipelineError(
            f"{path} is opened only if the settings have its SHA-256, {found}: if the file is what "
            "you mean to use, write it into train_generator.animals.sha256."
        )
    if sha256 is not None and found != sha256:
        raise PipelineError(
            f"{path} has the SHA-256 {found}, not {sha256}: if the file is what you mean to use, "
            "write its SHA-256 into train_generator.animals.sha256."
        )
    if path.suffix != ".bin":
        return unspectral(read_tensors(path))
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise PipelineError(f"{path} holds no plain state dict of tensors.") from error
    return unspectral(state)
