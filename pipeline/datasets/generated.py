"""Images of a generator with the z_bar they were made from, and the inputs of Fig. 6 (Sec. B.6)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from pipeline.datasets.carnivores import IMAGENET_CLASS, IMAGENET_CLASSES
from pipeline.datasets.features import Posterior, save_posterior
from pipeline.datasets.images import ImageSet, to_pixels
from pipeline.datasets.parts import PARTS, TESTING, TESTS, Seeds
from pipeline.errors import PipelineError
from pipeline.rendering.animals import FACTORS, KINDS, render_animals, vary
from pipeline.storage import new_array, write_parquet

__all__ = [
    "ImageGenerator",
    "cue_conflicts",
    "draw_images",
    "input_images",
    "resized",
    "species_names",
    "write_generated",
]

STIMULUS = re.compile(r"([a-z]+)\d+-([a-z]+)\d+")
"""The name of a cue-conflict stimulus: what its shape is of, and what its texture."""


@dataclass(frozen=True)
class ImageGenerator:
    """A class-conditional generator G(z~, W c) and the posterior of its z_bar.

    Attributes:
        draw: images (B, 3, H, W) in [-1, 1] of z~ (B, noise) and classes (B,).
        encode: mean and variance of z_bar, (B, N) each, of both.
        noise: dimensions of z~.
        classes: number of classes.
        device: where it computes.
    """

    draw: Callable[[Tensor, Tensor], Tensor]
    encode: Callable[[Tensor, Tensor], Posterior]
    noise: int
    classes: int
    device: torch.device

    @torch.no_grad()
    def size(self) -> int:
        """Height and width of its images, in pixels."""
        nothing = torch.zeros(1, self.noise, device=self.device)
        return self.draw(nothing, nothing[:, 0]).shape[-1]


def write_generated(
    folder: Path,
    encoded: Path,
    source: ImageGenerator,
    counts: Mapping[str, int],
    names: Mapping[int, str],
    inputs: tuple[np.ndarray, pd.DataFrame],
    seeds: Seeds,
) -> None:
    """Write images.npy and ground_truth.parquet of each part of `folder`, posteriors of z_bar.

    encoded: where posteriors go. counts: images to draw for each split. names: species by class,
    where they are known. inputs: pixels and what they are of, as `input_images` returns them; they
    become the split `inputs`, whose label is -1. Columns: split, label (int64), species, kind,
    shape and texture.
    """
    pictures, shown = inputs
    for part in PARTS:
        own = {split: n for split, n in counts.items() if (split in TESTS) == (part == TESTING)}
        more = len(pictures) if part == TESTING else 0
        shape = (sum(own.values()) + more, *pictures.shape[1:])
        pixels = new_array(folder / part / "images.npy", shape, np.uint8)
        rng = np.random.default_rng(seeds.stream if part == TESTING else seeds.learning)
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        frames, first = [], 0
        for split, count in own.items():
            labels, posterior = draw_images(source, pixels[first : first + count], generator)
            save_posterior(encoded, split, posterior)
            species = [str(names.get(label, label)) for label in labels.tolist()]
            frames.append(
                pd.DataFrame({"split": split, "label": labels.numpy(), "species": species})
            )
            first += count
        if more:
            pixels[first:] = pictures
            frames.append(shown.assign(split="inputs", label=np.int64(-1)))
        pixels.flush()
        write_parquet(folder / part / "ground_truth.parquet", pd.concat(frames, ignore_index=True))


@torch.no_grad()
def draw_images(
    source: ImageGenerator,
    pixels: np.ndarray,
    generator: torch.Generator,
    batch_size: int = 256,
) -> tuple[Tensor, Posterior]:
    """Fill `pixels` (R, H, W, 3) uint8 with images x = G(z~, W c), z~ standard normal, c uniform.

    Returns the classes (R,) and the posterior of z_bar, (R, N) each.
    """
    labels = torch.randint(source.classes, (len(pixels),), generator=generator)
    codes = torch.randn(len(pixels), source.noise, generator=generator)
    means, variances = [], []
    for first in range(0, len(pixels), batch_size):
        rows = slice(first, first + batch_size)
        z, c = codes[rows].to(source.device), labels[rows].to(source.device)
        pixels[rows] = to_pixels(source.draw(z, c)).cpu().numpy()
        mean, variance = source.encode(z, c)
        means.append(mean.cpu())
        variances.append(variance.cpu())
    return labels, (torch.cat(means), torch.cat(variances))


def species_names(images: ImageSet, classes: int) -> dict[int, str]:
    """Species by class: those of ImageNet, if there are as many classes, or else of `images`."""
    if classes == IMAGENET_CLASSES:  # published weights have ImageNet's numbers
        return {label: name for name, label in IMAGENET_CLASS.items()}
    return images.truth.groupby("label")["species"].first().to_dict()


def input_images(
    held_out: ImageSet,
    count: int,
    size: int,
    seed: int | Sequence[int],
    threads: int,
    stimuli: Path | None,
) -> tuple[np.ndarray, pd.DataFrame]:
    """What Fig. 6 shows to the classifiers: images (R, size, size, 3) uint8, and what they are of.

    `count` held-out animals of each kind, rendered in the same scenes; photographs are natural
    only. The cue conflicts of a folder `stimuli` are added to the stylized ones. Columns: kind
    (natural, stylized, texture or sketch), shape and texture: a species, or empty.
    """
    rows = held_out.first(count, "generate.animals.inputs")
    species = held_out.truth["species"].to_numpy(dtype=object)[:count]
    natural = resized(held_out.pixels(rows), size)
    images = [natural]
    frames = [pd.DataFrame({"kind": "natural", "shape": species, "texture": species})]
    if set(FACTORS) <= set(held_out.truth):
        factors = held_out.truth[list(FACTORS)][:count]
        for kind in (kind for kind in KINDS if kind != "natural"):
            varied = vary(factors, kind, seed)
            images.append(render_animals(varied, size, threads))
            coats = varied["coat"].to_numpy(dtype=object)
            shape = [""] * count if kind == "texture" else species
            texture = [""] * count if kind == "sketch" else coats
            frames.append(pd.DataFrame({"kind": kind, "shape": shape, "texture": texture}))
    if stimuli is not None:
        conflicts, shapes, textures = cue_conflicts(stimuli, size)
        images.append(conflicts)
        columns = {"kind": "stylized", "shape": shapes, "texture": textures}
        frames.append(pd.DataFrame(columns))
    return np.concatenate(images), pd.concat(frames, ignore_index=True)


def cue_conflicts(folder: Path, size: int) -> tuple[np.ndarray, list[str], list[str]]:
    """Stimuli whose shape and texture contradict each other: images, shapes and textures.

    Images (R, size, size, 3) uint8 of all files below `folder` called `<shape><i>-<texture><j>`,
    as those of Geirhos et al. (2019) are, in the order of their names. Those whose shape and
    texture agree are left out.

    Raises PipelineError if there are none, or one is not an image.
    """
    images, shapes, textures = [], [], []
    for path in sorted(folder.rglob("*"), key=lambda path: path.name):
        found = STIMULUS.fullmatch(path.stem)
        if found is None or not path.is_file() or found[1] == found[2]:
            continue
        try:
            with Image.open(path) as image:
                square = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
        except OSError as error:
            raise PipelineError(
                f"{path} cannot be read as an image ({error}): delete it or fetch it again."
            ) from error
        images.append(np.asarray(square))
        shapes.append(found[1])
        textures.append(found[2])
    if not images:
        raise PipelineError(
            f"{folder} holds no stimuli called <shape><i>-<texture><j>.png: put those of "
            "https://github.com/rgeirhos/texture-vs-shape there, or set "
            "generate.animals.stimuli to null."
        )
    return np.stack(images), shapes, textures


def resized(pixels: np.ndarray, size: int) -> np.ndarray:
    """Images (R, H, H, 3) uint8 as (R, size, size, 3)."""
    if pixels.shape[1] == size:
        return pixels
    return np.stack(
        [
            np.asarray(Image.fromarray(one).resize((size, size), Image.Resampling.BICUBIC))
            for one in pixels
        ]
    )
