"""The factors an evaluator reads from images: columns of the ground truth, classes and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline.errors import PipelineError

__all__ = ["Attributes", "class_values"]


@dataclass(frozen=True)
class Attributes:
    """The factors of R images: index of the class (R,) int64 per factor with classes, and numbers.

    The index is -1 for a class that is not among the known ones. `numbers` is (R, numbers) float32.
    """

    classes: dict[str, Tensor]
    numbers: Tensor

    @classmethod
    def of(
        cls,
        truth: pd.DataFrame,
        classes: Mapping[str, Sequence[Any]],
        numbers: Sequence[str],
    ) -> Attributes:
        """The factors of a ground truth, a row per image. `class_values` makes `classes`."""
        codes = {
            name: torch.tensor(pd.Index(values).get_indexer(truth[name]), dtype=torch.int64)
            for name, values in classes.items()
        }
        return cls(codes, torch.tensor(truth[list(numbers)].to_numpy(np.float32)))


def class_values(
    truth: pd.DataFrame, classes: Sequence[str], numbers: Sequence[str]
) -> dict[str, list[Any]]:
    """Check the names of factors against the ground truth; return the sorted classes of `classes`.

    Raises PipelineError, one sentence, for a name that is no column, for a class that is a
    fraction, and for a number that is none or is not known of every image.
    """
    known = [name for name in truth if name != "split"]
    for name in (*classes, *numbers):
        if name not in known:
            raise PipelineError(
                f"the ground truth has no column '{name}' for train_evaluator to read: use some of "
                f"{', '.join(known)}."
            )
    result = {}
    for name in classes:
        if pd.api.types.is_float_dtype(truth[name]) or truth[name].hasnans:
            raise PipelineError(
                f"the column '{name}' of the ground truth has no classes, as train_evaluator "
                "expects of it: name it among its numbers, or not at all."
            )
        result[name] = sorted(truth[name].unique().tolist())
    for name in numbers:
        numeric = pd.api.types.is_numeric_dtype(truth[name])
        if not numeric or not np.isfinite(truth[name].to_numpy(np.float64)).all():
            raise PipelineError(
                f"the column '{name}' of the ground truth is not a finite number in every row, as "
                "train_evaluator expects of it: name it among its classes, or not at all."
            )
    return result
