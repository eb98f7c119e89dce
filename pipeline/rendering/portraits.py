"""Painting of people: a batch of images, each of a face of its own, from back to front.

All parts of head and body are melted into one surface whose pixels know whether they are skin,
hair, beard, neck or cloth. Features are drawn on the skin in the head's own x and y, and turn with
it. Numbers that vary between images are (N, 1, 1) where they meet pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.rendering.coats import streaks
from pipeline.rendering.features import Skin, draw_eyes, draw_features, draw_glasses
from pipeline.rendering.primitives import (
    Surface,
    View,
    ellipsoid,
    mix,
    paint,
    ramp,
    rotation,
    scalars,
    wave,
)
from pipeline.rendering.scene import Columns, Light, backdrop

__all__ = ["draw_portrait"]

FILL, LIFT = 0.9, 0.07
"""Half pictures per unit of a head of factor scale 1, and how far above the middle it is."""

LONG = 0.4
"""Factor hair_length from which hair falls over ears and neck."""

Array = NDArray[np.float32]
Scalars = NDArray[np.float64]

TONES = np.array(
    [[240, 204, 180], [226, 178, 144], [200, 144, 104], [150, 98, 68], [104, 68, 50]], np.float64
)
"""Skin from factor skin_tone -1 to 1."""


def draw_portrait(columns: Columns, size: int) -> Array:
    """People: (3, N, size, size) in [0, 255]; clip colours that strong light lifts above."""
    shift = np.stack([columns["x"], columns["y"] + LIFT], -1)
    scale = FILL * columns["scale"]
    yaw, pitch, roll = (columns[name] for name in ("yaw", "pitch", "roll"))
    head = View(rotation(yaw, pitch, roll), scale, shift, size)
    body = View(rotation(0.4 * yaw, 0.0 * pitch, 0.3 * roll), scale, shift, size)
    return _Painter(head, body, columns).portrait()


def _point(*coordinates: ArrayLike) -> Scalars:
    """A point of each image (N, 3), or radii, from numbers and (N,) arrays."""
    return np.stack(np.broadcast_arrays(*(np.asarray(c, np.float64) for c in coordinates)), -1)


def _tone(tone: Scalars, warmth: Scalars) -> Scalars:
    """Colour of skin (3, N)."""
    place = (tone + 1) / 2 * (len(TONES) - 1)
    low = np.minimum(place.astype(int), len(TONES) - 2)
    share = (place - low)[:, None]
    colour = TONES[low] + share * (TONES[low + 1] - TONES[low])
    colour = colour * (1 + np.outer(warmth, (0.03, 0.0, -0.05)))
    return colour.T


class _Painter:
    def __init__(self, view: View, body: View, columns: Columns) -> None:
        self.view, self.body, self.columns = view, body, columns
        self.light = Light(columns)
        c = columns
        self.male = c["Male"]
        self.wide = 1 + 0.07 * c["width"] + 0.02 * (2 * self.male - 1)
        self.long = (c["hair_length"] >= LONG).astype(np.float64)
        self.end = -0.45 - 1.5 * (c["hair_length"] - 0.5)  # where long hair ends
        self.thick = 0.036 + 0.1 * np.minimum(c["hair_length"], LONG) + 0.012 * c["hair_volume"]
        self.thick = self.thick * (1 - 0.6 * c["baldness"])
        self.chin = -0.66 - 0.06 * c["length"]

    def portrait(self) -> Array:
        image = backdrop(self.columns, self.view.size)
        surface = self.surface()
        self.paint(image, surface)
        if self.columns["Eyeglasses"].any():
            draw_glasses(image, self.view, surface.depth, self.columns, 0.63 * self.wide)
        return image

    # --- shape -----------------------------------------------------------------------------------

    def surface(self) -> Surface:
        c, wide, male = self.columns, self.wide, self.male
        surface = Surface.empty(self.view, roles=("hair", "beard", "neck", "cloth"))

        def add(centre: Scalars, radii: Scalars, role: str = "", melt: float = 0.02) -> None:
            view = self.body if role == "cloth" else self.view
            surface.add(ellipsoid(view, centre, radii), role, melt)

        def both(x: ArrayLike, y: ArrayLike, z: ArrayLike, radii: Scalars, melt: float) -> None:
            for side in (-1, 1):
                add(_point(side * np.asarray(x), y, z), radii, melt=melt)

        if self.long.any():
            radii = _point(0.65 * wide + 0.05 * c["hair_volume"], 1.05, 0.34)
            self.strands(surface, _point(0 * wide, -0.4, -0.36), radii)
        neck = _point(0.26 + 0.07 * male, 0.62, 0.28)
        add(_point(0 * wide, -0.85, -0.2), neck, "neck")
        add(_point(0 * wide, -1.72, -0.25), _point(0.98 + 0.2 * male, 0.8, 0.56), "cloth", 0.06)
        ear = 1 + 0.2 * c["ears"]
        both(0.6 * wide, -0.02, -0.06, _point(0.075 * ear, 0.17 * ear, 0.1), 0.02)
        add(_point(0 * wide, 0.17, -0.06), _point(0.6 * wide, 0.6, 0.63))
        jaw = wide * (0.455 + 0.04 * c["jaw_width"] + 0.045 * male)
        add(_point(0 * wide, -0.25, 0.1), _point(jaw, -self.chin - 0.13, 0.49), melt=0.2)
        cheek = 0.24 + 0.03 * c["cheeks"]
        both(0.25 * wide, -0.15, 0.31, _point(cheek, 0.25, 0.24), 0.3)
        chin = _point(0.18 + 0.03 * c["chin"] + 0.05 * male, 0.16, 0.17)
        add(_point(0 * wide, self.chin + 0.02, 0.34 + 0.02 * c["chin"]), chin, melt=0.28)
        add(_point(0 * wide, 0.17, 0.45), _point(0.38 * wide, 0.08 + 0.02 * male, 0.13), melt=0.1)
        self.nose(add, both)
        self.beard(surface, jaw)
        self.cap(surface)
        if self.long.any():
            for side in (-1, 1):
                at = _point(side * (0.575 * wide), -0.45, -0.03)
                radii = _point(0.16 + 0.03 * c["hair_volume"], 0.95, 0.23)
                self.strands(surface, at, radii)
        surface.finish()
        return surface

    def nose(self, add: Callable[..., None], both: Callable[..., None]) -> None:
        c = self.columns
        low = -0.17 - 0.035 * c["nose_length"]
        broad = 1 + 0.22 * c["nose_width"] + 0.06 * (2 * self.male - 1)
        out = 0.04 * c["nose_depth"]
        add(_point(0 * low, 0.5 * low + 0.08, 0.55 + 0.5 * out), _point(0.062 * broad, 0.24, 0.13))
        add(_point(0 * low, low, 0.64 + out), _point(0.098 * broad, 0.085, 0.13), melt=0.06)
        both(0.085 * broad, low - 0.015, 0.56, _point(0.062 * broad, 0.06, 0.1), 0.05)

    def beard(self, surface: Surface, jaw: Scalars) -> None:
        """The volume of a beard about chin and jaw."""
        beard = 1 - self.columns["No_Beard"]
        if not beard.any():
            return
        full = self.columns["beard_width"] > 0
        width = np.where(full, jaw + 0.02, 0.24)
        centre = _point(0 * jaw, self.chin + 0.16, np.where(full, 0.14, 0.32))
        part = ellipsoid(self.view, centre, _point(width, 0.34, np.where(full, 0.5, 0.28)))
        if part is not None:
            x, y, z = self.view.points(part.window, part.depth)
            share = self.beard_share(x, y, z, part.window) * scalars(beard)
            surface.add(replace(part, coverage=part.coverage * share), "beard", 0.06)

    def beard_share(self, x: Array, y: Array, z: Array, window: object) -> Array:
        """Where a beard grows: below a line from ear to mouth, or only around the mouth."""
        c = self.columns
        side = np.abs(x)
        mouth = scalars(-0.42 - 0.02 * c["mouth_height"])
        front = ramp(z - 0.22, 0.36)
        # From the ears down to the corners of the mouth, and up again to the moustache.
        top = -0.06 - 0.3 * front
        lip = np.maximum(0.30 - side, 0) * 0.75 * ramp(z - 0.3, 0.2)
        full = top + np.minimum(lip, 0.14) - y
        u, v = side / 0.26, (y - mouth + 0.13) / 0.33
        goat = 0.26 * (1 - np.sqrt(u * u + v * v))
        wide = scalars(c["beard_width"] > 0)
        grown = goat + wide * (full - goat)
        return ramp(grown, 2 * self.view.pixel + 0.015)

    def cap(self, surface: Surface) -> None:
        """Hair on the skull, down to the hairline."""
        t = self.thick
        radii = _point(0.6 * self.wide + 0.9 * t, 0.6 + 1.3 * t, 0.64 + t)
        part = ellipsoid(self.view, _point(0 * t, 0.19, -0.08), radii)
        if part is None:
            return
        x, y, z = self.view.points(part.window, part.depth)
        grown = self.hairline(x, y, z)
        share = ramp(grown, 1.2 * self.view.pixel)
        # Hair is thin at the hairline, or it would stick out from the temple.
        thin = scalars(t) * (1 - np.clip(5 * grown, 0, 1))
        share *= ramp(part.edge - thin, self.view.pixel)
        surface.add(replace(part, coverage=part.coverage * share), "hair", 0.03)

    def hairline(self, x: Array, y: Array, z: Array) -> Array:
        """How far above the hairline a point is, in units of the head."""
        c = self.columns
        bald, fringe = c["baldness"], np.maximum(c["fringe"], 0) * (1 - c["baldness"])
        fringe = fringe * np.where(self.long > 0, 1.0, 0.5)
        forehead = 0.53 + 0.04 * c["hairline"] + 0.36 * bald - 0.24 * fringe
        temple = -0.02 - 0.3 * bald
        rise = ramp(z - scalars(temple + 0.24), 0.48)
        back = ramp(z + 0.22, 0.2)
        side = np.float32(-0.12)
        across = scalars(0.16 * c["parting"] * (1 - bald)) * x
        arch = scalars(0.55 * (1 - fringe)) * x * x
        top = scalars(forehead) + across - arch
        low = -0.5 + back * (side + 0.5)
        return y - (low + rise * (top - low))

    def strands(self, surface: Surface, centre: Scalars, radii: Scalars) -> None:
        """Long hair: an upright ellipsoid, cut where the hair ends."""
        part = ellipsoid(self.view, centre, radii)
        if part is None:
            return
        x, y, _ = self.view.points(part.window, part.depth)
        share = ramp(y - scalars(self.end) - 0.03 * wave(2.3 * x), 2 * self.view.pixel)
        share *= scalars(self.long)
        surface.add(replace(part, coverage=part.coverage * share), "hair", 0.03)

    # --- colour ----------------------------------------------------------------------------------

    def paint(self, image: Array, surface: Surface) -> None:
        window = surface.window
        if window is None:
            return
        c = self.columns
        x, y, z = surface.points(window)
        normal = tuple(axis[window] for axis in surface.normal)
        share = {name: values[window] for name, values in surface.share.items()}
        tone = _tone(c["skin_tone"], c["skin_warmth"])
        colours = np.empty((3, *x.shape), np.float32)
        for channel, value in zip(colours, tone, strict=True):
            channel[...] = scalars(value)
        skin = Skin.of(self.view, window, x, y, z, normal[2], tone, c)
        hair = np.stack([c["hair_red"], c["hair_green"], c["hair_blue"]])
        strand = streaks(1.6 * x, y - 0.15, 1.6 * z + 0.1)
        if (c["No_Beard"] == 0).any():
            beard = self.beard_share(x, y, z, window) * scalars(1 - c["No_Beard"])
            beard *= ramp(z - 0.02, 0.1)
            beard = np.maximum(beard * (1 - share["neck"]), share["beard"])
            fuzz = 0.76 + 0.1 * strand
            mix(colours, [scalars(value) * fuzz for value in hair], 0.94 * beard)
        draw_features(colours, skin)
        colours *= 1 - 0.3 * share["neck"]
        mix(colours, [scalars(c[f"cloth_{n}"]) for n in ("red", "green", "blue")], share["cloth"])
        gloss = 1 + 0.13 * strand
        mix(colours, [scalars(value) * gloss for value in hair], share["hair"])
        shade = self.light.shade(normal)
        colours *= shade
        self.shine(colours, normal, share["hair"])
        covered = share["hair"] + share["cloth"] + share["neck"]
        draw_eyes(colours, skin, shade, 1 - np.minimum(covered, 1), self.light)
        paint(image, window, colours, surface.coverage[window])

    def shine(self, colours: Array, normal: tuple[Array, ...], hair: Array) -> None:
        """A band of light on smooth hair."""
        x, y = self.light.glint()
        away = np.abs(normal[1] - y) + 0.35 * np.abs(normal[0] - x)
        band = ramp(0.26 - away, 0.34) * hair
        mix(colours, (255, 250, 240), 0.2 * band)
