"""Stage train_semantic@digits: the INN e, which turns z_bar into named factors."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.features import load_posterior, posterior_files
from pipeline.datasets.splits import load_split
from pipeline.evaluation.probes import probe_factors
from pipeline.params import Params
from pipeline.runtime import make_fabric
from pipeline.storage import new_folder, write_json, write_safetensors
from pipeline.training.checkpoints import open_checkpoints
from pipeline.training.log import TrainingLog
from pipeline.training.semantic import concept_scores, factor_sizes, train_semantic_inn


def train_semantic(params: Params, item: str, device: torch.device) -> None:
    """Train the semantic INN e of a data set."""
    settings = params.settings.train_semantic[item]
    data, encoded = paths.prepared(item), paths.posteriors(item)
    inputs = [*posterior_files(encoded, "train", "validation"), data / "ground_truth.parquet"]
    checkpoints = open_checkpoints("train_semantic", item, (settings, params.seed), inputs)
    log = paths.training(params.scale, "train_semantic", item)
    images = {split: load_split(data, split) for split in ("train", "validation")}
    posteriors = {split: load_posterior(encoded, split) for split in images}
    concepts = {split: part.concepts(settings.factors) for split, part in images.items()}
    dimensions = posteriors["train"][0].shape[1]
    scores = concept_scores(posteriors["train"], concepts["train"], seed=params.seed)
    sizes = factor_sizes(scores, dimensions) if settings.sizes == "auto" else settings.sizes
    sizes = {name: sizes[name] for name in settings.factors}

    model, result = train_semantic_inn(
        posteriors["train"],
        concepts["train"],
        posteriors["validation"],
        concepts["validation"],
        sizes,
        settings,
        seed=params.seed,
        fabric=make_fabric(device),
        checkpoints=checkpoints,
        log=TrainingLog(log.parent, log.name),
    )

    metrics = {
        "sizes": model.factors,
        "scores": scores,
        "best_step": result.best_step,
        "probes": probe_factors(model, posteriors, images),
    }
    with new_folder(paths.semantic(item)) as folder:
        write_safetensors(folder / "model.safetensors", model.state_dict())
        config = {"features": dimensions, "factors": list(sizes.items()), "blocks": settings.blocks}
        config |= {"width": settings.width, "depth": settings.depth}
        write_json(folder / "config.json", config)
    write_json(paths.metrics(params.scale, f"train_semantic-{item}"), metrics)
    checkpoints.clear()


if __name__ == "__main__":
    run_stage("train_semantic", train_semantic)
