"""Training of the autoencoder E, D (INV paper, Sec. A.1)."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.config.settings import TrainDigitsAutoencoderSettings
from pipeline.datasets.color_digits import ColorDigits
from pipeline.models.autoencoder import DigitsAutoencoder
from pipeline.training.loop import cosine, fit
from pipeline.training.losses import autoencoder_loss, gaussian_kl
from pipeline.training.optimizers import make_optimizer
from pipeline.training.run import TrainingRun

__all__ = ["train_digits_autoencoder"]

ACTIVE = 0.05
"""A dimension of z_bar is active if the variance of its posterior mean exceeds this."""


def train_digits_autoencoder(
    train: ColorDigits,
    validation: ColorDigits,
    settings: TrainDigitsAutoencoderSettings,
    run: TrainingRun,
) -> tuple[DigitsAutoencoder, dict[str, float]]:
    """Train the autoencoder of Tab. S1 with the loss of Sec. A.1.

    Returns the model and its last validation: `mse` of D(z_bar) with z_bar drawn from the posterior
    (images in [-1, 1]), `kl` in nats, number of `active_dimensions` of z_bar.
    """
    model = DigitsAutoencoder(settings.latent, settings.widths).to(run.device)
    optimizer = make_optimizer(settings.optimizer, model, model.log_gamma, settings.learning_rate)

    def objective(model: DigitsAutoencoder, indices: Tensor, _: torch.Generator) -> dict:
        images = train.images(indices.cpu()).to(run.device)
        reconstructions, mean, variance = model(images)
        loss = autoencoder_loss(images, reconstructions.float(), mean, variance, model.log_gamma)
        return {"loss": loss.mean(), "log_gamma": model.log_gamma.detach()}

    def validate(model: DigitsAutoencoder) -> dict[str, float]:
        squared_error, means, kl = 0.0, [], 0.0
        for first in range(0, len(validation), 500):
            images = validation.images(slice(first, first + 500)).to(run.device)
            reconstructions, mean, variance = model(images)
            squared_error += (images - reconstructions).square().flatten(1).mean(1).sum().item()
            kl += gaussian_kl(mean, variance).sum().item()
            means.append(mean)
        active = torch.cat(means).var(0) > ACTIVE
        return {
            "mse": squared_error / len(validation),
            "kl": kl / len(validation),
            "active_dimensions": active.sum().item(),
        }

    result = fit(
        model,
        objective,
        optimizer,
        steps=settings.steps,
        batch_size=settings.batch_size,
        dataset_size=len(train),
        run=run,
        log_every=max(1, settings.steps // 100),
        validate=validate,
        validate_every=settings.validate_every,
        schedule=cosine(settings.steps, warmup=min(100, settings.steps // 10)),
    )
    return model, result.last_validation
