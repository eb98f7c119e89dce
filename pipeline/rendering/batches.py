"""Rendering of many images in batches, on several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_batches"]

Batch = TypeVar("Batch")


def draw_batches(
    images: NDArray[np.uint8],
    batches: Iterable[Batch],
    draw: Callable[[Batch], tuple[NDArray[np.intp], NDArray[np.float32]]],
    threads: int,
) -> None:
    """Fill images (R, H, W, 3); `draw` turns a batch into rows (B,) and colours (3, B, H, W).

    Colours lie in [0, 255], and are overwritten.
    """

    def fill(batch: Batch) -> None:
        rows, colours = draw(batch)
        np.clip(colours, 0, 255, out=colours)
        colours += np.float32(0.5)
        images[rows] = colours.astype(np.uint8).transpose(1, 2, 3, 0)

    if threads == 1:
        for batch in batches:
            fill(batch)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, batches))
