"""Stage encode@digits: the posterior of z_bar for every image, computed once."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.features import save_posterior
from pipeline.datasets.splits import SPLITS, load_split
from pipeline.evaluation.encoding import encode_in_batches
from pipeline.models.loading import load_autoencoder
from pipeline.params import Params
from pipeline.storage import new_folder


def encode(params: Params, item: str, device: torch.device) -> None:
    """Compute mean and variance of z_bar = E(x) for every image of a data set."""
    model = load_autoencoder(paths.autoencoder(item)).to(device)
    with new_folder(paths.posteriors(item)) as folder:
        for split in SPLITS:
            images = load_split(paths.prepared(item), split)
            save_posterior(folder, split, encode_in_batches(model, images))


if __name__ == "__main__":
    run_stage("encode", encode, items="train_autoencoder")
