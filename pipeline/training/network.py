"""Training of the classifiers whose layers are interpreted (INV paper, Sec. 4.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.datasets.blur import gaussian_blur
from pipeline.datasets.crops import random_crops
from pipeline.datasets.images import Images
from pipeline.evaluation.accuracy import accuracy
from pipeline.networks.card import NetworkSettings
from pipeline.training.loop import FitResult, cosine, fit
from pipeline.training.run import TrainingRun

__all__ = ["augment", "checkpoint_steps", "train_classifier"]


def checkpoint_steps(settings: NetworkSettings) -> tuple[int, ...]:
    """Evenly spaced steps from 0 (untrained) to `steps` (trained); for one checkpoint, the last."""
    if settings.checkpoints == 1:
        return (settings.steps,)
    last = settings.checkpoints - 1
    return tuple(round(index * settings.steps / last) for index in range(settings.checkpoints))


def augment(images: Tensor, crop_scale: float, blur: float, generator: torch.Generator) -> Tensor:
    """Random resized crops of images (B, 3, H, W), randomly blurred.

    Crops keep at least the share `crop_scale` in (0, 1] of the area; 1 disables them. Standard
    deviations of the blur are uniform from 0 to `blur` times the height.
    """
    with torch.autocast(images.device.type, enabled=False):  # bfloat16 would round coordinates
        if crop_scale < 1:
            images = random_crops(images, crop_scale, generator)
        if blur:
            most = blur * images.shape[2]
            sigma = most * torch.rand(len(images), generator=generator, device=images.device)
            images = gaussian_blur(images, sigma)
    return images


def train_classifier(
    network: nn.Module,
    train: Images,
    validation: Images,
    settings: NetworkSettings,
    run: TrainingRun,
    blur: float = 0.0,
    crop_scale: float = 1.0,
) -> FitResult:
    """Train `network` in place with cross entropy on images that went through `augment`.

    Snapshots are its states at the checkpoint steps.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)

    def objective(network: nn.Module, indices: Tensor, generator: torch.Generator) -> dict:
        rows = indices.cpu()
        images = augment(train.images(rows).to(run.device), crop_scale, blur, generator)
        logits = network(images)
        return {"loss": F.cross_entropy(logits, train.label[rows].to(run.device))}

    return fit(
        network,
        objective,
        optimizer,
        steps=settings.steps,
        batch_size=settings.batch_size,
        dataset_size=len(train),
        run=run,
        log_every=max(1, settings.steps // 100),
        validate=lambda network: {"accuracy": accuracy(network, validation)},
        validate_every=max(1, settings.steps // max(1, settings.checkpoints - 1)),
        schedule=cosine(settings.steps, warmup=min(200, settings.steps // 10)),
        snapshot_steps=checkpoint_steps(settings),
    )
