"""Stage train_cinn@alexnet-fc7: the conditional INN t of a layer, one per network checkpoint."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.settings import TrainCinnSettings
from pipeline.datasets.features import (
    load_posterior,
    load_representations,
    posterior_files,
    representations_file,
)
from pipeline.evaluation.calibration import calibrate
from pipeline.evaluation.likelihood import recover_invariances
from pipeline.models.inn import load_semantic
from pipeline.storage import new_folder, read_json, write_json, write_safetensors
from pipeline.task import Task
from pipeline.training.cinn import start_conditional_inn, train_conditional_inn
from pipeline.training.run import TrainingRun


def train_cinn(task: Task[TrainCinnSettings], device: torch.device) -> None:
    """Train the conditional INNs t of a layer, one per checkpoint of its network."""
    dataset, features = task.rows.layers[task.item].dataset, paths.features(task.item)
    encoded, semantic = paths.posteriors(dataset), paths.semantic(dataset)
    made = read_json(features / "config.json")
    steps, splits = made["steps"], (made["train"], "validation", "calibration")
    inputs = [semantic / "model.safetensors", *posterior_files(encoded, *splits)]
    inputs += [representations_file(features, step, split) for split in splits for step in steps]
    with TrainingRun.open(task, device, inputs) as run:
        posterior, held_out, unused = (load_posterior(encoded, split) for split in splits)
        e, size = load_semantic(semantic), read_json(semantic / "config.json")
        base = {name: size[name] for name in ("blocks", "width", "depth")}
        calibration = []
        with new_folder(paths.cinn(task.item)) as folder:
            for step in steps:
                file = paths.checkpoint_file(folder, step)
                z, held_out_z, unused_z = (
                    load_representations(features, step, split) for split in splits
                )
                t, config, regressed = start_conditional_inn(
                    posterior, z, e, base, task.settings, seed=task.seed
                )
                t, data = t.to(device), (posterior, z, held_out, held_out_z)
                part = run.part(file.stem)
                result = train_conditional_inn(t, *data, task.settings, part, regressed)
                t.recalibration.fit(recover_invariances(t, unused, unused_z, device)[0])
                v, loss = recover_invariances(t, held_out, held_out_z, device)
                summary = {"step": step, "best_step": result.best_step, "loss": float(loss.mean())}
                calibration.append(summary | calibrate(v.cpu().numpy()))
                write_safetensors(file, t.state_dict())
            write_json(folder / "config.json", {"model": config, "steps": steps})
            write_json(folder / "calibration.json", calibration)
        run.save_metrics({"calibration": calibration})


if __name__ == "__main__":
    run_stage("train_cinn", train_cinn, TrainCinnSettings)
