"""Stage train_evaluator@animals: the network that reads ground truth from images, as a judge."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.images import ImageSet
from pipeline.evaluation.attributes import held_out_quality
from pipeline.params import Params
from pipeline.runtime import make_fabric
from pipeline.storage import new_folder, write_json, write_safetensors
from pipeline.training.checkpoints import open_checkpoints
from pipeline.training.evaluator import build_evaluator, fit_evaluator
from pipeline.training.log import TrainingLog


def train_evaluator(params: Params, item: str, device: torch.device) -> None:
    """Train the evaluator of a data set and measure it on held-out images."""
    settings = params.settings.train_evaluator[item]
    data = paths.prepared(item)
    checkpoints = open_checkpoints("train_evaluator", item, (settings, params.seed), [data])
    train, validation, test = (
        ImageSet.load(data, split) for split in ("train", "validation", "test")
    )
    model = build_evaluator(train, settings).to(device)
    log = paths.training(params.scale, "train_evaluator", item)
    fit_evaluator(
        model,
        train,
        validation,
        settings,
        seed=params.seed,
        fabric=make_fabric(device, mixed=True),
        checkpoints=checkpoints,
        log=TrainingLog(log.parent, log.name),
    )
    with new_folder(paths.evaluator(item)) as folder:
        write_safetensors(folder / "model.safetensors", model.state_dict())
        write_json(folder / "config.json", model.arguments)
    metrics = {"split": "test", **held_out_quality(model, test)}
    write_json(paths.metrics(params.scale, f"train_evaluator-{item}"), metrics)
    checkpoints.clear()


if __name__ == "__main__":
    run_stage("train_evaluator", train_evaluator)
