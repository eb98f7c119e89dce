"""The losses of the INV paper, up to constants."""

from __future__ import annotations

from torch import Tensor

__all__ = ["autoencoder_loss", "gaussian_kl", "pair_loss"]


def gaussian_kl(mean: Tensor, variance: Tensor) -> Tensor:
    """KL of N(mean, diag(variance)) from N(0, 1), summed over dimensions: (B,) (Sec. A.1)."""
    return 0.5 * (mean.square() + variance - 1 - variance.log()).sum(1)


def autoencoder_loss(
    images: Tensor, reconstructions: Tensor, mean: Tensor, variance: Tensor, log_gamma: Tensor
) -> Tensor:
    """Sec. A.1 with the squared L2 norm as image metric, in nats per image: (B,).

    The scalar `log_gamma` is the log variance of each pixel and is counted once per pixel. Counted
    once per image, gamma grows to the *summed* squared error, the KL outweighs the reconstruction
    by the number of pixels, and the posterior collapses.
    """
    squared_error = (images - reconstructions).square().flatten(1)
    reconstruction = squared_error.sum(1) / log_gamma.exp() + squared_error.shape[1] * log_gamma
    return reconstruction + gaussian_kl(mean, variance)


def pair_loss(
    e: Tensor, log_det: Tensor, same: Tensor, shared: slice, rho: float, weight: float = 1.0
) -> Tensor:
    """Eqs. 12-13 averaged over images a and, for each, over its partners b in the batch: a scalar.

    In nats, up to a constant. Each image has the same weight, however many share its value of the
    concept. Terms that do not couple a and b are averaged over the whole batch, whose images all
    come from one distribution.

    Args:
        e: output (B, N) of the INN e for z_bar.
        log_det: (B,), its other output.
        same: (B, B), 1 for pairs that share the concept, 0 elsewhere and on the diagonal.
        shared: the dimensions of the concept's factor.
        rho: correlation of the factor within pairs, in [0, 1).
        weight: of the terms that couple a and b; 1 in Eq. 13. Where the losses of K concepts are
            averaged, it must be below K (1 + rho) / rho: beyond, the mean is unbounded as a factor
            that is equal within pairs grows.
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
