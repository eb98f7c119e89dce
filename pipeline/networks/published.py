"""Networks with weights that others trained."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from pipeline.datasets.carnivores import IMAGENET_CLASS, IMAGENET_CLASSES
from pipeline.datasets.images import Images, ImageSet
from pipeline.errors import PipelineError
from pipeline.models.weights import published_weights
from pipeline.networks.card import Card

__all__ = ["count_classes", "load_published", "with_known_classes"]


def count_classes(card: Card, labels: Tensor, published: bool) -> int:
    """Outputs of a classifier: ImageNet's classes if its weights have them, else the data set's."""
    if published and card.weights is not None and card.weights.imagenet:
        return IMAGENET_CLASSES
    return int(labels.max()) + 1


def load_published(network: nn.Module, card: Card, folder: Path, name: str) -> dict[str, Tensor]:
    """Load published weights from `folder` into the network called `name`; return its state.

    Raises:
        PipelineError: none are published, the file cannot be used, or its layers are others.
    """
    if card.weights is None:
        raise PipelineError(
            f"no weights of {name} are published: set train_network.{name}.weights to null to "
            "train it here."
        )
    state = published_weights(card.weights, folder, name)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise PipelineError(
            f"the weights of {name} in {folder} are those of another network "
            f"({str(error).splitlines()[-1].strip()}): correct train_network.{name}, or `weights` "
            f"of the card in {card.module}."
        ) from error
    return state


def with_known_classes(card: Card, data: Images) -> Images | None:
    """The images of `data` with the labels of published weights; None if these know none of them.

    Weights for ImageNet leave out images of all but the species in IMAGENET_CLASS.
    """
    if card.weights is None or not card.weights.imagenet:
        return data
    if not isinstance(data, ImageSet) or "species" not in data.truth:
        return None
    if data.truth["species"].isin(list(IMAGENET_CLASS)).any():
        return data.relabelled(IMAGENET_CLASS)
    return None
