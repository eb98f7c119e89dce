"""Files of rendered images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.datasets.parts import rows_of_parts
from pipeline.storage import new_array, write_parquet

__all__ = ["write_rendered"]

CHUNK = 1024  # images in memory at once


def write_rendered(
    folder: Path,
    truth: pd.DataFrame,
    size: int,
    threads: int,
    render: Callable[[pd.DataFrame, int, int], NDArray[np.uint8]],
) -> None:
    """Write images.npy (R, size, size, 3) uint8 and ground_truth.parquet of each part.

    truth: factors that `render(factors, size, threads)` draws images of, and a column split.
    Raises PipelineError as `new_array` does.
    """
    for part, rows in rows_of_parts(truth).items():
        factors = truth.iloc[rows].reset_index(drop=True)
        write_parquet(folder / part / "ground_truth.parquet", factors)
        images = new_array(folder / part / "images.npy", (len(factors), size, size, 3), np.uint8)
        for first in range(0, len(factors), CHUNK):
            chunk = slice(first, first + CHUNK)
            images[chunk] = render(factors.iloc[chunk], size, threads)
        images.flush()
