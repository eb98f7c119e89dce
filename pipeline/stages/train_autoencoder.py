"""Stage train_autoencoder@digits: E and D, which give z_bar and decode it (Tab. S1)."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.digits import ColorDigits
from pipeline.params import Params
from pipeline.runtime import make_fabric
from pipeline.storage import new_folder, write_json, write_safetensors
from pipeline.training.autoencoder import train_digits_autoencoder
from pipeline.training.checkpoints import open_checkpoints
from pipeline.training.log import TrainingLog


def train_autoencoder(params: Params, item: str, device: torch.device) -> None:
    """Train the autoencoder of a data set."""
    settings = params.settings.train_autoencoder[item]
    data = paths.prepared(item)
    inputs = [data / "strokes.npy", data / "ground_truth.parquet"]
    checkpoints = open_checkpoints("train_autoencoder", item, (settings, params.seed), inputs)
    log = paths.training(params.scale, "train_autoencoder", item)
    model, validation = train_digits_autoencoder(
        ColorDigits.load(data, "train"),
        ColorDigits.load(data, "validation"),
        settings,
        seed=params.seed,
        fabric=make_fabric(device, mixed=True),
        checkpoints=checkpoints,
        log=TrainingLog(log.parent, log.name),
    )
    with new_folder(paths.autoencoder(item)) as folder:
        write_safetensors(folder / "model.safetensors", model.state_dict())
        write_json(folder / "config.json", {"latent": settings.latent, "widths": settings.widths})
    write_json(paths.metrics(params.scale, f"train_autoencoder-{item}"), validation)
    checkpoints.clear()


if __name__ == "__main__":
    run_stage("train_autoencoder", train_autoencoder)
