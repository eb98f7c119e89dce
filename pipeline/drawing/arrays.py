"""The arrays of an experiment, which its figures are drawn from."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pipeline.errors import PipelineError
from pipeline.storage import read_arrays

__all__ = ["open_arrays"]


@contextmanager
def open_arrays(path: Path) -> Iterator[Mapping[str, np.ndarray]]:
    """The arrays of data/evaluations/<experiment>.npz.

    Raises:
        PipelineError: the file is missing or damaged, or the block misses an array or a number of
            the experiment (KeyError).
    """
    again = f"run `dvc repro -f measure-{path.stem}`."
    try:
        arrays = read_arrays(path)
    except PipelineError as error:
        raise PipelineError(f"{path} is missing or damaged: {again}") from error
    try:
        yield arrays
    except KeyError as error:
        raise PipelineError(
            f"{path} or the metrics of {path.stem} lack {error}: {again}"
        ) from error
