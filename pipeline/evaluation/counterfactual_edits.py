"""How far an embedding moves if the renderer itself changes an attribute (Fig. 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.rendering.people import FACTORS, edit, render_people
from pipeline.rounding import rounded

__all__ = ["counterfactual_edits"]

IMAGES = 500
"""People rendered for each attribute."""


def counterfactual_edits(
    truth: pd.DataFrame,
    names: Iterable[str],
    embed: Callable[[NDArray[np.uint8]], NDArray[np.floating]],
    size: int,
    threads: int = 1,
) -> dict[str, dict[str, float]] | None:
    """Distances between embeddings of a person and of the same person with an attribute negated.

    Args:
        truth: factors of rendered people, of whom the first 500 are taken.
        names: attributes to negate.
        embed: maps images (R, size, size, 3) uint8 to (R, D).
        size: of the images, in pixels.
        threads: that render.

    Returns:
        `mean`, `std` and number of `images` per attribute, since women get no beard. None if the
        images of `truth` were not rendered.
    """
    if not set(FACTORS) <= set(truth):
        return None
    people = truth[list(FACTORS)].head(IMAGES).reset_index(drop=True)
    before = embed(render_people(people, size, threads)).astype(np.float64)
    result = {}
    for name in names:
        halves = [edit(people[people[name] == value], name, not value) for value in (False, True)]
        edited = pd.concat(halves).loc[people.index]
        rows = (edited[name] != people[name]).to_numpy()
        after = embed(render_people(edited[rows], size, threads))
        distance = np.linalg.norm(after - before[rows], axis=1)
        numbers = {"mean": distance.mean(), "std": distance.std()}
        result[name] = {key: rounded(value) for key, value in numbers.items()}
        result[name]["images"] = int(rows.sum())
    return result
