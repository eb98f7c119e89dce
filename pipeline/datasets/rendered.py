"""Files of rendered images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["write_rendered"]

CHUNK = 1024  # images in memory at once


def write_rendered(
    file: Path,
    factors: pd.DataFrame,
    size: int,
    threads: int,
    render: Callable[[pd.DataFrame, int, int], NDArray[np.uint8]],
) -> None:
    """Write `render(factors, size, threads)`, (R, size, size, 3) uint8, to `file`."""
    shape = (len(factors), size, size, 3)
    images = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    for first in range(0, len(factors), CHUNK):
        rows = slice(first, first + CHUNK)
        images[rows] = render(factors.iloc[rows], size, threads)
    images.flush()
