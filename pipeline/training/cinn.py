"""Training of the conditional INN t that recovers invariances (INV paper, Secs. 3.1 and A.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pipeline.config.settings import TrainCinnSettings
from pipeline.datasets.features import Posterior, check_numbers
from pipeline.evaluation.likelihood import cinn_loss, recover_invariances
from pipeline.models.autoencoder import sample_posterior
from pipeline.models.cinn import build_cinn
from pipeline.models.embedding import SpatialEmbedding, VectorEmbedding
from pipeline.models.inn import ConditionalINN, Regressed, SemanticINN
from pipeline.training.loop import FitResult, cosine, fit
from pipeline.training.run import TrainingRun

__all__ = ["start_conditional_inn", "train_conditional_inn"]

ROWS = 4096
"""Images that pass through the blocks of e at once."""


def start_conditional_inn(
    posterior: Posterior,
    z: Tensor,
    e: SemanticINN,
    base: Mapping[str, int],
    settings: TrainCinnSettings,
    *,
    seed: int,
) -> tuple[ConditionalINN, dict[str, Any], Regressed]:
    """The untrained t, on the CPU, and the arguments of `build_cinn` that rebuild it.

    Third, what its regressions tell it of the R training images, (R, N) each, out of fold.

    posterior: of R training images; z: (R, *shape) their representations. `base` has blocks, width
    and depth of e, whose blocks are applied first if settings.start is semantic or regression.
    """
    config = {
        "features": posterior[0].shape[1],
        "shape": list(z.shape[1:]),
        **{name: getattr(settings, name) for name in ("embedding", "blocks", "width", "depth")},
        "base": base if settings.start in ("semantic", "regression") else None,
        "predict": settings.start in ("regression", "residual"),
        "expect": settings.start == "regression",
    }
    model = build_cinn(**config, dropout=settings.dropout, seed=seed)
    assert isinstance(model.embedding, VectorEmbedding | SpatialEmbedding)
    model.embedding.standardize.fit(z)
    if model.base is not None:
        model.base.load_state_dict(e.network.state_dict())
    return model, config, _fit_regressions(model, posterior, z, seed)


@torch.no_grad()
def _fit_regressions(
    model: ConditionalINN, posterior: Posterior, z: Tensor, seed: int
) -> Regressed:
    """Fit the regressions of t; what they tell of the training images, out of fold."""
    if model.prediction is None:
        return None, None
    guess = model.prediction.fit(z, posterior[0])
    if model.expectation is None:
        return guess, guess

    def unconditional(z_bar: Tensor) -> Tensor:
        return torch.cat([model.unconditional(part)[0] for part in z_bar.split(ROWS)])

    noise = torch.randn(guess.shape, generator=torch.Generator().manual_seed(seed))
    mean, variance = posterior
    guess = unconditional(guess)
    return guess, model.expectation.fit(z, unconditional(mean + variance.sqrt() * noise), guess)


def train_conditional_inn(
    model: ConditionalINN,
    posterior: Posterior,
    z: Tensor,
    validation_posterior: Posterior,
    validation_z: Tensor,
    settings: TrainCinnSettings,
    run: TrainingRun,
    regressed: Regressed = (None, None),
) -> FitResult:
    """Train t in place by Eqs. 3-5; each step draws z_bar from its posterior.

    posterior: of R training images; z: (R, ...) their representations; regressed: what
    `start_conditional_inn` gives of them. The state with the best held-out likelihood is kept; of a
    t that starts from a regression, that may be the untrained one, a normal distribution around the
    regression. Validations also log `square`, the mean of v^2, which is 1 if v is standard normal.
    Raises PipelineError if the numbers of representations and images differ.
    """
    check_numbers(z, validation_z, posterior[0], validation_posterior[0])
    optimizer = torch.optim.AdamW(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=settings.learning_rate,
        betas=(0.9, 0.99),
        weight_decay=settings.weight_decay,
        fused=True,
    )

    def objective(model: ConditionalINN, indices: Tensor, _: torch.Generator) -> dict:
        rows = indices.cpu()
        mean, variance = (part[rows].to(run.device) for part in posterior)
        guess, expected = (None if one is None else one[rows].to(run.device) for one in regressed)
        z_bar = sample_posterior(mean, variance)
        v, log_det = model(z_bar, z[rows].to(run.device).float(), (guess, expected))
        return {"loss": cinn_loss(v, log_det).mean()}

    def validate(model: ConditionalINN) -> dict[str, float]:
        v, loss = recover_invariances(model, validation_posterior, validation_z, run.device)
        return {"loss": float(loss.mean()), "square": float(v.square().mean())}

    return fit(
        model,
        objective,
        optimizer,
        steps=settings.steps,
        batch_size=settings.batch_size,
        dataset_size=len(z),
        run=run,
        log_every=max(1, settings.steps // 20),
        validate=validate,
        validate_every=settings.validate_every,
        validate_first=settings.start in ("regression", "residual"),
        keep_best="loss",
        patience=settings.patience,
        schedule=cosine(settings.steps, warmup=min(50, settings.steps // 10)),
        clip_norm=100,
        replay=[model.network],
    )
