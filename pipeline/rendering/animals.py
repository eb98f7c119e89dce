"""Rendered animal heads with known factors: shape, coat, pose, light and background."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.rendering import coats
from pipeline.rendering.batches import draw_batches
from pipeline.rendering.heads import draw_head, draw_patch
from pipeline.rendering.scene import BACKGROUNDS, draw_backgrounds
from pipeline.rendering.species import SHAPES

__all__ = [
    "COATS",
    "FACTORS",
    "KINDS",
    "RANGES",
    "SPECIES",
    "STYLES",
    "render_animals",
    "sample_animals",
    "vary",
]

SPECIES: tuple[str, ...] = tuple(SHAPES)
COATS: tuple[str, ...] = tuple(coats.COATS)
STYLES = ("natural", "texture", "sketch")
KINDS = ("natural", "stylized", "texture", "sketch")

RANGES = {
    "yaw": (-0.7, 0.7),
    "pitch": (-0.22, 0.22),
    "roll": (-0.1, 0.1),
    "scale": (0.94, 1.06),
    "x": (-0.05, 0.05),
    "y": (-0.04, 0.04),
    "light_azimuth": (-1.2, 1.2),
    "light_elevation": (0.0, 1.0),
    "light_strength": (0.5, 0.75),
    "ambient": (0.4, 0.55),
    "background_angle": (-np.pi, np.pi),
    "coat_phase": (0.0, 1.0),
    "coat_density": (0.92, 1.08),
    "coat_hue": (-1.0, 1.0),
}
"""Ranges of the factors drawn uniformly; angles in radians, positions in half pictures."""

FACTORS: tuple[str, ...] = ("species", "coat", "style", *RANGES, *BACKGROUNDS)
"""Columns of a frame of factors."""

CHUNK = 32
"""Images per batch: few enough for their arrays to stay in the processor's cache."""


def sample_animals(count: int, seed: int | Sequence[int]) -> pd.DataFrame:
    """Draw the factors of `count` images, one row each, with the columns `FACTORS`.

    All factors are independent and uniform, except that an animal wears its own coat. A longer
    frame of the same seed begins with the shorter one. Angles are in radians, colours in [0, 255].

    Raises:
        PipelineError: a negative count.
    """
    if count < 0:
        raise PipelineError(f"{count} images cannot be drawn: ask for zero or more.")
    draws = np.random.default_rng(seed).uniform(size=(count, len(RANGES) + 11))
    species = np.array(SPECIES)[(draws[:, 0] * len(SPECIES)).astype(int)]
    factors: dict[str, NDArray] = {
        "species": species,
        "coat": species.copy(),
        "style": np.full(count, "natural"),
    }
    for column, (name, (low, high)) in enumerate(RANGES.items(), start=1):
        factors[name] = low + (high - low) * draws[:, column]
    rest = draws[:, len(RANGES) + 1 :]
    factors |= draw_backgrounds(rest)
    return pd.DataFrame(factors, columns=list(FACTORS))


def vary(factors: pd.DataFrame, kind: str, seed: int | Sequence[int]) -> pd.DataFrame:
    """The same scenes with other coats or in another style, as a new frame.

    kind: `natural` returns a copy; `stylized` dresses every animal in another species' coat, drawn
    by the seed; `texture` shows a patch of the coat, without shape; `sketch` shows outlines and
    features, without coat.

    Raises:
        PipelineError: an unknown kind, or a frame that is not one of factors.
    """
    if kind not in KINDS:
        raise PipelineError(f"no variant '{kind}' of animals: choose from {', '.join(KINDS)}.")
    _check(factors)
    varied = factors.copy()
    if kind == "stylized":
        steps = np.random.default_rng(seed).integers(1, len(COATS), size=len(factors))
        own = np.array([COATS.index(name) for name in factors["species"]], dtype=int)
        varied["coat"] = np.array(COATS)[(own + steps) % len(COATS)]
    elif kind != "natural":
        varied["style"] = kind
    return varied


def render_animals(factors: pd.DataFrame, size: int, threads: int = 1) -> NDArray[np.uint8]:
    """Draw one image per row: (R, size, size, 3) uint8.

    An image depends on its own row alone: its bytes are the same in any batch and order, and for
    any number of threads.

    Raises:
        PipelineError: a missing column, an unknown species, coat or style, a number that is not
            finite, or a size below 16.
    """
    if size < 16:
        raise PipelineError(f"animals cannot be drawn at {size} pixels: use 16 or more.")
    if threads < 1:
        raise PipelineError(f"animals cannot be drawn by {threads} threads: use 1 or more.")
    _check(factors)
    images = np.empty((len(factors), size, size, 3), np.uint8)
    columns = {
        name: np.ascontiguousarray(factors[name].to_numpy(dtype=np.float64)) for name in FACTORS[3:]
    }

    def draw(
        chunk: tuple[str, str, str, NDArray[np.intp]],
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        species, coat, style, rows = chunk
        picked = {name: values[rows] for name, values in columns.items()}
        if style == "texture":
            image = draw_patch(coats.COATS[coat], picked, size)
        else:
            sketch = style == "sketch"
            image = draw_head(SHAPES[species], coats.COATS[coat], picked, size, sketch=sketch)
        return rows, image

    draw_batches(images, _chunks(factors, columns["yaw"]), draw, threads)
    return images


def _check(factors: pd.DataFrame) -> None:
    missing = [name for name in FACTORS if name not in factors.columns]
    if missing:
        raise PipelineError(
            f"factors of animals lack {', '.join(missing)}: start from sample_animals."
        )
    for column, known in (("species", SPECIES), ("coat", COATS), ("style", STYLES)):
        unknown = sorted(set(map(str, factors[column].unique())) - set(known))
        if unknown:
            raise PipelineError(
                f"unknown {column} '{unknown[0]}' of an animal: choose from {', '.join(known)}."
            )
    for name in FACTORS[3:]:
        if not np.isfinite(pd.to_numeric(factors[name], errors="coerce")).all():
            raise PipelineError(
                f"factor '{name}' of an animal must be a finite number in all rows."
            )


def _chunks(
    factors: pd.DataFrame, yaw: NDArray[np.float64]
) -> Iterable[tuple[str, str, str, NDArray[np.intp]]]:
    """Batches of one shape, coat and style, ordered by yaw to make their windows similar."""
    keys = factors["species"].astype(str) + "|" + factors["coat"].astype(str)
    keys = (keys + "|" + factors["style"].astype(str)).to_numpy(dtype=str)
    for key in np.unique(keys):
        rows = np.flatnonzero(keys == key)
        rows = rows[np.argsort(yaw[rows], kind="stable")]
        species, coat, style = str(key).split("|")
        for first in range(0, len(rows), CHUNK):
            yield species, coat, style, rows[first : first + CHUNK]
