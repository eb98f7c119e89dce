"""Stage train_autoencoder@digits: E and D, which give z_bar and decode it (Tabs. S1 and S7)."""

from pathlib import Path
from typing import Any

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.rows import Rows
from pipeline.config.settings import (
    TrainAutoencoderSettings,
    TrainDigitsAutoencoderSettings,
    autoencoder_settings,
)
from pipeline.datasets.images import Mixture, Pixels
from pipeline.datasets.parts import LEARNING
from pipeline.datasets.splits import data_files, load_split
from pipeline.task import Task
from pipeline.training.autoencoder import train_digits_autoencoder
from pipeline.training.image_autoencoder import train_image_autoencoder
from pipeline.training.run import TrainingRun

Settings = TrainAutoencoderSettings | TrainDigitsAutoencoderSettings


def train_autoencoder(task: Task[Settings], device: torch.device) -> None:
    """Train the autoencoder of a data set, or of two."""
    settings, row = task.settings, task.rows.datasets[task.item]
    names = dict.fromkeys((task.item, row.autoencoder_data))  # once, if they are the same
    folders = [paths.prepared(name) for name in names]
    inputs = [file for folder in folders for file in data_files(folder, LEARNING)]
    digits = isinstance(settings, TrainDigitsAutoencoderSettings)
    train: Any = train_digits_autoencoder if digits else train_image_autoencoder
    # Until it begins, the discriminator has no gradient.
    alternating = getattr(settings, "discriminator_start", 0) > 0
    with TrainingRun.open(task, device, inputs, mixed=True, alternating=alternating) as run:
        splits = (_images(folders, split) for split in ("train", "validation"))
        model, metrics = train(*splits, settings, run)
        training = {"steps": settings.steps}
        run.save_model(paths.autoencoder(task.item), model, model.arguments, training=training)
        run.save_metrics(metrics)


def _images(folders: list[Path], split: str) -> Pixels:
    sets = tuple(load_split(folder, split) for folder in folders)
    return sets[0] if len(sets) == 1 else Mixture(sets)


def _settings(item: str, rows: Rows) -> type[Settings]:
    return autoencoder_settings(rows.datasets[item].format)


if __name__ == "__main__":
    run_stage("train_autoencoder", train_autoencoder, _settings)
