"""The image metric of Sec. A.1, shared by everything that learns to decode images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from pipeline.models.discriminator import PatchDiscriminator, discriminator_loss, generator_loss

__all__ = ["Critic", "Decoding", "image_distance"]

SHARE = 0.1
"""The discriminator's gradient at the decoder's last layer, as a share of the metric's."""
LARGEST_WEIGHT = 1e4
"""Of the discriminator: without it, a discriminator that is sure gets any weight."""


def image_distance(
    images: Tensor,
    others: Tensor,
    pixel: Literal["squared", "absolute"],
    perceptual: float = 0.0,
    lpips: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Tensor:
    """Mean over the pixels of the metric ||x - x_bar|| of Sec. A.1: (B,).

    Squared or absolute error of images and others (B, 3, H, W), plus `perceptual` times `lpips`.
    """
    difference = images - others
    error = difference.square() if pixel == "squared" else difference.abs()
    distance = error.flatten(1).mean(1)
    if perceptual and lpips is not None:
        distance = distance + perceptual * lpips(images, others)
    return distance


class Critic(nn.Module):
    """What learns beside a decoder: the output variance gamma, and a discriminator.

    The discriminator (of `width` channels; none if `start` is 0) begins at update `start`, which
    this module counts. Both learn by the loss this module returns, in one backward: the decoder's
    gradient flows through a discriminator whose weights are held fixed, the discriminator's
    through reconstructions that are.
    """

    def __init__(self, start: int = 0, width: int = 64) -> None:
        super().__init__()
        self.start = start
        self.log_gamma = nn.Parameter(torch.zeros(()))
        self.discriminator = PatchDiscriminator(width) if start else None
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        self.updates: Tensor
        self._count = 0  # mirrors the buffer: reading it would wait for the accelerator
        self.register_load_state_dict_post_hook(_read_updates)

    def forward(
        self, images: Tensor, reconstructions: Tensor, distance: Tensor, last: Tensor
    ) -> dict[str, Tensor]:
        """Scalars `loss` in nats per image, log_gamma and, with a discriminator, its own.

        images and reconstructions (B, 3, H, W); distance (B,) is what `image_distance` gave for
        them. `last` is the weight of the decoder's last layer: there the gradients of the metric
        and of the discriminator are compared, to weigh the latter. The sum over pixels of
        [distance / gamma + log gamma] counts log gamma once per pixel, as in `autoencoder_loss`.
        """
        pixels = images[0].numel()
        loss = pixels * (distance.mean() / self.log_gamma.exp() + self.log_gamma)
        result = {"log_gamma": self.log_gamma.detach()}
        if self.discriminator is not None:
            if self._count >= self.start and torch.is_grad_enabled():
                fooled, weight = self._fooled(self.discriminator, reconstructions, loss, last)
                told = self._told(self.discriminator, images, reconstructions)
                loss = loss + weight * fooled + told
                result |= {"discriminator": told.detach(), "discriminator_weight": weight}
            else:  # no gradient, not one of zero: it would use up Adam's correction of its averages
                nothing = torch.zeros_like(result["log_gamma"])
                result |= {"discriminator": nothing, "discriminator_weight": nothing}
        if self.training and torch.is_grad_enabled():
            self.updates += 1
            self._count += 1
        return {"loss": loss, **result}

    def _told(self, discriminator: nn.Module, images: Tensor, reconstructions: Tensor) -> Tensor:
        return discriminator_loss(discriminator(images), discriminator(reconstructions.detach()))

    def _fooled(
        self, discriminator: nn.Module, reconstructions: Tensor, loss: Tensor, last: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The decoder's loss against a fixed discriminator, and its weight."""
        # Copies of the buffers too: only the discriminator's own passes move its averages.
        fixed = {name: value.detach() for name, value in discriminator.named_parameters()}
        fixed |= {name: value.clone() for name, value in discriminator.named_buffers()}
        fooled = generator_loss(functional_call(discriminator, fixed, (reconstructions,)))
        (of_metric,) = torch.autograd.grad(loss, last, retain_graph=True)
        (of_discriminator,) = torch.autograd.grad(fooled, last, retain_graph=True)
        weight = SHARE * of_metric.norm() / (of_discriminator.norm() + 1e-4)
        return fooled, weight.clamp(max=LARGEST_WEIGHT).detach()


def _read_updates(module: nn.Module, _keys: object) -> None:
    assert isinstance(module, Critic)
    module._count = int(module.updates)


class Decoding(nn.Module):
    """A model that decodes images and the critic it learns with: what `fit` trains and stores."""

    def __init__(self, model: nn.Module, critic: Critic) -> None:
        super().__init__()
        self.model = model
        self.critic = critic
