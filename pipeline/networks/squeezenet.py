"""SqueezeNet 1.1, the digit classifier of Fig. 4 (INV paper, Sec. 4.2, Tab. S15)."""

from __future__ import annotations

from torch import nn

from pipeline.models.layout import to_channels_last
from pipeline.networks.card import Card, NetworkSettings
from pipeline.torchvision_compat import torchvision

__all__ = ["CARD", "build_squeezenet"]


def build_squeezenet(classes: int) -> nn.Module:
    """torchvision's SqueezeNet 1.1 for `classes` classes, without its last ReLU.

    That ReLU, between the last convolution and the average pool, zeroes half of the logits at
    initialisation. Trained from scratch on small images they stay at zero, and accuracy at chance.
    """
    network = torchvision.models.squeezenet1_1(weights=None, num_classes=classes)
    dropout, convolution, _, pool = network.classifier
    network.classifier = nn.Sequential(dropout, convolution, pool)
    return to_channels_last(network)  # a third faster on a CPU


CARD = Card(__name__, build_squeezenet, NetworkSettings)
