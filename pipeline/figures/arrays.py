"""What figures are drawn from: the arrays of an evaluation."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pipeline.errors import PipelineError

__all__ = ["open_arrays"]


@contextmanager
def open_arrays(path: Path, content: str) -> Iterator[Mapping[str, np.ndarray]]:
    """Open data/evaluations/<figure>.npz, in which `content` is expected ("samples", say).

    Raises:
        PipelineError: the file, or an array that is read inside the block, is missing.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            yield arrays
    except (OSError, KeyError, ValueError) as error:
        raise PipelineError(
            f"{path} holds no {content} ({error}): run `dvc repro -f evaluate@{path.stem}`."
        ) from error
