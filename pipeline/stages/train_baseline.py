"""Stage train_baseline@dosovitskiy-fc7: decodes z alone, without a model of its invariances."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.settings import TrainAutoencoderSettings, TrainBaselineSettings
from pipeline.datasets.features import (
    load_posterior,
    load_representations,
    posterior_files,
    representations_file,
)
from pipeline.datasets.parts import LEARNING
from pipeline.datasets.splits import data_files, load_split
from pipeline.models.image_autoencoder import ImageAutoencoder, load_autoencoder
from pipeline.models.inversion import InversionDecoder
from pipeline.storage import read_json
from pipeline.task import Task
from pipeline.training.image_autoencoder import inversion_arguments, train_inversion_decoder
from pipeline.training.run import TrainingRun


def train_baseline(task: Task[TrainBaselineSettings], device: torch.device) -> None:
    """Train a decoder that inverts one layer by itself (Dosovitskiy and Brox)."""
    settings, row = task.settings, task.rows.baselines[task.item]
    metric = TrainAutoencoderSettings.model_validate(task.related["train_autoencoder"])
    data, encoded = paths.prepared(row.dataset), paths.posteriors(row.dataset)
    autoencoder, features = paths.autoencoder(row.dataset), paths.features(row.layer)
    made = read_json(features / "config.json")
    step, splits = made["steps"][-1], (made["train"], "validation")
    inputs = [*data_files(data, LEARNING), *posterior_files(encoded, made["train"])]
    inputs += [representations_file(features, step, split) for split in splits]
    inputs += [autoencoder / "model.safetensors"]
    alternating = settings.discriminator_start > 0
    with TrainingRun.open(task, device, inputs, mixed=True, alternating=alternating) as run:
        images, held_out = (load_split(data, split) for split in splits)
        z, held_out_z = (load_representations(features, step, split) for split in splits)
        size = images.images(slice(1)).shape[-1]
        config = inversion_arguments(settings, metric, size, tuple(z.shape[1:]))
        model = InversionDecoder(**config)
        model.standardize.fit(z.flatten(1))
        inherited = 0
        if settings.warm_start:
            inherited = read_json(autoencoder / "training.json")["steps"]
            start = load_autoencoder(autoencoder)
            assert isinstance(start, ImageAutoencoder)
            model.warm_start(start, z, load_posterior(encoded, made["train"])[0])
        metrics = train_inversion_decoder(
            model, images, z, held_out, held_out_z, settings, metric, run
        )
        training = {"steps": inherited + settings.steps, "inherited": inherited}
        run.save_model(paths.baseline(task.item), model, config, training=training)
        run.save_metrics(metrics)


if __name__ == "__main__":
    run_stage("train_baseline", train_baseline, TrainBaselineSettings)
