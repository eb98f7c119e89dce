"""The image metric of Sec. A.1, shared by all trainings of image decoders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from pipeline.models.discriminator import PatchDiscriminator, discriminator_loss, generator_loss

__all__ = ["Critic", "Decoding", "image_distance"]

SHARE = 0.1
"""Gradient norm of the discriminator at the decoder's last layer, relative to the metric's."""
MAX_WEIGHT = 1e4
"""Of the discriminator: the weight of a confident one, whose gradient vanishes, is unbounded."""


def image_distance(
    images: Tensor,
    others: Tensor,
    pixel: Literal["squared", "absolute"],
    perceptual: float = 0.0,
    lpips: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Tensor:
    """The metric ||x - x_bar|| of Sec. A.1, averaged over pixels: (B,).

    Squared or absolute error of images and others (B, 3, H, W), plus `perceptual` times `lpips`.
    """
    difference = images - others
    error = difference.square() if pixel == "squared" else difference.abs()
    distance = error.flatten(1).mean(1)
    if perceptual and lpips is not None:
        distance = distance + perceptual * lpips(images, others)
    return distance


class Critic(nn.Module):
    """What is trained along with a decoder: the output variance gamma and a discriminator.

    The discriminator (of `width` channels; none if `start` is 0) begins at step `start`, which this
    module counts. Decoder and discriminator learn from one loss in one backward pass: the decoder's
    gradient flows through a discriminator with detached weights, the discriminator's through
    detached reconstructions.
    """

    def __init__(self, start: int = 0, width: int = 64) -> None:
        super().__init__()
        self.start = start
        self.log_gamma = nn.Parameter(torch.zeros(()))
        self.discriminator = PatchDiscriminator(width) if start else None
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.steps: Tensor
        self._count = 0  # mirrors the buffer: reading it would wait for the accelerator
        self.register_load_state_dict_post_hook(_read_steps)

    def forward(
        self, images: Tensor, reconstructions: Tensor, distance: Tensor, last: Tensor
    ) -> dict[str, Tensor]:
        """Scalars `loss` in nats per image, `log_gamma` and, with a discriminator, its own.

        images and reconstructions (B, 3, H, W); distance (B,) is their `image_distance`. `last` is
        the weight of the decoder's last layer, where the gradients of the metric and of the
        discriminator are compared to weight the latter. The sum over pixels of
        [distance / gamma + log gamma] counts log gamma once per pixel, as in `autoencoder_loss`.
        """
        pixels = images[0].numel()
        loss = pixels * (distance.mean() / self.log_gamma.exp() + self.log_gamma)
        result = {"log_gamma": self.log_gamma.detach()}
        if self.discriminator is not None:
            if self._count >= self.start and torch.is_grad_enabled():
                of_decoder, weight = self._decoder_loss(
                    self.discriminator, reconstructions, loss, last
                )
                of_discriminator = discriminator_loss(
                    self.discriminator(images), self.discriminator(reconstructions.detach())
                )
                loss = loss + weight * of_decoder + of_discriminator
                result |= {
                    "discriminator": of_discriminator.detach(),
                    "discriminator_weight": weight,
                }
            else:  # no gradient: zero gradients would use up Adam's bias correction
                nothing = torch.zeros_like(result["log_gamma"])
                result |= {"discriminator": nothing, "discriminator_weight": nothing}
        if self.training and torch.is_grad_enabled():
            self.steps += 1
            self._count += 1
        return {"loss": loss, **result}

    def _decoder_loss(
        self, discriminator: nn.Module, reconstructions: Tensor, loss: Tensor, last: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The decoder's adversarial loss against a fixed discriminator, and its weight."""
        # Buffers are copied: only the discriminator's own passes may update its running averages.
        fixed = {name: value.detach() for name, value in discriminator.named_parameters()}
        fixed |= {name: value.clone() for name, value in discriminator.named_buffers()}
        adversarial = generator_loss(functional_call(discriminator, fixed, (reconstructions,)))
        (of_metric,) = torch.autograd.grad(loss, last, retain_graph=True)
        (of_discriminator,) = torch.autograd.grad(adversarial, last, retain_graph=True)
        weight = SHARE * of_metric.norm() / (of_discriminator.norm() + 1e-4)
        return adversarial, weight.clamp(max=MAX_WEIGHT).detach()


def _read_steps(module: nn.Module, _keys: object) -> None:
    assert isinstance(module, Critic)
    module._count = int(module.steps)


class Decoding(nn.Module):
    """A model that decodes images and its critic: what `fit` trains and saves."""

    def __init__(self, model: nn.Module, critic: Critic) -> None:
        super().__init__()
        self.model = model
        self.critic = critic
