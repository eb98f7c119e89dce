"""Attributes and factors of images: classes and numbers, columns of the ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import PipelineError

__all__ = ["Attributes", "attribute_values", "check_both", "class_values"]


@dataclass(frozen=True)
class Attributes:
    """What an evaluator predicts of R images: factors with classes, and numbers.

    `classes` maps a factor to the index of each image's class, (R,) int64, -1 for an unknown one.
    `numbers` is (R, numbers) float32.
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
        """The factors of a ground truth, a row per image; `classes` is that of `class_values`."""
        codes = {
            name: torch.tensor(pd.Index(values).get_indexer(truth[name]), dtype=torch.int64)
            for name, values in classes.items()
        }
        return cls(codes, torch.tensor(truth[list(numbers)].to_numpy(np.float32)))


def attribute_values(truth: pd.DataFrame, names: Sequence[str], data: str) -> pd.DataFrame:
    """The boolean columns `names` of a ground truth.

    data: what messages call the images. Raises PipelineError for a column that is missing, of
    another type, or has only one value.
    """
    known = list(truth.select_dtypes("bool"))
    for name in names:
        if name not in known:
            raise PipelineError(
                f"{data} have no attribute '{name}' that is either true or false: choose from "
                f"{', '.join(known) or 'none'}."
            )
        check_both(truth[name].to_numpy(), name, data)
    return truth[list(names)]


def check_both(values: NDArray[np.bool_], name: str, data: str = "these images") -> None:
    """Raise PipelineError unless the attribute `name` has both values among `values` (R,)."""
    if len(values) == 0 or values.all() or not values.any():
        only = "" if len(values) == 0 else f" {str(bool(values[0])).lower()} in"
        raise PipelineError(
            f"the attribute '{name}' is{only} all {len(values)} of {data}, so none differs in it: "
            "prepare more images, or others, or leave the attribute out."
        )


def class_values(
    truth: pd.DataFrame, classes: Sequence[str], numbers: Sequence[str]
) -> dict[str, list[Any]]:
    """Check the names of factors against the ground truth; return the sorted values of `classes`.

    Raises PipelineError for a name that is not a column, classes that are fractions, and numbers
    that are not finite in every row.
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
