"""Stage train_generator@animals: a class-conditional generator with BigGAN's interface."""

from pathlib import Path
from typing import Any

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.features import load_posterior, posterior_files
from pipeline.datasets.images import ImageSet
from pipeline.models.biggan_deep import BigGANDeep, read_biggan
from pipeline.models.loading import load_semantic
from pipeline.params import Params
from pipeline.runtime import make_fabric
from pipeline.storage import (
    new_folder,
    read_json,
    read_tensors,
    write_json,
    write_safetensors,
)
from pipeline.training.checkpoints import open_checkpoints
from pipeline.training.generator import train_class_inn
from pipeline.training.log import TrainingLog


def train_generator(params: Params, item: str, device: torch.device) -> None:
    """Train a class-conditional generator on a data set, or read published weights of BigGAN."""
    settings = params.settings.train_generator[item]
    log = paths.training(params.scale, "train_generator", item)
    metrics: dict[str, Any] = {}
    config: dict[str, Any]
    encoded, data = paths.posteriors(item), paths.prepared(item)
    inputs = [*posterior_files(encoded, "train", "validation"), data / "ground_truth.parquet"]
    if settings.start == "semantic":
        inputs.append(paths.semantic(item) / "model.safetensors")
    checkpoints = open_checkpoints("train_generator", item, (settings, params.seed), inputs)
    if settings.weights:
        model = BigGANDeep()
        model.load_state_dict(read_biggan(Path(settings.weights), settings.sha256))
        state, config = model.state_dict(), {"kind": "biggan", "model": model.arguments}
        write_json(log / "metrics.json", metrics)  # nothing was trained: no curves
    else:
        semantic = paths.semantic(item)
        sizes = read_json(semantic / "config.json")
        train, validation = (
            (load_posterior(encoded, split), ImageSet.load(data, split).label)
            for split in ("train", "validation")
        )
        inn, arguments, result = train_class_inn(
            train,
            validation,
            load_semantic(semantic).to(device),
            {name: sizes[name] for name in ("blocks", "width", "depth")},
            settings,
            seed=params.seed,
            fabric=make_fabric(device),
            checkpoints=checkpoints,
            log=TrainingLog(log.parent, log.name),
        )
        state, config = inn.state_dict(), {"kind": "invertible", "model": arguments}
        best = next(entry for entry in result.history if entry["step"] == result.best_step)
        metrics = {"best_step": result.best_step, **best}
    with new_folder(paths.generator()) as folder:
        write_safetensors(folder / "model.safetensors", state)
        write_json(folder / "config.json", config)
        if not settings.weights:  # a generator of our own is complete with the decoder it uses
            autoencoder, decoder = paths.autoencoder(item), folder / "decoder"
            write_json(decoder / "config.json", read_json(autoencoder / "config.json"))
            state = read_tensors(autoencoder / "model.safetensors")
            write_safetensors(decoder / "model.safetensors", state)
    write_json(paths.metrics(params.scale, f"train_generator-{item}"), metrics)
    checkpoints.clear()


if __name__ == "__main__":
    run_stage("train_generator", train_generator)
