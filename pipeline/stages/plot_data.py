"""Stage plot_data@animals: contact sheets of a data set."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.images import ImageSet
from pipeline.datasets.splits import load_split
from pipeline.figures.contact import draw_contact_sheet
from pipeline.figures.drawing import save_figure
from pipeline.params import Params
from pipeline.rendering.sheets import factor_rows, people_rows

CLASSES, IMAGES = 12, 8
"""Of the sheet: at most so many classes, and images of each."""

FACTORS = {"animals": factor_rows, "faces": people_rows}
"""What draws the factors of a data set, if its images are rendered."""


def plot_data(params: Params, item: str) -> None:
    """Draw contact sheets of a data set: its classes, and what each factor of an image changes."""
    settings, folder = params.settings.prepare[item], paths.figures(params.scale, item)
    # Of a person, only the split for training has as many images as the sheet shows.
    split = "train" if item == "faces" else "validation"
    images = load_split(paths.prepared(item), split)
    meta = {"scale": params.scale, "seed": params.seed}
    rows = {}
    for label in images.label.unique()[:CLASSES]:
        chosen = torch.nonzero(images.label == label).flatten()[:IMAGES]
        name = str(int(label))
        if isinstance(images, ImageSet):
            name = images.name(int(chosen[0]))
        rows[name] = images.pixels(chosen)
    shown = f"N = {sum(map(len, rows.values())):,} of {len(images):,} images of the split {split}"
    save_figure(draw_contact_sheet(rows, [item, shown], meta), folder / "classes")
    if settings.source == "rendered" and item in FACTORS:
        rows = FACTORS[item](settings.size, params.seed, IMAGES)
        sheet = draw_contact_sheet(rows, [item, "rendered for this figure"], meta)
        save_figure(sheet, folder / "factors")


if __name__ == "__main__":
    run_stage("plot_data", plot_data, items="prepare", torch=False)
