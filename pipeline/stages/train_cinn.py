"""Stage train_cinn@alexnet-fc7: the conditional INN t of a layer, one per network checkpoint."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.features import (
    load_posterior,
    load_representations,
    posterior_files,
    representations_file,
)
from pipeline.evaluation.calibration import calibrate
from pipeline.models.loading import load_semantic
from pipeline.params import Params
from pipeline.runtime import make_fabric
from pipeline.storage import new_folder, read_json, write_json, write_safetensors
from pipeline.training.checkpoints import open_checkpoints
from pipeline.training.cinn import (
    recover_invariances,
    start_conditional_inn,
    train_conditional_inn,
)
from pipeline.training.log import TrainingLog


def train_cinn(params: Params, item: str, device: torch.device) -> None:
    """Train the conditional INNs t of a layer, one per checkpoint of its network."""
    settings = params.settings.train_cinn[item]
    layer = params.layers[item]
    encoded, features = paths.posteriors(layer.dataset), paths.representations(layer.features, item)
    steps = read_json(features / "config.json")["steps"]
    semantic = paths.semantic(layer.dataset)
    splits = ("train", "validation")
    inputs = [semantic / "model.safetensors", *posterior_files(encoded, *splits)]
    inputs += [representations_file(features, step, split) for split in splits for step in steps]
    checkpoints = open_checkpoints("train_cinn", item, (settings, params.seed), inputs)
    log = paths.training(params.scale, "train_cinn", item)
    fabric = make_fabric(device)
    posterior, validation = (load_posterior(encoded, split) for split in splits)
    e = load_semantic(semantic)
    size = read_json(semantic / "config.json")
    base = {name: size[name] for name in ("blocks", "width", "depth")}
    calibration = []
    with new_folder(paths.cinn(layer.features, item)) as folder:
        for step in steps:
            file = paths.checkpoint_file(folder, step)
            z = load_representations(features, step, "train")
            validation_z = load_representations(features, step, "validation")
            model, config = start_conditional_inn(posterior, z, e, base, settings, seed=params.seed)
            model = model.to(device)
            result = train_conditional_inn(
                model,
                posterior,
                z,
                validation,
                validation_z,
                settings,
                seed=params.seed,
                fabric=fabric,
                checkpoints=checkpoints.part(file.stem),
                log=TrainingLog(log, file.stem),
            )
            v, loss = recover_invariances(model, validation, validation_z, device)
            summary = {"step": step, "best_step": result.best_step, "loss": float(loss.mean())}
            calibration.append(summary | calibrate(v.cpu().numpy()))
            write_safetensors(file, model.state_dict())
        write_json(folder / "config.json", {"model": config, "steps": steps})
        write_json(folder / "calibration.json", calibration)
    write_json(paths.metrics(params.scale, f"train_cinn-{item}"), {"calibration": calibration})
    checkpoints.clear()


if __name__ == "__main__":
    run_stage("train_cinn", train_cinn)
