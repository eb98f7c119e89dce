"""Stage train_network@squeezenet: an interpreted network, at evenly spaced training steps."""

from pathlib import Path
from typing import Any

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.rows import Rows
from pipeline.datasets.parts import LEARNING
from pipeline.datasets.splits import data_files, load_split
from pipeline.evaluation.accuracy import accuracy, known_images
from pipeline.evaluation.verification import verification
from pipeline.networks.card import AugmentedSettings, NetworkSettings, load_card
from pipeline.networks.loading import load_network, save_checkpoints
from pipeline.networks.published import count_classes, load_published
from pipeline.task import Task
from pipeline.training.network import train_classifier
from pipeline.training.recognition import train_recogniser
from pipeline.training.run import TrainingRun


def train_network(task: Task[NetworkSettings], device: torch.device) -> None:
    """Train an interpreted network, or read its published weights, and validate it."""
    settings, row = task.settings, task.rows.networks[task.item]
    build, data = row.build or task.item, paths.prepared(row.dataset)
    card = load_card(build)
    recognises = card.objective == "identities"
    folder: str | None = getattr(settings, "weights", None)
    train, validation = (load_split(data, split) for split in ("train", "validation"))
    arguments = card.arguments(settings, count_classes(card, train.label, bool(folder)))
    network = card.build(**arguments).to(device)
    with TrainingRun.open(task, device, data_files(data, LEARNING), mixed=True) as run:
        if folder:
            states = {settings.steps: load_published(network, card, Path(folder), task.item)}
            run.skip()
        else:
            trainer: Any = train_recogniser if recognises else train_classifier
            augmentation = {}
            if isinstance(settings, AugmentedSettings) and not recognises:
                augmentation = {"blur": settings.blur, "crop_scale": settings.crop_scale}
            states = trainer(network, train, validation, settings, run, **augmentation).snapshots
        config = {"name": task.item, "build": build, "arguments": arguments}
        saved = paths.network(task.item)
        save_checkpoints(saved, states, config | {"published": bool(folder)})
        network = load_network(saved, device)
        known = known_images(saved, validation)
        if recognises:
            run.save_metrics({"verification": verification(network, validation)})
        else:
            run.save_metrics({"validation_accuracy": known and accuracy(network, known)})


def settings_class(item: str, rows: Rows) -> type[NetworkSettings]:
    """The settings of the card that builds the network `item`."""
    return load_card(rows.networks[item].build or item).settings


if __name__ == "__main__":
    run_stage("train_network", train_network, settings_class)
