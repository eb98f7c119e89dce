"""Stage train_dequantizer@animals: the VAE that makes a generator's class embeddings continuous."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.settings import TrainDequantizerSettings
from pipeline.models.generator import load_generator
from pipeline.task import Task
from pipeline.training.dequantizer import train_dequantizer as train
from pipeline.training.run import TrainingRun


def train_dequantizer(task: Task[TrainDequantizerSettings], device: torch.device) -> None:
    """Train the dequantiser of a generator's class embeddings (Tab. S17)."""
    with TrainingRun.open(task, device, [paths.generator()]) as run:
        generator = load_generator(paths.generator())
        embeddings = generator.embed(torch.arange(generator.classes))
        model, metrics = train(embeddings, task.settings, run)
        run.save_model(paths.dequantizer(), model, model.arguments)
        run.save_metrics(metrics)


if __name__ == "__main__":
    run_stage("train_dequantizer", train_dequantizer, TrainDequantizerSettings)
