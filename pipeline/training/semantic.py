"""Training of the semantic INN e from pairs that share a concept (INV paper, Sec. A.2)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from lightning_fabric import Fabric
from torch import Tensor

from pipeline.datasets.features import Posterior
from pipeline.datasets.pairs import Partners
from pipeline.errors import PipelineError
from pipeline.models.autoencoder import sample_posterior
from pipeline.models.inn import SemanticINN
from pipeline.params import TrainSemanticParams
from pipeline.training.checkpoints import CheckpointFolder
from pipeline.training.log import TrainingLog
from pipeline.training.loop import FitResult, cosine, fit
from pipeline.training.losses import pair_loss

__all__ = ["concept_scores", "factor_sizes", "train_semantic_inn"]


def concept_scores(
    posterior: Posterior, concepts: Mapping[str, Tensor], *, seed: int, pairs: int = 20_000
) -> dict[str, float]:
    """s_F of Eq. 11 of the IIN paper: correlations of z_bar within pairs, summed over dimensions.

    `concepts` hold each image's value (R,) int64. Each score lies in [-N, N]; `pairs` pairs are
    drawn per concept.
    """
    mean, variance = posterior
    generator = torch.Generator().manual_seed(seed)
    scores = {}
    for name, values in concepts.items():
        rows = torch.randint(len(mean), (pairs,), generator=generator)
        others = Partners(name, values).draw(rows, generator)
        standardised = []
        for chosen in (rows, others):
            noise = torch.randn(len(chosen), mean.shape[1], generator=generator)
            z_bar = mean[chosen] + variance[chosen].sqrt() * noise
            standardised.append((z_bar - z_bar.mean(0)) / z_bar.std(0, correction=0))
        scores[name] = (standardised[0] * standardised[1]).mean(0).sum().item()
    return scores


def factor_sizes(scores: Mapping[str, float], dimensions: int) -> dict[str, int]:
    """Dimensions of each factor from its score (IIN paper, Eq. 11 and below), at least 1 each.

    Scores are divided by the number of dimensions first, so that the residual's largest possible
    score becomes 1: with the printed exp(s_F) and s_F up to N, the residual would take everything.
    What rounding down leaves over goes to the residual.
    """
    shares = {name: math.exp(score / dimensions) for name, score in scores.items()}
    total = math.e + sum(shares.values())
    return {name: max(1, int(share / total * dimensions)) for name, share in shares.items()}


def train_semantic_inn(
    posterior: Posterior,
    concepts: Mapping[str, Tensor],
    validation_posterior: Posterior,
    validation_concepts: Mapping[str, Tensor],
    sizes: Mapping[str, int],
    settings: TrainSemanticParams,
    *,
    seed: int,
    fabric: Fabric,
    checkpoints: CheckpointFolder,
    log: TrainingLog,
) -> tuple[SemanticINN, FitResult]:
    """Train e by the mean over concepts of Eq. 12, z_bar drawn anew from its posterior every time.

    `concepts` hold each image's value (R,) int64: images with the same value form the pairs. To
    every image of a batch a partner is drawn for every concept whose values are so many that a
    batch would hold no pair of them; then all pairs of the batch count, which for few values are
    many more than the images. Held-out pairs decide when to stop. Raises PipelineError as
    `Partners` does, and for a concept that no two held-out images share.
    """
    for name, values in validation_concepts.items():
        if len(values.unique()) == len(values):
            raise PipelineError(
                f"no two of the {len(values)} validation images share the concept '{name}': use "
                "more of them, or leave it out of train_semantic."
            )
    dimensions = posterior[0].shape[1]
    model = SemanticINN(
        dimensions, dict(sizes), settings.blocks, settings.width, settings.depth, seed=seed
    ).to(fabric.device)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        betas=(0.9, 0.99),
        weight_decay=settings.weight_decay,
        fused=True,
    )
    partners = [
        Partners(name, values)
        for name, values in concepts.items()
        if len(values.unique()) > settings.batch_size // 2
    ]

    def losses(
        model: SemanticINN, posterior: Posterior, concepts: Mapping[str, Tensor], rows: Tensor
    ) -> dict[str, Tensor]:
        mean, variance = (part[rows].to(fabric.device) for part in posterior)
        e, log_det = model(sample_posterior(mean, variance))
        result = {}
        numbers = rows.to(fabric.device)
        for name, values in concepts.items():
            own = values[rows].to(fabric.device)
            same = own[:, None] == own
            # Not the image with itself, nor with a copy of itself that was drawn as a partner.
            same &= numbers[:, None] != numbers
            result[name] = pair_loss(
                e, log_det, same.to(e.dtype), model.indices(name), settings.rho,
                settings.weights[name],
            )  # fmt: skip
        return result

    def total(parts: Mapping[str, Tensor]) -> Tensor:
        return torch.stack(list(parts.values())).mean()

    def objective(model: SemanticINN, indices: Tensor, generator: torch.Generator) -> dict:
        anchors = indices.cpu()
        draws = torch.Generator().manual_seed(generator.initial_seed())
        drawn = [partner.draw(anchors, draws) for partner in partners]
        parts = losses(model, posterior, concepts, torch.cat([anchors, *drawn]))
        return {"loss": total(parts), **{name: loss.detach() for name, loss in parts.items()}}

    def validate(model: SemanticINN) -> dict[str, float]:
        rows = torch.arange(len(validation_posterior[0]))
        parts = losses(model, validation_posterior, validation_concepts, rows)
        return {"loss": float(total(parts)), **{k: float(loss) for k, loss in parts.items()}}

    result = fit(
        model,
        objective,
        optimizer,
        steps=settings.steps,
        batch_size=settings.batch_size,
        dataset_size=len(posterior[0]),
        seed=seed,
        fabric=fabric,
        checkpoints=checkpoints,
        log=log,
        log_every=max(1, settings.steps // 100),
        validate=validate,
        validate_every=settings.validate_every,
        keep_best="loss",
        patience=settings.patience,
        schedule=cosine(settings.steps, warmup=min(100, settings.steps // 10)),
        clip_norm=200,
        replay=[model.network],
    )
    return model, result
