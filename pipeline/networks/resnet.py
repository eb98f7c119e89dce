"""ResNets, which the experiments on data shifts interpret (INV paper, Sec. 4.3, Tab. S13)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from pipeline.config.fields import Count, Folder, Must
from pipeline.errors import PipelineError
from pipeline.models.layout import to_channels_last
from pipeline.networks.card import AugmentedSettings
from pipeline.networks.inputs import ImageNetInputs, register_statistics
from pipeline.networks.width import scale_channels
from pipeline.torchvision_compat import torchvision

__all__ = ["Blocks", "ResNet", "ResNetSettings", "build_resnet"]

RESNET50 = (3, 4, 6, 3)

MIN_SIZE = 32  # pixels of the smallest image of which layer4 leaves a pixel
Size = Annotated[int, Must(f"a whole number of at least {MIN_SIZE}", lambda v: v >= MIN_SIZE)]

Blocks = Annotated[
    tuple[Count, ...],
    Must("a list of four whole numbers of at least 1", lambda v: len(v) == 4),
]
# With fewer than eight channels torch 2.13 crashes in training the shortcuts, convolutions of 1 x 1
# and stride 2, on processors with AVX2 but not AVX-512.
Width = Annotated[float, Must("a number of at least 0.125", lambda v: v >= 0.125)]


class ResNetSettings(AugmentedSettings):
    """Training of a ResNet, by default of ResNet-50, or its published weights."""

    blocks: Blocks = RESNET50  # residual blocks of each of the four stages
    bottleneck: bool = True  # whether blocks are those of ResNet-50, or those of ResNet-18
    width: Width = 1.0  # channels, as a share of ResNet's own
    size: Size = 224  # pixels that images are resized to
    weights: Folder | None = None  # folder of the published weights; null: trained here


# torchvision_compat imports torchvision at run time, so that its classes have no types.
class ResNet(ImageNetInputs, torchvision.models.ResNet):  # type: ignore[name-defined]  # see above
    """f: images (B, 3, H, W) in [-1, 1], of any size, -> logits (B, classes).

    Images are resized to `size` and normalised as ImageNet's are. Parameters have torchvision's
    names, so its state dict fits. The layers of Fig. 5 are the modules input (the image itself),
    layer3 (conv), avgpool (fc: the input of the fully connected layer) and fc (the logits).
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
    blocks: Sequence[int] = RESNET50,
    bottleneck: bool = True,
    width: float = 1.0,
    size: int = 224,
) -> ResNet:
    """torchvision's ResNet (Tab. S13), or a slimmer one of the family, untrained.

    z is the image itself at input, (1024 width, s, s) at layer3 with s a 16th of `size`,
    (2048 width, 1, 1) at avgpool and (classes,) at fc; without bottlenecks a quarter of these
    channels.

    Args:
        classes: number of classes.
        blocks: residual blocks of each of the four stages.
        bottleneck: whether blocks are those of ResNet-50 and deeper, or those of ResNet-18.
        width: factor of all channels.
        size: pixels that images are resized to.

    Raises:
        PipelineError: `size` is too small.
    """
    if size < MIN_SIZE:
        raise PipelineError(
            f"images of {size} pixels are too small for ResNet: they need at least {MIN_SIZE}."
        )
    with torch.device("meta"):  # layout only; layers with weights are replaced below
        network = ResNet(size, blocks, bottleneck, classes)
    scale_channels(network, width)
    features = network.layer4[-1].bn3 if bottleneck else network.layer4[-1].bn2
    network.fc = nn.Linear(features.num_features, classes)
    register_statistics(network)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):  # as torchvision's
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if width < 1:  # faster on a CPU; the large one gives torchvision's results to the bit
        to_channels_last(network)
    return network
