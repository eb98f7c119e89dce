"""Images of a generator with the z_bar they were made from, and the inputs of Fig. 6 (Sec. B.6)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from pipeline.datasets.images import ImageSet, to_pixels
from pipeline.errors import PipelineError
from pipeline.rendering.animals import FACTORS, KINDS, render_animals, vary

__all__ = ["cue_conflicts", "draw_images", "input_images", "resized"]

Encode = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
STIMULUS = re.compile(r"([a-z]+)\d+-([a-z]+)\d+")
"""The name of a cue-conflict stimulus: what its shape is of, and what its texture."""


@torch.no_grad()
def draw_images(
    draw: Callable[[Tensor, Tensor], Tensor],
    encode: Encode,
    pixels: np.ndarray,
    *,
    noise: int,
    classes: int,
    generator: torch.Generator,
    device: torch.device,
    batch_size: int = 256,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Fill `pixels` (R, H, W, 3) uint8 with images x = G(z~, W c), z~ standard normal, c uniform.

    draw: images (B, 3, H, W) in [-1, 1] of z~ (B, noise) and classes (B,); encode: mean and
    variance of z_bar of both. Returns the classes (R,) and the posterior of z_bar, (R, N) each.
    """
    labels = torch.randint(classes, (len(pixels),), generator=generator)
    codes = torch.randn(len(pixels), noise, generator=generator)
    means, variances = [], []
    for first in range(0, len(pixels), batch_size):
        rows = slice(first, first + batch_size)
        z, c = codes[rows].to(device), labels[rows].to(device)
        pixels[rows] = to_pixels(draw(z, c)).cpu().numpy()
        mean, variance = encode(z, c)
        means.append(mean.cpu())
        variances.append(variance.cpu())
    return labels, (torch.cat(means), torch.cat(variances))


def input_images(
    held_out: ImageSet, count: int, size: int, seed: int, threads: int, stimuli: Path | None
) -> tuple[np.ndarray, pd.DataFrame]:
    """What Fig. 6 shows to the classifiers: images (R, size, size, 3) uint8, and what they are of.

    The columns are `kind` (natural, stylized, texture or sketch), `shape` and `texture`: a species,
    or nothing where there is none. `count` held-out animals of each kind, rendered in the same
    scenes; of photographs only natural ones. The stylized ones of a folder `stimuli` come from
    there (`cue_conflicts`).
    """
    rows = torch.arange(count)
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

    Images (R, size, size, 3) uint8 from all files below `folder` that are called
    `<shape><i>-<texture><j>`, as those of Geirhos et al. are, in the order of their names. Those
    with shape and texture of one kind are left out, for nothing contradicts there.

    Raises PipelineError if there are none, or one is no image.
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
                f"{path} is no image that can be read ({error}): delete it or fetch it again."
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
