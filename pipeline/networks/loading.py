"""Store the interpreted networks at several steps of their training, and read them back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.networks.card import load_card
from pipeline.paths import checkpoint_file
from pipeline.storage import new_folder, read_json, read_tensors, write_json, write_safetensors

__all__ = ["load_checkpoints", "load_network", "save_checkpoints"]


def save_checkpoints(
    folder: Path, states: Mapping[int, Mapping[str, Tensor]], config: Mapping[str, Any]
) -> None:
    """Replace `folder` by a network's states, by training step, and config.json.

    config: `build`, the name of the network's card, `arguments` of its builder, and what else is
    worth keeping; the steps are added.
    """
    with new_folder(folder) as target:
        for step, state in states.items():
            write_safetensors(checkpoint_file(target, step), state)
        write_json(target / "config.json", {**config, "steps": list(states)})


def load_checkpoints(folder: Path, device: torch.device) -> Iterator[tuple[int, nn.Module]]:
    """Yield (step, network in evaluation mode) for every stored training step, in order.

    The network is one object whose weights are replaced. Raises PipelineError if a file is missing,
    damaged or of another network.
    """
    config = read_json(folder / "config.json")
    network = load_card(config["build"]).build(**config["arguments"]).to(device).eval()
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
