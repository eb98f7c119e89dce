"""Stage prepare@digits: a data set and its ground truth, split for training and testing."""

from typing import Any

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.formats import load_format, settings_class
from pipeline.datasets.parts import Seeds
from pipeline.storage import new_folder
from pipeline.task import Task


def prepare(task: Task[Any]) -> None:
    """Prepare a data set: images and ground truth, split into train, validation and test."""
    row = task.rows.datasets.get(task.item)
    given = {"images": row.images} if row and row.images else {}
    write, seeds = load_format(task.item, task.rows).prepare, Seeds(task.seed, task.test_seed)
    with new_folder(paths.prepared(task.item)) as folder:
        write(task.settings, seeds, folder, task.threads, f"prepare.{task.item}", **given)


if __name__ == "__main__":
    run_stage("prepare", prepare, settings_class, torch=False)
