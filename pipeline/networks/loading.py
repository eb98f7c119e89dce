"""Build the interpreted networks by name, and read back their stored states."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.errors import PipelineError
from pipeline.networks.alexnet import build_alexnet
from pipeline.networks.facenet import build_facenet
from pipeline.networks.resnet import build_resnet
from pipeline.networks.squeezenet import build_squeezenet
from pipeline.params import TrainNetworkParams
from pipeline.paths import checkpoint_file
from pipeline.storage import read_json, read_tensors

__all__ = [
    "build_network",
    "builder_arguments",
    "load_checkpoints",
    "load_network",
]

BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "squeezenet": build_squeezenet,
    "alexnet": build_alexnet,
    "facenet": build_facenet,
    "resnet101": build_resnet,
    "resnet50": build_resnet,
    "resnet50_stylized": build_resnet,
}


def builder_arguments(name: str, settings: TrainNetworkParams, classes: int) -> dict[str, Any]:
    """What `build_network` takes for that network: the settings that its builder has arguments for.

    `classes`, of the data set, is one of them; FaceNet embeds, whatever the number of identities.
    """
    known = {"classes": classes, **vars(settings)}
    arguments = inspect.signature(BUILDERS[name]).parameters
    return {argument: known[argument] for argument in arguments if argument in known}


def build_network(name: str, **arguments: Any) -> nn.Module:
    """The untrained network of that name; `arguments` are those of its builder."""
    return BUILDERS[name](**arguments)


def load_checkpoints(folder: Path, device: torch.device) -> Iterator[tuple[int, nn.Module]]:
    """Yield (step, network in evaluation mode) for every stored training step, in order.

    The network is one object whose weights are replaced. Raises PipelineError if a file is missing,
    damaged or of another network.
    """
    config = read_json(folder / "config.json")
    network = build_network(config["name"], **config["arguments"]).to(device).eval()
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


def load_network(folder: Path, device: torch.device) -> nn.Module:
    """The trained network: the last stored step, in evaluation mode."""
    *_, (_, network) = load_checkpoints(folder, device)
    return network
