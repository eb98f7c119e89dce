"""Training of StarGAN, the baseline of semantic editing (Choi et al., CVPR 2018, Sec. 3)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from pipeline.datasets.attributes import attribute_values
from pipeline.datasets.images import ImageSet
from pipeline.models.stargan import StarGANCritic, StarGANGenerator
from pipeline.params import TrainStarGANParams
from pipeline.training.checkpoints import CheckpointFolder
from pipeline.training.log import TrainingLog
from pipeline.training.loop import fit, linear_decay

__all__ = [
    "Adversaries",
    "classification_loss",
    "gradient_penalty",
    "train_stargan",
]

PENALTY = 10
"""lambda_gp, the weight of the gradient penalty (Eq. 8)."""
CLASSIFICATION = 1
"""lambda_cls, the weight of the attributes (Eqs. 5 and 6)."""
BETAS = (0.5, 0.999)  # of Adam
VALIDATION_BATCH = 100


def classification_loss(logits: Tensor, attributes: Tensor) -> Tensor:
    """Binary cross entropy of logits and attributes (B, A), summed per image: a scalar."""
    return F.binary_cross_entropy_with_logits(logits, attributes, reduction="sum") / len(logits)


def gradient_penalty(
    score: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, generator: torch.Generator
) -> Tensor:
    """Mean of (|grad| - 1)^2, |grad| being the norm of the gradient of `score`: a scalar (Eq. 8).

    It is taken at random points between the images `real` and `fake` (B, 3, H, W). `score` returns
    one or more numbers per image, which are added.
    """
    share = torch.rand(len(real), 1, 1, 1, generator=generator, device=real.device)
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(score(between).sum(), between, create_graph=True)
        return (slope.flatten(1).norm(dim=1) - 1).square().mean()


class Adversaries(nn.Module):
    """Generator and critic, and the losses by which they learn in turns.

    The critic learns in every update, the generator in one of `critic_updates`, which this module
    counts. In the others the generator gets no gradient, which for Adam means that it rests. Both
    losses are returned as one: the generator's gradient flows through a critic whose weights are
    held fixed, the critic's through edits that are. So the generator meets the critic as it was
    before the update they share; in the authors' program, after it. `reconstruction` is lambda_rec,
    the weight of the way back to the original (Eq. 6).
    """

    def __init__(
        self,
        generator: StarGANGenerator,
        critic: StarGANCritic,
        critic_updates: int = 5,
        reconstruction: float = 10,
    ) -> None:
        super().__init__()
        self.generator = generator
        self.critic = critic
        self.critic_updates = critic_updates
        self.reconstruction = reconstruction
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        self.updates: Tensor

    def forward(
        self, images: Tensor, attributes: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Scalars `loss`, and its parts, all before their weights.

        The critic's are `distance` between real and edited images, as it sees it, the gradient
        `penalty` and the `classification` loss. The generator's, in updates where it learns, are
        `edits_score`, which the critic gives its edits, their `edits_classification` loss and
        `way_back`, the mean absolute difference of what is restored from the original.

        `attributes` (B, A) are those of images (B, 3, H, W); edited images get another image's.
        """
        order = torch.randperm(len(images), generator=generator, device=images.device)
        wanted = attributes[order]
        learning = torch.is_grad_enabled()
        turn = learning and (int(self.updates) + 1) % self.critic_updates == 0
        with torch.set_grad_enabled(turn):
            edited = self.generator(images, wanted)
        result = self._told(images, attributes, edited.detach(), generator)
        if turn:
            fooled = self._fooled(images, attributes, edited, wanted)
            fooled["loss"] = fooled["loss"] + result["loss"]
            result |= fooled
        if learning:
            self.updates += 1
        return result

    def _told(
        self, images: Tensor, attributes: Tensor, edited: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The critic's loss (Eq. 5) and its parts."""
        real, logits = self.critic(images)
        fake, _ = self.critic(edited)
        distance = real.mean() - fake.mean()
        classification = classification_loss(logits, attributes)
        penalty = gradient_penalty(lambda x: self.critic(x)[0], images, edited, generator)
        loss = CLASSIFICATION * classification + PENALTY * penalty - distance
        parts = {"distance": distance, "penalty": penalty, "classification": classification}
        return {"loss": loss} | {name: value.detach() for name, value in parts.items()}

    def _fooled(
        self, images: Tensor, attributes: Tensor, edited: Tensor, wanted: Tensor
    ) -> dict[str, Tensor]:
        """The generator's loss (Eq. 6) against a fixed critic, and its parts."""
        fixed = {name: value.detach() for name, value in self.critic.named_parameters()}
        scores, logits = functional_call(self.critic, fixed, (edited,))
        back = (self.generator(edited, attributes) - images).abs().mean()
        classification, score = classification_loss(logits, wanted), scores.mean()
        loss = CLASSIFICATION * classification + self.reconstruction * back - score
        parts = {"edits_score": score, "edits_classification": classification, "way_back": back}
        return {"loss": loss} | {name: value.detach() for name, value in parts.items()}


def train_stargan(
    train: ImageSet,
    validation: ImageSet,
    settings: TrainStarGANParams,
    *,
    seed: int,
    fabric: Fabric,
    checkpoints: CheckpointFolder,
    log: TrainingLog,
) -> tuple[StarGANGenerator, dict[str, float]]:
    """Train StarGAN on the attributes that `settings` name, columns of the ground truth.

    Returns the generator and what became of the validation images with one attribute negated, each
    image in turn another one: `edited`, the share of them in which the critic then reads the
    attribute as negated; `read`, the share of all attributes that it reads rightly in the originals
    (its accuracy); `change` and `reconstruction`, the mean absolute difference of the edited and of
    the restored images from the originals, in [0, 2].

    Raises PipelineError for an attribute that is not in the ground truth or the same in all images.
    """
    names = settings.attributes
    columns = attribute_values(train.truth, names, "the training images"), validation.truth
    known, held_out = (torch.tensor(some[list(names)].to_numpy(np.float32)) for some in columns)
    size = train.images(slice(1)).shape[-1]
    generator = StarGANGenerator(names, settings.width, settings.blocks, settings.residual)
    critic = StarGANCritic(len(names), size, settings.critic_width, settings.critic_layers)
    training = Adversaries(generator, critic, settings.critic_updates, settings.reconstruction).to(
        fabric.device
    )

    def objective(training: Adversaries, indices: Tensor, draws: torch.Generator) -> dict:
        rows = indices.cpu()
        images = train.images(rows).to(fabric.device)
        return training(images, known[rows].to(fabric.device), draws)

    def validate(training: Adversaries) -> dict[str, float]:
        sums = torch.zeros(4)
        for rows in torch.arange(len(validation)).split(VALIDATION_BATCH):
            images = validation.images(rows).to(fabric.device)
            values = held_out[rows].to(fabric.device)
            sums += _edits(training, images, values, rows % len(names)).cpu()
        edited, read, change, back = (sums / len(validation)).tolist()
        return {"edited": edited, "read": read, "change": change, "reconstruction": back}

    result = fit(
        training,
        objective,
        torch.optim.Adam(training.parameters(), lr=settings.learning_rate, betas=BETAS, fused=True),
        steps=settings.steps,
        batch_size=settings.batch_size,
        dataset_size=len(train),
        seed=seed,
        fabric=fabric,
        checkpoints=checkpoints,
        log=log,
        log_every=max(1, settings.steps // 100),
        validate=validate,
        validate_every=settings.validate_every,
        schedule=linear_decay(settings.steps, 0.5),
    )
    return generator.eval(), result.last_validation


def _edits(training: Adversaries, images: Tensor, attributes: Tensor, indices: Tensor) -> Tensor:
    """Sums of `edited`, `read`, `change`, `reconstruction`; `indices` (B,) are what is negated."""
    wanted = attributes.clone()
    images_of = torch.arange(len(images), device=images.device)
    indices = indices.to(images.device)
    wanted[images_of, indices] = 1 - wanted[images_of, indices]
    edited = training.generator(images, wanted)
    back = training.generator(edited, attributes)
    _, logits = training.critic(images)
    _, logits_of_edited = training.critic(edited)
    said = (logits_of_edited > 0)[images_of, indices] == wanted[images_of, indices].bool()
    read = (logits > 0) == attributes.bool()
    terms = [said.float(), read.float().mean(1)]
    terms += [(other - images).abs().flatten(1).mean(1) for other in (edited, back)]
    return torch.stack([term.sum() for term in terms])
