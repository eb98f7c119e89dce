"""Stage generate@animals: the generator's images with their z_bar, and the inputs of Fig. 6."""

from pathlib import Path

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.rows import GENERATED
from pipeline.config.settings import GenerateSettings
from pipeline.datasets.fingerprint import fingerprint, model_files
from pipeline.datasets.generated import (
    ImageGenerator,
    input_images,
    species_names,
    write_generated,
)
from pipeline.datasets.images import ImageSet
from pipeline.datasets.parts import Seeds
from pipeline.datasets.splits import SPLITS, data_files
from pipeline.models.generator import load_latent_generator
from pipeline.storage import new_folder, write_json
from pipeline.task import Task


def generate(task: Task[GenerateSettings], device: torch.device) -> None:
    """Generate the images that t of Fig. 6 is trained on, and prepare its inputs."""
    settings, autoencoder = task.settings, paths.autoencoder(GENERATED)
    model = load_latent_generator(autoencoder).to(device)
    g = model.generator
    source = ImageGenerator(
        lambda noise, labels: g(noise, g.embed(labels)), model.encode, g.noise, g.classes, device
    )
    held_out = ImageSet.load(paths.prepared(task.item), "test")
    seeds = Seeds(task.seed, task.test_seed)
    stimuli = Path(settings.stimuli) if settings.stimuli else None
    inputs = input_images(
        held_out, settings.inputs, source.size(), seeds.stream, task.threads, stimuli
    )
    counts = {split: getattr(settings, split) for split in SPLITS}
    names = species_names(held_out, source.classes)
    prepared = paths.prepared(GENERATED)
    with new_folder(prepared) as folder, new_folder(paths.posteriors(GENERATED)) as encoded:
        write_generated(folder, encoded, source, counts, names, inputs, seeds)
        made_of = fingerprint(data_files(folder), (folder, prepared))
        made_of |= fingerprint(model_files(autoencoder))
        write_json(encoded / "config.json", made_of)


if __name__ == "__main__":
    run_stage("generate", generate, GenerateSettings)
