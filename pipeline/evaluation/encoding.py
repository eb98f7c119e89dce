"""Posteriors, factors and the reconstruction error of a whole data set."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.datasets.features import Posterior
from pipeline.datasets.images import Images
from pipeline.models.autoencoder import Autoencoder, sample_posterior
from pipeline.models.inn import SemanticINN

__all__ = ["encode_in_batches", "factors_of", "reconstruction_error"]


@torch.no_grad()
def encode_in_batches(
    model: Autoencoder, data: Images, batch_size: int = 500
) -> tuple[Tensor, Tensor]:
    """Mean and variance of z_bar's posterior for every image of `data`: (R, N) each, on the CPU."""
    device = next(model.parameters()).device
    mean = variance = torch.empty(0)
    for first in range(0, len(data), batch_size):
        rows = slice(first, first + batch_size)
        parts = model.encode(data.images(rows).to(device))
        if first == 0:
            # Allocated at once: small results between freed batches would let the heap grow.
            mean, variance = (torch.empty(len(data), part.shape[1]) for part in parts)
        mean[rows], variance[rows] = parts
    return mean, variance


@torch.no_grad()
def reconstruction_error(model: Autoencoder, mean: Tensor, data: Images) -> float:
    """Mean squared error per channel of D(z_bar), z_bar being the posteriors' `mean` (R, N).

    data: the R images that were encoded, in [-1, 1].
    """
    device = next(model.parameters()).device
    total = 0.0
    for rows in torch.arange(len(data)).split(500):
        error = data.images(rows).to(device) - model.decode(mean[rows].to(device))
        total += float(error.square().flatten(1).mean(1).sum())
    return total / len(data)


@torch.no_grad()
def factors_of(model: SemanticINN, posterior: Posterior) -> Tensor:
    """e(z_bar) for one z_bar drawn from each posterior: (R, N) on the CPU."""
    device = next(model.parameters()).device
    parts = [
        model(sample_posterior(mean.to(device), variance.to(device)))[0].cpu()
        for mean, variance in zip(*(part.split(2000) for part in posterior), strict=True)
    ]
    return torch.cat(parts)
