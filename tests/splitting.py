"""The second half of a network, to check that nothing passes a named layer by."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def psi(network: nn.Module, path: str, z: Tensor, image_shape: tuple[int, int, int]) -> Tensor:
    """f = Psi(z): the network's output (B, ...) when the module `path` gives `z` (B, ...).

    `image_shape` (C, H, W) is what the network takes: the layers before `path` run on blank images
    and what they compute is discarded.
    """
    handle = network.get_submodule(path).register_forward_hook(lambda *_: z.clone())
    try:
        return network(z.new_zeros(len(z), *image_shape))
    finally:
        handle.remove()
