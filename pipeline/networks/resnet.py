"""ResNet, which the experiments on data shifts interpret (INV paper, Sec. 4.3, Tab. S13)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.networks.inputs import IMAGENET_MEAN, IMAGENET_STD, ImageNetInputs
from pipeline.networks.width import scale_channels
from pipeline.torchvision_compat import torchvision

__all__ = ["ResNet", "build_resnet"]

RESNET101 = (3, 4, 23, 3)

SMALLEST = 32  # pixels of the smallest image of which layer4 leaves a pixel


# torchvision_compat imports torchvision at run time, so that its classes have no types.
class ResNet(ImageNetInputs, torchvision.models.ResNet):  # type: ignore[name-defined,misc]
    """f: images (B, 3, H, W) in [-1, 1], of any size, -> logits (B, classes).

    Images are resized bilinearly to `size` and normalised as ImageNet's are. Parameters have
    torchvision's names, so its state dict fits. The layers of Fig. 5 are the modules input (the
    image itself), layer3 (conv), avgpool (fc: what the fully connected layer reads) and fc (the
    logits).
    """

    def __init__(self, size: int, blocks: Sequence[int], bottleneck: bool, classes: int) -> None:
        kinds = torchvision.models.resnet
        kind = kinds.Bottleneck if bottleneck else kinds.BasicBlock
        super().__init__(kind, list(blocks), num_classes=classes)
        self.size = size
        self.input = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W)."""
        return super().forward(self.prepare(self.input(images)))


def build_resnet(
    classes: int,
    *,
    blocks: Sequence[int] = RESNET101,
    bottleneck: bool = True,
    width: float = 1.0,
    size: int = 224,
) -> ResNet:
    """torchvision's ResNet (Tab. S13), or a slimmer one of the family, untrained.

    blocks: residual blocks of each of the four stages; bottleneck: whether they are those of
    ResNet-50 and deeper, or the plain ones of ResNet-18; width: factor of all channels; size:
    pixels that images are resized to. z is the image itself at input, (1024 width, s, s) at layer3
    with s a 16th of `size`, (2048 width, 1, 1) at avgpool and (classes,) at fc; without
    bottlenecks a quarter of these channels. Raises PipelineError if images are too small.
    """
    if size < SMALLEST:
        raise PipelineError(
            f"images of {size} pixels are too small for ResNet: they need at least {SMALLEST}."
        )
    with torch.device("meta"):  # only the layout: the layers that learn are made anew below
        network = ResNet(size, blocks, bottleneck, classes)
    scale_channels(network, width)
    features = network.layer4[-1].bn3 if bottleneck else network.layer4[-1].bn2
    network.fc = nn.Linear(features.num_features, classes)
    for name, value in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
        network.register_buffer(name, torch.tensor(value).view(1, 3, 1, 1), persistent=False)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):  # as torchvision's
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if width < 1:  # faster on a CPU; the large one gives torchvision's results to the bit
        network.to(memory_format=torch.channels_last)
    return network
