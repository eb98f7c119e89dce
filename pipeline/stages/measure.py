"""Stage measure-table1: the arrays and numbers that a figure or table shows."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.fields import Section
from pipeline.config.rows import Rows
from pipeline.experiments import load
from pipeline.storage import write_json, write_npz
from pipeline.task import Task


def measure(task: Task[Section], device: torch.device) -> None:
    """Measure and sample what a figure or table shows."""
    arrays, numbers = load(task.item, "measure").measure(task, device)
    write_npz(paths.evaluations(task.item), **arrays)
    write_json(paths.metrics(task.scale, task.item), numbers)


def settings(item: str, _: Rows) -> type[Section]:
    """The class of an experiment's settings."""
    return load(item, "report").EXPERIMENT.settings


if __name__ == "__main__":
    run_stage("measure", measure, settings)
