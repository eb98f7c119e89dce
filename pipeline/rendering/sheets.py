"""Pictures of what each factor of a rendered animal changes, for a contact sheet."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.rendering.animals import RANGES, SPECIES, render_animals, sample_animals, vary
from pipeline.rendering.heads import BACKGROUNDS

__all__ = ["factor_rows"]

SWEPT = {
    "yaw": "tiger",
    "pitch": "fox",
    "roll": "brown_bear",
    "scale": "cow",
    "light_azimuth": "pig",
    "light_elevation": "giraffe",
    "light_strength": "wolf",
    "coat_phase": "dalmatian",
    "coat_density": "tiger",
    "coat_hue": "fox",
}
"""Factors that go from one end of their range to the other, and the animal that shows it best."""


def factor_rows(size: int, seed: int, columns: int = 8) -> dict[str, NDArray[np.uint8]]:
    """A row of images (columns, size, size, 3) uint8 per factor, in which only that factor changes.

    After the swept factors: backgrounds, the coats of other species (stylized), patches of coat
    without shape (texture) and outlines without coat (sketch), the last two of several species.
    """
    scenes = sample_animals(columns, seed)
    rows = {}
    for factor, species in SWEPT.items():
        factors = _alike(scenes, species)
        factors[factor] = np.linspace(*RANGES[factor], columns)
        rows[factor] = factors
    background = _alike(scenes, "rabbit")
    names = [*BACKGROUNDS, "background_angle"]
    background[names] = scenes[names]
    rows["background"] = background
    coats = _alike(scenes, "tiger")
    others = [name for name in SPECIES if name != "tiger"]
    coats["coat"] = [others[i % len(others)] for i in range(columns)]
    rows["coat (stylized)"] = coats
    several = _alike(scenes, "tiger")
    several["species"] = several["coat"] = [SPECIES[i % len(SPECIES)] for i in range(columns)]
    rows |= {kind: vary(several, kind, seed) for kind in ("texture", "sketch")}
    return {name: render_animals(factors, size) for name, factors in rows.items()}


def _alike(scenes: pd.DataFrame, species: str) -> pd.DataFrame:
    """As many copies of the first scene as there are rows, of that species, seen from the front."""
    factors = pd.concat([scenes.iloc[:1]] * len(scenes), ignore_index=True)
    factors["species"] = factors["coat"] = species
    for name in ("pitch", "roll", "x", "y", "coat_hue"):
        factors[name] = 0.0
    return factors.assign(yaw=0.25, scale=1.0, light_azimuth=-0.6, light_elevation=0.5)
