"""Training of the evaluator, which predicts known factors of images, blurred ones included."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.config.settings import TrainEvaluatorSettings
from pipeline.datasets.attributes import Attributes, class_values
from pipeline.datasets.blur import gaussian_blur
from pipeline.datasets.images import ImageSet
from pipeline.evaluation.attributes import predict_attributes
from pipeline.evaluation.quality import attribute_quality
from pipeline.models.evaluator import Evaluator
from pipeline.training.loop import FitResult, cosine, fit
from pipeline.training.run import TrainingRun

__all__ = ["build_evaluator", "degrade", "train_evaluator"]


def build_evaluator(data: ImageSet, settings: TrainEvaluatorSettings) -> Evaluator:
    """An untrained evaluator of the factors named in `settings`, for the images of `data`.

    Weights are drawn from the global random state. Raises PipelineError for a name that is no
    column of the ground truth, or a column of another kind.
    """
    classes = class_values(data.truth, settings.classes, settings.numbers)
    size = data.array.shape[1]
    model = Evaluator(size, settings.width, list(classes.items()), settings.numbers)
    model.fit_scale(Attributes.of(data.truth, {}, settings.numbers).numbers)
    return model


def degrade(images: Tensor, blur: float, noise: float, generator: torch.Generator) -> Tensor:
    """Add a random amount of blur and noise to each of the images (B, 3, H, W) in [-1, 1].

    Decoded and generated images lack fine detail, which the evaluator must not depend on. Standard
    deviations are uniform from 0 to `blur`, as a share of the height, and from 0 to `noise`.
    """
    draws = torch.rand(2, len(images), generator=generator, device=images.device)
    images = gaussian_blur(images, draws[0] * blur * images.shape[2])
    normal = torch.randn(images.shape, generator=generator, device=images.device)
    return images + noise * draws[1].view(-1, 1, 1, 1) * normal


def train_evaluator(
    model: Evaluator,
    train: ImageSet,
    validation: ImageSet,
    settings: TrainEvaluatorSettings,
    run: TrainingRun,
) -> FitResult:
    """Train `model` in place; validation images are not degraded.

    The loss sums the cross entropy of each class and the squared error of each standardised number.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    truth = Attributes.of(train.truth, model.classes, model.numbers)

    def objective(model: Evaluator, indices: Tensor, generator: torch.Generator) -> dict:
        rows = indices.cpu()
        images = train.images(rows).to(run.device)
        logits, numbers = model(degrade(images, settings.blur, settings.noise, generator))
        expected = model.standardise(truth.numbers[rows].to(run.device))
        loss = (numbers - expected).square().mean(0).sum()
        for name, values in logits.items():
            loss = loss + F.cross_entropy(values, truth.classes[name][rows].to(run.device))
        return {"loss": loss}

    def validate(model: Evaluator) -> dict[str, float]:
        predicted = predict_attributes(model, validation.pixels(slice(None)))
        quality = attribute_quality(predicted, validation.truth, model.numbers)
        kinds = ("accuracy", "r2")
        return {f"{k}_{name}": q[k] for name, q in quality.items() for k in kinds if k in q}

    return fit(
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
