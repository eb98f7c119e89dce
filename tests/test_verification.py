"""Face verification: closed forms, what it does not depend on, and data it cannot judge."""

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation.verification import verification_accuracy


def clusters(identities: int, images: int, noise: float, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Embeddings of length 1 around random centres."""
    generator = np.random.default_rng(seed)
    label = np.repeat(np.arange(identities), images)
    centres = generator.normal(size=(identities, 32))
    points = centres[label] + noise * generator.normal(size=(len(label), 32))
    return points / np.linalg.norm(points, axis=1, keepdims=True), label


def test_identities_far_apart_and_chance() -> None:
    found = verification_accuracy(*clusters(20, 10, 0.05), seed=0)
    assert found.accuracy == 1 and found.roc_auc == 1
    assert found.pairs == 2 * 20 * (10 * 9 // 2)  # as many as there are of one identity
    assert 0.2 < found.threshold < 1.2
    generator = np.random.default_rng(1)
    label = generator.integers(50, size=1000)
    found = verification_accuracy(generator.normal(size=(1000, 16)), label, seed=0)
    assert found.pairs == 6000
    assert abs(found.accuracy - 0.5) < 0.04 and abs(found.roc_auc - 0.5) < 0.04
    # No threshold separates equal distances: half of the pairs are right.
    found = verification_accuracy(np.ones((60, 4)), np.repeat(np.arange(6), 10), seed=0)
    assert found.accuracy == 0.5 and found.roc_auc == 0.5


def test_known_overlap() -> None:
    """Half of the pairs of one identity have distance zero, all others are equally far.

    The best threshold judges three quarters rightly, and the area is 0.5 + 0.5 / 2.
    """
    image = np.arange(400)
    points = np.eye(400)[np.where(image % 4 == 1, image - 1, image)]
    found = verification_accuracy(points, image // 2, seed=3)
    assert found.pairs == 400
    assert found.accuracy == pytest.approx(0.75, abs=0.06)  # those of the second half, by chance
    assert found.roc_auc == pytest.approx(0.75, abs=0.005)  # a few different images are alike
    assert found.threshold == pytest.approx(np.sqrt(2) / 2)


@pytest.mark.parametrize("noise", [0.3, 0.8])
def test_the_area_is_that_of_all_distances(noise: float) -> None:
    """Against the definition, on every pair of a small set."""
    points, label = clusters(12, 6, noise)
    first, second = np.triu_indices(len(label), 1)
    distance = np.linalg.norm(points[first] - points[second], axis=1)
    same = label[first] == label[second]
    nearer = (distance[same][:, None] < distance[~same][None]).mean()
    found = verification_accuracy(points, label, seed=0)
    assert found.pairs == 2 * 12 * 15
    assert found.roc_auc == pytest.approx(nearer, abs=0.05)
    best = max(((distance[same] < t).mean() + (distance[~same] >= t).mean()) / 2 for t in distance)
    assert found.accuracy == pytest.approx(best, abs=0.08)


def test_only_distances_and_the_seed_count() -> None:
    points, label = clusters(30, 10, 0.9)
    turned, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(32, 32)))
    one, again, other = (
        verification_accuracy(points, label, seed=seed, pairs=200) for seed in (0, 0, 1)
    )
    assert one == again != other and one.pairs == 200
    moved = verification_accuracy(points @ turned * 3 + 1, label + 7, seed=0, pairs=200)
    assert (one.accuracy, one.roc_auc) == pytest.approx((moved.accuracy, moved.roc_auc), abs=1e-3)
    assert moved.threshold == pytest.approx(3 * one.threshold)


def test_the_threshold_is_not_chosen_on_the_pairs_it_is_tested_on() -> None:
    """Of few random pairs the best threshold judges more than half rightly, but of no others."""
    generator = np.random.default_rng(0)
    accuracies = [
        verification_accuracy(
            generator.normal(size=(40, 3)), np.repeat(np.arange(10), 4), seed=seed, pairs=40
        ).accuracy
        for seed in range(60)
    ]
    assert np.mean(accuracies) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("label", [[0, 1, 2, 3], [0, 0, 0, 0], [0, 0, 1], []])
def test_too_few_pairs(label: list[int]) -> None:
    with pytest.raises(PipelineError, match="verification needs two pairs"):
        verification_accuracy(np.zeros((len(label), 2)), np.array(label, dtype=int), seed=0)
