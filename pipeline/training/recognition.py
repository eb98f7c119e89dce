"""Training of the face recogniser on identities (INV paper, Sec. 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.datasets.images import Images
from pipeline.evaluation.verification import verification
from pipeline.training.loop import FitResult, cosine, fit
from pipeline.training.network import checkpoint_steps
from pipeline.training.run import TrainingRun

if TYPE_CHECKING:
    from pipeline.networks.card import RecogniserSettings

__all__ = ["IdentityHead", "train_recogniser"]


class IdentityHead(nn.Module):
    """Logits (B, classes) of embeddings (B, D) of length 1: scaled cosines to a vector per class.

    Only angles count, as in verification. Training subtracts `margin` from the cosine of the true
    class (Wang et al. 2018, CosFace, Eq. 4), which separates identities.
    """

    def __init__(self, dimensions: int, classes: int, scale: float, margin: float) -> None:
        super().__init__()
        self.scale, self.margin = scale, margin
        self.weight = nn.Parameter(torch.randn(classes, dimensions))

    def forward(self, embeddings: Tensor, label: Tensor | None = None) -> Tensor:
        """Logits; with `label` (B,) those of the training loss, with the margin."""
        cosines = F.linear(embeddings, F.normalize(self.weight, dim=1))
        if label is not None:
            cosines = cosines - self.margin * F.one_hot(label, cosines.shape[1])
        return self.scale * cosines


class _Recogniser(nn.Module):
    """The network with its head, which only training needs."""

    def __init__(self, network: nn.Module, head: IdentityHead) -> None:
        super().__init__()
        self.network, self.head = network, head

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        return self.head(self.network(images), label)


def train_recogniser(
    network: nn.Module,
    train: Images,
    validation: Images,
    settings: RecogniserSettings,
    run: TrainingRun,
) -> FitResult:
    """Train `network` in place to classify the identities of `train`, by cross entropy of a head.

    `validation` shows other people: its accuracy is that of verification. Half of the images are
    mirrored. Snapshots are states of `network` without the head.
    """
    classes = int(train.label.max()) + 1
    head = IdentityHead(settings.embedding, classes, settings.logit_scale, settings.margin)
    recogniser = _Recogniser(network, head)
    optimizer = torch.optim.AdamW(
        recogniser.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,
    )

    def objective(
        recogniser: _Recogniser, indices: Tensor, generator: torch.Generator
    ) -> Mapping[str, Tensor]:
        rows = indices.cpu()
        images, label = train.images(rows).to(run.device), train.label[rows].to(run.device)
        mirrored = torch.rand(len(images), generator=generator, device=images.device) < 0.5
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        return {"loss": F.cross_entropy(recogniser(images, label), label)}

    result = fit(
        recogniser,
        objective,
        optimizer,
        steps=settings.steps,
        batch_size=settings.batch_size,
        dataset_size=len(train),
        run=run,
        log_every=max(1, settings.steps // 100),
        validate=lambda recogniser: {
            "accuracy": verification(recogniser.network, validation)["accuracy"]
        },
        validate_every=max(1, settings.steps // max(1, settings.checkpoints - 1)),
        schedule=cosine(settings.steps, warmup=min(200, settings.steps // 10)),
        snapshot_steps=checkpoint_steps(settings),
    )
    prefix = "network."
    snapshots = {
        step: {
            name.removeprefix(prefix): value
            for name, value in state.items()
            if name.startswith(prefix)
        }
        for step, state in result.snapshots.items()
    }
    return replace(result, snapshots=snapshots)
