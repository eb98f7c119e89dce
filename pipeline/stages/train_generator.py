"""Stage train_generator@animals: a class-conditional generator with BigGAN's interface."""

from pathlib import Path

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.settings import TrainGeneratorSettings
from pipeline.datasets.features import load_posterior, posterior_files
from pipeline.datasets.images import ImageSet
from pipeline.datasets.parts import LEARNING
from pipeline.models.biggan_deep import BigGANDeep, read_biggan
from pipeline.models.inn import load_semantic
from pipeline.storage import new_folder, read_json, read_tensors
from pipeline.task import Task
from pipeline.training.generator import train_class_inn
from pipeline.training.run import TrainingRun, write_model


def train_generator(task: Task[TrainGeneratorSettings], device: torch.device) -> None:
    """Train a class-conditional generator on a data set, or read published weights of BigGAN."""
    settings, semantic = task.settings, paths.semantic(task.item)
    encoded, data = paths.posteriors(task.item), paths.prepared(task.item)
    splits = ("train", "validation")
    inputs = [*posterior_files(encoded, *splits), data / LEARNING / "ground_truth.parquet"]
    if settings.start == "semantic":
        inputs.append(semantic / "model.safetensors")
    with TrainingRun.open(task, device, inputs) as run:
        if settings.weights:
            biggan = BigGANDeep()
            biggan.load_state_dict(read_biggan(Path(settings.weights), settings.sha256))
            config = {"kind": "biggan", "model": biggan.arguments}
            run.skip()
            run.save_model(paths.generator(), biggan, config)
            run.save_metrics({})
            return
        size = read_json(semantic / "config.json")
        train, validation = (
            (load_posterior(encoded, split), ImageSet.load(data, split).label) for split in splits
        )
        base = {name: size[name] for name in ("blocks", "width", "depth")}
        e = load_semantic(semantic).to(device)
        inn, arguments, result = train_class_inn(train, validation, e, base, settings, run)
        decoder = paths.autoencoder(task.item)
        with new_folder(paths.generator()) as folder:  # complete with the decoder it uses
            write_model(folder, inn, {"kind": "invertible", "model": arguments})
            tensors = read_tensors(decoder / "model.safetensors")
            write_model(folder / "decoder", tensors, read_json(decoder / "config.json"))
        run.save_metrics({"best_step": result.best_step, **result.best})


if __name__ == "__main__":
    run_stage("train_generator", train_generator, TrainGeneratorSettings)
