"""ResNet-50 trained on stylized images, which relies on shape (INV paper, Sec. 4.3, Fig. 6).

Its published weights were trained on Stylized-ImageNet (Geirhos et al. 2019).
"""

from pipeline.models.weights import PublishedWeights
from pipeline.networks.card import Card
from pipeline.networks.resnet import ResNetSettings, build_resnet

__all__ = ["CARD"]

CARD = Card(
    __name__,
    build_resnet,
    ResNetSettings,
    weights=PublishedWeights(
        "https://bitbucket.org/robert_geirhos/texture-vs-shape-pretrained-models/raw/"
        "6f41d2e86fc60566f78de64ecff35cc61eb6436f/resnet50_train_60_epochs-c8e5653e.pth.tar",
        "c8e5653e",
        inside="state_dict",
        prefix="module.",
        imagenet=True,
    ),
)
