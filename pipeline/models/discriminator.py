"""The patch discriminator of the image metric (INV paper, Tab. S6)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.models.layout import to_channels_last

__all__ = ["PatchDiscriminator", "discriminator_loss", "generator_loss"]


class PatchDiscriminator(nn.Module):
    """Classifies patches of images (B, 3, S, S) as real or not: logits (B, 1, S/16, S/16).

    4x4 convolutions, BatchNorm, LeakyReLU(0.2); `width` channels after the first convolution.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for inputs, outputs in ((1, 2), (2, 4), (4, 8)):
            layers.append(nn.Conv2d(inputs * width, outputs * width, 4, 2, 1, bias=False))
            layers += [nn.BatchNorm2d(outputs * width), nn.LeakyReLU(0.2)]
        same = (1, 2, 1, 2)  # keeps the size with an even kernel
        layers += [nn.ZeroPad2d(same), nn.Conv2d(8 * width, 8 * width, 4, bias=False)]
        layers += [nn.BatchNorm2d(8 * width), nn.LeakyReLU(0.2)]
        layers += [nn.ZeroPad2d(same), nn.Conv2d(8 * width, 1, 4)]
        self.layers = nn.Sequential(*layers)
        to_channels_last(self)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, positive where a patch looks real."""
        return self.layers(images)


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Binary cross entropy of logits of real and of reconstructed patches: a scalar (A.1)."""
    return 0.5 * (F.softplus(-real.float()).mean() + F.softplus(fake.float()).mean())


def generator_loss(fake: Tensor) -> Tensor:
    """Negative log-probability that reconstructed patches are real: a scalar (A.1).

    The authors' code minimises the negative mean logit instead, which is unbounded.
    """
    return F.softplus(-fake.float()).mean()
