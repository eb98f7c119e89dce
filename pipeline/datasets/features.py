"""Posteriors of z_bar and representations z, which `encode` and `extract` compute once."""

from __future__ import annotations

import warnings
from collections.abc import Sequence, Sized
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.datasets.parts import part_of
from pipeline.errors import PipelineError
from pipeline.storage import new_array, read_array, write_npy

__all__ = [
    "Posterior",
    "check_numbers",
    "load_posterior",
    "load_representations",
    "new_representations",
    "posterior_files",
    "representations_file",
    "save_posterior",
]

Posterior = tuple[Tensor, Tensor]
"""Mean and variance of z_bar for every image: (R, N) each."""


def posterior_files(folder: Path, *splits: str) -> list[Path]:
    """Files of the posteriors of splits: of each, the mean and then the variance."""
    return [
        part_of(folder, split) / f"{split}-{moment}.npy"
        for split in splits
        for moment in ("mean", "variance")
    ]


def save_posterior(folder: Path, split: str, posterior: Posterior) -> None:
    """Write a split's posterior, float32."""
    for path, moment in zip(posterior_files(folder, split), posterior, strict=True):
        write_npy(path, moment.numpy())


def load_posterior(folder: Path, split: str) -> Posterior:
    """Read a split's posterior."""
    mean, variance = (_tensor(path) for path in posterior_files(folder, split))
    return mean, variance


def representations_file(folder: Path, step: int, split: str) -> Path:
    """File of a layer's z of a split, at a training step of the network."""
    return part_of(folder, split) / f"step-{step:06d}-{split}.npy"


def new_representations(folder: Path, step: int, split: str, shape: Sequence[int]) -> np.memmap:
    """A new file for z (R, ...) float16, as an array to fill."""
    return new_array(representations_file(folder, step, split), shape, np.float16)


def load_representations(folder: Path, step: int, split: str) -> Tensor:
    """Read z (R, ...) float16 of a split, at a training step of the network."""
    return _tensor(representations_file(folder, step, split))


def check_numbers(z: Sized, validation_z: Sized, images: Sized, validation_images: Sized) -> None:
    """Raise PipelineError if there are more or fewer representations than images."""
    if len(z) != len(images) or len(validation_z) != len(validation_images):
        raise PipelineError(
            f"{len(z)} and {len(validation_z)} representations for {len(images)} and "
            f"{len(validation_images)} images: extract them again."
        )


def _tensor(file: Path) -> Tensor:
    """The array of a file, which must not be written to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(read_array(file))
