"""Pairs of images that share a concept and so define its factor (INV paper, Eq. 8, Sec. A.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.errors import PipelineError

__all__ = ["PairSampler"]


class PairSampler:
    """Draws, for any row, a random other row of the same group, e.g. of the same digit class.

    `groups` (R,) int64 holds each row's value of the concept. Raises PipelineError if a value
    occurs only once, because no pair shares it.
    """

    def __init__(self, name: str, groups: Tensor) -> None:
        values, self._group, counts = groups.unique(return_inverse=True, return_counts=True)
        if counts.min() < 2:
            alone = values[counts.argmin()].item()
            raise PipelineError(
                f"the concept '{name}' has only one image with the value {alone}, so that no pair "
                "shares it: use more images or fewer values."
            )
        self._order = self._group.argsort(stable=True)
        self._count = counts
        self._start = counts.cumsum(0) - counts
        self._position = torch.empty_like(self._order)
        self._position[self._order] = (
            torch.arange(len(groups)) - self._start[self._group[self._order]]
        )

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """A partner for each of `rows` (B,), never the row itself: (B,)."""
        group = self._group[rows]
        uniform = torch.rand(len(rows), generator=generator, dtype=torch.float64)
        others = self._count[group] - 1
        offset = (uniform * others).long()
        offset += offset >= self._position[rows]  # skip the row itself
        return self._order[self._start[group] + offset]
