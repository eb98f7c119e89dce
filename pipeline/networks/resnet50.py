"""ResNet-50 trained on natural images, which relies on texture (INV paper, Sec. 4.3, Fig. 6)."""

from pipeline.models.weights import PublishedWeights
from pipeline.networks.card import Card
from pipeline.networks.resnet import ResNetSettings, build_resnet

__all__ = ["CARD"]

CARD = Card(
    __name__,
    build_resnet,
    ResNetSettings,
    weights=PublishedWeights(
        "https://download.pytorch.org/models/resnet50-0676ba61.pth",
        "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
        imagenet=True,
    ),
)
