"""Stage encode@digits: the posterior of z_bar for every image, computed once."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.fields import Section
from pipeline.datasets.features import save_posterior
from pipeline.datasets.fingerprint import fingerprint, model_files
from pipeline.datasets.splits import data_files, encoded_splits, load_split
from pipeline.evaluation.encoding import encode_in_batches
from pipeline.models.image_autoencoder import load_autoencoder
from pipeline.storage import new_folder, write_json
from pipeline.task import Task


def encode(task: Task[Section], device: torch.device) -> None:
    """Compute mean and variance of z_bar = E(x) for every image of a data set."""
    prepared, autoencoder = paths.prepared(task.item), paths.autoencoder(task.item)
    model = load_autoencoder(autoencoder).to(device)
    with new_folder(paths.posteriors(task.item)) as folder:
        for split in encoded_splits(prepared):
            posterior = encode_in_batches(model, load_split(prepared, split))
            save_posterior(folder, split, posterior)
        # Whatever is made of z_bar is tied to these images and to this autoencoder.
        made_of = fingerprint([*data_files(prepared), *model_files(autoencoder)])
        write_json(folder / "config.json", made_of)


if __name__ == "__main__":
    run_stage("encode", encode, Section)
