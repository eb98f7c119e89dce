"""Stage prepare@digits: the splits of ColorMNIST and their ground truth."""

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.digits import color_mnist
from pipeline.params import Params
from pipeline.storage import new_folder, write_npy, write_parquet


def prepare(params: Params, item: str) -> None:
    """Prepare a data set: images and ground truth, split into train, validation and test."""
    strokes, ground_truth = color_mnist(params.settings.prepare[item], params.seed)
    with new_folder(paths.prepared(item)) as folder:
        write_npy(folder / "strokes.npy", strokes)
        write_parquet(folder / "ground_truth.parquet", ground_truth)


if __name__ == "__main__":
    run_stage("prepare", prepare, torch=False)
