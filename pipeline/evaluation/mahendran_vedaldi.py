"""Invert a representation by gradient descent on the pixels (M&V in Fig. 2 of the INV paper).

Sources: Mahendran and Vedaldi 2015, "Understanding deep image representations by inverting them",
and 2016, "Visualizing deep convolutional neural networks using natural pre-images", which the INV
paper cites. Nothing is learned from images: two priors fill in whatever a representation leaves
open.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.networks.layers import stopping_at

__all__ = ["invert_representation", "total_variation"]

ALPHA = 6
"""Exponent of the prior that keeps pixels in range."""

START = 0.01
"""Standard deviation of the noise to start from."""

SMALLEST = 1e-12
"""Lower bound of a representation's squared norm as a divisor."""


def invert_representation(
    network: nn.Module,
    path: str,
    z: Tensor,
    image_shape: tuple[int, int, int],
    *,
    steps: int,
    seed: int,
    learning_rate: float = 0.05,
    range_weight: float = 0.1,
    variation_weight: float = 1.0,
) -> Tensor:
    """Images x (B, C, H, W) in [-1, 1] whose Phi(x) is close to `z` (B, ...).

    Minimises for each image

        |Phi(x) - z|^2 / |z|^2 + range_weight mean |x|^6 + variation_weight TV(x)

    with Adam from faint noise, its rate falling linearly to zero. TV has the exponent beta = 2. The
    source's sums are means over pixels here, so that weights suit images of any size, and the
    range of pixels, [-1, 1], replaces the source's scale.

    Args:
        network: f, in evaluation mode; its parameters are not changed.
        path: the module whose output is Phi(x), by the name torch gives it.
        z: representations to invert, (B, ...), on the network's device.
        image_shape: (C, H, W) of the images that the network takes.
        steps: of the optimiser.
        seed: of the noise.
        learning_rate: of Adam, in units of pixels.
        range_weight: of the prior that keeps pixels in range.
        variation_weight: of the prior that neighbouring pixels are equal.

    Raises:
        PipelineError: the network has no such module or does not use it, `z` does not have the
            shape of its output, or the objective is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    start = START * torch.randn(len(z), *image_shape, generator=generator)
    images = start.to(z.device).requires_grad_()
    optimizer = torch.optim.Adam([images], learning_rate)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * (1 - step / steps)
        with torch.enable_grad(), stopping_at(network, path) as phi:
            objective = _errors(phi(images), z, path)
            objective = objective + range_weight * images.abs().pow(ALPHA).flatten(1).mean(1)
            objective = objective + variation_weight * total_variation(images)
            # Of the pixels alone: the network's parameters accumulate no gradient.
            (images.grad,) = torch.autograd.grad(objective.sum(), [images])
        if not torch.isfinite(objective).all():
            raise PipelineError(
                f"the inversion of '{path}' is not finite at step {step}: lower its learning rate, "
                "or check the network and z."
            )
        optimizer.step()
    return images.detach().clamp(-1, 1)


def total_variation(images: Tensor) -> Tensor:
    """Mean over pixels of (dx)^2 + (dy)^2, summed over channels (beta = 2): (B,)."""
    across = images.diff(dim=-1).square().sum(dim=(1, 2, 3))
    down = images.diff(dim=-2).square().sum(dim=(1, 2, 3))
    return (across + down) / (images.shape[-2] * images.shape[-1])


def _errors(found: Tensor, z: Tensor, path: str) -> Tensor:
    """|Phi(x) - z|^2 / |z|^2 of representations (B, ...): (B,), at least 0."""
    if found.shape != z.shape:
        raise PipelineError(
            f"the module '{path}' gives representations of shape {list(found.shape)} for these "
            f"images, but z is {list(z.shape)}: pass z of this module, and images as it takes them."
        )
    squares = (found - z).flatten(1).square().sum(1)
    return squares / z.flatten(1).square().sum(1).clamp_min(SMALLEST)
