"""FaceNet, the face recogniser whose invariances Fig. 3 shows (INV paper, Secs. 4.2, 4.4, B.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

import pipeline.torchvision_compat  # noqa: F401 - facenet_pytorch imports torchvision
from pipeline.config.fields import Count, Folder, Fraction, Must, Positive
from pipeline.errors import PipelineError
from pipeline.models.layout import to_channels_last
from pipeline.models.weights import PublishedWeights
from pipeline.networks.card import Card, RecogniserSettings
from pipeline.networks.inputs import resize
from pipeline.networks.width import scale_channels

# isort: split
from facenet_pytorch import InceptionResnetV1

__all__ = ["CARD", "FaceNet", "FaceNetSettings", "build_facenet"]

REPEATS = (5, 10, 5)
MIN_SIZE = 75  # pixels of the smallest image of which mixed_7a leaves a pixel
Size = Annotated[int, Must(f"a whole number of at least {MIN_SIZE}", lambda v: v >= MIN_SIZE)]
Width = Annotated[
    float, Must("a multiple of 0.0625 above 0", lambda v: v > 0 and (16 * v).is_integer())
]
Repeats = Annotated[
    tuple[Count, ...],
    Must(
        "a list of three whole numbers, at least 1 and at most 5, 10 and 5",
        lambda v: len(v) == 3 and all(map(int.__le__, v, REPEATS)),
    ),
]


class FaceNetSettings(RecogniserSettings):
    """Training of FaceNet on identities, or its published weights."""

    batch_size: Count = 128  # images per step
    learning_rate: Positive = 1e-3  # of AdamW
    width: Width = 1.0  # channels, as a share of InceptionResnetV1's own
    repeats: Repeats = REPEATS  # blocks 35, 17 and 8, not counting the last block 8
    size: Size = 128  # pixels that images are resized to
    dropout: Fraction = 0.4  # share of the embedding's inputs that training drops
    weights: Folder | None = None  # folder of the published weights; null: trained here


class FaceNet(InceptionResnetV1):
    """f: images (B, 3, H, W) in [-1, 1], of any size, -> identity embeddings (B, D) of length 1.

    facenet-pytorch's InceptionResnetV1; parameters have its names, so its state dict fits. Images
    are resized to `size` and scaled as the library does: (p - 127.5) / 128 for p in [0, 255]. The
    layers of Tab. S12 are the modules conv2d_4a (after its ReLU), mixed_6a, mixed_7a, avgpool_1a
    and embedding.

    The embedding is the normalised one: Tab. S12 lists the identity embedding below the linear
    layer with its batch normalisation, and the distances of Fig. 7, about 1 between embeddings of
    512 dimensions, are those of vectors of length 1.
    """

    def __init__(self, size: int, dropout: float) -> None:
        super().__init__(pretrained=None, classify=False, dropout_prob=dropout)
        self.size = size
        self.embedding = nn.Identity()

    def prepare(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] in the range of the library: (B, 3, size, size)."""
        return resize(images, self.size) * (127.5 / 128)

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings (B, D) of length 1 of images (B, 3, H, W)."""
        return self.embedding(super().forward(self.prepare(images)))


def build_facenet(
    *,
    width: float = 1.0,
    repeats: Sequence[int] = REPEATS,
    embedding: int = 512,
    size: int = 128,
    dropout: float = 0.4,
) -> FaceNet:
    """facenet-pytorch's InceptionResnetV1 (Tab. S12), or a slimmer one of its kind, untrained.

    z is (192 width, s, s) at conv2d_4a, (896 width, s, s) at mixed_6a and (1792 width, s, s) at
    mixed_7a, where s is 28, 6 and 2 for 128 pixels and 16, 3 and 1 for 80, (1792 width, 1, 1) at
    avgpool_1a and (D,) at embedding.

    Args:
        width: factor of the convolutions' channels, a multiple of 1/16.
        repeats: number of blocks 35, 17 and 8, at most the library's 5, 10 and 5.
        embedding: D.
        size: pixels that images are resized to.
        dropout: share of the embedding's inputs that training drops.

    Raises:
        PipelineError: the width does not divide the channels, or `size` is too small.
    """
    if width <= 0 or not (16 * width).is_integer():
        raise PipelineError(
            f"a width of {width} does not divide FaceNet's channels: it must be a multiple of 1/16."
        )
    if size < MIN_SIZE:
        raise PipelineError(
            f"images of {size} pixels are too small for FaceNet: they need at least {MIN_SIZE}."
        )

    with torch.device("meta"):  # layout only; layers with weights are replaced below
        network = FaceNet(size, dropout)
    for name, count in zip(("repeat_1", "repeat_2", "repeat_3"), repeats, strict=True):
        setattr(network, name, network.get_submodule(name)[:count])
    scale_channels(network, width)
    network.last_linear = nn.Linear(round(1792 * width), embedding, bias=False)
    norm = network.last_bn
    network.last_bn = nn.BatchNorm1d(embedding, norm.eps, norm.momentum)
    if width < 1:  # a third faster on a CPU; the large one gives the library's results to the bit
        to_channels_last(network)
    return network


CARD = Card(
    __name__,
    build_facenet,
    FaceNetSettings,
    objective="identities",
    weights=PublishedWeights(  # trained on VGGFace2, with a classifier of its identities
        "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
        "20180402-114759-vggface2.pt",
        "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
        left_out=("logits.",),
    ),
)
