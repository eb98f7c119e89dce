"""What a prediction leaves of the variance of z_bar."""

from __future__ import annotations

import numpy as np

__all__ = ["squared_error"]


def squared_error(
    values: np.ndarray,
    predicted: np.ndarray,
    within: np.ndarray | None = None,
    samples: int = 1,
) -> np.ndarray:
    """What `predicted` leaves of the variance of `values`, summed over N: (R,), all others (R, N).

    If `predicted` is a mean over `samples`, `within` is their variance: the error of the mean,
    which more samples would remove, is subtracted.
    """
    error = np.square(values - predicted)
    if within is not None:
        error = error - within / samples
    return error.sum(axis=1)
