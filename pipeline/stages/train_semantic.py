"""Stage train_semantic@digits: the INN e, which splits z_bar into named factors."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.settings import TrainSemanticSettings
from pipeline.datasets.features import load_posterior, posterior_files
from pipeline.datasets.parts import LEARNING
from pipeline.datasets.splits import load_split
from pipeline.evaluation.probes import probe_factors
from pipeline.task import Task
from pipeline.training.run import TrainingRun
from pipeline.training.semantic import concept_scores, factor_sizes, train_semantic_inn


def train_semantic(task: Task[TrainSemanticSettings], device: torch.device) -> None:
    """Train the semantic INN e of a data set."""
    settings, splits = task.settings, ("train", "validation")
    data, encoded = paths.prepared(task.item), paths.posteriors(task.item)
    inputs = [*posterior_files(encoded, *splits), data / LEARNING / "ground_truth.parquet"]
    with TrainingRun.open(task, device, inputs) as run:
        images = {split: load_split(data, split) for split in splits}
        posteriors = {split: load_posterior(encoded, split) for split in splits}
        concepts = {split: part.concepts(settings.factors) for split, part in images.items()}
        dimensions = posteriors["train"][0].shape[1]
        scores = concept_scores(posteriors["train"], concepts["train"], seed=task.seed)
        sizes = factor_sizes(scores, dimensions) if settings.sizes == "auto" else settings.sizes
        sizes = {name: sizes[name] for name in settings.factors}
        pairs = [(posteriors[split], concepts[split]) for split in splits]
        e, result = train_semantic_inn(*pairs[0], *pairs[1], sizes, settings, run)
        config = {"features": dimensions, "factors": list(sizes.items())}
        config |= {name: getattr(settings, name) for name in ("blocks", "width", "depth")}
        run.save_model(paths.semantic(task.item), e, config)
        run.save_metrics(
            {
                "sizes": e.factors,
                "scores": scores,
                "best_step": result.best_step,
                "probes": probe_factors(e, posteriors, images),
            }
        )


if __name__ == "__main__":
    run_stage("train_semantic", train_semantic, TrainSemanticSettings)
