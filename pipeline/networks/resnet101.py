"""ResNet-101, whose representations of attacked images Fig. 5 shows (INV paper, Sec. 4.3)."""

from pipeline.models.weights import PublishedWeights
from pipeline.networks.card import Card
from pipeline.networks.resnet import Blocks, ResNetSettings, build_resnet

__all__ = ["CARD", "ResNet101Settings"]


class ResNet101Settings(ResNetSettings):
    """Training of ResNet-101, or its published weights."""

    blocks: Blocks = (3, 4, 23, 3)  # residual blocks of each of the four stages


CARD = Card(
    __name__,
    build_resnet,
    ResNet101Settings,
    weights=PublishedWeights(
        "https://download.pytorch.org/models/resnet101-63fe2227.pth",
        "63fe2227b86e8f1f2063f43a75c84d195911b6a0eace650907dd3dc62dd49a0a",
        imagenet=True,
    ),
)
