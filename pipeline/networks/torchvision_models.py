"""Any classifier that torchvision builds: `build: torchvision:<name>` in a row of networks."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.config.fields import Count, Folder
from pipeline.config.sentences import nearest
from pipeline.errors import PipelineError
from pipeline.models.weights import PublishedWeights
from pipeline.networks.card import AugmentedSettings, Card
from pipeline.networks.inputs import normalise, register_statistics
from pipeline.torchvision_compat import torchvision

__all__ = ["TorchvisionSettings", "build_torchvision", "torchvision_card"]

# Without the auxiliary classifiers, whose parameters f does not use, and with the inputs that
# published weights expect.
INCEPTION = {"aux_logits": False, "transform_input": True, "init_weights": True}
OPTIONS = {"googlenet": INCEPTION, "inception_v3": INCEPTION}
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


class TorchvisionSettings(AugmentedSettings):
    """Training of one of torchvision's classifiers, or its published weights."""

    size: Count = 224  # pixels that images are resized to
    weights: Folder | None = None  # folder of torchvision's weights; null: trained here


def torchvision_card(name: str) -> Card:
    """The card of torchvision's classifier `name`; PipelineError if there is none of that name."""
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise PipelineError(
            f"torchvision has no classifier {name!r}{nearest(name, known)}; it has "
            f"{', '.join(known)}."
        )
    weights = _weights(name)
    digits = re.search(r"-([0-9a-f]{8,})\.\w+$", weights.url)
    return Card(
        __name__,
        partial(build_torchvision, name),
        TorchvisionSettings,
        weights=digits
        and PublishedWeights(
            weights.url, digits[1], left_out=AUXILIARY, rename=_rename, imagenet=True
        ),
    )


def build_torchvision(name: str, classes: int, *, size: int = 224) -> nn.Module:
    """torchvision's classifier `name` as f: images (B, 3, H, W) in [-1, 1] -> logits (B, classes).

    The network itself is torchvision's: the paths of its modules are layers, and its state dict
    fits. A hook before its first layer resizes images of any size to `size` and normalises them by
    the mean and deviation that its published weights expect, nearly always ImageNet's. Raises
    PipelineError if the network does not take images of that size.
    """
    options: dict[str, Any] = dict(OPTIONS.get(name, {}))
    if name.startswith("vit_"):
        options["image_size"] = size
    try:
        network = torchvision.models.get_model(
            name, weights=None, num_classes=classes, **options
        ).eval()
        with torch.no_grad():
            network(torch.zeros(1, 3, size, size))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise PipelineError(
            f"torchvision's {name} does not take images of {size} pixels "
            f"({str(error).splitlines()[0]}): set another size, such as 224."
        ) from error
    transforms = _weights(name).transforms()
    register_statistics(network, transforms.mean, transforms.std)
    network.register_forward_pre_hook(partial(_prepare, size))
    # MNASNet's own method refuses states without the version of its layout, which is the current.
    network._load_from_state_dict = partial(nn.Module._load_from_state_dict, network)
    return network.train()


def _prepare(size: int, network: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    mean, std = network.get_buffer("mean"), network.get_buffer("std")
    return normalise(inputs[0], size, mean, std)


def _weights(name: str) -> Any:
    """The published weights to use: the first for ImageNet alone, if there are several."""
    choices = torchvision.models.get_model_weights(name)
    return getattr(choices, "IMAGENET1K_V1", choices.DEFAULT)


def _rename(key: str) -> str:
    """Undo the names in old files of DenseNet, such as denselayer1.norm.1.weight."""
    return re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)", r"\1\2", key)
