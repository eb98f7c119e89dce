"""SqueezeNet 1.1, the digit classifier whose training Fig. 4 follows (INV paper, Sec. 4.2)."""

from __future__ import annotations

import torch
from torch import nn

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
    return network.to(memory_format=torch.channels_last)  # a third faster on a CPU


CARD = Card(__name__, build_squeezenet, NetworkSettings)
