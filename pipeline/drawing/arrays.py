"""The arrays of an experiment, which its figures are drawn from."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pipeline.errors import PipelineError

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
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError) as error:
        raise PipelineError(f"{path} cannot be read ({error}): {again}") from error
    try:
        yield arrays
    except KeyError as error:
        raise PipelineError(
            f"{path} or the metrics of {path.stem} lack {error}: {again}"
        ) from error
