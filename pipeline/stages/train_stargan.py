"""Stage train_stargan@faces: the generator that edits by e are compared with (Fig. S9)."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.images import ImageSet
from pipeline.params import Params
from pipeline.runtime import make_fabric
from pipeline.storage import new_folder, write_json, write_safetensors
from pipeline.training.checkpoints import open_checkpoints
from pipeline.training.log import TrainingLog
from pipeline.training.stargan import train_stargan as train


def train_stargan(params: Params, item: str, device: torch.device) -> None:
    """Train StarGAN on the attributes of a data set."""
    settings = params.settings.train_stargan[item]
    data = paths.prepared(item)
    checkpoints = open_checkpoints("train_stargan", item, (settings, params.seed), [data])
    log = paths.training(params.scale, "train_stargan", item)
    generator, metrics = train(
        ImageSet.load(data, "train"),
        ImageSet.load(data, "validation"),
        settings,
        seed=params.seed,
        fabric=make_fabric(device, mixed=True, alternating=True),
        checkpoints=checkpoints,
        log=TrainingLog(log.parent, log.name),
    )
    with new_folder(paths.stargan(item)) as folder:
        write_safetensors(folder / "model.safetensors", generator.state_dict())
        write_json(folder / "config.json", generator.arguments)
        write_json(folder / "training.json", metrics)
    write_json(paths.metrics(params.scale, f"train_stargan-{item}"), metrics)
    checkpoints.clear()


if __name__ == "__main__":
    run_stage("train_stargan", train_stargan)
