"""SqueezeNet 1.1, the digit classifier whose training Fig. 4 follows (INV paper, Sec. 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from pipeline.errors import PipelineError
from pipeline.storage import read_json, read_tensors
from pipeline.torchvision_compat import torchvision

__all__ = ["build_squeezenet", "checkpoint_file", "load_checkpoints"]


def build_squeezenet(classes: int) -> nn.Module:
    """torchvision's SqueezeNet 1.1 for `classes` classes, without its last ReLU.

    The ReLU between the last convolution and the average pool starts by cutting half the logits to
    zero and, trained from scratch on small images, keeps them there: accuracy stays at chance.
    """
    network = torchvision.models.squeezenet1_1(weights=None, num_classes=classes)
    dropout, convolution, _, pool = network.classifier
    network.classifier = nn.Sequential(dropout, convolution, pool)
    return network.to(memory_format=torch.channels_last)  # a third faster on a CPU


def checkpoint_file(folder: Path, step: int) -> Path:
    """Where the state after `step` training steps is stored."""
    return folder / f"step-{step:06d}.safetensors"


def load_checkpoints(folder: Path, device: torch.device) -> Iterator[tuple[int, nn.Module]]:
    """Yield (step, network in evaluation mode) for every stored training step, in order.

    The network is one object whose weights are replaced. Raises PipelineError if a file is missing,
    damaged or of another network.
    """
    config = read_json(folder / "config.json")
    network = build_squeezenet(config["classes"]).to(device).eval()
    for step in config["steps"]:
        file = checkpoint_file(folder, step)
        try:
            network.load_state_dict(read_tensors(file))
        except RuntimeError as error:
            raise PipelineError(
                f"{file} belongs to another network than {folder / 'config.json'} describes; "
                "delete the folder and run `dvc repro` again."
            ) from error
        yield step, network
