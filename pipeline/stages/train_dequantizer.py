"""Stage train_dequantizer@animals: the VAE that stands in for a generator's class embeddings."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.models.generator import load_generator
from pipeline.params import Params
from pipeline.runtime import make_fabric
from pipeline.storage import new_folder, write_json, write_safetensors
from pipeline.training.checkpoints import open_checkpoints
from pipeline.training.dequantizer import train_dequantizer as train
from pipeline.training.log import TrainingLog


def train_dequantizer(params: Params, item: str, device: torch.device) -> None:
    """Train the dequantiser of a generator's class embeddings (Tab. S17)."""
    settings = params.settings.train_dequantizer[item]
    folder = paths.generator()
    checkpoints = open_checkpoints("train_dequantizer", item, (settings, params.seed), [folder])
    log = paths.training(params.scale, "train_dequantizer", item)
    generator = load_generator(folder)
    model, metrics = train(
        generator.embed(torch.arange(generator.classes)),
        settings,
        seed=params.seed,
        fabric=make_fabric(device),
        checkpoints=checkpoints,
        log=TrainingLog(log.parent, log.name),
    )
    with new_folder(paths.dequantizer()) as target:
        write_safetensors(target / "model.safetensors", model.state_dict())
        write_json(target / "config.json", model.arguments)
    write_json(paths.metrics(params.scale, f"train_dequantizer-{item}"), metrics)
    checkpoints.clear()


if __name__ == "__main__":
    run_stage("train_dequantizer", train_dequantizer)
