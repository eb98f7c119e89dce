"""Stage train_baseline@dosovitskiy-fc7: a decoder of z alone, without a model of invariances."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.features import (
    load_posterior,
    load_representations,
    posterior_files,
    representations_file,
)
from pipeline.datasets.splits import data_files, load_split
from pipeline.models.image_autoencoder import ImageAutoencoder
from pipeline.models.inversion import InversionDecoder
from pipeline.models.loading import load_autoencoder
from pipeline.params import Params
from pipeline.runtime import make_fabric
from pipeline.storage import new_folder, read_json, write_json, write_safetensors
from pipeline.training.checkpoints import open_checkpoints
from pipeline.training.image_autoencoder import inversion_arguments, train_inversion_decoder
from pipeline.training.log import TrainingLog


def train_baseline(params: Params, item: str, device: torch.device) -> None:
    """Train a decoder that inverts one layer by itself (Dosovitskiy and Brox)."""
    settings, row = params.settings.train_baseline[item], params.baselines[item]
    metric = params.settings.train_autoencoder[row.dataset]
    data, encoded = paths.prepared(row.dataset), paths.posteriors(row.dataset)
    features = paths.representations(row.network, row.layer)
    step = read_json(features / "config.json")["steps"][-1]
    inputs = [*data_files(data), *posterior_files(encoded, "train")]
    inputs += [representations_file(features, step, split) for split in ("train", "validation")]
    inputs += [paths.autoencoder(row.dataset) / "model.safetensors"]
    checkpoints = open_checkpoints("train_baseline", item, (settings, metric, params.seed), inputs)
    log = paths.training(params.scale, "train_baseline", item)
    images = {split: load_split(data, split) for split in ("train", "validation")}
    z = {split: load_representations(features, step, split) for split in images}
    size = images["train"].images(slice(1)).shape[-1]
    arguments = inversion_arguments(settings, metric, size, tuple(z["train"].shape[1:]))
    model = InversionDecoder(**arguments)
    model.standardize.fit(z["train"].flatten(1))
    inherited = 0
    if settings.warm_start:
        inherited = read_json(paths.autoencoder(row.dataset) / "training.json")["updates"]
        autoencoder = load_autoencoder(paths.autoencoder(row.dataset))
        assert isinstance(autoencoder, ImageAutoencoder)
        model.warm_start(autoencoder, z["train"], load_posterior(encoded, "train")[0])
    metrics = train_inversion_decoder(
        model,
        images["train"],
        z["train"],
        images["validation"],
        z["validation"],
        settings,
        metric,
        seed=params.seed,
        fabric=make_fabric(device, mixed=True, alternating=settings.discriminator_start > 0),
        checkpoints=checkpoints,
        log=TrainingLog(log.parent, log.name),
    )
    with new_folder(paths.baseline(row.network, item)) as folder:
        write_safetensors(folder / "model.safetensors", model.state_dict())
        write_json(folder / "config.json", arguments)
        updates = {"updates": inherited + settings.steps, "inherited": inherited}
        write_json(folder / "training.json", updates)
    write_json(paths.metrics(params.scale, f"train_baseline-{item}"), metrics)
    checkpoints.clear()


if __name__ == "__main__":
    run_stage("train_baseline", train_baseline)
