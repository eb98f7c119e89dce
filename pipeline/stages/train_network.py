"""Stage train_network@squeezenet: the interpreted network, kept at evenly spaced steps."""

from pathlib import Path
from typing import Any

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.carnivores import IMAGENET_CLASS, IMAGENET_CLASSES
from pipeline.datasets.images import ImageSet
from pipeline.datasets.splits import data_files, load_split
from pipeline.errors import PipelineError
from pipeline.networks.loading import build_network, builder_arguments
from pipeline.networks.weights import PUBLISHED, published_weights
from pipeline.params import Params, TrainFaceNetParams, TrainResNetParams
from pipeline.runtime import make_fabric
from pipeline.storage import new_folder, write_json, write_safetensors
from pipeline.training.checkpoints import open_checkpoints
from pipeline.training.log import TrainingLog
from pipeline.training.network import accuracy, train_classifier
from pipeline.training.recognition import train_recogniser, verification


def train_network(params: Params, item: str, device: torch.device) -> None:
    """Train an interpreted network and keep its states during training."""
    settings = params.settings.train_network[item]
    recognises = isinstance(settings, TrainFaceNetParams)
    data = paths.prepared(params.networks[item].dataset)
    checkpoints = open_checkpoints("train_network", item, (settings, params.seed), data_files(data))
    log = paths.training(params.scale, "train_network", item)
    train, weights = load_split(data, "train"), getattr(settings, "weights", None)
    # What was trained elsewhere has seen nobody of this data set.
    test = load_split(data, "unseen" if recognises and not weights else "test")
    published = published_weights(item, Path(weights)) if weights else None
    imagenet = bool(weights) and PUBLISHED[item].imagenet
    classes = IMAGENET_CLASSES if imagenet else int(train.label.max()) + 1
    arguments = builder_arguments(item, settings, classes)
    network = build_network(item, **arguments).to(device)
    if published is not None:
        try:
            network.load_state_dict(published)
        except RuntimeError as error:
            raise PipelineError(
                f"the weights of {item} in {weights} are those of another network "
                f"({str(error).splitlines()[-1].strip()}): correct its settings in train_network, "
                "or its entry in pipeline/networks/weights.py."
            ) from error
        states = {settings.steps: published}
        write_json(log / "metrics.json", {})  # nothing was trained: no curves
        if imagenet and not recognises:
            assert isinstance(test, ImageSet)
            test = test.relabelled(IMAGENET_CLASS)
    else:
        augmentation = {}
        if isinstance(settings, TrainResNetParams):
            augmentation = {"blur": settings.blur, "crop_scale": settings.crop_scale}
        states = (train_recogniser if recognises else train_classifier)(
            network,
            train,
            load_split(data, "validation"),
            settings,
            seed=params.seed,
            fabric=make_fabric(device, mixed=True),
            checkpoints=checkpoints,
            log=TrainingLog(log.parent, log.name),
            **augmentation,
        ).snapshots
    measured: dict[str, Any] = {}
    with new_folder(paths.network(item)) as folder:
        for step, state in states.items():
            network.load_state_dict(state)
            network.eval()
            measured[str(step)] = (verification if recognises else accuracy)(network, test)
            write_safetensors(paths.checkpoint_file(folder, step), state)
        config = {
            "name": item,
            "arguments": arguments,
            "steps": list(states),
            "published": published is not None,
        }
        write_json(folder / "config.json", config)
    last = measured[str(settings.steps)]
    metrics = last if recognises else {"test_accuracy": last, "accuracy_by_step": measured}
    write_json(paths.metrics(params.scale, f"train_network-{item}"), metrics)
    checkpoints.clear()


if __name__ == "__main__":
    run_stage("train_network", train_network)
