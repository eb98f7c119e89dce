"""Training of the classifiers whose representations are interpreted (INV paper, Sec. 4.2)."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.datasets.blur import gaussian_blur
from pipeline.datasets.crops import random_crops
from pipeline.datasets.images import Images
from pipeline.params import TrainNetworkParams
from pipeline.training.checkpoints import CheckpointFolder
from pipeline.training.log import TrainingLog
from pipeline.training.loop import FitResult, cosine, fit

__all__ = ["accuracy", "augment", "checkpoint_steps", "train_classifier"]


def checkpoint_steps(settings: TrainNetworkParams) -> tuple[int, ...]:
    """Evenly spaced steps, from 0 (untrained) to `steps` (trained); of one, the last."""
    if settings.checkpoints == 1:
        return (settings.steps,)
    last = settings.checkpoints - 1
    return tuple(round(index * settings.steps / last) for index in range(settings.checkpoints))


@torch.no_grad()
def accuracy(network: nn.Module, data: Images, batch_size: int = 500) -> float:
    """Share of the images of `data` that `network` gives their own class, in [0, 1]."""
    device = next(network.parameters()).device
    correct = 0
    for first in range(0, len(data), batch_size):
        rows = slice(first, first + batch_size)
        predicted = network(data.images(rows).to(device)).argmax(1).cpu()
        correct += int((predicted == data.label[rows]).sum())
    return correct / len(data)


def augment(images: Tensor, crop_scale: float, blur: float, generator: torch.Generator) -> Tensor:
    """A random part of each of the images (B, 3, H, W), at their size, blurred at random.

    `random_crops` draws the parts, the smallest of which has the share `crop_scale` of the area, in
    (0, 1]; 1 leaves images whole. Standard deviations of the blur are uniform from 0 to `blur`
    times the height.
    """
    with torch.autocast(images.device.type, enabled=False):  # else it rounds images and places
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
    settings: TrainNetworkParams,
    *,
    seed: int,
    fabric: Fabric,
    checkpoints: CheckpointFolder,
    log: TrainingLog,
    blur: float = 0.0,
    crop_scale: float = 1.0,
) -> FitResult:
    """Train `network` with cross entropy; snapshots are its states at the checkpoint steps.

    Training images go through `augment`.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)

    def objective(network: nn.Module, indices: Tensor, generator: torch.Generator) -> dict:
        rows = indices.cpu()
        images = augment(train.images(rows).to(fabric.device), crop_scale, blur, generator)
        logits = network(images)
        return {"loss": F.cross_entropy(logits, train.label[rows].to(fabric.device))}

    return fit(
        network,
        objective,
        optimizer,
        steps=settings.steps,
        batch_size=settings.batch_size,
        dataset_size=len(train),
        seed=seed,
        fabric=fabric,
        checkpoints=checkpoints,
        log=log,
        log_every=max(1, settings.steps // 100),
        validate=lambda network: {"accuracy": accuracy(network, validation)},
        validate_every=max(1, settings.steps // max(1, settings.checkpoints - 1)),
        schedule=cosine(settings.steps, warmup=min(200, settings.steps // 10)),
        snapshot_steps=checkpoint_steps(settings),
    )
