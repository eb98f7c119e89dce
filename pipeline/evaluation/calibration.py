"""Whether invariances v of held-out data follow their prior N(0, 1)."""

import numpy as np
from numpy.typing import ArrayLike

from pipeline.errors import PipelineError

__all__ = ["calibrate"]


def calibrate(invariances: ArrayLike) -> dict[str, float]:
    """Moments of v = t(z_bar | z) on held-out data, to compare with a standard normal.

    Sampling z_bar = t^-1(v | z) draws v from N(0, 1) (Eq. 2), so samples are right only if the v of
    real data have that distribution. An overfitted t shows a `square_mean` well above 1.

    Args:
        invariances: (S, N) one v per held-out input; S >= 2.

    Returns:
        mean_rms: root mean square of the N means; 0 expected, about 1/sqrt(S) by chance.
        variance_mean, variance_min, variance_max: over the N variances; 1 expected.
        square_mean: mean of |v|^2 / N; 1 expected.
        square_sd: standard deviation of |v|^2 / N; sqrt(2 / N) expected.
        correlation_rms: root mean square of the correlations between dimensions; 0 expected,
            about 1/sqrt(S) by chance; 0 where N = 1.

    Raises:
        PipelineError: a wrong shape, or values that are not finite.
    """
    array = np.asarray(invariances, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] < 1:
        raise PipelineError(
            f"calibration needs invariances of shape (samples, dimensions) with at least 2 "
            f"samples, not {array.shape}."
        )
    if not np.isfinite(array).all():
        raise PipelineError(
            "the invariances of held-out data are not finite: the conditional INN diverged; "
            "train it again with a smaller learning rate."
        )
    samples, dimensions = array.shape
    mean = array.mean(axis=0)
    variance = array.var(axis=0, ddof=1)
    square = np.square(array).mean(axis=1)
    standardised = (array - mean) / np.sqrt(np.maximum(variance, np.finfo(np.float64).tiny))
    correlations = standardised.T @ standardised / (samples - 1)
    others = correlations[~np.eye(dimensions, dtype=bool)]
    return {
        "mean_rms": float(np.sqrt(np.square(mean).mean())),
        "variance_mean": float(variance.mean()),
        "variance_min": float(variance.min()),
        "variance_max": float(variance.max()),
        "square_mean": float(square.mean()),
        "square_sd": float(square.std(ddof=1)),
        "correlation_rms": float(np.sqrt(np.square(others).mean())) if others.size else 0.0,
    }
