"""The losses of the INV paper, per example, without what the optimisation ignores."""

from __future__ import annotations

from torch import Tensor

__all__ = ["autoencoder_loss", "cinn_loss", "gaussian_kl", "pair_loss"]


def gaussian_kl(mean: Tensor, variance: Tensor) -> Tensor:
    """KL of N(mean, diag(variance)) from N(0, 1), summed over dimensions: (B,) (Sec. A.1)."""
    return 0.5 * (mean.square() + variance - 1 - variance.log()).sum(1)


def autoencoder_loss(
    images: Tensor, reconstructions: Tensor, mean: Tensor, variance: Tensor, log_gamma: Tensor
) -> Tensor:
    """Sec. A.1 with the squared L2 norm as image metric, in nats per image: (B,).

    `log_gamma` is a scalar. Every pixel has the output variance gamma, so log gamma is counted once
    per pixel: counted once per image, gamma grows to the *summed* squared error, the KL outweighs
    the reconstruction by the number of pixels, and the posterior collapses.
    """
    squared_error = (images - reconstructions).square().flatten(1)
    reconstruction = squared_error.sum(1) / log_gamma.exp() + squared_error.shape[1] * log_gamma
    return reconstruction + gaussian_kl(mean, variance)


def cinn_loss(v: Tensor, log_det: Tensor) -> Tensor:
    """Eqs. 3-5: negative log-likelihood of z_bar given z, up to a constant, in nats: (B,).

    v (B, N) and log_det (B,) are what t makes of z_bar given z. The constant left out is
    N/2 log(2 pi); Eq. 5 prints it without the 1/2, which changes no gradient.
    """
    return 0.5 * v.square().sum(1) - log_det


def pair_loss(
    e: Tensor, log_det: Tensor, same: Tensor, shared: slice, rho: float, weight: float = 1.0
) -> Tensor:
    """Eqs. 12-13 averaged over images a and, for each, over its partners b in a batch: a scalar.

    e (B, N) and log_det (B,) are what the INN e makes of z_bar; `same` (B, B) is 1 for pairs that
    share the concept and 0 elsewhere and on its diagonal; `shared` are the dimensions of the
    concept's factor and rho in [0, 1) its correlation. An image counts as much whether many or few
    share its value of the concept. The terms that do not couple a and b are averaged over the whole
    batch, whose images are all drawn from one distribution. `weight` is that of the terms that
    couple them: 1 in Eq. 13. Where the losses of K concepts are averaged, it has to be below
    K (1 + rho) / rho, for beyond their mean falls without end as a factor that is equal within
    pairs grows. In nats, up to a constant.
    """
    factor, partners = e[:, shared], same.sum(1)
    images = (partners > 0).sum()
    square = factor.square().sum(1)
    of_a = ((partners > 0) * square).sum() / images  # mean of |a|^2, and of |b|^2, over pairs
    mean_partner = same @ factor / partners.clamp_min(1)[:, None]
    product = (mean_partner * factor).sum() / images  # mean of <a, b>
    difference = (1 + rho**2) * of_a - 2 * rho * product  # mean of |b - rho a|^2
    likelihood = 2 * (0.5 * e.square().sum(1) - log_det).mean()
    return likelihood + weight * 0.5 * (difference / (1 - rho**2) - of_a)
