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
    possible: np.ndarray,
    *,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """The numbers of `metrics/eq7.json`.

    Args:
        arrays: those of `measure`.
        before: (L, A, R), whether the evaluator reads what an edit asks for already in the sample.
        after: (L, A, R), whether it reads it in the edited sample.
        possible: (A, R), whether an edit makes sense of this person: a beard of men alone.
        about: what the result repeats.

    Returns:
        `about`, `images` = R, `order` of the layers, `attributes`, and `layers`: of each layer and
        attribute `before`, the share of samples in which the evaluator reads the donor's value
        without an edit; and of the other samples their number `edits`, `distance`, the mean
        distance between the outputs for a sample and its edit, its standard deviation `std` over
        images and standard error `error`, and `success`, the share of edits in which the evaluator
        reads the donor's value, with its interval. None of no edits.
    """
    distances = arrays["distances"].astype(np.float64)
    names = [str(name) for name in arrays["attributes"]]
    order = [str(name) for name in arrays["layers"]]
    layers = {
        layer: {
            name: {
                "before": rounded(before[i, j, possible[j]].mean()) if possible[j].any() else None,
                **_edits(distances[i, j], after[i, j], possible[j] & ~before[i, j]),
            }
            for j, name in enumerate(names)
        }
        for i, layer in enumerate(order)
    }
    count = distances.shape[2]
    return {**about, "images": count, "order": order, "attributes": names, "layers": layers}


def _edits(distances: np.ndarray, after: np.ndarray, chosen: np.ndarray) -> dict[str, Any]:
    """What the edits `chosen` (R,) change."""
    moved, count = distances[chosen], int(chosen.sum())
    if not count:
        return {"edits": 0} | dict.fromkeys(
            ("distance", "std", "error", "success", "success_interval")
        )
    return {
        "edits": count,
        "distance": rounded(moved.mean()),
        "std": rounded(moved.std()),
        "error": rounded(moved.std() / np.sqrt(count)),
        "success": rounded(after[chosen].mean()),
        "success_interval": wilson(after[chosen]),
    }
