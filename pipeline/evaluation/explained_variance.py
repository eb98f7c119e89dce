"""How much of a variance the representation z and the invariance v explain (Eqs. 19 and 20).

Every function takes a *crossed* design: `values` of shape (..., X, V, N) hold, for each of X
inputs x (through z = Phi(x)) and each of V invariances v, the N numbers of
e(t^-1(v | z))_i or of z_bar = t^-1(v | z). The same V invariances are used for every input.

The variance of such a design splits into three parts, Var = S_z + S_v + S_zv: what z does alone,
what v does alone, and their interaction. In these terms

    Eq. 20 (explained by z)    (S_z + S_zv) / Var    mean over v' of Var over x given v'
    Eq. 19 (explained by v)    (S_v + S_zv) / Var    mean over x' of Var over v given x'
    first-order index of z      S_z         / Var    Var over x of the mean over v
    first-order index of v      S_v         / Var    Var over v of the mean over x

so Eq. 20, read literally, counts the interaction too, and Eq. 20 + first-order index of v = 1.

Several dimensions are reduced to one number by the ratio of *summed* variances, i.e. of traces of
covariance matrices, never by the mean of ratios. Under the prior all dimensions of a factor share a
unit, so their variances may be added. A trace is invariant to rotations of a factor, and the loss
of e fixes a factor only up to a rotation. A dimension that hardly varies adds hardly anything,
rather than a ratio of noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import PipelineError
from pipeline.evaluation.intervals import percentile_interval

__all__ = [
    "Components",
    "Estimate",
    "Resampling",
    "bootstrap_components",
    "correlation",
    "estimate",
    "estimate_correlation",
    "estimate_ratio",
    "explained_by_v",
    "resample",
    "variance_components",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """Variance components of crossed designs, each of the same shape; estimates may be negative.

    Attributes:
        z: S_z, the variance over x of the mean over v.
        v: S_v, the variance over v of the mean over x.
        interaction: S_zv, what is left.
    """

    z: Floats
    v: Floats
    interaction: Floats

    @property
    def total(self) -> Floats:
        """Variance over x and v together."""
        return self.z + self.v + self.interaction

    @property
    def explained_by_z(self) -> Floats:
        """Eq. 20, read literally (Sec. B.2): the variance over x given v', averaged over v'."""
        return (self.z + self.interaction) / self._divisor()

    @property
    def explained_by_v(self) -> Floats:
        """Eq. 19, read literally."""
        return (self.v + self.interaction) / self._divisor()

    @property
    def first_order_z(self) -> Floats:
        """Var_x(E_v) / Var: Eq. 20 without the interaction of z and v.

        Corrected for finite V, so an estimate of a share of zero may be slightly negative.
        """
        return self.z / self._divisor()

    @property
    def first_order_v(self) -> Floats:
        """Var_v(E_x) / Var: one minus Eq. 20."""
        return self.v / self._divisor()

    def _divisor(self) -> Floats:
        total = self.total
        if not np.all(total > 0):
            raise PipelineError(
                "A factor does not vary over the sampled inputs and invariances, so no share of "
                "its variance can be explained: evaluate more inputs and invariances, and check "
                "that the samples of the conditional INN are finite."
            )
        return total


@dataclass(frozen=True)
class Estimate:
    """A number with its bootstrap standard error and 95 % interval."""

    value: float
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True)
class Resampling:
    """How often every input and every invariance is drawn in each bootstrap replicate.

    Attributes:
        inputs: (B, X) counts; every row sums to X.
        invariances: (B, V) counts; every row sums to V.
    """

    inputs: Floats
    invariances: Floats


def _design(values: ArrayLike, dims: slice | Sequence[int] | None) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim < 3:
        raise PipelineError(
            f"explained variance needs an array (..., inputs, invariances, dimensions), "
            f"not one of shape {array.shape}."
        )
    if dims is not None:
        array = array[..., dims]
    inputs, invariances, dimensions = array.shape[-3:]
    if inputs < 2 or invariances < 2 or dimensions < 1:
        raise PipelineError(
            f"explained variance needs at least 2 inputs, 2 invariances and 1 dimension, "
            f"not {inputs}, {invariances} and {dimensions}."
        )
    if not np.isfinite(array).all():
        raise PipelineError(
            "the samples hold numbers that are not finite: the INN diverged; train it again with "
            "a smaller learning rate."
        )
    # Variances do not depend on the origin, but their rounding errors do.
    centred: Floats = array - array.mean(axis=(-3, -2), keepdims=True)
    return centred


def variance_components(values: ArrayLike, dims: slice | Sequence[int] | None = None) -> Components:
    """Unbiased variance components of crossed designs, summed over dimensions.

    The two-way analysis of variance: Var_x of a mean over V invariances holds S_zv / V too, which
    would make the plain first-order index too large at small V; the interaction's mean square
    takes it out.

    Args:
        values: (..., X, V, N), any finite range; X, V >= 2.
        dims: which of the N dimensions to sum over; all by default.

    Returns:
        Components of shape (...).

    Raises:
        PipelineError: a wrong shape, or values that are not finite.
    """
    array = _design(values, dims)
    inputs, invariances = array.shape[-3:-1]
    of_inputs = invariances * np.square(array.mean(axis=-2)).sum(axis=(-2, -1))
    of_invariances = inputs * np.square(array.mean(axis=-3)).sum(axis=(-2, -1))
    everything = np.square(array).sum(axis=(-3, -2, -1))
    return _analysis_of_variance(of_inputs, of_invariances, everything, inputs, invariances)


def _analysis_of_variance(
    of_inputs: Floats, of_invariances: Floats, everything: Floats, inputs: int, invariances: int
) -> Components:
    """Components from the sums of squares of a two-way design with one value per cell."""
    rest = everything - of_inputs - of_invariances
    interaction = rest / ((inputs - 1) * (invariances - 1))
    z = (of_inputs / (inputs - 1) - interaction) / invariances
    v = (of_invariances / (invariances - 1) - interaction) / inputs
    return Components(z=np.asarray(z), v=np.asarray(v), interaction=np.asarray(interaction))


def explained_by_v(values: ArrayLike, dims: slice | Sequence[int] | None = None) -> Floats:
    """Share of the variance of `values` (..., X, V, N) explained by v, Eq. 19: (...).

    The paper applies it to all dimensions of z_bar (Sec. B.2, Fig. 5).
    """
    return variance_components(values, dims).explained_by_v


def resample(inputs: int, invariances: int, replicates: int, seed: int) -> Resampling:
    """Draws of a two-way bootstrap: inputs and invariances are resampled independently.

    Values that share an input or an invariance are not independent, so cells must not be
    resampled; and resampling v alone leaves out that other inputs would give another number.
    Draws of a single input or invariance have no variance and are repeated.

    Raises:
        PipelineError: fewer than 2 inputs, invariances or replicates.
    """
    if min(inputs, invariances, replicates) < 2:
        raise PipelineError(
            f"A bootstrap needs at least 2 inputs, invariances and replicates, "
            f"not {inputs}, {invariances} and {replicates}."
        )
    generator = np.random.default_rng(seed)

    def draw(units: int) -> Floats:
        counts = generator.multinomial(units, np.full(units, 1 / units), size=replicates)
        while (degenerate := counts.max(axis=1) == units).any():
            counts[degenerate] = generator.multinomial(
                units, np.full(units, 1 / units), size=int(degenerate.sum())
            )
        return counts.astype(np.float64)

    return Resampling(inputs=draw(inputs), invariances=draw(invariances))


def bootstrap_components(
    values: ArrayLike, resampling: Resampling, dims: slice | Sequence[int] | None = None
) -> Components:
    """Variance components of every bootstrap replicate, centred on the observed ones.

    Resampled designs hold the same input or invariance twice, which moves variance from one
    component to another: the mean over replicates of the interaction is (1-1/X)(1-1/V) S_zv, that
    of S_z is (1-1/X)(S_z + S_zv/V), and likewise for S_v. This is undone here, otherwise no
    percentile interval of a small first-order index would contain it.

    Passing the same `resampling` for several designs (checkpoints) draws the same inputs and
    invariances in all of them, so that replicates of ratios and correlations are right.

    Args:
        values: (..., X, V, N).
        resampling: B draws for X inputs and V invariances.
        dims: which of the N dimensions to sum over; all by default.

    Returns:
        Components of shape (..., B).

    Raises:
        PipelineError: a wrong shape, a resampling for another design, or values not finite.
    """
    array = _design(values, dims)
    inputs, invariances = array.shape[-3:-1]
    replicates = resampling.inputs.shape[0]
    if resampling.inputs.shape[1] != inputs or resampling.invariances.shape[1] != invariances:
        raise PipelineError(
            f"the resampling was drawn for {resampling.inputs.shape[1]} inputs and "
            f"{resampling.invariances.shape[1]} invariances, but the design has {inputs} and "
            f"{invariances}."
        )
    designs = array.reshape(-1, *array.shape[-3:])
    parts = [_bootstrap_one(design, resampling) for design in designs]
    shape = (*array.shape[:-3], replicates)
    return Components(
        z=np.stack([part.z for part in parts]).reshape(shape),
        v=np.stack([part.v for part in parts]).reshape(shape),
        interaction=np.stack([part.interaction for part in parts]).reshape(shape),
    )


def _bootstrap_one(design: Floats, resampling: Resampling) -> Components:
    """Replicates (B,) of one design (X, V, N), by weighted moments: nothing is gathered."""
    inputs, invariances, dimensions = design.shape
    squares = np.square(design).sum(axis=-1)
    by_input = design.reshape(inputs, -1)
    by_invariance = np.ascontiguousarray(design.transpose(1, 0, 2)).reshape(invariances, -1)
    results = []
    # A few replicates at a time keep the (b, X, N) means small.
    step = max(1, 4_000_000 // max(by_input.shape[1], by_invariance.shape[1]))
    for start in range(0, resampling.inputs.shape[0], step):
        weight_x = resampling.inputs[start : start + step]
        weight_v = resampling.invariances[start : start + step]
        mean_over_v = (weight_v @ by_invariance).reshape(-1, inputs, dimensions) / invariances
        mean_over_x = (weight_x @ by_input).reshape(-1, invariances, dimensions) / inputs
        mean = np.einsum("bv,bvn->bn", weight_v, mean_over_x) / invariances
        origin = inputs * invariances * np.square(mean).sum(axis=-1)
        of_inputs = invariances * _weighted_squares(weight_x, mean_over_v) - origin
        of_invariances = inputs * _weighted_squares(weight_v, mean_over_x) - origin
        everything = ((weight_x @ squares) * weight_v).sum(axis=-1) - origin
        results.append(
            _analysis_of_variance(of_inputs, of_invariances, everything, inputs, invariances)
        )
    keep_x, keep_v = 1 - 1 / inputs, 1 - 1 / invariances
    interaction = np.concatenate([part.interaction for part in results]) / (keep_x * keep_v)
    z = np.concatenate([part.z for part in results]) / keep_x - interaction / invariances
    v = np.concatenate([part.v for part in results]) / keep_v - interaction / inputs
    return Components(z=z, v=v, interaction=interaction)


def _weighted_squares(weights: Floats, means: Floats) -> Floats:
    """Sum over units u of weights (b, u) times squared norms of means (b, u, n)."""
    squared: Floats = np.einsum("bu,bun,bun->b", weights, means, means)
    return squared


def estimate(value: float, replicates: ArrayLike) -> Estimate:
    """A value with the standard deviation and the 2.5 and 97.5 percentiles of its replicates."""
    array = np.asarray(replicates, dtype=np.float64)
    return Estimate(float(value), float(array.std(ddof=1)), *percentile_interval(array))


def estimate_ratio(
    numerator: float,
    denominator: float,
    numerator_replicates: ArrayLike,
    denominator_replicates: ArrayLike,
    floor: float,
) -> Estimate:
    """A ratio of two shares, with replicates made of the same resampled inputs and invariances.

    A denominator below `floor` counts as `floor`: a share that is zero within the resolution of
    the measurement would make a ratio of any size. This only ever makes the ratio smaller.

    Args:
        numerator: e.g. the share at the last checkpoint.
        denominator: e.g. the share at the first checkpoint.
        numerator_replicates: (B,) replicates of the numerator.
        denominator_replicates: (B,) replicates of the denominator, from the same resampling.
        floor: smallest denominator, > 0.
    """
    below = np.asarray(denominator_replicates, dtype=np.float64)
    replicates = np.asarray(numerator_replicates, dtype=np.float64) / np.maximum(below, floor)
    return estimate(numerator / max(denominator, floor), replicates)


def correlation(first: ArrayLike, second: ArrayLike) -> Floats:
    """Pearson correlation over the last axis; 0 where one of the two is constant."""
    a = np.asarray(first, dtype=np.float64)
    b = np.asarray(second, dtype=np.float64)
    # Subtracting a mean leaves rounding errors, which are not variation.
    rounding = 1e-12 * np.abs(a).max(axis=-1) * np.abs(b).max(axis=-1)
    a = a - a.mean(axis=-1, keepdims=True)
    b = b - b.mean(axis=-1, keepdims=True)
    scale = np.sqrt(np.square(a).sum(axis=-1) * np.square(b).sum(axis=-1))
    product = (a * b).sum(axis=-1)
    result: Floats = np.divide(product, scale, out=np.zeros_like(scale), where=scale > rounding)
    return result


def estimate_correlation(
    curve: ArrayLike, other: ArrayLike, curve_replicates: ArrayLike, seed: int
) -> Estimate:
    """Pearson correlation of two curves over C checkpoints of one training.

    Neighbouring checkpoints resemble each other: with each replicate, blocks of sqrt(C) consecutive
    ones are drawn with replacement, cyclically (circular block bootstrap, Politis and Romano 1992).

    Args:
        curve: (C,) shares.
        other: (C,) e.g. accuracies.
        curve_replicates: (C, B) replicates of `curve`.
        seed: of the blocks.
    """
    replicates, others = np.asarray(curve_replicates).T, np.asarray(other)
    count, block = len(others), max(1, isqrt(len(others)))
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, count, (len(replicates), -(-count // block)))
    places = (starts[:, :, None] + np.arange(block)).reshape(len(replicates), -1)[:, :count] % count
    drawn = np.take_along_axis(replicates, places, axis=1)
    return estimate(float(correlation(curve, other)), correlation(drawn, others[places]))
