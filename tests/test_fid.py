"""Fréchet and kernel distances: closed forms, peers, singular covariances, estimators."""

import warnings

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation import fid
from pipeline.evaluation.fid import (
    FeatureStatistics,
    FrechetReference,
    KernelDistance,
    KernelReference,
    feature_statistics,
)
from pipeline.torchvision_compat import torchvision


def frechet_distance(first: FeatureStatistics, second: FeatureStatistics) -> float:
    return FrechetReference(first).distance(second)


def kernel_distance(first: np.ndarray, second: np.ndarray, **options: int) -> KernelDistance:
    return KernelReference(first, **options).distance(second)


def draw(count: int, dims: int, seed: int, shift: float = 0.0, decay: float = 4.0) -> np.ndarray:
    """Correlated features whose variances fall, as those of networks do; rotation by `seed`."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(dims, dims)))
    scales = np.exp(-decay * np.arange(dims) / dims)
    return (rng.normal(size=(count, dims)) * scales) @ rotation + shift


def gaussian(mean: np.ndarray, covariance: np.ndarray) -> FeatureStatistics:
    return FeatureStatistics(mean, covariance, 1000)


def peer_distance(first: FeatureStatistics, second: FeatureStatistics) -> float:
    assert torchvision  # must be imported first
    from pytorch_fid.fid_score import calculate_frechet_distance

    with warnings.catch_warnings():  # SciPy is about to drop an argument that pytorch-fid passes
        warnings.simplefilter("ignore", DeprecationWarning)
        distance = calculate_frechet_distance(
            first.mean, first.covariance, second.mean, second.covariance
        )
    return float(distance)


def exact_distance(first: np.ndarray, second: np.ndarray) -> float:
    """From the features, by singular values: exact for fewer images than features too."""
    a, b = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (first, second))
    shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    difference = first.mean(0) - second.mean(0)
    return float(difference @ difference + (a * a).sum() + (b * b).sum() - 2 * shared)


def test_statistics_are_those_of_numpy() -> None:
    features = draw(50, 7, 0, shift=1e3).astype(np.float32)
    statistics = feature_statistics(features)
    assert statistics.count == 50
    np.testing.assert_allclose(statistics.mean, features.astype(np.float64).mean(0), rtol=1e-14)
    expected = np.cov(features.astype(np.float64), rowvar=False)
    np.testing.assert_allclose(statistics.covariance, expected, rtol=1e-10, atol=1e-14)


def test_closed_form_for_one_dimension() -> None:
    """(m1 - m2)^2 + (s1 - s2)^2."""
    first = gaussian(np.array([1.0]), np.array([[4.0]]))
    second = gaussian(np.array([-2.0]), np.array([[0.25]]))
    assert frechet_distance(first, second) == pytest.approx(9 + 1.5**2, rel=1e-14)


def test_closed_form_for_commuting_covariances() -> None:
    """With common axes, the distance is that of independent dimensions."""
    rng = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(rng.normal(size=(40, 40)))
    means = rng.normal(size=(2, 40))
    deviations = rng.uniform(0.01, 3, size=(2, 40))
    first, second = (
        gaussian(mean, rotation * deviation**2 @ rotation.T)
        for mean, deviation in zip(means, deviations, strict=True)
    )
    expected = np.square(means[0] - means[1]).sum()
    expected += np.square(deviations[0] - deviations[1]).sum()
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("count", "other_count"), [(400, 400), (400, 50), (50, 400), (60, 40), (2, 3)]
)
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_singular_covariances_are_exact(count: int, other_count: int, shift: float) -> None:
    """Fewer images than features on either side, or both."""
    first, second = draw(count, 128, 1), draw(other_count, 128, 2, shift)
    found = frechet_distance(feature_statistics(first), feature_statistics(second))
    assert found == pytest.approx(exact_distance(first, second), rel=1e-10)


@pytest.mark.parametrize("counts", [(600, 600), (300, 300), (100, 90), (600, 100), (40, 200)])
@pytest.mark.parametrize("decay", [1.0, 8.0])
def test_equal_to_pytorch_fid(counts: tuple[int, int], decay: float) -> None:
    first, second = (
        feature_statistics(draw(count, 192, 10 + i, 0.05 * i, decay))
        for i, count in enumerate(counts)
    )
    assert frechet_distance(first, second) == pytest.approx(peer_distance(first, second), rel=1e-6)


@pytest.mark.parametrize("count", [50, 400])
def test_a_metric(count: int) -> None:
    """Zero to itself, symmetric, positive; the root obeys the triangle inequality."""
    a, b, c = (feature_statistics(draw(count, 100, seed, 0.1 * seed)) for seed in range(3))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-10 * np.trace(a.covariance))
    assert frechet_distance(a, b) > 0
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-10)
    sides = [np.sqrt(frechet_distance(*pair)) for pair in ((a, b), (b, c), (a, c))]
    assert sides[2] < sides[0] + sides[1]


def test_a_reference_gives_the_same_again_and_again() -> None:
    reference, *others = (feature_statistics(draw(80, 60, seed, 0.1 * seed)) for seed in range(4))
    prepared = FrechetReference(reference)
    for other in others:
        assert prepared.distance(other) == frechet_distance(reference, other)
    assert prepared.statistics is reference


def test_features_that_never_vary() -> None:
    features = draw(50, 6, 0)
    features[:, 2] = 5.0
    statistics = feature_statistics(features)
    constant = feature_statistics(np.tile(features.mean(0), (3, 1)))
    expected = np.trace(statistics.covariance)
    assert frechet_distance(statistics, constant) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(constant, statistics) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(constant, constant) == 0


@pytest.mark.parametrize(
    "matrix",
    [
        [[1.0, 0.0], [0.0, -1.0]],
        [[1.0, 2.0], [2.0, 1.0]],
        [[1.0, 0.5], [0.0, 1.0]],
        [[-1.0, 0.0], [0.0, -1.0]],
    ],
)
def test_a_matrix_that_is_no_covariance_is_told(matrix: list[list[float]]) -> None:
    wrong = gaussian(np.zeros(2), np.array(matrix))
    right = gaussian(np.zeros(2), np.eye(2))
    for pair in ((wrong, right), (right, wrong)):
        with pytest.raises(PipelineError, match="symmetric and positive semi-def"):
            frechet_distance(*pair)


def test_other_bad_input_is_told() -> None:
    small, large = (feature_statistics(draw(10, dims, 0)) for dims in (3, 4))
    with pytest.raises(PipelineError, match="3 and 4 features"):
        frechet_distance(small, large)
    with pytest.raises(PipelineError, match="finite, symmetric and positive"):
        frechet_distance(gaussian(np.zeros(2), np.full((2, 2), np.nan)), small)
    with pytest.raises(PipelineError, match="finite, symmetric and positive"):
        frechet_distance(gaussian(np.zeros(2), np.ones((2, 3))), small)
    with pytest.raises(PipelineError, match="at least 2 images"):
        feature_statistics(np.zeros((1, 4)))
    with pytest.raises(PipelineError, match="at least 2 images"):
        feature_statistics(np.zeros((5, 4, 1)))
    with pytest.raises(PipelineError, match="not finite"):
        feature_statistics(np.full((5, 4), np.inf))


def naive_mmd(first: np.ndarray, second: np.ndarray) -> float:
    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    def own(values: np.ndarray) -> float:
        pairs = [kernel(x, y) for i, x in enumerate(values) for j, y in enumerate(values) if i != j]
        return float(np.mean(pairs))

    cross = np.mean([kernel(x, y) for x in first for y in second])
    return own(first) + own(second) - 2 * float(cross)


@pytest.mark.parametrize("block", [4, 1024])
def test_kid_is_the_mean_over_all_pairs(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(fid, "BLOCK", block)
    first, second = draw(17, 5, 0), draw(12, 5, 1, 0.5)
    found = kernel_distance(first, second, subsets=5)
    assert found.value == pytest.approx(naive_mmd(first, second), rel=1e-12)


def test_kid_standard_error_is_the_jackknife() -> None:
    first, second = draw(9, 5, 0), draw(7, 5, 1, 0.5)
    variance = 0.0
    for side, values in enumerate((first, second)):
        left_out = []
        for i in range(len(values)):
            pair = [first, second]
            pair[side] = np.delete(values, i, axis=0)
            left_out.append(naive_mmd(*pair))
        variance += (len(values) - 1) * float(np.var(left_out))
    found = kernel_distance(first, second, subsets=3)
    assert found.standard_error == pytest.approx(np.sqrt(variance), rel=1e-10)


def test_kid_has_no_bias() -> None:
    """Zero on average for two sets of one distribution, whatever their sizes; FID is not."""
    for count, other in ((20, 20), (20, 60)):
        pairs = [
            (np.random.default_rng([1, seed]).normal(size=(count + other, 16)))
            for seed in range(400)
        ]
        values = [kernel_distance(x[:count], x[count:], subsets=2) for x in pairs]
        distances = np.array([value.value for value in values])
        assert abs(distances.mean()) < 4 * distances.std() / 20
        biased = [
            frechet_distance(feature_statistics(x[:count]), feature_statistics(x[count:]))
            for x in pairs[:50]
        ]
        assert np.mean(biased) > 10 * np.std(biased) / np.sqrt(50)


@pytest.mark.parametrize(("shift", "least", "most"), [(0.4, 0.85, 1.15), (0.0, 1.0, 1.6)])
def test_kid_standard_error_is_that_of_repeated_measurements(
    shift: float, least: float, most: float
) -> None:
    """On the safe side for equal distributions."""
    found = []
    for seed in range(300):
        x = np.random.default_rng([2, seed]).normal(size=(2, 80, 16))
        found.append(kernel_distance(x[0], x[1] + shift, subsets=2))
    spread = np.std([one.value for one in found])
    assert least < np.mean([one.standard_error for one in found]) / spread < most


def test_kid_tells_distributions_apart() -> None:
    near, far = draw(200, 16, 0), draw(200, 16, 0, 1.0)
    found = kernel_distance(near, far, subsets=4)
    assert found.value > 10 * found.standard_error > 0


@pytest.mark.parametrize(("size", "expected"), [(6, 6), (1000, 12)])
def test_subsets_have_the_same_size_in_both_sets(size: int, expected: int) -> None:
    """At most that of the smaller set; their deviation is that of the naive distances."""
    first, second = draw(17, 5, 0), draw(12, 5, 1, 0.5)
    found = kernel_distance(first, second, subsets=8, subset_size=size, seed=3)
    assert (found.subsets, found.subset_size) == (8, expected)
    reference = KernelReference(first, subsets=8, subset_size=size, seed=3)
    ours = reference._choose(17, expected, stream=0)
    theirs = reference._choose(12, expected, stream=1)
    assert set(ours.sum(0)) == set(theirs.sum(0)) == {expected}
    naive = [
        naive_mmd(first[a == 1], second[b == 1]) for a, b in zip(ours.T, theirs.T, strict=True)
    ]
    assert found.subset_deviation == pytest.approx(np.std(naive, ddof=1), rel=1e-9)


def test_kid_is_a_function_of_its_seed() -> None:
    first, second = draw(40, 5, 0), draw(40, 5, 1)
    values = [
        kernel_distance(first, second, subsets=5, subset_size=10, seed=seed) for seed in (0, 0, 1)
    ]
    assert values[0] == values[1]
    assert values[0].subset_deviation != values[2].subset_deviation
    assert values[0].value == values[2].value


def test_bad_input_of_kid_is_told() -> None:
    features = draw(10, 4, 0)
    with pytest.raises(PipelineError, match="4 and 3 features"):
        kernel_distance(features, features[:, :3])
    with pytest.raises(PipelineError, match="at least 3 images"):
        kernel_distance(features, features[:2])
    with pytest.raises(PipelineError, match="at least 2 subsets"):
        kernel_distance(features, features, subsets=1)
    with pytest.raises(PipelineError, match="not finite"):
        kernel_distance(features * np.nan, features)
