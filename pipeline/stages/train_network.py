"""Stage train_network@squeezenet: an interpreted network, at evenly spaced training steps."""

from pathlib import Path
from typing import Any

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.rows import Rows
from pipeline.datasets.splits import data_files, load_split
from pipeline.networks.card import AugmentedSettings, NetworkSettings, load_card
from pipeline.networks.loading import save_checkpoints
from pipeline.networks.published import count_classes, load_published, with_known_classes
from pipeline.task import Task
from pipeline.training.network import accuracy, train_classifier
from pipeline.training.recognition import train_recogniser, verification
from pipeline.training.run import TrainingRun


def train_network(task: Task[NetworkSettings], device: torch.device) -> None:
    """Train an interpreted network, or read its published weights, and measure its accuracy."""
    settings, row = task.settings, task.rows.networks[task.item]
    build, data = row.build or task.item, paths.prepared(row.dataset)
    card = load_card(build)
    recognises = card.objective == "identities"
    folder: str | None = getattr(settings, "weights", None)
    train = load_split(data, "train")
    test: Any = load_split(data, "unseen" if recognises and not folder else "test")
    arguments = card.arguments(settings, count_classes(card, train.label, bool(folder)))
    network = card.build(**arguments).to(device)
    with TrainingRun.open(task, device, data_files(data), mixed=True) as run:
        validation: dict[str, float] = {}
        if folder:
            states = {settings.steps: load_published(network, card, Path(folder), task.item)}
            test = with_known_classes(card, test)
            run.skip()
        else:
            trainer: Any = train_recogniser if recognises else train_classifier
            augmentation = {}
            if isinstance(settings, AugmentedSettings) and not recognises:
                augmentation = {"blur": settings.blur, "crop_scale": settings.crop_scale}
            trained = trainer(
                network, train, load_split(data, "validation"), settings, run, **augmentation
            )
            states, validation = trained.snapshots, trained.last_validation
        measure: Any = verification if recognises else accuracy
        measured: dict[str, Any] = {}
        for step, state in states.items():
            network.load_state_dict(state)
            network.eval()
            measured[str(step)] = None if test is None else measure(network, test)
        config = {"name": task.item, "build": build, "arguments": arguments}
        save_checkpoints(paths.network(task.item), states, config | {"published": bool(folder)})
        last = measured[str(settings.steps)]
        if recognises:
            run.save_metrics(last | {"validation_accuracy": validation.get("accuracy")})
        else:
            run.save_metrics({"test_accuracy": last, "accuracy_by_step": measured})


def settings_class(item: str, rows: Rows) -> type[NetworkSettings]:
    """The settings of the card that builds the network `item`."""
    return load_card(rows.networks[item].build or item).settings


if __name__ == "__main__":
    run_stage("train_network", train_network, settings_class)
