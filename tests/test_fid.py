"""Fréchet and kernel distances: closed forms, peers, singular covariances, estimators."""

import warnings
from typing import Any

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation import fid
from pipeline.evaluation.fid import (
    FeatureStatistics,
    FrechetReference,
    KernelReference,
    feature_statistics,
    frechet_influence,
)
from pipeline.evaluation.fid import feature_statistics as statistics
from pipeline.torchvision_compat import torchvision


def frechet(first: FeatureStatistics, second: FeatureStatistics) -> float:
    return FrechetReference(first).distance(second)


def draw(count: int, dims: int, seed: int, shift: float = 0.0, decay: float = 4.0) -> np.ndarray:
    """Correlated features whose variances fall, as those of networks do; rotation by `seed`."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(dims, dims)))
    scales = np.exp(-decay * np.arange(dims) / dims)
    return (rng.normal(size=(count, dims)) * scales) @ rotation + shift


def peer_distance(first: FeatureStatistics, second: FeatureStatistics) -> float:
    assert torchvision  # must be imported first
    from pytorch_fid.fid_score import calculate_frechet_distance

    moments = (first.mean, first.covariance, second.mean, second.covariance)
    with warnings.catch_warnings():  # SciPy is about to drop an argument that pytorch-fid passes
        warnings.simplefilter("ignore", DeprecationWarning)
        return float(calculate_frechet_distance(*moments))


def exact_distance(first: np.ndarray, second: np.ndarray) -> float:
    """From the features, by singular values: exact for fewer images than features too."""
    a, b = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (first, second))
    shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    difference = first.mean(0) - second.mean(0)
    return float(difference @ difference + (a * a).sum() + (b * b).sum() - 2 * shared)


def test_statistics_are_those_of_numpy() -> None:
    features = draw(50, 7, 0, shift=1e3).astype(np.float32)
    found, exact = statistics(features), features.astype(np.float64)
    assert found.count == 50
    np.testing.assert_allclose(found.mean, exact.mean(0), rtol=1e-14)
    expected = np.cov(exact, rowvar=False)
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-10, atol=1e-14)


def test_closed_form_for_commuting_covariances() -> None:
    """With common axes, the sum of (m1 - m2)^2 + (s1 - s2)^2 over independent dimensions."""
    rng = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(rng.normal(size=(40, 40)))
    means, deviations = rng.normal(size=(2, 40)), rng.uniform(0.01, 3, size=(2, 40))
    first, second = (
        FeatureStatistics(mean, rotation * deviation**2 @ rotation.T, 1000)
        for mean, deviation in zip(means, deviations, strict=True)
    )
    expected = np.square(means[0] - means[1]).sum() + np.square(np.subtract(*deviations)).sum()
    assert frechet(first, second) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("counts", [(400, 400), (400, 50), (50, 400), (60, 40), (2, 3)])
@pytest.mark.parametrize(("shift", "decay"), [(0.0, 1.0), (0.3, 4.0), (0.05, 8.0)])
def test_exact_and_equal_to_pytorch_fid(
    counts: tuple[int, int], shift: float, decay: float
) -> None:
    sets = [draw(count, 128, i, i * shift, decay) for i, count in enumerate(counts)]
    first, second = map(statistics, sets)
    found = frechet(first, second)
    assert found == pytest.approx(exact_distance(*sets), rel=1e-10)
    if min(counts) > 3:
        assert found == pytest.approx(peer_distance(first, second), rel=1e-6)


@pytest.mark.parametrize("count", [50, 400])
def test_zero_to_itself_and_symmetric(count: int) -> None:
    a, b, c = (statistics(draw(count, 100, seed, 0.1 * seed)) for seed in range(3))
    assert frechet(a, a) == pytest.approx(0, abs=1e-10 * np.trace(a.covariance))
    assert frechet(a, b) == pytest.approx(frechet(b, a), rel=1e-10)
    reference = FrechetReference(a)  # is not used up
    assert [reference.distance(one) for one in (b, c, b)] == [frechet(a, one) for one in (b, c, b)]


def test_features_that_never_vary() -> None:
    features = draw(50, 6, 0)
    features[:, 2] = 5.0
    some, constant = statistics(features), statistics(np.tile(features.mean(0), (3, 1)))
    expected = np.trace(some.covariance)
    for pair in ((some, constant), (constant, some)):
        assert frechet(*pair) == pytest.approx(expected, rel=1e-12)
    assert frechet(constant, constant) == 0


@pytest.mark.parametrize(
    "matrix",
    ["1 0; 0 -1", "1 2; 2 1", "1 0.5; 0 1", "nan nan; nan nan", "1 1 1; 1 1 1"],
)
def test_a_matrix_that_is_no_covariance(matrix: str) -> None:
    covariances = (np.array([row.split() for row in matrix.split(";")], float), np.eye(2))
    wrong, right = (FeatureStatistics(np.zeros(2), some, 1000) for some in covariances)
    for pair in ((wrong, right), (right, wrong)):
        with pytest.raises(PipelineError, match="symmetric and positive semi-def"):
            frechet(*pair)


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        ((np.eye(3), np.eye(4)), "3 and 4 features"), ((np.zeros((1, 4)),), "at least 2 images"),
        ((np.zeros((5, 4, 1)),), "at least 2 images"), ((np.full((5, 4), np.inf),), "not finite"),
    ],
)  # fmt: skip
def test_features_without_a_distance(sets: tuple[np.ndarray, ...], words: str) -> None:
    with pytest.raises(PipelineError, match=words):
        frechet(*map(statistics, sets))


def kernel(first: np.ndarray, second: np.ndarray) -> float:
    return KernelReference(first).distance(second)


def naive_mmd(first: np.ndarray, second: np.ndarray) -> float:
    def cubic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def own(values: np.ndarray) -> float:
        return float(cubic(values, values)[~np.eye(len(values), dtype=bool)].mean())

    return own(first) + own(second) - 2 * float(cubic(first, second).mean())


@pytest.mark.parametrize("block", [4, 1024])
def test_kid_is_that_of_all_pairs(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(fid, "BLOCK", block)
    reference = KernelReference(draw(9, 5, 0))
    for count in (7, 2, 7):  # the reference is not used up
        second = draw(count, 5, 1, 0.5)
        expected = naive_mmd(draw(9, 5, 0), second)
        assert reference.distance(second) == pytest.approx(expected, rel=1e-12)


def test_kid_of_equal_distributions_is_zero_on_average_unlike_fid() -> None:
    pairs = [np.random.default_rng([2, seed]).normal(size=(2, 80, 16)) for seed in range(300)]
    values = np.array([kernel(*x) for x in pairs])
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(300)
    biased = [frechet(*map(statistics, x)) for x in pairs[:50]]
    assert np.mean(biased) > 10 * np.std(biased) / np.sqrt(50)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda features: features[:, :3], "4 and 3 features"),
        (lambda features: features[:1], "at least 2 images"),
        (lambda features: features * np.nan, "not finite"),
    ],
)
def test_bad_input_of_kid(change: Any, words: str) -> None:
    features = draw(10, 4, 0)
    with pytest.raises(PipelineError, match=words):
        kernel(features, change(features))


def test_influence_is_the_derivative_by_weights() -> None:
    """An image that occurs 1 + w times moves a distance by w times its influence, over R."""
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(60, 5)), 1.3 * rng.normal(size=(50, 5)) + 0.2]
    found = frechet_influence(*sets)
    statistics = [feature_statistics(features) for features in sets]
    assert found.distance == pytest.approx(frechet(*statistics))
    for place, influence in ((0, found.reference), (1, found.images)):
        features = sets[place]
        count = len(features)
        assert influence.mean() == pytest.approx(0, abs=1e-9)
        for row in (0, 7):
            step, moved = 1e-4, []
            for sign in (1, -1):
                weights = np.full(count, 1 / count)
                weights[row] += sign * step / count
                weights /= weights.sum()
                mean = weights @ features
                centred = features - mean
                covariance = (weights[:, None] * centred).T @ centred * count / (count - 1)
                changed = [*statistics]
                changed[place] = FeatureStatistics(mean, covariance, count)
                moved.append(frechet(*changed))
            derivative = (moved[0] - moved[1]) / (2 * step) * count
            assert influence[row] == pytest.approx(derivative, rel=0.05, abs=0.02)


@pytest.mark.parametrize(("features", "images"), [(8, 400), (40, 120)])
def test_influence_gives_the_error_of_a_distance(features: int, images: int) -> None:
    """Of few images of many features, it errs on the safe side."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(features, features)) / features**0.5
    found = []
    for _ in range(150):
        own, others = rng.normal(size=(2, images, features))
        found.append(frechet_influence(own, others @ mix))
    errors = [np.hypot(one.images.std(), one.reference.std()) / images**0.5 for one in found]
    spread = np.std([one.distance for one in found])
    assert 0.9 * spread < np.mean(errors) < 1.5 * spread
