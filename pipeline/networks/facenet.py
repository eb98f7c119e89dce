"""FaceNet, the face recogniser whose invariances Fig. 3 shows (INV paper, Secs. 4.2, 4.4, B.6)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

import pipeline.torchvision_compat  # noqa: F401 - facenet_pytorch imports torchvision
from pipeline.errors import PipelineError
from pipeline.networks.inputs import resize
from pipeline.networks.width import scale_channels

# isort: split
from facenet_pytorch import InceptionResnetV1

__all__ = ["FaceNet", "build_facenet"]

REPEATS = (5, 10, 5)
SMALLEST = 75  # pixels of the smallest image that mixed_7a leaves a pixel of


class FaceNet(InceptionResnetV1):
    """f: images (B, 3, H, W) in [-1, 1], of any size, -> identity embeddings (B, D) of length 1.

    facenet-pytorch's InceptionResnetV1; parameters have its names, so its state dict fits. Images
    are resized bilinearly to `size` and scaled as the library does: (p - 127.5) / 128 for p in
    [0, 255]. The layers of Tab. S12 are the modules conv2d_4a (after its ReLU), mixed_6a, mixed_7a,
    avgpool_1a and embedding.

    The embedding is the normalised one. Tab. S12 has the linear layer with its batch normalisation
    in one row and the identity embedding in another one below, and the distances of Fig. 7, about
    1 between embeddings of 512 dimensions, are those of vectors of length 1.
    """

    def __init__(self, size: int, dropout: float) -> None:
        super().__init__(pretrained=None, classify=False, dropout_prob=dropout)
        self.size = size
        self.embedding = nn.Identity()

    def prepare(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] as the library takes them: (B, 3, size, size)."""
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
    dropout: float = 0.6,
) -> FaceNet:
    """facenet-pytorch's InceptionResnetV1 (Tab. S12), or a slimmer one of its kind, untrained.

    width: factor of the convolutions' channels, a multiple of 1/16; repeats: how many blocks 35,
    17 and 8 there are, at most the library's 5, 10 and 5; embedding: D; size: pixels that images
    are resized to. z is (192 width, s, s) at conv2d_4a, (896 width, s, s) at mixed_6a and
    (1792 width, s, s) at mixed_7a, where s is 28, 6 and 2 for 128 pixels and 16, 3 and 1 for 80,
    (1792 width, 1, 1) at avgpool_1a and (D,) at embedding. Raises PipelineError if the width does
    not divide the channels, or images are too small.
    """
    if width <= 0 or not (16 * width).is_integer():
        raise PipelineError(
            f"a width of {width} does not divide FaceNet's channels: it must be a multiple of 1/16."
        )
    if size < SMALLEST:
        raise PipelineError(
            f"images of {size} pixels are too small for FaceNet: they need at least {SMALLEST}."
        )

    with torch.device("meta"):  # only the layout: the layers that learn are made anew below
        network = FaceNet(size, dropout)
    for name, count in zip(("repeat_1", "repeat_2", "repeat_3"), repeats, strict=True):
        setattr(network, name, network.get_submodule(name)[:count])
    scale_channels(network, width)
    network.last_linear = nn.Linear(round(1792 * width), embedding, bias=False)
    norm = network.last_bn
    network.last_bn = nn.BatchNorm1d(embedding, norm.eps, norm.momentum)
    if width < 1:  # a third faster on a CPU; the large one gives the library's results to the bit
        network.to(memory_format=torch.channels_last)
    return network
