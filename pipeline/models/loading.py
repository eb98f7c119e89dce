"""Load a trained model's weights."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from torch import nn

from pipeline.errors import PipelineError
from pipeline.storage import read_tensors

__all__ = ["with_weights"]

Model = TypeVar("Model", bound=nn.Module)


def with_weights(model: Model, weights: Path) -> Model:
    """Load `weights`, in evaluation mode; PipelineError if they belong to another model."""
    try:
        model.load_state_dict(read_tensors(weights))
    except RuntimeError as error:
        raise PipelineError(
            f"{weights} belongs to another model than config.json next to it describes; delete "
            f"{weights.parent} and run `dvc repro` again."
        ) from error
    return model.eval()
