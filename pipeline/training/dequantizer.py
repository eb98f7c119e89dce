"""Training of the dequantiser, a VAE of class embeddings (INV paper, Sec. B.6)."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.config.settings import TrainDequantizerSettings
from pipeline.models.dequantizer import Dequantizer
from pipeline.training.loop import cosine, fit
from pipeline.training.losses import autoencoder_loss, gaussian_kl
from pipeline.training.optimizers import make_optimizer
from pipeline.training.run import TrainingRun

__all__ = ["dequantizer_quality", "train_dequantizer"]

MIN_LOG_GAMMA = -9.0
"""An error of a hundredth of the embeddings' spread suffices; unbounded, gamma would go to 0."""
DRAWS = 64
"""Draws per class in a validation."""


def train_dequantizer(
    embeddings: Tensor,
    settings: TrainDequantizerSettings,
    run: TrainingRun,
) -> tuple[Dequantizer, dict[str, float]]:
    """Train the VAE of Tab. S17 on h of all classes (K, features) with the loss of Sec. A.1.

    Every batch contains all classes about equally often. Weights are drawn from the global random
    state. Returns the model and `dequantizer_quality`.
    """
    classes, features = embeddings.shape
    model = Dequantizer(features, settings.latent, settings.width)
    model.fit(embeddings)
    model.to(run.device)
    embeddings = embeddings.to(run.device)
    optimizer = make_optimizer("adam", model, model.log_gamma, settings.learning_rate)

    def objective(model: Dequantizer, indices: Tensor, _: torch.Generator) -> dict:
        h = embeddings[indices % classes]
        rebuilt, mean, variance = model(h)
        log_gamma = model.log_gamma.clamp_min(MIN_LOG_GAMMA)
        loss = autoencoder_loss(h / model.scale, rebuilt / model.scale, mean, variance, log_gamma)
        return {"loss": loss.mean()}

    fit(
        model,
        objective,
        optimizer,
        steps=settings.steps,
        batch_size=settings.batch_size,
        dataset_size=classes * settings.batch_size,
        run=run,
        log_every=max(1, settings.steps // 20),
        validate=lambda model: dequantizer_quality(model, embeddings),
        validate_every=settings.validate_every,
        schedule=cosine(settings.steps, warmup=min(100, settings.steps // 10)),
        clip_norm=100,
    )
    return model, dequantizer_quality(model.eval(), embeddings)


@torch.no_grad()
def dequantizer_quality(model: Dequantizer, embeddings: Tensor) -> dict[str, float]:
    """How well h (K, features) is reconstructed from draws of its code.

    `recovered`: share of draws whose reconstruction is nearest to its own class; `error`: root mean
    square error relative to the spread of h; `kl`: to the prior, in nats; `variance`: mean variance
    of the posteriors.
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
