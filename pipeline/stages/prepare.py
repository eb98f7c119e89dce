"""Stage prepare@digits: a data set and its ground truth, split for training and testing."""

from collections.abc import Callable

import pandas as pd

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.animals import prepare_animalfaces, prepare_animals, prepare_stylized
from pipeline.datasets.digits import color_mnist
from pipeline.datasets.faces import prepare_faces
from pipeline.params import Params
from pipeline.storage import new_folder, write_npy, write_parquet

IMAGES: dict[str, Callable[..., pd.DataFrame]] = {
    "animals": prepare_animals,
    "faces": prepare_faces,
    "animalfaces": prepare_animalfaces,
    "stylized": prepare_stylized,
}


def prepare(params: Params, item: str) -> None:
    """Prepare a data set: images and ground truth, split into train, validation and test."""
    settings = params.settings.prepare[item]
    with new_folder(paths.prepared(item)) as folder:
        if item == "digits":
            strokes, ground_truth = color_mnist(settings, params.seed)
            write_npy(folder / "strokes.npy", strokes)
        else:
            file, prepare_images = folder / "images.npy", IMAGES[item]
            ground_truth = prepare_images(settings, params.seed, file, params.threads)
        write_parquet(folder / "ground_truth.parquet", ground_truth)


if __name__ == "__main__":
    run_stage("prepare", prepare, torch=False)
