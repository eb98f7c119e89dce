"""Fréchet distance and KID between two sets of images, computed from their features.

Features (R, F) of `perceptual_features` -> statistics -> distance. Compare only numbers with the
same extractor, preparation and numbers of images: the Fréchet distance of finite samples is biased
upwards, by an amount that falls with the number of images and differs between sets; KID is not.

Sources: Fréchet distance, reference 23 of the INV paper (Table 1, Fig. S9); KID, Binkowski et al.
2018, "Demystifying MMD GANs".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import blas, lapack, solve_triangular

from pipeline.errors import PipelineError

__all__ = [
    "FeatureStatistics",
    "FrechetInfluence",
    "FrechetReference",
    "KernelReference",
    "feature_statistics",
    "frechet_influence",
]

Floats = NDArray[np.float64]

TOLERANCE = 1e-8
"""For a covariance's symmetry and definiteness, relative to its largest entries."""

BLOCK = 1024
"""Rows of a kernel matrix per block."""


@dataclass(frozen=True)
class FeatureStatistics:
    """Mean (F,), unbiased covariance (F, F) and number of images."""

    mean: Floats
    covariance: Floats
    count: int


def feature_statistics(features: ArrayLike) -> FeatureStatistics:
    """Mean and covariance of features (R, F), in float64.

    Raises:
        PipelineError: a wrong shape, fewer than 2 images, or values that are not finite.
    """
    array = _features(features)
    mean = array.mean(axis=0)
    centred = array - mean
    return FeatureStatistics(mean, centred.T @ centred / (len(array) - 1), len(array))


class FrechetReference:
    """The Fréchet distance from one fixed set, whose matrix root is computed once.

    |m_1 - m_2|^2 + Tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2)), the squared distance of two Gaussians.

    With a root S_1 = W W^T, the non-zero eigenvalues of S_1 S_2 are those of the symmetric
    W^T S_2 W, so the trace of (S_1 S_2)^(1/2) is the sum of their roots; no general matrix root is
    needed. The set of lower rank (fewer images than features) gives W: zero eigenvalues come out
    as rounding errors of about 1e-16, whose roots of 1e-8 would add up.

    Raises:
        PipelineError: a covariance that is not square, symmetric and positive semi-definite.
    """

    def __init__(self, statistics: FeatureStatistics) -> None:
        self.statistics = statistics
        self._root = _root(statistics)

    def distance(self, statistics: FeatureStatistics) -> float:
        """Squared Fréchet distance between the reference and `statistics`, at least 0.

        Raises:
            PipelineError: another number of features, or a matrix that is not a covariance.
        """
        ours, theirs = self.statistics, statistics
        if ours.mean.shape != theirs.mean.shape:
            raise PipelineError(
                f"the two sets have {len(ours.mean)} and {len(theirs.mean)} features: use the same "
                "feature extractor for both."
            )
        if theirs.count - 1 < self._root.matrix.shape[1]:
            root, covariance = _root(theirs), ours.covariance
        else:
            root, covariance = self._root, _checked(theirs.covariance)
        squares = np.linalg.eigvalsh(_sandwich(root, covariance))
        if squares.size and squares[0] < -TOLERANCE * abs(squares[-1]):
            raise _no_covariance()
        shared = np.sqrt(np.maximum(squares, 0)).sum()
        difference = ours.mean - theirs.mean
        distance = difference @ difference + np.trace(ours.covariance)
        distance += np.trace(theirs.covariance) - 2 * shared
        return max(float(distance), 0.0)


class FrechetInfluence(NamedTuple):
    """What each image does to a squared Fréchet distance: the distance's derivative by its weight.

    Each has the mean 0. The distance of a set in which image i occurs 1 + w_i times is the distance
    plus the mean of w_i times its influence, to first order in w.
    """

    distance: float
    images: Floats
    """(Q,), of the images that are compared."""
    reference: Floats
    """(R,), of those of the reference."""


def frechet_influence(reference: ArrayLike, features: ArrayLike) -> FrechetInfluence:
    """The squared Fréchet distance of features (Q, F) from a reference (R, F), and influences.

    With S_1 = W W^T and M = W^T S_2 W = V diag(s) V^T, the trace of (S_1 S_2)^(1/2) has the
    derivatives W M^(-1/2) W^T / 2 by S_2, and W^-T M^(1/2) W^-1 / 2 by S_1.

    Raises:
        PipelineError: a wrong shape, fewer than 2 images, or values that are not finite.
    """
    ours, theirs = feature_statistics(reference), feature_statistics(features)
    root = _root(ours)
    squares, vectors = np.linalg.eigh(_sandwich(root, _checked(theirs.covariance)))
    difference = theirs.mean - ours.mean
    traces = np.trace(ours.covariance), np.trace(theirs.covariance)
    shared = np.sqrt(np.maximum(squares, 0)).sum()
    distance = difference @ difference + sum(traces) - 2 * shared
    kept = squares > TOLERANCE * squares[-1]
    roots, vectors = np.sqrt(squares[kept]), vectors[:, kept]

    def influence(centred: Floats, sign: int, coordinates: Floats, weights: Floats) -> Floats:
        moved = np.square(centred).sum(1) - np.square(coordinates) @ weights
        found = 2 * sign * centred @ difference + moved
        return found - found.mean()

    centred = _features(features) - theirs.mean
    images = influence(centred, 1, centred @ root.matrix @ vectors, 1 / roots)
    centred = _features(reference) - ours.mean
    if root.triangular:
        whitened = solve_triangular(root.matrix, centred.T, lower=True).T
    else:
        whitened = np.linalg.lstsq(root.matrix, centred.T, rcond=None)[0].T
    own = influence(centred, -1, whitened @ vectors, roots)
    return FrechetInfluence(max(float(distance), 0.0), images, own)


class KernelReference:
    """The kernel distance from one fixed set, whose own kernel is summed once.

    The squared maximum mean discrepancy of features x, y with F dimensions, kernel (x y / F + 1)^3.

    Raises:
        PipelineError: a wrong shape, fewer than 2 images, or values that are not finite.
    """

    def __init__(self, features: ArrayLike) -> None:
        self._features = _features(features)
        self._own = _mean_of_pairs(self._features)

    def distance(self, features: ArrayLike) -> float:
        """KID between the reference and features (Q, F): unbiased, so it may be negative.

        It is usually reported times 1000.

        Raises:
            PipelineError: a wrong shape, fewer than 2 images, or values that are not finite.
        """
        theirs = _features(features)
        if theirs.shape[1] != self._features.shape[1]:
            raise PipelineError(
                f"the two sets have {self._features.shape[1]} and {theirs.shape[1]} features: use "
                "the same feature extractor for both."
            )
        between = _row_sums(self._features, theirs) / len(theirs)
        return float(self._own + _mean_of_pairs(theirs) - 2 * between.mean())


def _features(features: ArrayLike) -> Floats:
    array = np.asarray(features, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] < 1:
        raise PipelineError(
            f"a distance of images needs features (images, features) of at least 2 images, not an "
            f"array of shape {array.shape}."
        )
    if not np.isfinite(array).all():
        raise PipelineError(
            "the features hold numbers that are not finite: check the images they were read from."
        )
    return array


def _no_covariance() -> PipelineError:
    return PipelineError(
        "a covariance must be a finite, symmetric and positive semi-definite matrix: compute it "
        "with feature_statistics."
    )


def _checked(covariance: Floats) -> Floats:
    """The covariance (F, F) if it is finite and symmetric, tested by one product as it is large."""
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1]:
        raise _no_covariance()
    probe = np.cos(np.arange(len(covariance)))
    left, right = probe @ covariance, covariance @ probe
    if not np.abs(left - right).max(initial=0.0) <= TOLERANCE * np.abs(right).max(initial=0.0):
        raise _no_covariance()
    return covariance


class _Root(NamedTuple):
    """W (F, rank) with W W^T = covariance, and whether it is square and lower triangular."""

    matrix: Floats
    triangular: bool


def _root(statistics: FeatureStatistics) -> _Root:
    covariance = _checked(statistics.covariance)
    if statistics.count > len(covariance):
        factor, failed = lapack.dpotrf(covariance, lower=1, clean=1)
        if not failed:
            return _Root(np.asarray(factor), triangular=True)
    factor, pivots, rank, _ = lapack.dpstrf(covariance, lower=1)
    root: Floats = np.tril(factor)[np.argsort(pivots), :rank]
    # It stops when only rounding is left; a negative variance would stop it too.
    variances = np.diagonal(covariance)
    left = np.abs(variances - np.square(root).sum(axis=1)).max(initial=0.0)
    if left > TOLERANCE * np.abs(variances).max(initial=0.0):
        raise _no_covariance()
    return _Root(root, triangular=False)


def _sandwich(root: _Root, covariance: Floats) -> Floats:
    """W^T S W: (rank, rank)."""
    w = root.matrix
    if not root.triangular:
        return w.T @ covariance @ w
    product = blas.dtrmm(1.0, w, covariance, lower=1, trans_a=1)
    return np.asarray(blas.dtrmm(1.0, w, product, side=1, lower=1, overwrite_b=1))


def _kernel(first: Floats, second: Floats) -> Floats:
    inner = first @ second.T
    inner /= first.shape[1]
    inner += 1
    return inner * inner * inner


def _mean_of_pairs(features: Floats) -> float:
    """Mean of the kernel over pairs of different images of a set."""
    count = len(features)
    rows = _row_sums(features, features, without_diagonal=True)
    return float(rows.sum() / (count * (count - 1)))


def _row_sums(ours: Floats, theirs: Floats, *, without_diagonal: bool = False) -> Floats:
    """Sums of the kernel over the images of `theirs`, for each of `ours`: (R,)."""
    rows = np.empty(len(ours))
    for first in range(0, len(ours), BLOCK):
        block = slice(first, first + BLOCK)
        kernel = _kernel(ours[block], theirs)
        if without_diagonal:
            kernel[np.arange(len(kernel)), first + np.arange(len(kernel))] = 0
        rows[block] = kernel.sum(axis=1)
    return rows
