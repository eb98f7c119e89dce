"""The autoencoder E, D of natural images: ResNet encoder, BigGAN decoder (INV paper, Tab. S7)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from pipeline.models.autoencoder import Autoencoder, DigitsAutoencoder
from pipeline.models.biggan import BigGANDecoder, ChannelNorm
from pipeline.models.convolutional import ConvolutionalDecoder, ConvolutionalEncoder
from pipeline.models.layout import to_channels_last
from pipeline.models.loading import with_weights
from pipeline.storage import read_json

__all__ = ["Architecture", "ImageAutoencoder", "ResNetEncoder", "build_decoder", "load_autoencoder"]


class ResNetEncoder(nn.Module):
    """E of Tab. S8: images (B, 3, H, W) to 2 * latent numbers, the mean and log variance of z_bar.

    `blocks` is the number of residual blocks per stage, (3, 4, 23, 3) for ResNet-101, and `width`
    the channels of the first convolution, doubled by each stage after the first. `bottleneck`
    selects the blocks of ResNet-101, with four times the stage's channels, or those of ResNet-18.
    Norm is ActNorm. `pooling=False`, for images of up to 64 px, omits the max-pool after the first
    convolution.
    """

    def __init__(
        self,
        latent: int,
        blocks: Sequence[int] = (3, 4, 23, 3),
        width: int = 64,
        *,
        bottleneck: bool = True,
        pooling: bool = True,
    ) -> None:
        super().__init__()
        # Imported here: it takes as long as torch, and only this architecture needs it.
        from pipeline.torchvision_compat import torchvision

        resnet = torchvision.models.resnet
        block = resnet.Bottleneck if bottleneck else resnet.BasicBlock
        stem = [
            nn.Conv2d(3, width, 7, 2, 3, bias=False),
            ChannelNorm(width),
            nn.ReLU(inplace=True),
        ]
        self.stem = nn.Sequential(*stem, *([nn.MaxPool2d(3, 2, 1)] if pooling else []))
        stages, inputs = [], width
        for i, count in enumerate(blocks):
            planes = width << i
            outputs = planes * block.expansion
            stride = 1 if i == 0 else 2
            layers = []
            for j in range(count):
                step, shortcut = (stride, None) if j == 0 else (1, None)
                if step != 1 or inputs != outputs:
                    shortcut = nn.Sequential(
                        nn.Conv2d(inputs, outputs, 1, step, bias=False), ChannelNorm(outputs)
                    )
                layers.append(block(inputs, planes, step, shortcut, norm_layer=ChannelNorm))
                inputs = outputs
            stages.append(nn.Sequential(*layers))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(inputs, 2 * latent)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W) to (B, 2 * latent)."""
        return self.head(self.stages(self.stem(images)).mean((2, 3)))


Architecture = Literal["biggan", "convolutional"]


def build_decoder(
    architecture: Architecture,
    size: int,
    latent: int,
    channels: int,
    classes: int,
    *,
    attention: bool = True,
) -> BigGANDecoder | ConvolutionalDecoder:
    """An untrained D: that of Tab. S9, or the small one, which ignores classes and attention."""
    if architecture == "convolutional":
        return ConvolutionalDecoder(size, latent, channels)
    return BigGANDecoder(size, latent, channels, classes, attention=attention)


class ImageAutoencoder(Autoencoder):
    """E and D for images of `size` px in [-1, 1]: Tabs. S8 and S9 by default, or slimmer.

    `blocks`, `width`, `bottleneck`, `pooling` shape the encoder, `channels`, `classes`, `attention`
    the decoder.
    """

    decoder: BigGANDecoder | ConvolutionalDecoder

    def __init__(
        self,
        size: int = 128,
        latent: int = 128,
        blocks: Sequence[int] = (3, 4, 23, 3),
        width: int = 64,
        channels: int = 96,
        classes: int = 1000,
        *,
        architecture: Architecture = "biggan",
        bottleneck: bool = True,
        pooling: bool = True,
        attention: bool = True,
    ) -> None:
        super().__init__()
        self.arguments = {  # written to config.json
            "size": size,
            "latent": latent,
            "blocks": list(blocks),
            "width": width,
            "channels": channels,
            "classes": classes,
            "architecture": architecture,
            "bottleneck": bottleneck,
            "pooling": pooling,
            "attention": attention,
        }
        if architecture == "convolutional":
            self.encoder = ConvolutionalEncoder(size, latent, width)
        else:
            self.encoder = ResNetEncoder(
                latent, blocks, width, bottleneck=bottleneck, pooling=pooling
            )
        self.decoder = build_decoder(
            architecture, size, latent, channels, classes, attention=attention
        )
        to_channels_last(self)


def load_autoencoder(folder: Path) -> Autoencoder:
    """Load an autoencoder, in evaluation mode."""
    config = read_json(folder / "config.json")
    kind = DigitsAutoencoder if "widths" in config else ImageAutoencoder
    model: Autoencoder = kind(**config)
    return with_weights(model, folder / "model.safetensors")
