"""Files of rendered images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.storage import new_array

__all__ = ["write_rendered"]

CHUNK = 1024  # images in memory at once


def write_rendered(
    file: Path,
    factors: pd.DataFrame,
    size: int,
    threads: int,
    render: Callable[[pd.DataFrame, int, int], NDArray[np.uint8]],
) -> None:
    """Write `render(factors, size, threads)`, (R, size, size, 3) uint8, to `file`.

    Raises PipelineError as `new_array` does.
    """
    images = new_array(file, (len(factors), size, size, 3), np.uint8)
    for first in range(0, len(factors), CHUNK):
        rows = slice(first, first + CHUNK)
        images[rows] = render(factors.iloc[rows], size, threads)
    images.flush()
