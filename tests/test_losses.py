"""The losses against their formulas written out, against torch's distributions and loops."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from pipeline.training.losses import autoencoder_loss, cinn_loss, gaussian_kl, pair_loss


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_gaussian_kl() -> None:
    mean, variance = normal(5, 7), normal(5, 7, seed=1).exp()
    posterior = Independent(Normal(mean, variance.sqrt()), 1)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    torch.testing.assert_close(gaussian_kl(mean, variance), kl_divergence(posterior, prior))
    assert torch.equal(gaussian_kl(mean * 0, variance * 0 + 1), torch.zeros(5).double())


@pytest.mark.parametrize("log_gamma", [-2.0, 0.0, 1.5])
def test_autoencoder_loss(log_gamma: float) -> None:
    images, reconstructions = normal(3, 3, 4, 4), normal(3, 3, 4, 4, seed=1)
    mean, variance = normal(3, 6, seed=2), normal(3, 6, seed=3).exp()
    loss = autoencoder_loss(
        images, reconstructions, mean, variance, torch.tensor(log_gamma, dtype=torch.float64)
    )
    assert loss.shape == (3,)
    for row in range(3):
        error = sum(
            float(a - b) ** 2
            for a, b in zip(images[row].flatten(), reconstructions[row].flatten(), strict=True)
        )
        kl = sum(
            0.5 * (float(m) ** 2 + float(s) - 1 - math.log(s))
            for m, s in zip(mean[row], variance[row], strict=True)
        )
        expected = error / math.exp(log_gamma) + 48 * log_gamma + kl
        assert loss[row].item() == pytest.approx(expected, rel=1e-12)


def test_the_best_gamma_is_the_mean_squared_error() -> None:
    images, reconstructions = normal(8, 3, 5, 5), normal(8, 3, 5, 5, seed=1)
    mean, variance = normal(8, 2, seed=2), normal(8, 2, seed=3).exp()
    error = (images - reconstructions).square().mean()
    log_gamma = error.log().requires_grad_()
    loss = autoencoder_loss(images, reconstructions, mean, variance, log_gamma).mean()
    (slope,) = torch.autograd.grad(loss, log_gamma)
    assert abs(slope.item()) < 1e-9
    for shift in (-0.1, 0.1):
        other = autoencoder_loss(
            images, reconstructions, mean, variance, log_gamma.detach() + shift
        )
        assert other.mean() > loss


def test_cinn_loss_is_the_negative_log_likelihood() -> None:
    # v = (z_bar - m) / s has log_det = -sum log s, and z_bar ~ N(m, s^2) if v ~ N(0, 1).
    z_bar, location = normal(6, 4), normal(6, 4, seed=1)
    scale = normal(6, 4, seed=2).exp()
    loss = cinn_loss((z_bar - location) / scale, -scale.log().sum(1))
    expected = -Independent(Normal(location, scale), 1).log_prob(z_bar)
    torch.testing.assert_close(loss + 4 / 2 * math.log(2 * math.pi), expected)


# --- pairs ---------------------------------------------------------------------------------------


def same_as(groups: Tensor) -> Tensor:
    same = (groups[:, None] == groups).double()
    return same.fill_diagonal_(0)


def negative_log_likelihood(
    a: Tensor, b: Tensor, log_dets: Tensor, shared: slice, rho: float
) -> float:
    """Eqs. 12-13 of one pair: e(a) is standard normal; so is e(b), but for the shared factor,
    which is N(rho e_F(a), 1 - rho^2) given that of a."""
    one = torch.ones_like(a)
    location, scale = torch.zeros_like(b), one.clone()
    location[shared] = rho * a[shared]
    scale[shared] = math.sqrt(1 - rho**2)
    first = Normal(torch.zeros_like(a), one).log_prob(a).sum()
    second = Normal(location, scale).log_prob(b).sum()
    return float(-(first + second) - log_dets.sum())


def constant(features: int, size: int, rho: float) -> float:
    """What the loss leaves out: the normalisers of 2 N normals, `size` of them of width
    sqrt(1 - rho^2)."""
    return features * math.log(2 * math.pi) + size / 2 * math.log(1 - rho**2)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("shared", [slice(0, 2), slice(1, 4), slice(0, 5)])
def test_pair_loss_is_the_mean_over_pairs(rho: float, shared: slice) -> None:
    """With as many images of each value, the mean over pairs is Eq. 12 as it stands."""
    e, log_det = normal(9, 5), normal(9, seed=1)
    same = same_as(torch.tensor([0, 1, 2, 2, 1, 0, 0, 1, 2]))
    found = pair_loss(e, log_det, same, shared, rho).item()
    likelihoods = [
        negative_log_likelihood(e[a], e[b], log_det[[a, b]], shared, rho)
        for a in range(9)
        for b in range(9)
        if same[a, b]
    ]
    size = shared.stop - shared.start
    expected = sum(likelihoods) / len(likelihoods) - constant(5, size, rho)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_pair_loss_with_groups_of_any_size(rho: float) -> None:
    """Terms of one image count over the whole batch, each image's pairs together as one."""
    e, log_det, shared = normal(9, 5), normal(9, seed=1), slice(2, 4)
    groups = torch.tensor([0, 1, 0, 0, 0, 2, 1, 3, 0])  # two images without a partner
    same = same_as(groups)
    zero = torch.zeros(2, dtype=torch.float64)
    alone = [
        negative_log_likelihood(x, x, d.repeat(2), shared, 0.0) / 2
        for x, d in zip(e, log_det, strict=True)
    ]
    coupling = [
        np.mean(
            [
                negative_log_likelihood(e[a], e[b], zero, shared, rho)
                - negative_log_likelihood(e[a], e[b], zero, shared, 0.0)
                for b in range(9)
                if same[a, b]
            ]
        )
        for a in range(9)
        if same[a].any()
    ]
    expected = 2 * sum(alone) / 9 + sum(coupling) / len(coupling) - constant(5, 2, rho)
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


def test_pair_loss_does_not_depend_on_the_order() -> None:
    e, log_det, groups = normal(8, 4), normal(8, seed=1), torch.tensor([0, 1, 0, 1, 2, 2, 0, 2])
    order = torch.tensor([3, 0, 7, 5, 1, 2, 6, 4])
    first = pair_loss(e, log_det, same_as(groups), slice(1, 3), 0.7)
    again = pair_loss(e[order], log_det[order], same_as(groups[order]), slice(1, 3), 0.7)
    torch.testing.assert_close(first, again)


def test_a_pair_counts_the_same_from_both_sides() -> None:
    """Eq. 13 is symmetric in a and b, though it is written as p(a) p(b | a)."""
    a, b, log_dets = normal(4), normal(4, seed=1), normal(2, seed=2)
    first = negative_log_likelihood(a, b, log_dets, slice(0, 2), 0.9)
    assert first == pytest.approx(negative_log_likelihood(b, a, log_dets, slice(0, 2), 0.9))
    e = torch.stack([a, b])
    both = pair_loss(e, log_dets, same_as(torch.zeros(2)), slice(0, 2), 0.9)
    assert both.item() == pytest.approx(first - constant(4, 2, 0.9), rel=1e-12)


@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_alike_pairs_are_likelier(rho: float) -> None:
    e, log_det = normal(6, 4), torch.zeros(6, dtype=torch.float64)
    same = same_as(torch.tensor([0, 0, 1, 1, 2, 2]))
    alike = e.clone()
    alike[1::2, :2] = alike[::2, :2]
    alike_losses = pair_loss(alike, log_det, same, slice(0, 2), rho)
    apart = alike.clone()
    apart[1::2, :2] *= -1  # of the same length, so that only the coupling differs
    assert alike_losses < pair_loss(apart, log_det, same, slice(0, 2), rho)
