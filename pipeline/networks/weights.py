"""Weights that others published: which file, where it lies and how it is recognised."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import PipelineError

__all__ = ["PUBLISHED", "PublishedWeights", "published_weights"]


@dataclass(frozen=True)
class PublishedWeights:
    """A file of weights. torchvision's names end in the first eight digits of the SHA-256.

    Where no more of it is published, `sha256` is these digits, which torch itself checks too.
    """

    url: str
    sha256: str
    head: str = ""
    """How the names of a classifier begin that is no part of the network here; none if empty."""
    inside: str = ""
    """The entry of the file that is the state dict; the file itself if empty."""
    prefix: str = ""
    """How all names begin, which is left out."""
    imagenet: bool = True
    """Whether a classifier's outputs are ImageNet's classes, not those of its data set."""

    @property
    def file(self) -> str:
        """The file's name."""
        return self.url.rsplit("/", 1)[1]


# Trained on ImageNet, from torchvision; FaceNet on VGGFace2, from facenet-pytorch; the stylized one
# on Stylized-ImageNet, by Geirhos et al.
PUBLISHED = {
    "alexnet": PublishedWeights(
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    ),
    "facenet": PublishedWeights(
        "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
        "20180402-114759-vggface2.pt",
        "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
        head="logits.",
    ),
    "resnet101": PublishedWeights(
        "https://download.pytorch.org/models/resnet101-63fe2227.pth",
        "63fe2227b86e8f1f2063f43a75c84d195911b6a0eace650907dd3dc62dd49a0a",
    ),
    "resnet50": PublishedWeights(
        "https://download.pytorch.org/models/resnet50-0676ba61.pth",
        "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
    ),
    "resnet50_stylized": PublishedWeights(
        "https://bitbucket.org/robert_geirhos/texture-vs-shape-pretrained-models/raw/"
        "6f41d2e86fc60566f78de64ecff35cc61eb6436f/resnet50_train_60_epochs-c8e5653e.pth.tar",
        "c8e5653e",
        inside="state_dict",
        prefix="module.",
    ),
    "vgg16": PublishedWeights(
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    ),
}


def published_weights(name: str, folder: Path) -> dict[str, Tensor]:
    """Read the state dict of PUBLISHED[name] from `folder`, onto the CPU.

    The file is never unpickled before its SHA-256 is known to be right, and then with weights only.
    Raises PipelineError if none are known, or the file is missing, another, or not a state dict.
    """
    if name not in PUBLISHED:
        raise PipelineError(
            f"no weights of {name} are known: describe their file in PUBLISHED of "
            "pipeline/networks/weights.py, or set `weights` to null to train it here."
        )
    weights = PUBLISHED[name]
    path = folder / weights.file
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            if not found.startswith(weights.sha256):
                raise PipelineError(
                    f"{path} is not the published file: its SHA-256 is {found[:12]}..., not "
                    f"{weights.sha256[:12]}...; fetch it again from {weights.url}."
                )
            file.seek(0)
            state = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise PipelineError(
            f"the weights {path} are missing: download {weights.url} and put it there."
        ) from error
    except OSError as error:
        raise PipelineError(
            f"the weights {path} cannot be read ({error.strerror or error}); make them readable."
        ) from error
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise _no_state_dict(path) from error
    if weights.inside and isinstance(state, dict):
        state = state.get(weights.inside)
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise _no_state_dict(path)
    return {
        key.removeprefix(weights.prefix): value.detach()
        for key, value in state.items()
        if not (weights.head and key.startswith(weights.head))
    }


def _no_state_dict(path: Path) -> PipelineError:
    return PipelineError(
        f"{path} holds no plain state dict of tensors; correct its entry in "
        "pipeline/networks/weights.py."
    )
