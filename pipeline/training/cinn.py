"""Training of the conditional INN t that recovers invariances (INV paper, Secs. 3.1 and A.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from pipeline.datasets.features import Posterior, check_numbers
from pipeline.models.autoencoder import sample_posterior
from pipeline.models.inn import ConditionalINN, SemanticINN
from pipeline.models.loading import build_cinn
from pipeline.params import TrainCinnParams
from pipeline.training.checkpoints import CheckpointFolder
from pipeline.training.log import TrainingLog
from pipeline.training.loop import FitResult, cosine, fit
from pipeline.training.losses import cinn_loss

__all__ = ["recover_invariances", "start_conditional_inn", "train_conditional_inn"]


def start_conditional_inn(
    posterior: Posterior,
    z: Tensor,
    e: SemanticINN,
    base: Mapping[str, int],
    settings: TrainCinnParams,
    *,
    seed: int,
) -> tuple[ConditionalINN, dict[str, Any]]:
    """t before its training, on the CPU, and the arguments of `build_cinn` to build it again.

    posterior: of R training images; z: (R, *shape) their representations. `base` has blocks, width
    and depth of e, whose blocks come first where settings.start is semantic or prediction.
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


@torch.no_grad()
def recover_invariances(
    model: ConditionalINN, posterior: Posterior, z: Tensor, device: torch.device | str
) -> tuple[Tensor, Tensor]:
    """v = t(z_bar|z), z_bar drawn from its posterior, and the loss of Eq. 3: (R, N) and (R,)."""
    values, losses = [], []
    for rows in torch.arange(len(z)).split(2000):
        mean, variance = (part[rows].to(device) for part in posterior)
        v, log_det = model(sample_posterior(mean, variance), z[rows].to(device).float())
        values.append(v)
        losses.append(cinn_loss(v, log_det))
    return torch.cat(values), torch.cat(losses)


def train_conditional_inn(
    model: ConditionalINN,
    posterior: Posterior,
    z: Tensor,
    validation_posterior: Posterior,
    validation_z: Tensor,
    settings: TrainCinnParams,
    *,
    seed: int,
    fabric: Fabric,
    checkpoints: CheckpointFolder,
    log: TrainingLog,
) -> FitResult:
    """Train t, in place, by Eqs. 3-5, z_bar drawn anew from its posterior at every step.

    posterior: of R training images; z: (R, ...) their representations. Held-out likelihood decides
    which state is kept. Logged on held-out data besides: `square`, the mean of v^2 (1 if v is
    standard normal). Raises PipelineError for other numbers of representations than of images.
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
        mean, variance = (part[rows].to(fabric.device) for part in posterior)
        v, log_det = model(sample_posterior(mean, variance), z[rows].to(fabric.device).float())
        return {"loss": cinn_loss(v, log_det).mean()}

    def validate(model: ConditionalINN) -> dict[str, float]:
        v, loss = recover_invariances(model, validation_posterior, validation_z, fabric.device)
        return {"loss": float(loss.mean()), "square": float(v.square().mean())}

    return fit(
        model,
        objective,
        optimizer,
        steps=settings.steps,
        batch_size=settings.batch_size,
        dataset_size=len(z),
        seed=seed,
        fabric=fabric,
        checkpoints=checkpoints,
        log=log,
        log_every=max(1, settings.steps // 20),
        validate=validate,
        validate_every=settings.validate_every,
        keep_best="loss",
        patience=settings.patience,
        schedule=cosine(settings.steps, warmup=min(50, settings.steps // 10)),
        clip_norm=100,
        replay=[model.network],
    )
