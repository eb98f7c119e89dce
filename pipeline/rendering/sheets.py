"""What each factor of rendered animals and people changes: rows of a contact sheet.

A function is named after the format of the data set that it draws.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.rendering import people
from pipeline.rendering.animals import RANGES, SPECIES, render_animals, sample_animals, vary
from pipeline.rendering.people import consequences, edit, render_people, sample_people
from pipeline.rendering.scene import BACKGROUNDS

__all__ = ["animals_rows", "faces_rows"]

SWEPT = {
    "yaw": "tiger",
    "pitch": "fox",
    "roll": "brown_bear",
    "scale": "cow",
    "x": "panda",
    "y": "zebra",
    "light_azimuth": "pig",
    "light_elevation": "giraffe",
    "light_strength": "wolf",
    "ambient": "leopard",
    "coat_phase": "dalmatian",
    "coat_density": "tiger",
    "coat_hue": "fox",
}
"""Factors swept from one end of their range to the other, and the animal that shows them best."""


def animals_rows(size: int, seed: int, columns: int = 8) -> dict[str, NDArray[np.uint8]]:
    """A row of images (columns, size, size, 3) uint8 per factor, in which only that factor changes.

    After the swept factors come backgrounds, the coats of other species (stylized) and, of several
    species, patches of coat without shape (texture) and outlines without coat (sketch).
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


TURNED = ("yaw", "pitch", "roll", "scale", "x", "y",
          "light_azimuth", "light_elevation", "light_strength", "ambient", "smile")  # fmt: skip
"""Factors of people swept from one end of their range to the other."""
CLOTHES = ("cloth_red", "cloth_green", "cloth_blue")


def faces_rows(size: int, seed: int, columns: int = 8) -> dict[str, NDArray[np.uint8]]:
    """A row of images (columns, size, size, 3) uint8 per factor of people.

    Pose, light, smile, background, clothes, age and hair change in one person. Attributes are off
    and on, with what they cause, in pairs of several people.
    """
    scenes = _posed(sample_people(40 * columns, seed)).drop_duplicates("identity")
    plain = scenes[scenes["face_skin_tone"].between(-0.9, -0.2)]
    plain = plain[plain["Young"] & plain["No_Beard"] & ~plain["Eyeglasses"] & ~plain["dyed"]]
    woman, man = (
        pd.concat([plain[plain["Male"] == male].iloc[:1]] * columns, ignore_index=True)
        for male in (False, True)
    )
    ends = {name: np.linspace(*people.RANGES[name], columns) for name in TURNED}
    smiling = woman.assign(Smiling=True)  # or the strength of a smile would show nothing
    rows = {name: smiling.assign(**{name: values}) for name, values in ends.items()}
    drawn = {"background": [*BACKGROUNDS, "background_angle"], "clothes": CLOTHES}
    for row, names in drawn.items():
        rows[row] = man.assign(**{name: scenes[name].to_numpy()[:columns] for name in names})
    for attribute in people.ATTRIBUTES:
        kept = scenes[scenes["Male"]] if attribute == "No_Beard" else scenes
        off = edit(kept.iloc[: (columns + 1) // 2], attribute, False)
        pairs = pd.concat([off, edit(off, attribute, True)]).sort_index(kind="stable")
        rows[attribute] = pairs.iloc[:columns]
    even = np.linspace(0, 1, columns)
    rank = np.where(even < 0.5, 2 * even, 2 * even - 1)
    for name, person in (("woman", woman), ("man", man)):
        aged = person.assign(Young=even < 0.5, rank_age=rank, rank_grey=0.5)
        rows[f"age, {name}"] = consequences(aged)
    rows["hair_length"] = woman.assign(hair_length=even)
    colours = [list(people.HAIR)[i % len(people.HAIR)] for i in range(columns)]
    rows["hair_colour"] = consequences(woman.assign(hair_colour=colours))
    return {name: render_people(factors, size) for name, factors in rows.items()}


def _posed(scenes: pd.DataFrame) -> pd.DataFrame:
    """The same people, all in the same pose and light."""
    still = dict.fromkeys(("pitch", "roll", "x", "y"), 0.0)
    light = {"light_azimuth": -0.6, "light_elevation": 0.5, "light_strength": 0.65}
    return scenes.assign(**still, **light, yaw=0.2, scale=1.0, ambient=0.5)
