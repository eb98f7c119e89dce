"""Images with their ground truth, as the stage `prepare` writes them, one split at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline.datasets.parts import part_of
from pipeline.errors import PipelineError
from pipeline.storage import read_array, read_parquet

__all__ = ["ImageSet", "Images", "Mixture", "Pixels", "open_pixels", "to_images", "to_pixels"]


class Pixels(Protocol):
    """Images without ground truth: what an autoencoder is trained on."""

    def __len__(self) -> int: ...

    def images(self, indices: Tensor | slice) -> Tensor:
        """The images `indices`: (B, 3, H, W) in [-1, 1]."""
        ...


class Images(Pixels, Protocol):
    """What training and evaluation ask of a split, whatever its format."""

    @property
    def label(self) -> Tensor:
        """The class of each image: (R,) int64."""
        ...

    def pixels(self, indices: Tensor | slice) -> np.ndarray:
        """The images `indices` for display: (B, H, W, 3) uint8."""
        ...

    def concepts(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Each image's value (R,) int64 of the named concepts."""
        ...

    def known(self) -> dict[str, np.ndarray]:
        """The ground truth that probes predict from a factor."""
        ...


@dataclass(frozen=True)
class ImageSet:
    """One split of a part of a data set: rows of images.npy (uint8) and ground_truth.parquet.

    `truth` has a row per image: `label`, which is the `species` of animals and the `identity` of
    people as a number, and all known attributes and factors. Pixels stay on disk until they are
    needed.
    """

    array: np.ndarray
    rows: np.ndarray
    truth: pd.DataFrame
    label: Tensor

    @classmethod
    def load(cls, folder: Path, split: str) -> ImageSet:
        """Read a split from a folder written by the stage `prepare`.

        Raises PipelineError if a file is missing or damaged, or has no such split.
        """
        folder = part_of(folder, split)
        truth = read_parquet(folder / "ground_truth.parquet")
        array = open_pixels(folder / "images.npy", len(truth))
        rows = np.flatnonzero(truth["split"] == split)
        if not len(rows):
            raise PipelineError(f"{folder} has no images of the split '{split}'.")
        truth = truth.iloc[rows].reset_index(drop=True)
        return cls(array, rows, truth, torch.tensor(truth["label"].to_numpy(np.int64)))

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, row: int) -> str:
        """What an image shows, in words: a species, or the number of a person."""
        if "species" in self.truth:
            return str(self.truth["species"][row])
        return f"person {self.truth['identity'][row]}"

    def relabelled(self, classes: Mapping[str, int]) -> ImageSet:
        """The images whose species has a number in `classes`, with that number as label.

        Raises PipelineError if there are none.
        """
        kept = self.truth["species"].isin(list(classes)).to_numpy()
        if not kept.any():
            raise PipelineError(
                f"no image shows one of the {len(classes)} species that have a number in published "
                "weights: prepare photographs of these."
            )
        truth = self.truth[kept].reset_index(drop=True)
        label = torch.tensor([classes[name] for name in truth["species"]], dtype=torch.int64)
        return ImageSet(self.array, self.rows[kept], truth, label)

    def pixels(self, indices: Tensor | slice) -> np.ndarray:
        """The images `indices`: (B, H, W, 3) uint8."""
        chosen = indices if isinstance(indices, slice) else indices.numpy()
        return np.ascontiguousarray(self.array[self.rows[chosen]])

    def first(self, count: int, setting: str) -> Tensor:
        """Indices (count,) of the first images, as many as `setting` asks for.

        Raises PipelineError, which names the setting, if there are fewer.
        """
        if count > len(self):
            raise PipelineError(
                f"{setting} is {count}, but there are only {len(self)} images: lower it."
            )
        return torch.arange(count)

    def images(self, indices: Tensor | slice) -> Tensor:
        """The images `indices`: (B, 3, H, W) in [-1, 1], channels last in memory."""
        return to_images(torch.from_numpy(self.pixels(indices)))

    def concepts(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Each image's value (R,) int64 of the named concepts: columns of the ground truth.

        Raises PipelineError for any other name.
        """
        result = {}
        for name in names:
            if name not in self.truth or name == "split":
                raise PipelineError(
                    f"the ground truth has no concept '{name}': use one of its columns "
                    f"{', '.join(c for c in self.truth if c != 'split')} in train_semantic."
                )
            codes, _ = pd.factorize(self.truth[name], sort=True)
            result[name] = torch.from_numpy(codes.astype(np.int64))
        return result

    def known(self) -> dict[str, np.ndarray]:
        """The ground truth that probes predict: classes (R,) int64 and numbers (R, 1) float32.

        Classes are the species and all attributes that are true or false. Left out are identities,
        which are too many classes, and traits of a person (face_*, rank_*).
        """
        own = [name for name in self.truth if name.startswith(("face_", "rank_"))]
        truth = self.truth.drop(columns=own)
        classes = {"species": self.label.numpy()} if "species" in truth else {}
        booleans, numbers = truth.select_dtypes("bool"), truth.select_dtypes("floating")
        classes |= {name: booleans[name].to_numpy(np.int64) for name in booleans}
        return classes | {name: numbers[name].to_numpy(np.float32)[:, None] for name in numbers}


@dataclass(frozen=True)
class Mixture:
    """Images of several sets in turn, as many of each as the smallest set has."""

    sets: tuple[Pixels, ...]

    def __len__(self) -> int:
        return len(self.sets) * min(map(len, self.sets))

    def images(self, indices: Tensor | slice) -> Tensor:
        """The images `indices`: (B, 3, H, W) in [-1, 1], channels last in memory."""
        places = torch.arange(len(self))[indices]
        of = [torch.nonzero(places % len(self.sets) == one)[:, 0] for one in range(len(self.sets))]
        parts = [
            one.images(places[chosen] // len(self.sets))
            for one, chosen in zip(self.sets, of, strict=True)
        ]
        images = torch.cat(parts)[torch.cat(of).argsort()]
        return images.contiguous(memory_format=torch.channels_last)


def open_pixels(file: Path, rows: int) -> np.ndarray:
    """The array of a .npy file that holds one image per row of the ground truth, `rows` in all.

    It stays on disk. Raises PipelineError if it is missing, damaged or of another length.
    """
    array = read_array(file)
    if len(array) != rows:
        raise PipelineError(
            f"{file} holds {len(array)} images, but its ground_truth.parquet has {rows} rows; "
            "delete the folder and run `dvc repro` again."
        )
    return array


def to_images(pixels: Tensor) -> Tensor:
    """Pixels (B, H, W, 3) uint8 as images (B, 3, H, W) in [-1, 1], channels last in memory."""
    return pixels.permute(0, 3, 1, 2).float().div(127.5).sub(1)


def to_pixels(images: Tensor) -> Tensor:
    """Images (B, 3, H, W) in [-1, 1] as pixels (B, H, W, 3) uint8."""
    return images.float().add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1)
