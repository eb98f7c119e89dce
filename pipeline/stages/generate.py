"""Stage generate@animals: the generator's images with their z_bar, and the inputs of Fig. 6."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.carnivores import IMAGENET_CLASS, IMAGENET_CLASSES
from pipeline.datasets.features import save_posterior
from pipeline.datasets.generated import draw_images, input_images
from pipeline.datasets.images import ImageSet
from pipeline.datasets.splits import SPLITS
from pipeline.models.generator import load_latent_generator
from pipeline.params import Params
from pipeline.storage import new_array, new_folder, write_parquet


def generate(params: Params, item: str, device: torch.device) -> None:
    """Generate the images that t of Fig. 6 is trained on, and prepare its inputs."""
    settings = params.settings.generate[item]
    model = load_latent_generator(paths.autoencoder("generated")).to(device)
    held_out = ImageSet.load(paths.prepared(item), "test")
    nothing = torch.zeros(1, model.generator.noise, device=device)
    size = model.generator(nothing, model.generator.embed(nothing[:, 0])).shape[-1]
    stimuli = Path(settings.stimuli) if settings.stimuli else None
    inputs, shown = input_images(
        held_out, settings.inputs, size, params.seed, params.threads, stimuli
    )
    if model.generator.classes == IMAGENET_CLASSES:  # published weights have ImageNet's numbers
        species = {label: name for name, label in IMAGENET_CLASS.items()}
    else:
        species = held_out.truth.groupby("label")["species"].first().to_dict()
    counts = {split: getattr(settings, split) for split in SPLITS}
    generator = torch.Generator().manual_seed(params.seed)
    total = sum(counts.values())
    with (
        new_folder(paths.prepared("generated")) as folder,
        new_folder(paths.posteriors("generated")) as encoded,
    ):
        shape = (total + len(inputs), size, size, 3)
        pixels = new_array(folder / "images.npy", shape, np.uint8)
        frames, first = [], 0
        for split, count in counts.items():
            labels, posterior = draw_images(
                lambda z, c: model.generator(z, model.generator.embed(c)),
                model.encode,
                pixels[first : first + count],
                noise=model.generator.noise,
                classes=model.generator.classes,
                generator=generator,
                device=device,
            )
            save_posterior(encoded, split, posterior)
            names = [str(species.get(label, label)) for label in labels.tolist()]
            frames.append(pd.DataFrame({"split": split, "label": labels.numpy(), "species": names}))
            first += count
        pixels[first:] = inputs
        pixels.flush()
        frames.append(shown.assign(split="inputs", label=np.int64(-1)))
        write_parquet(folder / "ground_truth.parquet", pd.concat(frames, ignore_index=True))


if __name__ == "__main__":
    run_stage("generate", generate)
