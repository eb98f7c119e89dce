"""Stage train_stargan@faces: StarGAN, the baseline for edits by e (Fig. S9)."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.settings import TrainStarGANSettings
from pipeline.datasets.images import ImageSet
from pipeline.datasets.parts import LEARNING
from pipeline.task import Task
from pipeline.training.run import TrainingRun
from pipeline.training.stargan import train_stargan as train


def train_stargan(task: Task[TrainStarGANSettings], device: torch.device) -> None:
    """Train StarGAN on the attributes of a data set."""
    data = paths.prepared(task.item)
    with TrainingRun.open(task, device, [data / LEARNING], mixed=True, alternating=True) as run:
        images, validation = (ImageSet.load(data, split) for split in ("train", "validation"))
        generator, result = train(images, validation, task.settings, run)
        metrics = result.last_validation
        training = metrics | result.summary
        run.save_model(paths.stargan(task.item), generator, generator.arguments, training=training)
        run.save_metrics(metrics)


if __name__ == "__main__":
    run_stage("train_stargan", train_stargan, TrainStarGANSettings)
