"""Training of the dequantiser, a VAE of class embeddings (INV paper, Sec. B.6)."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor

from pipeline.models.dequantizer import Dequantizer
from pipeline.params import TrainDequantizerParams
from pipeline.training.checkpoints import CheckpointFolder
from pipeline.training.log import TrainingLog
from pipeline.training.loop import cosine, fit
from pipeline.training.losses import autoencoder_loss, gaussian_kl
from pipeline.training.optimizers import make_optimizer

__all__ = ["dequantizer_quality", "train_dequantizer"]

SMALLEST_LOG_GAMMA = -9.0
"""A hundredth of the embeddings' spread is near enough: below, gamma would fall without end."""
DRAWS = 64
"""Draws of each class that a validation measures."""


def train_dequantizer(
    embeddings: Tensor,
    settings: TrainDequantizerParams,
    *,
    seed: int,
    fabric: Fabric,
    checkpoints: CheckpointFolder,
    log: TrainingLog,
) -> tuple[Dequantizer, dict[str, float]]:
    """Train the VAE of Tab. S17 on h of all classes (K, features) by the loss of Sec. A.1.

    Every batch holds all classes about equally often. Weights are drawn from the global random
    state. Returns the model and `dequantizer_quality`.
    """
    classes, features = embeddings.shape
    model = Dequantizer(features, settings.latent, settings.width)
    model.fit(embeddings)
    model.to(fabric.device)
    embeddings = embeddings.to(fabric.device)
    optimizer = make_optimizer("adam", model, model.log_gamma, settings.learning_rate)

    def objective(model: Dequantizer, indices: Tensor, _: torch.Generator) -> dict:
        h = embeddings[indices % classes]
        rebuilt, mean, variance = model(h)
        log_gamma = model.log_gamma.clamp_min(SMALLEST_LOG_GAMMA)
        loss = autoencoder_loss(h / model.scale, rebuilt / model.scale, mean, variance, log_gamma)
        return {"loss": loss.mean()}

    fit(
        model,
        objective,
        optimizer,
        steps=settings.steps,
        batch_size=settings.batch_size,
        dataset_size=classes * settings.batch_size,
        seed=seed,
        fabric=fabric,
        checkpoints=checkpoints,
        log=log,
        log_every=max(1, settings.steps // 20),
        validate=lambda model: dequantizer_quality(model, embeddings),
        validate_every=settings.validate_every,
        schedule=cosine(settings.steps, warmup=min(100, settings.steps // 10)),
        clip_norm=100,
    )
    return model, dequantizer_quality(model.eval(), embeddings)


@torch.no_grad()
def dequantizer_quality(model: Dequantizer, embeddings: Tensor) -> dict[str, float]:
    """What is left of h (K, features) after a draw of its code.

    `recovered`: share of draws whose h is nearest to its own class; `error`: root mean square
    error, as a share of the spread of h; `kl`: from the prior, in nats; `variance`: mean.
    """
    mean, variance = model.encode(embeddings)
    noise = torch.randn(DRAWS, *mean.shape, device=mean.device)
    rebuilt = model.decode(mean + variance.sqrt() * noise)
    nearest = torch.cdist(rebuilt, embeddings.expand(DRAWS, -1, -1)).argmin(2)
    own = torch.arange(len(embeddings), device=nearest.device)
    error = ((rebuilt - embeddings) / model.scale).square().mean().sqrt()
    return {
        "recovered": float((nearest == own).float().mean()),
        "error": float(error),
        "kl": float(gaussian_kl(mean, variance).mean()),
        "variance": float(variance.mean()),
    }
