"""Training of image decoders: the autoencoder E, D (INV paper, A.1) and D&B's decoder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.config.settings import TrainAutoencoderSettings, TrainBaselineSettings
from pipeline.datasets.features import check_numbers
from pipeline.datasets.images import Images, Pixels
from pipeline.errors import PipelineError
from pipeline.models.biggan import ResBlock
from pipeline.models.image_autoencoder import ImageAutoencoder, ResNetEncoder
from pipeline.models.inversion import InversionDecoder
from pipeline.models.perceptual import load_lpips
from pipeline.training.autoencoder import ACTIVE
from pipeline.training.image_metric import Critic, Decoding, image_distance
from pipeline.training.loop import FitResult, cosine, fit
from pipeline.training.losses import gaussian_kl
from pipeline.training.optimizers import make_optimizer
from pipeline.training.run import TrainingRun

__all__ = [
    "autoencoder_arguments",
    "inversion_arguments",
    "train_image_autoencoder",
    "train_inversion_decoder",
]

SLIM = 64
"""px; up to this size, E has no max-pool after its first convolution and D no non-local block."""
VALIDATION_BATCH = 100


def autoencoder_arguments(settings: TrainAutoencoderSettings, size: int) -> dict:
    """Arguments of ImageAutoencoder for images of `size` px, as plain values for config.json.

    Encoders narrower than a ResNet's 64 channels use the blocks of ResNet-18: the bottlenecks of
    ResNet-101 would be too narrow.
    """
    return {
        "size": size,
        "latent": settings.latent,
        "blocks": list(settings.encoder_blocks),
        "width": settings.encoder_width,
        "channels": settings.decoder_channels,
        "classes": settings.soft_classes,
        "architecture": settings.architecture,
        "bottleneck": settings.encoder_width >= 64,
        "pooling": size > SLIM,
        "attention": size > SLIM,
    }


def inversion_arguments(
    settings: TrainBaselineSettings,
    autoencoder: TrainAutoencoderSettings,
    size: int,
    shape: tuple[int, ...],
) -> dict:
    """Arguments of InversionDecoder: D of `autoencoder`, given z of `shape`."""
    return {
        "shape": list(shape),
        "size": size,
        "latent": settings.latent,
        "channels": autoencoder.decoder_channels,
        "classes": autoencoder.soft_classes,
        "architecture": autoencoder.architecture,
        "attention": size > SLIM,
    }


def train_image_autoencoder(
    train: Pixels,
    validation: Pixels,
    settings: TrainAutoencoderSettings,
    run: TrainingRun,
) -> tuple[ImageAutoencoder, dict[str, float]]:
    """Train the autoencoder of Tab. S7 with the loss of Sec. A.1.

    Returns the model and its last validation: `mse` and `distance` (the image metric) of D(z_bar)
    with z_bar drawn from the posterior, images in [-1, 1]; `kl` in nats; number of
    `active_dimensions` of z_bar.
    """
    size = train.images(slice(1)).shape[-1]
    model = ImageAutoencoder(**autoencoder_arguments(settings, size)).to(run.device)
    distance = _distance(settings, run.device)

    def objective(training: Decoding, indices: Tensor, _: torch.Generator) -> dict:
        images = train.images(indices.cpu()).to(run.device)
        reconstructions, mean, variance = model(images)
        result = training.critic(
            images, reconstructions, distance(images, reconstructions), model.decoder.output.weight
        )
        kl = gaussian_kl(mean, variance).mean()
        return result | {"loss": result["loss"] + kl, "kl": kl.detach()}

    def validate(_: Decoding) -> dict[str, float]:
        sums, means = torch.zeros(3), []
        for rows in torch.arange(len(validation)).split(VALIDATION_BATCH):
            images = validation.images(rows).to(run.device)
            reconstructions, mean, variance = model(images)
            terms = [*_errors(images, reconstructions, distance), gaussian_kl(mean, variance)]
            sums += torch.stack([term.sum() for term in terms]).cpu()
            means.append(mean)
        mse, metric, kl = (sums / len(validation)).tolist()
        active = (torch.cat(means).var(0) > ACTIVE).sum().item()
        return {"mse": mse, "distance": metric, "kl": kl, "active_dimensions": active}

    result = _fit(
        model,
        objective,
        validate,
        settings,
        settings,
        len(train),
        run=run,
    )
    return model, result.last_validation


def train_inversion_decoder(
    model: InversionDecoder,
    train: Images,
    z: Tensor,
    validation: Images,
    validation_z: Tensor,
    settings: TrainBaselineSettings,
    metric: TrainAutoencoderSettings,
    run: TrainingRun,
) -> dict[str, float]:
    """Train D&B's decoder in place to map z to its image, under the autoencoder's image metric.

    z (R, *shape) are the representations of the R images of `train`; `metric` are the settings of
    their autoencoder. Returns the last validation: `mse` and `distance`, as
    `train_image_autoencoder`. Raises PipelineError if the numbers of representations and images
    differ.
    """
    check_numbers(z, validation_z, train, validation)
    model.to(run.device)
    distance = _distance(metric, run.device)

    def objective(training: Decoding, indices: Tensor, _: torch.Generator) -> dict:
        rows = indices.cpu()
        images = train.images(rows).to(run.device)
        decoded = model(z[rows].to(run.device))
        last = model.decoder.output.weight
        return training.critic(images, decoded, distance(images, decoded), last)

    def validate(_: Decoding) -> dict[str, float]:
        sums = torch.zeros(2)
        for rows in torch.arange(len(validation)).split(VALIDATION_BATCH):
            images = validation.images(rows).to(run.device)
            decoded = model(validation_z[rows].to(run.device))
            sums += torch.stack([e.sum() for e in _errors(images, decoded, distance)]).cpu()
        mse, value = (sums / len(validation)).tolist()
        return {"mse": mse, "distance": value}

    result = _fit(
        model,
        objective,
        validate,
        settings,
        metric,
        len(train),
        run=run,
    )
    return result.last_validation


Distance = Callable[[Tensor, Tensor], Tensor]


def _distance(settings: TrainAutoencoderSettings, device: torch.device) -> Distance:
    lpips = None
    if settings.perceptual:
        if settings.perceptual_weights is None:
            raise PipelineError(
                "perceptual is above 0, but perceptual_weights names no folder with the weights of "
                "VGG-16; name one in the scale's file, or set perceptual to 0."
            )
        lpips = load_lpips(Path(settings.perceptual_weights)).to(device)
    return lambda images, others: image_distance(
        images, others, settings.pixel, settings.perceptual, lpips
    )


def _errors(images: Tensor, others: Tensor, distance: Distance) -> list[Tensor]:
    return [image_distance(images, others, "squared"), distance(images, others)]


def _fit(
    model: nn.Module,
    objective: Callable[[Decoding, Tensor, torch.Generator], dict],
    validate: Callable[[Decoding], dict[str, float]],
    settings: TrainAutoencoderSettings | TrainBaselineSettings,
    metric: TrainAutoencoderSettings,
    dataset_size: int,
    run: TrainingRun,
) -> FitResult:
    critic = Critic(settings.discriminator_start, metric.encoder_width)
    training = Decoding(model, critic).to(run.device)
    result = fit(
        training,
        objective,
        make_optimizer(settings.optimizer, training, critic.log_gamma, settings.learning_rate),
        steps=settings.steps,
        batch_size=settings.batch_size,
        dataset_size=dataset_size,
        run=run,
        log_every=max(1, settings.steps // 100),
        validate=validate,
        validate_every=settings.validate_every,
        schedule=cosine(settings.steps, warmup=min(200, settings.steps // 10)),
        replay=_blocks(model),
    )
    model.eval()
    return result


def _blocks(model: nn.Module) -> list[nn.Module]:
    """E's residual stages and D's ResBlocks; not D's last layer, whose gradient `Critic` needs."""
    encoders = [part.stages for part in model.modules() if isinstance(part, ResNetEncoder)]
    return [*encoders, *(part for part in model.modules() if isinstance(part, ResBlock))]
