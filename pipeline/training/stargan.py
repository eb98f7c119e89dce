"""Training of StarGAN, the baseline of semantic editing (Choi et al., CVPR 2018, Sec. 3)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from pipeline.config.settings import TrainStarGANSettings
from pipeline.datasets.attributes import attribute_values
from pipeline.datasets.images import ImageSet
from pipeline.models.stargan import StarGANCritic, StarGANGenerator
from pipeline.training.loop import FitResult, fit, linear_decay
from pipeline.training.run import TrainingRun

__all__ = [
    "Adversaries",
    "classification_loss",
    "gradient_penalty",
    "train_stargan",
]

PENALTY = 10
"""lambda_gp, the weight of the gradient penalty (Eq. 8)."""
CLASSIFICATION = 1
"""lambda_cls, the weight of the classification losses (Eqs. 5 and 6)."""
BETAS = (0.5, 0.999)  # of Adam
VALIDATION_BATCH = 100
MEASURES = ("edited", "read", "change", "reconstruction")


def classification_loss(logits: Tensor, attributes: Tensor) -> Tensor:
    """Binary cross entropy of logits and attributes (B, A), summed per image: a scalar."""
    return F.binary_cross_entropy_with_logits(logits, attributes, reduction="sum") / len(logits)


def gradient_penalty(
    score: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, generator: torch.Generator
) -> Tensor:
    """Mean of (|grad| - 1)^2, with |grad| the norm of the gradient of `score`: a scalar (Eq. 8).

    The gradient is taken at random points between the images `real` and `fake` (B, 3, H, W).
    `score` returns one or more numbers per image, which are summed.
    """
    share = torch.rand(len(real), 1, 1, 1, generator=generator, device=real.device)
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(score(between).sum(), between, create_graph=True)
        return (slope.flatten(1).norm(dim=1) - 1).square().mean()


class Adversaries(nn.Module):
    """Generator and critic, and the losses by which they learn in turns.

    The critic learns in every step, the generator in one of `critic_steps`, which this module
    counts; in the others it gets no gradient, so that Adam leaves it unchanged. The two losses are
    returned as one: the generator's gradient flows through a critic with detached weights, the
    critic's through detached edits. So the generator sees the critic before their shared step; in
    the authors' code, after it. `reconstruction` is lambda_rec, the weight of the reconstruction
    loss (Eq. 6).
    """

    def __init__(
        self,
        generator: StarGANGenerator,
        critic: StarGANCritic,
        critic_steps: int = 5,
        reconstruction: float = 10,
    ) -> None:
        super().__init__()
        self.generator = generator
        self.critic = critic
        self.critic_steps = critic_steps
        self.reconstruction = reconstruction
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.steps: Tensor

    def forward(
        self, images: Tensor, attributes: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Scalars `loss` and its parts, the latter unweighted.

        The critic's parts are `distance`, its estimate for real and edited images, the gradient
        `penalty` and the `classification` loss. The generator's, in steps where it learns, are
        `edits_score`, the critic's score of its edits, their `edits_classification` loss and
        `reconstruction`, the mean absolute error of the images restored from their edits.

        `attributes` (B, A) are those of images (B, 3, H, W); each edit aims at another image's.
        """
        order = torch.randperm(len(images), generator=generator, device=images.device)
        wanted = attributes[order]
        learning = torch.is_grad_enabled()
        turn = learning and (int(self.steps) + 1) % self.critic_steps == 0
        with torch.set_grad_enabled(turn):
            edited = self.generator(images, wanted)
        result = self._critic_loss(images, attributes, edited.detach(), generator)
        if turn:
            parts = self._generator_loss(images, attributes, edited, wanted)
            parts["loss"] = parts["loss"] + result["loss"]
            result |= parts
        if learning:
            self.steps += 1
        return result

    def _critic_loss(
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

    def _generator_loss(
        self, images: Tensor, attributes: Tensor, edited: Tensor, wanted: Tensor
    ) -> dict[str, Tensor]:
        """The generator's loss (Eq. 6) against a fixed critic, and its parts."""
        fixed = {name: value.detach() for name, value in self.critic.named_parameters()}
        scores, logits = functional_call(self.critic, fixed, (edited,))
        reconstruction = (self.generator(edited, attributes) - images).abs().mean()
        classification, score = classification_loss(logits, wanted), scores.mean()
        loss = CLASSIFICATION * classification + self.reconstruction * reconstruction - score
        parts = {
            "edits_score": score,
            "edits_classification": classification,
            "reconstruction": reconstruction,
        }
        return {"loss": loss} | {name: value.detach() for name, value in parts.items()}


def train_stargan(
    train: ImageSet,
    validation: ImageSet,
    settings: TrainStarGANSettings,
    run: TrainingRun,
) -> tuple[StarGANGenerator, FitResult]:
    """Train StarGAN on the attributes named in `settings`, columns of the ground truth.

    Validations negate one attribute of each image, in turn: `edited` is the share of edits in which
    the critic predicts the negated value; `read` the critic's accuracy on the originals, over all
    attributes; `change` and `reconstruction` the mean absolute difference of edited and of restored
    images from the originals, in [0, 2].

    Raises PipelineError for an attribute that is not in the ground truth or has only one value.
    """
    names = settings.attributes
    columns = attribute_values(train.truth, names, "the training images"), validation.truth
    known, held_out = (torch.tensor(some[list(names)].to_numpy(np.float32)) for some in columns)
    size = train.images(slice(1)).shape[-1]
    generator = StarGANGenerator(names, settings.width, settings.blocks, settings.residual)
    critic = StarGANCritic(len(names), size, settings.critic_width, settings.critic_layers)
    training = Adversaries(generator, critic, settings.critic_steps, settings.reconstruction)
    training.to(run.device)

    def objective(training: Adversaries, indices: Tensor, draws: torch.Generator) -> dict:
        rows = indices.cpu()
        images = train.images(rows).to(run.device)
        return training(images, known[rows].to(run.device), draws)

    def validate(training: Adversaries) -> dict[str, float]:
        sums = torch.zeros(len(MEASURES))
        for rows in torch.arange(len(validation)).split(VALIDATION_BATCH):
            images = validation.images(rows).to(run.device)
            values = held_out[rows].to(run.device)
            sums += _edits(training, images, values, rows % len(names)).cpu()
        return dict(zip(MEASURES, (sums / len(validation)).tolist(), strict=True))

    result = fit(
        training,
        objective,
        torch.optim.Adam(training.parameters(), lr=settings.learning_rate, betas=BETAS, fused=True),
        steps=settings.steps,
        batch_size=settings.batch_size,
        dataset_size=len(train),
        run=run,
        log_every=max(1, settings.steps // 100),
        validate=validate,
        validate_every=settings.validate_every,
        schedule=linear_decay(settings.steps, 0.5),
    )
    generator.eval()
    return generator, result


def _edits(training: Adversaries, images: Tensor, attributes: Tensor, indices: Tensor) -> Tensor:
    """Sums over the batch of MEASURES; `indices` (B,) are the negated attributes."""
    wanted = attributes.clone()
    images_of = torch.arange(len(images), device=images.device)
    indices = indices.to(images.device)
    wanted[images_of, indices] = 1 - wanted[images_of, indices]
    edited = training.generator(images, wanted)
    restored = training.generator(edited, attributes)
    _, logits = training.critic(images)
    _, logits_of_edited = training.critic(edited)
    correct = (logits_of_edited > 0)[images_of, indices] == wanted[images_of, indices].bool()
    read = (logits > 0) == attributes.bool()
    terms = [correct.float(), read.float().mean(1)]
    terms += [(other - images).abs().flatten(1).mean(1) for other in (edited, restored)]
    return torch.stack([term.sum() for term in terms])
