"""Training of a class-conditional generator on the latent space of an autoencoder (Sec. B.6)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from pipeline.config.settings import TrainGeneratorSettings
from pipeline.datasets.features import Posterior
from pipeline.models.generator import build_class_inn
from pipeline.models.inn import ConditionalINN, SemanticINN
from pipeline.training.cinn import train_conditional_inn
from pipeline.training.loop import FitResult
from pipeline.training.run import TrainingRun

__all__ = ["train_class_inn"]


def train_class_inn(
    train: tuple[Posterior, Tensor],
    validation: tuple[Posterior, Tensor],
    e: SemanticINN,
    base: dict[str, int],
    settings: TrainGeneratorSettings,
    run: TrainingRun,
) -> tuple[ConditionalINN, dict[str, Any], FitResult]:
    """Train t_h, and W with it, by Eqs. 3-5 with the class instead of z.

    train, validation: posteriors of z_bar and classes (R,) of the images. `base` has blocks, width
    and depth of e, whose blocks are applied first if settings.start is semantic. Returns the model,
    the arguments of `build_class_inn` that rebuild it, and the result of the training.
    """
    (posterior, labels), (held_out, held_out_labels) = train, validation
    config = {
        "features": posterior[0].shape[1],
        "classes": int(labels.max()) + 1,
        **{name: getattr(settings, name) for name in ("embedding", "blocks", "width", "depth")},
        "base": base if settings.start == "semantic" else None,
    }
    model = build_class_inn(**config, dropout=settings.dropout, seed=run.seed).to(run.device)
    if model.base is not None:
        model.base.load_state_dict(e.network.state_dict())
    result = train_conditional_inn(
        model, posterior, labels, held_out, held_out_labels, settings, run
    )
    return model, config, result
