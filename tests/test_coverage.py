"""Central regions and ranks, against distributions that are known."""

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from pipeline.evaluation import coverage as module
from pipeline.evaluation.coverage import LEVELS, central_share, ranks, regions

ROWS, FEATURES = 20_000, 12


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.3])
def test_regions_of_scaled_normals(scale: float) -> None:
    found = regions(scale * np.random.default_rng(0).normal(size=(ROWS, FEATURES)))
    inside = chi2.cdf(chi2.ppf(LEVELS, FEATURES) / scale**2, FEATURES)
    np.testing.assert_allclose(module.coverage(found), inside, atol=0.012)
    assert abs(module.worst_coverage(found) - np.abs(inside - LEVELS).max()) < 0.012
    assert (kstest(found, "uniform").pvalue > 0.01) == (scale == 1)


@pytest.mark.parametrize("digits", [8, 0])
def test_ranks_are_uniform_among_samples_of_the_same_law_even_with_ties(digits: int) -> None:
    rng = np.random.default_rng(0)
    truth, samples = rng.normal(size=ROWS).round(digits), rng.normal(size=(ROWS, 19)).round(digits)
    found = ranks(truth, samples, rng)
    assert abs(np.bincount(found, minlength=20) / ROWS - 0.05).max() < 0.006
    assert central_share(found, 19) == pytest.approx(0.9, abs=0.008)
    clear = np.array([[0, 1, 2], [5, 5, 5], [5, 6, 7]])
    assert ranks(np.array([3, 4, 6.5]), clear, rng).tolist() == [3, 0, 2]
    assert central_share(np.arange(100), 99) == 0.9
    assert central_share(np.array([4, 5, 94, 95]), 99) == 0.5
