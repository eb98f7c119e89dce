"""The likelihood of z_bar given z under the conditional INN t (INV paper, Eqs. 3-5)."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.datasets.features import Posterior
from pipeline.models.autoencoder import sample_posterior
from pipeline.models.inn import ConditionalINN

__all__ = ["cinn_loss", "recover_invariances"]

BATCH = 2000


def cinn_loss(v: Tensor, log_det: Tensor) -> Tensor:
    """Eqs. 3-5: negative log-likelihood of z_bar given z, up to a constant, in nats: (B,).

    v (B, N) and log_det (B,) are the outputs of t for z_bar given z. The omitted constant is
    N/2 log(2 pi); Eq. 5 prints it without the 1/2, which changes no gradient.
    """
    return 0.5 * v.square().sum(1) - log_det


@torch.no_grad()
def recover_invariances(
    model: ConditionalINN, posterior: Posterior, z: Tensor, device: torch.device | str
) -> tuple[Tensor, Tensor]:
    """v = t(z_bar | z) for z_bar drawn from its posterior, and the loss of Eq. 3: (R, N), (R,).

    posterior: of R images; z: (R, ...) their representations.
    """
    values, losses = [], []
    for rows in torch.arange(len(z)).split(BATCH):
        mean, variance = (part[rows].to(device) for part in posterior)
        v, log_det = model(sample_posterior(mean, variance), z[rows].to(device).float())
        values.append(v)
        losses.append(cinn_loss(v, log_det))
    return torch.cat(values), torch.cat(losses)
