"""AlexNet, the network whose layers Table 1 and Figs. 2 and S4-S6 compare (INV paper, Sec. 4.1)."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from pipeline.config.fields import Count, Folder, Fraction, Must, Positive
from pipeline.errors import PipelineError
from pipeline.models.layout import to_channels_last
from pipeline.models.weights import PublishedWeights
from pipeline.networks.card import Card, NetworkSettings
from pipeline.networks.inputs import ImageNetInputs, register_statistics
from pipeline.torchvision_compat import torchvision

__all__ = ["CARD", "AlexNet", "AlexNetSettings", "build_alexnet"]

MIN_SIZE = 29  # pixels of the smallest image of which the last pool leaves a pixel
Size = Annotated[int, Must(f"a whole number of at least {MIN_SIZE}", lambda v: v >= MIN_SIZE)]


class AlexNetSettings(NetworkSettings):
    """Training of AlexNet, or its published weights."""

    width: Positive = 1.0  # channels, as a share of AlexNet's own
    hidden: Count = 4096  # units of fc6 and fc7
    size: Size = 227  # pixels that images are resized to
    dropout: Fraction = 0.5  # share of the inputs of fc6 and fc7 that training drops
    weights: Folder | None = None  # folder of the published weights; null: trained here


class AlexNet(ImageNetInputs, nn.Module):
    """f: images (B, 3, H, W) in [-1, 1], of any size, -> log-probabilities (B, classes).

    Images are resized to `size` and normalised as ImageNet's are. Parameters have torchvision's
    names, so its state dict fits. The layers of Table 1 are the modules features.11 (conv5 after
    its ReLU, before the pool), classifier.2 and classifier.5 (fc6 and fc7 after their ReLUs),
    classifier.6 (fc8, the logits) and output (their softmax).

    f = log(output(fc8)) passes through every layer, the softmax included, so that f = Psi(Phi(x))
    holds at each. Log-probabilities are the logits minus one number per image: cross entropy, its
    gradients and the predicted class are those of fc8.
    """

    def __init__(
        self, size: int, features: nn.Sequential, avgpool: nn.Module, classifier: nn.Sequential
    ) -> None:
        super().__init__()
        self.size = size
        self.features = features
        self.avgpool = avgpool
        self.classifier = classifier
        self.output = nn.Softmax(dim=1)
        register_statistics(self)

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities (B, classes) of images (B, 3, H, W)."""
        pooled = self.avgpool(self.features(self.prepare(images)))
        logits = self.classifier(pooled.flatten(1))
        if self.training:
            return logits.log_softmax(1)  # equal, but with a gradient where a probability is zero
        probabilities = self.output(logits)
        return probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()


def build_alexnet(
    classes: int,
    *,
    width: float = 1.0,
    hidden: int | None = None,
    size: int = 227,
    dropout: float = 0.5,
) -> AlexNet:
    """torchvision's AlexNet (Tab. S16), or a slimmer one for smaller images, untrained.

    z is (256 width, s, s) at conv5, where s is 13 for 227 pixels and 7 for 64 or 128, (hidden,) at
    fc6 and fc7, and (classes,) at fc8 and output.

    Args:
        classes: number of classes.
        width: factor of the convolutions' channels.
        hidden: units of fc6 and fc7, by default 4096 width.
        size: pixels that images are resized to. Below 128, the first convolution has kernel 5 and
            stride 2 instead of 11 and 4, and fc6 reads the last pool without averaging.
        dropout: share of the inputs of fc6 and fc7 that training drops.

    Raises:
        PipelineError: `size` is too small.
    """
    if size < MIN_SIZE:
        raise PipelineError(
            f"images of {size} pixels are too small for AlexNet: they need at least {MIN_SIZE}."
        )
    hidden = max(1, round(4096 * width)) if hidden is None else hidden
    with torch.device("meta"):  # layout only; layers with weights are replaced below
        model = torchvision.models.AlexNet(num_classes=classes, dropout=dropout)
    small, avgpool, channels, side = size < 128, model.avgpool, 3, size
    for index, module in enumerate(model.features):
        if isinstance(module, nn.Conv2d):
            kernel, stride, padding = (
                module.kernel_size[0],
                module.stride[0],
                int(module.padding[0]),
            )
            if small and index == 0:
                kernel, stride, padding = 5, 2, 2
            outputs = max(1, round(width * module.out_channels))
            model.features[index] = nn.Conv2d(channels, outputs, kernel, stride, padding)
            channels, side = outputs, (side + 2 * padding - kernel) // stride + 1
        elif isinstance(module, nn.MaxPool2d):
            side = (side - 3) // 2 + 1
    if small:
        avgpool = nn.AdaptiveAvgPool2d(side)  # as large as its input: averages nothing
    inputs = channels * (side if small else 6) ** 2
    for index, outputs in ((1, hidden), (4, hidden), (6, classes)):
        model.classifier[index] = nn.Linear(inputs, outputs)
        inputs = outputs
    for module in (*model.features, *model.classifier):
        if isinstance(module, nn.ReLU):
            module.inplace = False  # in place it would overwrite z of the layer before it
    network = AlexNet(size, model.features, avgpool, model.classifier)
    if small:  # a fifth faster on a CPU; the large one gives torchvision's results to the bit
        to_channels_last(network)
    return network


CARD = Card(
    __name__,
    build_alexnet,
    AlexNetSettings,
    weights=PublishedWeights(
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        imagenet=True,
    ),
)
