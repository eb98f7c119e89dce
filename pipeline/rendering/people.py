"""Rendered people with known factors: identity, attributes, pose, light and background.

The factors have causes. A person's identity decides the face; gender decides beard and length of
hair; age decides wrinkles, grey hair and the baldness of men; those who wear glasses nearly always
wear them. Pose, light, background, clothes and smile depend on nothing. A person is seen over many
years, young and old, and some dye their hair.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.rendering.batches import draw_batches
from pipeline.rendering.portraits import draw_portrait
from pipeline.rendering.scene import BACKGROUNDS, draw_backgrounds

__all__ = [
    "ATTRIBUTES",
    "FACTORS",
    "HAIR",
    "RANGES",
    "TRAITS",
    "edit",
    "render_people",
    "consequences",
    "sample_people",
]

ATTRIBUTES = ("Black_Hair", "Eyeglasses", "Male", "No_Beard", "Young", "Smiling")
"""The booleans that the INV paper edits (Sec. B.5), under CelebA's names."""

HAIR = {
    "black": (34, 29, 30),
    "brown": (122, 76, 42),
    "blond": (222, 184, 108),
    "red": (178, 80, 36),
}
GREY = {
    "black": (118, 118, 124),
    "brown": (196, 196, 202),
    "blond": (226, 224, 220),
    "red": (196, 196, 202),
}
"""Colours of hair, and what they turn to with age; black hair turns to pepper and salt."""

TRAITS = (
    "face_width",
    "face_length",
    "face_jaw_width",
    "face_chin",
    "face_cheeks",
    "face_eye_spacing",
    "face_eye_size",
    "face_eye_height",
    "face_eye_tilt",
    "face_brow_height",
    "face_brow_thickness",
    "face_brow_arch",
    "face_nose_length",
    "face_nose_width",
    "face_nose_depth",
    "face_mouth_width",
    "face_mouth_height",
    "face_lips",
    "face_ears",
    "face_hairline",
    "face_parting",
    "face_fringe",
    "face_hair_volume",
    "face_skin_tone",
    "face_skin_warmth",
    "face_iris",
    "face_beard_width",
    "face_glasses_roundness",
    "face_glasses_size",
    "face_glasses_tone",
)
"""Traits of an identity, each uniform in [-1, 1] over identities."""

RANGES = {
    "yaw": (-0.7, 0.7),
    "pitch": (-0.2, 0.2),
    "roll": (-0.1, 0.1),
    "scale": (0.95, 1.05),
    "x": (-0.05, 0.05),
    "y": (-0.04, 0.04),
    "light_azimuth": (-1.2, 1.2),
    "light_elevation": (0.0, 1.0),
    "light_strength": (0.5, 0.75),
    "ambient": (0.4, 0.55),
    "background_angle": (-np.pi, np.pi),
    "smile": (0.7, 1.0),
    "cloth_red": (30.0, 220.0),
    "cloth_green": (30.0, 220.0),
    "cloth_blue": (30.0, 220.0),
}
"""Ranges of the factors drawn uniformly for every image; `smile` shows if `Smiling`."""

RANKS = ("rank_age", "rank_grey", "rank_bald", "rank_hair", "rank_beard")
"""Ranks in [0, 1] of a person among those of the same gender and age."""

HAIR_COLOUR = ("hair_red", "hair_green", "hair_blue")
CONSEQUENCES = ("age", "hair_grey", "baldness", "hair_length", *HAIR_COLOUR)
"""Numbers that follow from attributes, ranks and the colour of hair."""

NUMBERS = (*TRAITS, *RANKS, *CONSEQUENCES, *RANGES, *BACKGROUNDS)
FACTORS: tuple[str, ...] = ("identity", *ATTRIBUTES, "hair_colour", "dyed", *NUMBERS)
"""Columns of a frame of factors."""

YOUNG, OLD = (18.0, 38.0), (54.0, 82.0)
"""Ages in years; the gap between them makes `Young` visible."""

MALE, ELDERLY, WEARERS, BEARDED = 0.5, 0.4, 0.35, 0.5
"""Shares of identities (of the last, of men)."""
WORN, BORROWED = 0.95, 0.03
"""How often wearers of glasses have them on, and others do."""
CHANGED_BEARD, DYED, NEVER_GREY = 0.08, 0.3, 0.1
"""How often a man's beard is not as usual, young hair is dyed, and hair never turns grey."""
OTHER_AGE = 0.25
"""How often a person is seen at the less usual age, young or old."""

CHUNK = 32
"""Images per batch: few enough for their arrays to stay in the processor's cache."""


def sample_people(count: int, seed: int, identities: int = 400, first: int = 0) -> pd.DataFrame:
    """Draw the factors of `count` images of `identities` people, with the columns `FACTORS`.

    Identities are numbered from `first`; other numbers are other people. An identity depends on the
    seed and its number alone, an image on the seed, its row, `identities` and `first`. A longer
    frame of the same arguments begins with the shorter one. Angles are in radians, colours in
    [0, 255], ages in years.

    Raises:
        PipelineError: a negative count or number, or less than one identity.
    """
    if count < 0:
        raise PipelineError(f"{count} images cannot be drawn: ask for zero or more.")
    if identities < 1:
        raise PipelineError(f"people of {identities} identities cannot be drawn: use 1 or more.")
    if first < 0:
        raise PipelineError(f"identities cannot be numbered from {first}: start at zero or above.")
    shape = (first + identities, len(TRAITS) + 12)
    people = np.random.default_rng([seed, 1]).uniform(size=shape)
    draws = np.random.default_rng([seed, 2, first]).uniform(size=(count, len(RANGES) + 21))
    identity = first + (draws[:, 0] * identities).astype(np.int64)
    own, ranges, rest = people[identity], draws[:, 1 : len(RANGES) + 1], draws[:, len(RANGES) + 1 :]
    traits, own = 2 * own[:, : len(TRAITS)] - 1, own[:, len(TRAITS) :]
    columns: dict[str, NDArray] = {"identity": identity}
    columns |= dict(zip(TRAITS, traits.T, strict=True))
    for (name, (low, high)), drawn in zip(RANGES.items(), ranges.T, strict=True):
        columns[name] = low + (high - low) * drawn
    columns |= draw_backgrounds(rest[:, :10])
    columns["Male"] = own[:, 0] < MALE
    columns["Young"] = (own[:, 1] >= ELDERLY) ^ (rest[:, 19] < OTHER_AGE)
    wearer = own[:, 2] < WEARERS
    columns["Eyeglasses"] = rest[:, 10] < np.where(wearer, WORN, BORROWED)
    columns["Smiling"] = rest[:, 11] < 0.5
    columns["dyed"] = columns["Young"] & (rest[:, 12] < DYED)
    tone = columns["face_skin_tone"]
    columns["hair_colour"] = np.where(
        columns["dyed"], _hair_colour(rest[:, 13], tone), _hair_colour(own[:, 3], tone)
    )
    # Age and hair change a little within these years, too.
    for i, name in enumerate(("rank_age", "rank_grey", "rank_bald", "rank_hair")):
        spread = {"rank_age": 0.3, "rank_hair": 0.1}.get(name, 0.0)
        columns[name] = (1 - spread) * own[:, 4 + i] + spread * rest[:, 14 + i]
    columns["rank_beard"] = own[:, 8]
    columns["No_Beard"] = (own[:, 8] >= BEARDED) ^ (rest[:, 18] < CHANGED_BEARD)
    frame = pd.DataFrame(columns)
    frame["No_Beard"] |= ~frame["Male"]
    return consequences(frame)[list(FACTORS)]


def _hair_colour(draw: NDArray[np.float64], tone: NDArray[np.float64]) -> NDArray[np.str_]:
    """The colour of hair; blond and red go with light skin."""
    light = np.select([draw < 0.45, draw < 0.7, draw < 0.9], ["black", "brown", "blond"], "red")
    dark = np.where(draw < 0.65, "black", "brown")
    return np.where(tone > 0.3, dark, light)


def consequences(factors: pd.DataFrame) -> pd.DataFrame:
    """The factors with `CONSEQUENCES` and `Black_Hair` as the other columns decide them."""
    frame = factors.copy()
    male, young = (frame[name].to_numpy(bool) for name in ("Male", "Young"))
    rank = {name: frame[name].to_numpy(np.float64) for name in RANKS}
    (a, b), (c, d) = YOUNG, OLD
    age = np.where(young, a + (b - a) * rank["rank_age"], c + (d - c) * rank["rank_age"])
    frame["age"] = age
    turned = np.clip((age - 46) / 20 + 0.8 * (rank["rank_grey"] - 0.5), 0.45, 1)
    turned = np.where(young | (rank["rank_grey"] < NEVER_GREY), 0, turned)
    frame["hair_grey"] = turned
    receding = np.clip(1.6 * rank["rank_bald"] - 0.7, 0, 1)
    frame["baldness"] = np.where(male, np.where(young, 0.25, 1.0) * receding, 0.0)
    hair = rank["rank_hair"]
    man = np.where(hair < 0.94, 0.3 * hair, 0.6 + 4 * (hair - 0.94))
    woman = np.where(hair < 0.1, 0.3 + hair, 0.5 + 0.5 * hair)
    frame["hair_length"] = np.where(male, man, woman)
    return _coloured(frame)


def _coloured(frame: pd.DataFrame) -> pd.DataFrame:
    """The factors with the colour of hair, and whether it is black or was before it turned grey."""
    kind = frame["hair_colour"].astype(str)
    grey = frame["hair_grey"].to_numpy(np.float64)
    own, old = (
        np.array([colours[name] for name in kind], np.float64).reshape(-1, 3)
        for colours in (HAIR, GREY)
    )
    for channel, name in enumerate(HAIR_COLOUR):
        frame[name] = own[:, channel] + grey * (old[:, channel] - own[:, channel])
    frame["Black_Hair"] = (kind == "black").to_numpy()
    return frame


def edit(factors: pd.DataFrame, attribute: str, value: bool) -> pd.DataFrame:
    """The same scenes with one of `ATTRIBUTES` set to `value`, and what that causes.

    Gender changes length of hair, beard and baldness; age changes wrinkles, grey hair and baldness;
    hair of another colour is as grey as before. Only men are given a beard. Rows that already have
    the value stay as they are.

    Raises:
        PipelineError: another attribute, or a frame that is not one of factors.
    """
    if attribute not in ATTRIBUTES:
        raise PipelineError(
            f"no attribute '{attribute}' of people can be edited: choose from "
            f"{', '.join(ATTRIBUTES)}."
        )
    _check(factors)
    rows = factors[attribute].to_numpy(bool) != value
    if attribute == "No_Beard" and not value:
        rows = rows & factors["Male"].to_numpy(bool)
    changed = factors[rows].copy()
    changed[attribute] = value
    if attribute == "Black_Hair":
        kind = "black" if value else "brown"
        changed = _coloured(changed.assign(hair_colour=kind))
    elif attribute in ("Male", "Young"):
        if attribute == "Young":
            changed["dyed"] &= value  # the colour stays, as that of the hair before it was grey
        if attribute == "Male":
            changed["No_Beard"] = (changed["rank_beard"] >= BEARDED) | (not value)
        changed = consequences(changed)
    edited = factors.copy()
    edited.loc[rows] = changed
    return edited


def render_people(factors: pd.DataFrame, size: int, threads: int = 1) -> NDArray[np.uint8]:
    """Draw one image per row: (R, size, size, 3) uint8.

    An image depends on its own row alone: its bytes are the same in any batch and order, and for
    any number of threads.

    Raises:
        PipelineError: a missing column, a number that is not finite, or a size below 16.
    """
    if size < 16:
        raise PipelineError(f"people cannot be drawn at {size} pixels: use 16 or more.")
    if threads < 1:
        raise PipelineError(f"people cannot be drawn by {threads} threads: use 1 or more.")
    _check(factors)
    images = np.empty((len(factors), size, size, 3), np.uint8)
    columns = {
        name.removeprefix("face_"): np.ascontiguousarray(factors[name].to_numpy(np.float64))
        for name in (*ATTRIBUTES, *NUMBERS)
    }
    # Similar people share a batch: one without glasses, beards or long hair computes none.
    yaw, glasses, beard = columns["yaw"], columns["Eyeglasses"], columns["No_Beard"]
    order = np.lexsort((yaw, columns["hair_length"] < 0.4, beard, glasses))
    chunks = [order[first : first + CHUNK] for first in range(0, len(order), CHUNK)]

    def draw(rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        picked = {name: values[rows] for name, values in columns.items()}
        return rows, draw_portrait(picked, size)

    draw_batches(images, chunks, draw, threads)
    return images


def _check(factors: pd.DataFrame) -> None:
    missing = [name for name in FACTORS if name not in factors.columns]
    if missing:
        raise PipelineError(
            f"factors of people lack {', '.join(missing)}: start from sample_people."
        )
    for name in (*ATTRIBUTES, *NUMBERS):
        if not np.isfinite(pd.to_numeric(factors[name], errors="coerce")).all():
            raise PipelineError(f"factor '{name}' of a person must be a finite number in all rows.")
