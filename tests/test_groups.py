"""Test images that belong together: whom they show, bootstrap samples and standard errors."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm

from pipeline.datasets.color_digits import ColorDigits
from pipeline.datasets.groups import groups_of
from pipeline.datasets.images import ImageSet
from pipeline.evaluation.groups import draw_groups, multiplier_bootstrap, standard_error


def test_images_of_one_person_or_digit_belong_together() -> None:
    truth = pd.DataFrame({"label": 0, "identity": [7, 3, 7, 9]})
    people = ImageSet(np.zeros((4, 1, 1, 3), np.uint8), np.arange(4), truth, torch.zeros(4))
    assert groups_of(people).tolist() == [1, 0, 1, 2]
    species = ImageSet(people.array, people.rows, truth.drop(columns="identity"), people.label)
    assert groups_of(species).tolist() == [0, 1, 2, 3]
    strokes = torch.tensor([2, 1, 2], dtype=torch.uint8)[:, None, None].expand(-1, 28, 28)
    rest: list[Any] = [torch.zeros(3)] * 5
    assert groups_of(ColorDigits(strokes, *rest)).tolist() == [1, 0, 1]


def test_a_bootstrap_sample_has_whole_groups() -> None:
    groups = np.array([5, 2, 5, 9, 9, 9])
    rng, seen = np.random.default_rng(0), set()
    for _ in range(60):
        rows = draw_groups(groups, rng)
        counts = np.bincount(rows, minlength=6)
        assert counts[0] == counts[2] and counts[3] == counts[4] == counts[5]
        assert counts[0] + counts[1] + counts[3] == 3
        seen.add(tuple(counts))
    assert len(seen) == 10  # all that there are


def test_multipliers_have_the_covariance_of_means() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(50), 6)
    own = rng.normal(size=(50, 2)) @ [[1, 0.8], [0, 0.6]]
    values = (own.repeat(6, axis=0) + rng.normal(size=(300, 2))).T
    values -= values.mean(1, keepdims=True)
    moved = multiplier_bootstrap(values, groups, 20_000, rng)
    errors = [standard_error(one, groups) for one in values]
    assert moved.std(0) == pytest.approx(errors, rel=0.03)
    together = standard_error(values.sum(0), groups)
    assert moved.sum(1).std() == pytest.approx(together, rel=0.03)


def test_the_standard_error_covers_the_mean() -> None:
    """Of images that come in groups of four with an effect of their own."""
    rng, size = np.random.default_rng(0), 4
    groups = np.repeat(np.arange(100), size)
    own = rng.normal(size=(2000, 100)).repeat(size, axis=1) + rng.normal(size=(2000, 400))
    errors = np.array([standard_error(values, groups) for values in own])
    assert errors.mean() == pytest.approx(own.mean(1).std(), rel=0.05)
    inside = np.abs(own.mean(1)) < norm.ppf(0.975) * errors
    assert 0.92 < inside.mean() < 0.97
    alone = own[0].std(ddof=1) / 20
    assert standard_error(own[0], np.arange(400)) == pytest.approx(alone)
