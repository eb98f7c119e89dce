"""Variance and pair correlation of factors, on data whose values are known."""

import numpy as np
import pytest

from pipeline.evaluation.pair_correlation import factor_variance, pair_correlation


@pytest.mark.parametrize("groups", [12, 3000])
@pytest.mark.parametrize(("scale", "rho"), [(1.0, 0.9), (0.5, 0.9), (1.0, 0.0)])
def test_a_factor_of_known_correlation(groups: int, scale: float, rho: float) -> None:
    rng = np.random.default_rng(0)
    classes = rng.permutation(np.arange(6000) % groups)
    own = rng.normal(size=(groups, 40))
    values = scale * (rho**0.5 * own[classes] + (1 - rho) ** 0.5 * rng.normal(size=(6000, 40)))
    assert pair_correlation(values + 3, classes) == pytest.approx(rho, abs=0.03)
    if groups > 100:
        assert factor_variance(values + 3) == pytest.approx(scale**2, rel=0.05)


@pytest.mark.parametrize("minority", [0.5, 0.1])
@pytest.mark.parametrize("share", [0.9, 0.3])
def test_two_classes_that_are_all_there_are(minority: float, share: float) -> None:
    """Their means do not vary at random, as those of an attribute do not."""
    rng = np.random.default_rng(0)
    classes = rng.random(20_000) < minority
    signal = (classes - minority) / (minority * (1 - minority)) ** 0.5  # of variance 1
    noise = rng.normal(size=(20_000, 3))
    values = share**0.5 * signal[:, None] + (1 - share) ** 0.5 * noise
    assert pair_correlation(values, classes) == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("classes", [np.arange(9), np.zeros(9, int)])
def test_without_pairs_or_other_classes_there_is_none(classes: np.ndarray) -> None:
    assert np.isnan(pair_correlation(np.random.default_rng(0).normal(size=(9, 2)), classes))
