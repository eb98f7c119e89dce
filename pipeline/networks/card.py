"""Cards of networks: what builds a network, its settings and its published weights.

A network is described by the CARD at the end of the module of this package that has its name. No
list names them: adding such a module adds a network, and changing one changes no other.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pipeline.config.fields import Count, Fraction, Must, NonNegative, Positive, Section
from pipeline.config.sentences import nearest
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from torch import nn

    from pipeline.models.weights import PublishedWeights

__all__ = ["AugmentedSettings", "Card", "NetworkSettings", "RecogniserSettings", "load_card"]

PACKAGE = "pipeline.networks"

Share = Annotated[float, Must("a number above 0 and at most 1", lambda v: 0 < v <= 1)]


class NetworkSettings(Section):
    """Training of an interpreted network."""

    steps: Count  # training steps
    batch_size: Count = 64  # images per step
    learning_rate: Positive = 5e-4  # of Adam
    checkpoints: Count = 1  # states kept, evenly spaced: untrained, ..., trained; of one, trained


class AugmentedSettings(NetworkSettings):
    """Training on random parts of images, blurred at random."""

    crop_scale: Share = 1.0  # smallest part of a training image, share of its area; 1: whole images
    blur: Fraction = 0.0  # largest standard deviation of the blur, share of the image's height


class RecogniserSettings(NetworkSettings):
    """Training of an embedding that tells identities apart, by cosines with a margin."""

    embedding: Count = 512  # dimensions of the identity embedding
    weight_decay: NonNegative = 0.05  # of AdamW
    logit_scale: Positive = 16.0  # factor of the cosines that are the logits in training
    margin: Fraction = 0.1  # subtracted from the true identity's cosine in training


@dataclass(frozen=True)
class Card:
    """What there is to know about a network.

    Attributes:
        module: name of the module that defines it.
        build: `build(classes, **arguments)` gives the untrained network f, which takes images
            (B, 3, H, W) in [-1, 1], of any size.
        settings: its section of train_network; fields that are arguments of `build` go there.
        objective: what f is trained for and measured by: to name classes, or to embed identities;
            for the latter, `settings` is a subclass of RecogniserSettings.
        weights: its published weights, which the setting `weights` names the folder of.
    """

    module: str
    build: Callable[..., nn.Module]
    settings: type[NetworkSettings]
    objective: Literal["classes", "identities"] = "classes"
    weights: PublishedWeights | None = None

    def arguments(self, settings: NetworkSettings, classes: int) -> dict[str, Any]:
        """Arguments of `build`, as far as it has them, for a data set of `classes` classes."""
        known = {"classes": classes, **vars(settings)}
        parameters = inspect.signature(self.build).parameters
        return {name: known[name] for name in parameters if name in known}


def load_card(build: str) -> Card:
    """The card called `build`: a module of this package, or "torchvision:<name>".

    Raises PipelineError if there is none.
    """
    library, _, name = build.rpartition(":")
    if library == "torchvision":
        # Imported by name, as all are: a stage depends only on the module of its own network.
        return import_module(f"{PACKAGE}.torchvision_models").torchvision_card(name)
    modules = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    card = _card(build) if build in modules else None
    if card is None:
        known = [module for module in modules if _card(module) is not None]
        raise PipelineError(
            f"no network is called {build!r}{nearest(build, known)}; choose from "
            f"{', '.join(known)}, and torchvision's, such as `build: torchvision:resnet18`."
        )
    return card


def _card(module: str) -> Card | None:
    return getattr(import_module(f"{PACKAGE}.{module}"), "CARD", None)
