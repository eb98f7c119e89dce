"""Published weights: where a file comes from, and how it is recognised and read."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import PipelineError

__all__ = ["PublishedWeights", "published_weights"]


@dataclass(frozen=True)
class PublishedWeights:
    """A file of weights.

    Attributes:
        url: address of the file.
        sha256: hexadecimal digits of the file's SHA-256: all 64, or as many of the first ones as
            are published. torchvision's file names end in at least eight.
        left_out: prefixes of the names of parameters that the network here does not have.
        inside: entry of the file that is the state dict; empty if the file itself is.
        prefix: what all names begin with and is removed.
        rename: maps a name in the file to the network's own.
        imagenet: whether the network's outputs are the classes of ImageNet.
    """

    url: str
    sha256: str
    left_out: tuple[str, ...] = ()
    inside: str = ""
    prefix: str = ""
    rename: Callable[[str], str] = str
    imagenet: bool = False

    @property
    def file(self) -> str:
        """The file's name."""
        return self.url.rsplit("/", 1)[1]


def published_weights(weights: PublishedWeights, folder: Path, name: str) -> dict[str, Tensor]:
    """Read the state dict of `weights` from `folder`, onto the CPU; `name` is the network's.

    The file is unpickled only if its SHA-256 is right, and then without executing code.

    Raises:
        PipelineError: the file is missing, unreadable, another file, or not a state dict.
    """
    path = folder / weights.file
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            if not found.startswith(weights.sha256):
                raise PipelineError(
                    f"{path} is not the published file: its SHA-256 is {found[:12]}..., not "
                    f"{weights.sha256[:12]}...; download it again from {weights.url}."
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
        raise _no_state_dict(path, name) from error
    if weights.inside and isinstance(state, dict):
        state = state.get(weights.inside)
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise _no_state_dict(path, name)
    return {
        weights.rename(key.removeprefix(weights.prefix)): value.detach()
        for key, value in state.items()
        if not key.startswith(weights.left_out)
    }


def _no_state_dict(path: Path, name: str) -> PipelineError:
    return PipelineError(
        f"{path} holds no plain state dict of tensors; correct the description of the weights of "
        f"{name} in the code."
    )
