"""Eq. 7: how far the output of a network moves if a factor of a layer's sample is replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.evaluation.intervals import wilson
from pipeline.rounding import rounded

__all__ = ["summarise"]


def summarise(
    arrays: Mapping[str, np.ndarray],
    before: np.ndarray,
    after: np.ndarray,
    *,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """The numbers of `metrics/eq7.json`.

    Args:
        arrays: those of `measure`.
        before: (L, A, R), whether the evaluator reads what an edit asks for already in the sample.
        after: (L, A, R), whether it reads it in the edited sample.
        about: what the result repeats.

    Returns:
        `about`, `images` = R, `order` of the layers, `attributes`, and `layers`: of each layer and
        attribute `distance`, the mean distance between the outputs for a sample and its edit, its
        standard deviation `std` over images and standard error `error`; `success`, the share of
        edits in which the evaluator reads the donor's value, with its interval, and `before`, the
        share of samples in which it did so without an edit.
    """
    distances = arrays["distances"].astype(np.float64)
    names = [str(name) for name in arrays["attributes"]]
    order = [str(name) for name in arrays["layers"]]
    count = distances.shape[2]
    layers = {
        layer: {
            name: {
                "distance": rounded(moved.mean()),
                "std": rounded(moved.std()),
                "error": rounded(moved.std() / np.sqrt(count)),
                "success": rounded(after[i, j].mean()),
                "success_interval": wilson(after[i, j]),
                "before": rounded(before[i, j].mean()),
            }
            for j, (name, moved) in enumerate(zip(names, distances[i], strict=True))
        }
        for i, layer in enumerate(order)
    }
    return {**about, "images": count, "order": order, "attributes": names, "layers": layers}
