"""How well an interpreted network classifies images."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from pipeline.datasets.images import Images
from pipeline.networks.card import load_card
from pipeline.networks.published import with_known_classes
from pipeline.storage import read_json

__all__ = ["accuracy", "known_images"]


@torch.no_grad()
def accuracy(network: nn.Module, data: Images, batch_size: int = 500) -> float:
    """Share of the images of `data` that `network` classifies correctly, in [0, 1]."""
    device = next(network.parameters()).device
    correct = 0
    for first in range(0, len(data), batch_size):
        rows = slice(first, first + batch_size)
        predicted = network(data.images(rows).to(device)).argmax(1).cpu()
        correct += int((predicted == data.label[rows]).sum())
    return correct / len(data)


def known_images(folder: Path, data: Images) -> Images | None:
    """The images of `data` whose class the network stored in `folder` can name, if there are any.

    Labels are those of the network. Only published weights lack classes of a data set.
    """
    config = read_json(folder / "config.json")
    return with_known_classes(load_card(config["build"]), data) if config["published"] else data
