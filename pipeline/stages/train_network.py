"""Stage train_network@squeezenet: the interpreted network, kept at evenly spaced steps."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.digits import ColorDigits
from pipeline.networks.squeezenet import build_squeezenet, checkpoint_file
from pipeline.params import Params
from pipeline.runtime import make_fabric
from pipeline.storage import new_folder, write_json, write_safetensors
from pipeline.training.checkpoints import open_checkpoints
from pipeline.training.log import TrainingLog
from pipeline.training.network import accuracy, train_classifier


def train_network(params: Params, item: str, device: torch.device) -> None:
    """Train an interpreted network and keep its states during training."""
    settings = params.settings.train_network[item]
    data = paths.prepared(params.networks[item].dataset)
    inputs = [data / "strokes.npy", data / "ground_truth.parquet"]
    checkpoints = open_checkpoints("train_network", item, (settings, params.seed), inputs)
    log = paths.training(params.scale, "train_network", item)
    train = ColorDigits.load(data, "train")
    classes = int(train.label.max()) + 1
    network = build_squeezenet(classes).to(device)
    result = train_classifier(
        network,
        train,
        ColorDigits.load(data, "validation"),
        settings,
        seed=params.seed,
        fabric=make_fabric(device, mixed=True),
        checkpoints=checkpoints,
        log=TrainingLog(log.parent, log.name),
    )
    test = ColorDigits.load(data, "test")
    accuracies = {}
    with new_folder(paths.network(item)) as folder:
        for step, state in result.snapshots.items():
            network.load_state_dict(state)
            accuracies[str(step)] = accuracy(network.eval(), test)
            write_safetensors(checkpoint_file(folder, step), state)
        write_json(folder / "config.json", {"classes": classes, "steps": list(result.snapshots)})
    metrics = {"test_accuracy": accuracies[str(settings.steps)], "accuracy_by_step": accuracies}
    write_json(paths.metrics(params.scale, f"train_network-{item}"), metrics)
    checkpoints.clear()


if __name__ == "__main__":
    run_stage("train_network", train_network)
