"""Coverage of t's central regions, and ranks of simulation-based calibration.

If t is right, v of a held-out image is standard normal, so |v|^2 is chi-squared with N degrees of
freedom, and what is read of the image has a uniform rank among what is read of samples of its z.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["LEVELS", "central_share", "coverage", "ranks", "regions", "worst_coverage"]

LEVELS = (0.5, 0.8, 0.9, 0.95)
"""Nominal shares of the regions that claims are about."""


def regions(v: np.ndarray) -> np.ndarray:
    """The nominal share of the smallest central region that holds each image: (R,) in [0, 1].

    v: (R, N) of held-out images. Uniform if t is right.
    """
    from scipy.special import chdtr  # slow to import

    squares = np.square(np.asarray(v, np.float64)).sum(axis=1)
    return chdtr(v.shape[1], squares)


def coverage(found: np.ndarray, levels: Sequence[float] | np.ndarray = LEVELS) -> np.ndarray:
    """Share of images inside of the region of each nominal share: (L,); found (R,) of `regions`."""
    return (found[:, None] <= np.asarray(levels)).mean(axis=0)


def worst_coverage(found: np.ndarray) -> float:
    """Largest difference between the share of images inside and the nominal share, over LEVELS."""
    return float(np.abs(coverage(found) - LEVELS).max())


def ranks(truth: np.ndarray, samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ranks (R,) of truth (R,) among samples (R, S), 0 to S; ties are broken at random.

    Uniform if truth is one more sample. Source: Talts et al., Validating Bayesian Inference
    Algorithms with Simulation-Based Calibration (2018).
    """
    below = (samples < truth[:, None]).sum(axis=1)
    equal = (samples == truth[:, None]).sum(axis=1)
    return below + rng.integers(0, equal + 1)


def central_share(found: np.ndarray, samples: int, level: float = 0.9) -> float:
    """Share of ranks (R,) in the central `level` of the samples + 1 that are possible."""
    cut = round((samples + 1) * (1 - level) / 2)
    return float(((found >= cut) & (found <= samples - cut)).mean())
