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
from pipeline.models.inn import ConditionalINN, SemanticINN
from pipeline.training.loop import FitResult, cosine, fit
from pipeline.training.run import TrainingRun

__all__ = ["start_conditional_inn", "train_conditional_inn"]


def start_conditional_inn(
    posterior: Posterior,
    z: Tensor,
    e: SemanticINN,
    base: Mapping[str, int],
    settings: TrainCinnSettings,
    *,
    seed: int,
) -> tuple[ConditionalINN, dict[str, Any]]:
    """The untrained t, on the CPU, and the arguments of `build_cinn` that rebuild it.

    posterior: of R training images; z: (R, *shape) their representations. `base` has blocks, width
    and depth of e, whose blocks are applied first if settings.start is semantic or prediction.
    """
    config = {
        "features": posterior[0].shape[1],
        "shape": list(z.shape[1:]),
        **{name: getattr(settings, name) for name in ("embedding", "blocks", "width", "depth")},
        "base": base if settings.start in ("semantic", "prediction") else None,
        "predict": settings.start in ("prediction", "residual"),
    }
    model = build_cinn(**config, dropout=settings.dropout, seed=seed, z=z, z_bar=posterior[0])
    if model.base is not None:
        model.base.load_state_dict(e.network.state_dict())
    return model, config


def train_conditional_inn(
    model: ConditionalINN,
    posterior: Posterior,
    z: Tensor,
    validation_posterior: Posterior,
    validation_z: Tensor,
    settings: TrainCinnSettings,
    run: TrainingRun,
) -> FitResult:
    """Train t in place by Eqs. 3-5; each step draws z_bar from its posterior.

    posterior: of R training images; z: (R, ...) their representations. The state with the best
    held-out likelihood is kept. Validations also log `square`, the mean of v^2, which is 1 if v is
    standard normal. Raises PipelineError if the numbers of representations and images differ.
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
        v, log_det = model(sample_posterior(mean, variance), z[rows].to(run.device).float())
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
        keep_best="loss",
        patience=settings.patience,
        schedule=cosine(settings.steps, warmup=min(50, settings.steps // 10)),
        clip_norm=100,
        replay=[model.network],
    )
