"""Training of the semantic INN e from pairs that share a concept (INV paper, Eq. 12, Sec. A.2)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from pipeline.config.settings import TrainSemanticSettings
from pipeline.datasets.features import Posterior
from pipeline.datasets.pairs import PairSampler
from pipeline.errors import PipelineError
from pipeline.models.autoencoder import sample_posterior
from pipeline.models.inn import SemanticINN
from pipeline.training.loop import FitResult, cosine, fit
from pipeline.training.losses import pair_loss
from pipeline.training.run import TrainingRun

__all__ = ["concept_scores", "factor_sizes", "train_semantic_inn"]


def concept_scores(
    posterior: Posterior, concepts: Mapping[str, Tensor], *, seed: int, pairs: int = 20_000
) -> dict[str, float]:
    """s_F of Eq. 11 of the IIN paper: correlations of z_bar within pairs, summed over dimensions.

    `concepts` holds each image's value (R,) int64. Scores lie in [-N, N]; each is estimated from
    `pairs` pairs.
    """
    mean, variance = posterior
    generator = torch.Generator().manual_seed(seed)
    scores = {}
    for name, values in concepts.items():
        rows = torch.randint(len(mean), (pairs,), generator=generator)
        others = PairSampler(name, values).draw(rows, generator)
        standardised = []
        for chosen in (rows, others):
            noise = torch.randn(len(chosen), mean.shape[1], generator=generator)
            z_bar = mean[chosen] + variance[chosen].sqrt() * noise
            standardised.append((z_bar - z_bar.mean(0)) / z_bar.std(0, correction=0))
        scores[name] = (standardised[0] * standardised[1]).mean(0).sum().item()
    return scores


def factor_sizes(scores: Mapping[str, float], dimensions: int) -> dict[str, int]:
    """Dimensions of each factor from its score (IIN paper, Eq. 11 and below), at least 1 each.

    Scores are divided by the number of dimensions, so that the residual's score becomes 1: with the
    printed exp(s_F) and s_F up to N, the residual would take everything. Shares are rounded down;
    the rest goes to the residual.
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
    settings: TrainSemanticSettings,
    run: TrainingRun,
) -> tuple[SemanticINN, FitResult]:
    """Train e by the mean over concepts of Eq. 12; each step draws z_bar from its posterior.

    `concepts` holds each image's value (R,) int64; images with the same value form pairs. For
    concepts with so many values that a batch would contain hardly any pairs, a partner is drawn for
    each image of the batch. Then all pairs in the batch count, which for few values are many more
    than the images. The loss of held-out pairs decides when to stop. Raises PipelineError as
    `PairSampler` does, and for a concept that no two held-out images share.
    """
    for name, values in validation_concepts.items():
        if len(values.unique()) == len(values):
            raise PipelineError(
                f"no two of the {len(values)} validation images share the concept '{name}': use "
                "more of them, or leave it out of train_semantic."
            )
    dimensions = posterior[0].shape[1]
    model = SemanticINN(
        dimensions, dict(sizes), settings.blocks, settings.width, settings.depth, seed=run.seed
    ).to(run.device)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        betas=(0.9, 0.99),
        weight_decay=settings.weight_decay,
        fused=True,
    )
    samplers = [
        PairSampler(name, values)
        for name, values in concepts.items()
        if len(values.unique()) > settings.batch_size // 2
    ]

    def losses(
        model: SemanticINN, posterior: Posterior, concepts: Mapping[str, Tensor], rows: Tensor
    ) -> dict[str, Tensor]:
        mean, variance = (part[rows].to(run.device) for part in posterior)
        e, log_det = model(sample_posterior(mean, variance))
        result = {}
        numbers = rows.to(run.device)
        for name, values in concepts.items():
            own = values[rows].to(run.device)
            same = own[:, None] == own
            # Not an image with itself, nor with a copy of itself drawn as a partner.
            same &= numbers[:, None] != numbers
            result[name] = pair_loss(
                e, log_det, same.to(e.dtype), model.indices(name), settings.rho,
                settings.weights.get(name, 1.0),
            )  # fmt: skip
        return result

    def total(parts: Mapping[str, Tensor]) -> Tensor:
        return torch.stack(list(parts.values())).mean()

    def objective(model: SemanticINN, indices: Tensor, generator: torch.Generator) -> dict:
        anchors = indices.cpu()
        draws = torch.Generator().manual_seed(generator.initial_seed())
        drawn = [sampler.draw(anchors, draws) for sampler in samplers]
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
        run=run,
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
