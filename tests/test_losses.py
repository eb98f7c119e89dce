"""The losses against their formulas written out, against torch's distributions and loops."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence
from training import normal as draw

from pipeline.evaluation.likelihood import cinn_loss
from pipeline.training.losses import autoencoder_loss, gaussian_kl, pair_loss

normal = partial(draw, dtype=torch.float64)


def test_gaussian_kl() -> None:
    mean, variance = normal(5, 7), normal(5, 7, seed=1).exp()
    posterior = Independent(Normal(mean, variance.sqrt()), 1)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    torch.testing.assert_close(gaussian_kl(mean, variance), kl_divergence(posterior, prior))


@pytest.mark.parametrize("log_gamma", [-2.0, 0.0, 1.5])
def test_autoencoder_loss(log_gamma: float) -> None:
    images, others = normal(3, 3, 4, 4), normal(3, 3, 4, 4, seed=1)
    mean, variance = normal(3, 6, seed=2), normal(3, 6, seed=3).exp()
    gamma = torch.tensor(log_gamma, dtype=torch.float64)
    loss = autoencoder_loss(images, others, mean, variance, gamma)
    errors = [float(((a - b) ** 2).sum()) for a, b in zip(images, others, strict=True)]
    expected = torch.tensor(errors) / math.exp(log_gamma) + 48 * log_gamma
    torch.testing.assert_close(loss - gaussian_kl(mean, variance), expected.double())


def test_cinn_loss_is_the_negative_log_likelihood() -> None:
    # v = (z_bar - m) / s has log_det = -sum log s, and z_bar ~ N(m, s^2) if v ~ N(0, 1).
    z_bar, location = normal(6, 4), normal(6, 4, seed=1)
    scale = normal(6, 4, seed=2).exp()
    loss = cinn_loss((z_bar - location) / scale, -scale.log().sum(1))
    expected = -Independent(Normal(location, scale), 1).log_prob(z_bar)
    torch.testing.assert_close(loss + 4 / 2 * math.log(2 * math.pi), expected)


def same_as(groups: Tensor) -> Tensor:
    return (groups[:, None] == groups).double().fill_diagonal_(0)


def negative_log_likelihood(a: Tensor, b: Tensor, shared: slice, rho: float) -> float:
    """Eqs. 12-13 of one pair: e(a) is standard normal; so is e(b), but for the shared factor,
    which is N(rho e_F(a), 1 - rho^2) given that of a."""
    location, scale = torch.zeros_like(b), torch.ones_like(b)
    location[shared] = rho * a[shared]
    scale[shared] = math.sqrt(1 - rho**2)
    first = Normal(torch.zeros_like(a), 1.0).log_prob(a).sum()
    return float(-first - Normal(location, scale).log_prob(b).sum())


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("shared", [slice(0, 2), slice(1, 4), slice(0, 5)])
@pytest.mark.parametrize("groups", [[0, 1, 2, 2, 1, 0, 0, 1, 2], [0, 1, 0, 0, 0, 2, 1, 3, 0]])
def test_pair_loss(groups: list[int], shared: slice, rho: float) -> None:
    """With as many images of each value it is the mean of Eq. 12 over pairs. In general, terms of
    one image count over the whole batch, and each image's pairs together as one."""
    e, log_det, same = normal(9, 5), normal(9, seed=1), same_as(torch.tensor(groups))

    def eq12(a: int, b: int, rho: float = rho) -> float:
        return negative_log_likelihood(e[a], e[b], shared, rho) - float(log_det[a] + log_det[b])

    partners = {a: row.nonzero().flatten().tolist() for a, row in enumerate(same) if row.any()}
    alone = np.mean([eq12(a, a, 0.0) for a in range(9)])
    coupling = [np.mean([eq12(a, b) - eq12(a, b, 0.0) for b in bs]) for a, bs in partners.items()]
    expected = alone + np.mean(coupling)
    if len(set(map(len, partners.values()))) == 1:
        assert expected == pytest.approx(
            np.mean([eq12(a, b) for a in partners for b in partners[a]])
        )
    # What the loss leaves out: the normalisers of normals, some of them of width sqrt(1 - rho^2).
    size = shared.stop - shared.start
    expected -= 5 * math.log(2 * math.pi) + size / 2 * math.log(1 - rho**2)
    found = pair_loss(e, log_det, same, shared, rho).item()
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rho", [0.3, 0.9])
def test_pair_loss_has_a_minimum_below_a_weight(rho: float) -> None:
    """Of pairs whose factor is equal, the loss grows with the factor up to the weight's bound."""
    factor = normal(4, 2).repeat_interleave(2, 0)
    same, bound = same_as(torch.arange(4).repeat_interleave(2)), (1 + rho) / rho

    def loss(scale: float, weight: float) -> float:
        log_det = torch.zeros(len(factor), dtype=torch.float64)
        return pair_loss(factor * scale, log_det, same, slice(0, 2), rho, weight).item()

    assert loss(2, 0.99 * bound) > loss(1, 0.99 * bound) > 0
    assert loss(2, 1.01 * bound) < loss(1, 1.01 * bound) < 0
