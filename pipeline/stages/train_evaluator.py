"""Stage train_evaluator@animals: the network that predicts known factors, to judge images by."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.settings import TrainEvaluatorSettings
from pipeline.datasets.images import ImageSet
from pipeline.datasets.parts import LEARNING
from pipeline.evaluation.attributes import held_out_quality
from pipeline.task import Task
from pipeline.training.evaluator import build_evaluator
from pipeline.training.evaluator import train_evaluator as train
from pipeline.training.run import TrainingRun


def train_evaluator(task: Task[TrainEvaluatorSettings], device: torch.device) -> None:
    """Train the evaluator of a data set and validate it."""
    data = paths.prepared(task.item)
    with TrainingRun.open(task, device, [data / LEARNING], mixed=True) as run:
        images, validation = (ImageSet.load(data, split) for split in ("train", "validation"))
        model = build_evaluator(images, task.settings).to(device)
        train(model, images, validation, task.settings, run)
        run.save_model(paths.evaluator(task.item), model, model.arguments)
        run.save_metrics({"split": "validation", **held_out_quality(model, validation)})


if __name__ == "__main__":
    run_stage("train_evaluator", train_evaluator, TrainEvaluatorSettings)
