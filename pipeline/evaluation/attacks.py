"""Adversarial attacks on a classifier, and random perturbations of the same size (Sec. 4.3)."""

from __future__ import annotations

import warnings

import torch
from captum.robust import FGSM, PGD
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["attack", "random_signs"]

STEP = 2.5
"""Step size of PGD, times epsilon / steps: it can reach the boundary and turn back."""


def attack(
    network: nn.Module, images: Tensor, epsilon: float, *, method: str = "fgsm", steps: int = 1
) -> Tensor:
    """Images (B, 3, H, W) in [-1, 1] changed by at most `epsilon` per pixel to mislead `network`.

    Increases the cross entropy with the predicted class: `fgsm` takes one step along the gradient's
    sign (Goodfellow et al. 2015; Fig. 5 of the INV paper), `pgd` takes `steps` smaller, projected
    ones (Madry et al. 2018). Both stay in [-1, 1] and are deterministic: PGD starts from the image.
    """
    with torch.no_grad():
        predicted = network(images).argmax(1)
    limits = {"lower_bound": -1.0, "upper_bound": 1.0}
    inputs = images.detach().clone().requires_grad_()
    if method == "fgsm":
        one = FGSM(network, loss_func=_loss, **limits)
        one.zero_thresh = 0.0  # a gradient of any size has a sign
        return one.perturb(inputs, epsilon, predicted).detach()
    several = PGD(network, loss_func=_loss, **limits)
    several.fgsm.zero_thresh = 0.0
    with warnings.catch_warnings():  # each step asks for the gradient itself
        warnings.filterwarnings("ignore", message="Input Tensor .* did not already require")
        step = STEP * epsilon / steps
        return several.perturb(inputs, epsilon, step, steps, predicted).detach()


def _loss(logits: Tensor, predicted: Tensor) -> Tensor:
    # Per image: a gradient must not depend on its batch.
    return F.cross_entropy(logits, predicted, reduction="none")


def random_signs(images: Tensor, epsilon: float, generator: torch.Generator) -> Tensor:
    """Images in [-1, 1] changed by plus or minus `epsilon` per pixel and channel, at random.

    The control of Fig. 5: as large as the attack, without its direction.
    """
    signs = torch.randint(0, 2, images.shape, generator=generator) * 2.0 - 1
    return (images + epsilon * signs.to(images)).clamp(-1, 1)
