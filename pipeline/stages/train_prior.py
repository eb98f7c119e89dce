"""Stage train_prior@animals: an INN of z_bar alone, trained as t is, that nats are counted from."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.settings import TrainCinnSettings
from pipeline.datasets.features import load_posterior, posterior_files
from pipeline.datasets.splits import split_of_t
from pipeline.evaluation.likelihood import recover_invariances
from pipeline.models.inn import load_semantic
from pipeline.models.prior import nothing
from pipeline.storage import read_json
from pipeline.task import Task
from pipeline.training.cinn import start_conditional_inn, train_conditional_inn
from pipeline.training.run import TrainingRun


def train_prior(task: Task[TrainCinnSettings], device: torch.device) -> None:
    """Train t on representations that say nothing: the density p(z_bar) of a data set."""
    encoded, semantic = paths.posteriors(task.item), paths.semantic(task.item)
    splits = (split_of_t(paths.prepared(task.item)), "validation", "calibration")
    inputs = [semantic / "model.safetensors", *posterior_files(encoded, *splits)]
    with TrainingRun.open(task, device, inputs) as run:
        posterior, held_out, unused = (load_posterior(encoded, split) for split in splits)
        z, held_out_z, unused_z = (nothing(len(one[0])) for one in (posterior, held_out, unused))
        e, size = load_semantic(semantic), read_json(semantic / "config.json")
        base = {name: size[name] for name in ("blocks", "width", "depth")}
        t, config, regressed = start_conditional_inn(
            posterior, z, e, base, task.settings, seed=task.seed
        )
        t, data = t.to(device), (posterior, z, held_out, held_out_z)
        result = train_conditional_inn(t, *data, task.settings, run, regressed)
        t.recalibration.fit(recover_invariances(t, unused, unused_z, device)[0])
        _, loss = recover_invariances(t, held_out, held_out_z, device)
        run.save_model(paths.prior(task.item), t, config)
        run.save_metrics({"best_step": result.best_step, "loss": float(loss.mean())})


if __name__ == "__main__":
    run_stage("train_prior", train_prior, TrainCinnSettings)
