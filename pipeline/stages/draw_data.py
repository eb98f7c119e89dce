"""Stage draw_data@animals: contact sheets of a data set."""

from typing import Any

import numpy as np
import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.formats import format_name, settings_class
from pipeline.datasets.images import ImageSet
from pipeline.datasets.splits import load_split
from pipeline.drawing.contact import draw_contact_sheet
from pipeline.drawing.drawing import save_figure
from pipeline.rendering import sheets
from pipeline.task import Task

CLASSES, IMAGES = 12, 8
"""Maximum numbers of classes on the sheet, and of images of each."""


def draw_data(task: Task[Any]) -> None:
    """Draw contact sheets of a data set: its classes, and what each factor of an image changes."""
    folder = paths.sheets(task.scale, task.item)
    meta = {"scale": task.scale, "seed": task.seed}
    rows, shown = _classes(task.item)
    save_figure(draw_contact_sheet(rows, [task.item, shown], meta), folder / "classes")
    factor_rows = getattr(sheets, f"{format_name(task.item, task.rows)}_rows", None)
    if factor_rows is not None and task.settings.source == "rendered":
        rows = factor_rows(task.settings.size, task.seed, IMAGES)
        sheet = draw_contact_sheet(rows, [task.item, "rendered for this figure"], meta)
        save_figure(sheet, folder / "factors")


def _classes(dataset: str) -> tuple[dict[str, np.ndarray], str]:
    """Images of each class, by its name, and what they are."""
    split, images = "validation", load_split(paths.prepared(dataset), "validation")
    if isinstance(images, ImageSet) and "identity" in images.truth:
        # Only the training images show anyone often enough to fill a row.
        split, images = "train", load_split(paths.prepared(dataset), "train")
    rows = {}
    for label in images.label.unique()[:CLASSES]:
        chosen = torch.nonzero(images.label == label).flatten()[:IMAGES]
        rows[images.name(int(chosen[0]))] = images.pixels(chosen)
    shown = f"N = {sum(map(len, rows.values())):,} of {len(images):,} images of the split {split}"
    return rows, shown


if __name__ == "__main__":
    run_stage("draw_data", draw_data, settings_class, torch=False)
