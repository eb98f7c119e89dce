"""Stage train_autoencoder@digits: E and D, which give z_bar and decode it (Tabs. S1 and S7)."""

from pathlib import Path
from typing import Any

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.images import Mixture, Pixels
from pipeline.datasets.splits import data_files, load_split
from pipeline.params import Params, TrainDigitsAutoencoderParams
from pipeline.runtime import make_fabric
from pipeline.storage import new_folder, write_json, write_safetensors
from pipeline.training.autoencoder import train_digits_autoencoder
from pipeline.training.checkpoints import open_checkpoints
from pipeline.training.image_autoencoder import train_image_autoencoder
from pipeline.training.log import TrainingLog


def train_autoencoder(params: Params, item: str, device: torch.device) -> None:
    """Train the autoencoder of a data set, or of two."""
    settings = params.settings.train_autoencoder[item]
    both = dict.fromkeys((item, params.datasets[item].together_with))  # once, if it is the same
    folders = [paths.prepared(name) for name in both]
    inputs = [file for folder in folders for file in data_files(folder)]
    checkpoints = open_checkpoints("train_autoencoder", item, (settings, params.seed), inputs)
    log = paths.training(params.scale, "train_autoencoder", item)
    digits = isinstance(settings, TrainDigitsAutoencoderParams)
    rests = not digits and settings.discriminator_start > 0  # the discriminator, until it begins
    train: Any = train_digits_autoencoder if digits else train_image_autoencoder
    model, validation = train(
        _images(folders, "train"),
        _images(folders, "validation"),
        settings,
        seed=params.seed,
        fabric=make_fabric(device, mixed=True, alternating=rests),
        checkpoints=checkpoints,
        log=TrainingLog(log.parent, log.name),
    )
    with new_folder(paths.autoencoder(item)) as folder:
        write_safetensors(folder / "model.safetensors", model.state_dict())
        write_json(folder / "config.json", model.arguments)
        write_json(folder / "training.json", {"updates": settings.steps})
    write_json(paths.metrics(params.scale, f"train_autoencoder-{item}"), validation)
    checkpoints.clear()


def _images(folders: list[Path], split: str) -> Pixels:
    sets = tuple(load_split(folder, split) for folder in folders)
    return sets[0] if len(sets) == 1 else Mixture(sets)


if __name__ == "__main__":
    run_stage("train_autoencoder", train_autoencoder)
