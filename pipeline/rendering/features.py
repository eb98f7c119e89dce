"""Features of people: what is drawn on the skin of a face, and the glasses in front of it.

Features are symmetric, and computed in |x| for both sides at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.rendering.primitives import (
    View,
    Window,
    capsule,
    mix,
    paint,
    ramp,
    scalars,
)
from pipeline.rendering.scene import Columns, Light

__all__ = ["Skin", "draw_eyes", "draw_features", "draw_glasses"]

Array = NDArray[np.float32]
Scalars = NDArray[np.float64]

IRISES = np.array([[72, 44, 26], [108, 70, 36], [70, 110, 66], [72, 116, 168]], np.float64)
"""Brown, hazel, green and blue."""
FRAMES = np.array([[26, 24, 28], [96, 52, 30], [120, 30, 36], [40, 52, 96]], np.float64)
"""Colours of glasses."""
LENS = 0.66
"""The plane z that glasses lie in."""


@dataclass(frozen=True)
class Skin:
    """The part of a surface that may show the face: points in the head's frame, (N, h, w).

    rows, columns: where in the surface's window it is. side: |x|. pixel: width of a pixel on the
    surface. front: 1 where the face is, 0 on the back of the head. tone: colour of skin (3, N).
    """

    rows: slice
    columns: slice
    x: Array
    side: Array
    y: Array
    pixel: Array
    line: Array
    front: Array
    tone: Scalars
    factors: Columns

    @classmethod
    def of(
        cls,
        view: View,
        window: Window,
        x: Array,
        y: Array,
        z: Array,
        nz: Array,
        tone: Scalars,
        factors: Columns,
    ) -> Skin:
        """The face's part of the points (x, y, z) of a window."""
        count = len(view.scale)
        reach = np.full(count, 0.66)  # to the wrinkles at the eyes of a head turned away
        face = view.window(view.point((0.0, -0.05, 0.45)), reach, np.full(count, 0.66))
        assert face is not None  # heads are in the picture
        rows, columns = (
            slice(max(part.start - own.start, 0), max(part.stop - own.start, 0))
            for part, own in zip(face[1:], window[1:], strict=True)
        )
        part = (slice(None), rows, columns)
        pixel: Array = np.divide(view.pixel, np.maximum(nz[part], np.float32(0.35)))
        front = ramp(z[part] - 0.12, 0.1)
        return cls(
            rows,
            columns,
            x[part],
            np.abs(x[part]),
            y[part],
            pixel,
            np.maximum(np.float32(0.5) * view.line, np.float32(0.45) * pixel),
            front,
            tone,
            factors,
        )

    def crop(self, values: Array) -> Array:
        """The face's part of values (..., H, W) of the surface's window."""
        return values[..., self.rows, self.columns]

    def shaded(self, factor: float) -> list[Array]:
        """The colour of skin, darker."""
        return [scalars(factor * channel) for channel in self.tone]


def _arc(t: Array) -> Array:
    """A bow over t in [-1, 1]: 1 in the middle, 0 at the ends and beyond."""
    return np.maximum(1 - t * t, np.float32(0))


class _Eyes:
    """Where the eyes are: (N, 1, 1) each."""

    def __init__(self, factors: Columns) -> None:
        f = factors
        male = f["Male"]
        size = 1 + 0.13 * f["eye_size"] - 0.07 * (2 * male - 1)
        self.x = scalars(0.242 + 0.025 * f["eye_spacing"])
        self.y = scalars(0.02 + 0.025 * f["eye_height"])
        self.half = scalars(0.132 * size)
        aged = np.clip((f["age"] - 40) / 40, 0, 1)
        self.height = scalars(0.078 * size * (1 - 0.22 * f["Smiling"] - 0.12 * aged))
        self.tilt = scalars(0.12 * f["eye_tilt"])


def draw_features(colours: Array, skin: Skin) -> None:
    """Draw blush, brows, nostrils, wrinkles and lips on skin that is not lit yet."""
    colours = skin.crop(colours)
    f = skin.factors
    eyes = _Eyes(f)
    # Sockets lie in a soft shadow, cheeks have more colour.
    u, v = (skin.side - eyes.x) / 0.2, (skin.y - eyes.y - 0.01) / 0.13
    socket = np.maximum(1 - u * u - v * v, np.float32(0)) * skin.front
    mix(colours, skin.shaded(0.7), 0.4 * socket)
    u, v = (skin.side - 0.3) / 0.22, (skin.y + 0.2) / 0.17
    blush = np.maximum(1 - u * u - v * v, np.float32(0)) * skin.front
    mix(colours, (222, 96, 88), scalars(0.34 - 0.14 * f["Male"]) * blush * blush)
    _wrinkles(colours, skin, eyes)
    _nostrils(colours, skin)
    _brows(colours, skin, eyes)
    _lips(colours, skin)


def _wrinkles(colours: Array, skin: Skin, eyes: _Eyes) -> None:
    f = skin.factors
    aged = np.clip((f["age"] - 42) / 26, 0, 1)
    if not aged.any():
        return
    side, y, line = skin.side, skin.y, 1.1 * skin.line
    # From the nose to the corners of the mouth, on the forehead, under and next to the eyes.
    t = np.clip((-0.17 - y) / 0.3, 0, 1)
    inside = ramp(-0.17 - y, skin.pixel) * ramp(y + 0.48, skin.pixel)
    fold = ramp(line - np.abs(side - 0.14 - 0.16 * t), skin.pixel) * inside
    drawn = fold
    for height in (0.3, 0.39):
        bow = height + 0.02 - 0.3 * side * side
        crease = ramp(line - np.abs(y - bow), skin.pixel) * ramp(0.3 - side, skin.pixel)
        drawn = np.maximum(drawn, 0.8 * crease)
    t = (side - eyes.x) / eyes.half
    bag = eyes.y - 0.055 - 0.075 * _arc(0.9 * t)
    under = ramp(line - np.abs(y - bag), skin.pixel) * ramp(1 - np.abs(t), 0.2)
    drawn = np.maximum(drawn, 0.8 * under)
    out = side - eyes.x - eyes.half
    spread = np.abs(np.abs(y - eyes.y) - 0.03 - 0.35 * out)
    feet = ramp(line - spread, skin.pixel) * ramp(out - 0.02, 0.02) * ramp(0.12 - out, 0.02)
    drawn = np.maximum(drawn, 0.7 * feet)
    mix(colours, skin.shaded(0.55), scalars(0.75 * aged) * drawn * skin.front)


def _nostrils(colours: Array, skin: Skin) -> None:
    f = skin.factors
    low = scalars(-0.17 - 0.035 * f["nose_length"])
    broad = scalars(1 + 0.22 * f["nose_width"])
    u, v = (skin.side / broad - 0.05) / 0.036, (skin.y - low + 0.062) / 0.026
    hole = ramp(0.026 * (1 - np.sqrt(u * u + v * v)), skin.pixel) * skin.front
    mix(colours, skin.shaded(0.35), 0.85 * hole)
    u, v = skin.side / (0.14 * broad), (skin.y - low + 0.11) / 0.05
    under = np.maximum(1 - u * u - v * v, np.float32(0)) * skin.front
    mix(colours, skin.shaded(0.62), 0.45 * under)


def _brows(colours: Array, skin: Skin, eyes: _Eyes) -> None:
    f = skin.factors
    t = (skin.side - eyes.x) / 0.165
    height = eyes.y + scalars(0.178 + 0.025 * f["brow_height"])
    height = height + scalars(0.035 + 0.02 * f["brow_arch"]) * (_arc(0.8 * t) - 0.6)
    thick = 0.022 + 0.012 * f["Male"] + 0.008 * f["brow_thickness"]
    away = np.abs(skin.y - height)
    brow = ramp(scalars(thick) * (1 - 0.3 * t * t) - away, skin.pixel)
    brow *= ramp(0.165 * (1 - np.abs(t)), skin.pixel) * skin.front
    grey = f["hair_grey"]
    hair = [f[f"hair_{name}"] * (0.62 + 0.2 * grey) for name in ("red", "green", "blue")]
    mix(colours, [scalars(h) for h in hair], 0.92 * brow)


class _Mouth:
    """The lips: heights over the surface, and how far open the mouth is."""

    def __init__(self, skin: Skin) -> None:
        f = skin.factors
        smile = f["Smiling"] * f["smile"]
        self.half = scalars(0.185 + 0.022 * f["mouth_width"] + 0.075 * smile)
        self.t = np.minimum(skin.side / self.half, np.float32(1.5))
        self.arc = _arc(self.t)
        middle = scalars(-0.41 - 0.02 * f["mouth_height"] - 0.005 * smile)
        lift = scalars(0.1 * smile)
        # Lips follow a parabola whose ends rise in a smile.
        line = middle + lift * np.minimum(self.t * self.t, 1)
        self.top = line + scalars(0.018 * smile) * self.arc
        self.bottom = line - scalars(0.1 * smile) * self.arc
        full = 1 + 0.25 * f["lips"] - 0.18 * f["Male"]
        full = full * (1 - 0.25 * np.clip((f["age"] - 50) / 30, 0, 1))
        self.upper = self.top + scalars(0.05 * full) * self.arc
        self.lower = self.bottom - scalars(0.066 * full) * self.arc


def _lips(colours: Array, skin: Skin) -> None:
    f = skin.factors
    mouth = _Mouth(skin)
    y, pixel = skin.y, skin.pixel
    inside = np.minimum(mouth.upper - y, y - mouth.lower)
    lips = ramp(inside, pixel) * skin.front
    lips *= ramp(mouth.half - skin.side + 0.01, pixel)
    red = 0.45 + 0.3 * (1 - f["Male"])
    target = (178, 58, 66)
    colour = [
        scalars(0.86 * tone + red * (wanted - 0.86 * tone))
        for tone, wanted in zip(skin.tone, target, strict=True)
    ]
    mix(colours, colour, lips)
    # The line between closed lips; an open mouth shows teeth between dark corners.
    open_ = mouth.top - mouth.bottom
    gap = np.minimum(mouth.top - y, y - mouth.bottom)
    hole = ramp(gap, pixel) * ramp(open_ - 0.02, 0.02)
    closed = ramp(skin.line - np.abs(y - 0.5 * (mouth.top + mouth.bottom)), pixel)
    closed *= ramp(1.06 - mouth.t, 0.08)
    dark = np.maximum(closed, hole) * skin.front
    mix(colours, (70, 24, 26), 0.9 * dark)
    teeth = ramp(gap - 0.004, pixel) * ramp(open_ - 0.045, 0.02) * skin.front
    mix(colours, (252, 249, 240), teeth)


def draw_eyes(colours: Array, skin: Skin, shade: Array, seen: Array, light: Light) -> None:
    """Draw the eyes on lit skin; light changes them less than it changes skin.

    seen: where skin is not covered by hair, over the surface's window.
    """
    colours, shade, seen = skin.crop(colours), skin.crop(shade), skin.crop(seen) * skin.front
    f = skin.factors
    eyes = _Eyes(f)
    half = np.float32(0.5)
    lit = half + half * np.minimum(shade, np.float32(1.05))
    dx = skin.side - eyes.x
    dy = skin.y - eyes.y - eyes.tilt * dx
    u = dx / eyes.half
    lid = eyes.height * _arc(u)
    inside = np.minimum(lid - np.abs(dy), eyes.half * (np.float32(1) - np.abs(u)))
    white = ramp(inside, skin.pixel) * seen
    mix(colours, (246 * lit, 244 * lit, 240 * lit), white)
    place = (f["iris"] + 1) / 2
    # Dark skin goes with brown eyes.
    place = np.where(f["skin_tone"] > 0.1, 0.3 * place, place) * (len(IRISES) - 1e-6)
    iris = IRISES[place.astype(int)].T
    off = np.sqrt(dx * dx + (dy - 0.006) * (dy - 0.006))
    round_ = ramp(0.068 - off, skin.pixel) * white
    mix(colours, [scalars(0.55 * channel) * lit for channel in iris], round_)
    inner = ramp(0.056 - off, skin.pixel) * white
    mix(colours, [scalars(1.1 * channel) * lit for channel in iris], inner)
    mix(colours, (10, 9, 12), ramp(0.03 - off, skin.pixel) * white)
    gx, gy = light.glint()
    ax = dx * np.sign(skin.x) - 0.05 * gx
    ay = dy - 0.045 * gy - 0.006
    glint = ramp(0.02 - np.sqrt(ax * ax + ay * ay), skin.pixel) * white
    mix(colours, (255, 255, 255), glint)
    # The upper lid is a dark line, with lashes in women; the lower one is faint.
    lash = scalars(0.011 + 0.008 * (1 - f["Male"]))
    ends = ramp(1.12 - np.abs(u), 0.12) * seen
    upper = ramp(np.maximum(lash, 0.6 * skin.line) - np.abs(dy - lid - 0.4 * lash), skin.pixel)
    mix(colours, (30, 20, 18), 0.92 * upper * ends)
    lower = ramp(0.5 * skin.line - np.abs(dy + lid), skin.pixel)
    mix(colours, [0.5 * tone * lit for tone in skin.shaded(1.0)], 0.6 * lower * ends)


def draw_glasses(image: Array, view: View, depth: Array, factors: Columns, temple: Scalars) -> None:
    """Paint glasses on those who wear them, in front of the surface at `depth` (N, H, W).

    temple: half the width of the head at the ears, (N,).
    """
    f = factors
    worn = scalars(f["Eyeglasses"])
    count = len(view.scale)
    eyes = _Eyes(f)
    size = 1 + 0.1 * f["glasses_size"]
    wide, high = scalars(0.195 * size), scalars(0.155 * size)
    roundness = (f["glasses_roundness"] + 1) / 2
    corner = scalars(0.05 + 0.1 * roundness)
    thick = np.maximum(scalars(0.024 + 0.006 * (f["glasses_tone"] + 1)), 0.6 * view.pixel)
    tint = np.minimum((f["glasses_tone"] + 1) / 2 * len(FRAMES), len(FRAMES) - 1e-6).astype(int)
    colour = [scalars(channel) for channel in FRAMES[tint].T]
    middle_x = eyes.x + np.float32(0.02)
    middle_y = eyes.y - np.float32(0.01)
    outer = (middle_x + wide)[:, 0, 0].astype(np.float64)
    level = middle_y[:, 0, 0].astype(np.float64) + 0.05
    for sign in (-1, 1):
        start = np.stack([sign * outer, level, np.full(count, LENS - 0.02)], -1)
        end = np.stack([sign * (temple + 0.02), level, np.full(count, -0.02)], -1)
        rod = capsule(view, start, end, (0.026, 0.026))
        if rod is not None:
            seen = rod.coverage * ramp(rod.depth - depth[rod.window], np.float32(0.06)) * worn
            paint(image, rod.window, colour, seen)
    reach = np.full(count, 0.6)
    window = view.window(view.point((0.0, 0.02, LENS)), reach, np.full(count, 0.3))
    if window is None:
        return
    x, y, height = view.plane(window, LENS)
    pixel = view.pixel * scalars(1 / np.maximum(view.turn[:, 2, 2], 0.5))
    before = ramp(height - depth[window] + 0.05, np.float32(0.06)) * worn
    side, y = np.abs(x), y - middle_y
    qx, qy = np.abs(side - middle_x) - wide + corner, np.abs(y) - high + corner
    px, py = np.maximum(qx, np.float32(0)), np.maximum(qy, np.float32(0))
    away = np.sqrt(px * px + py * py) + np.minimum(np.maximum(qx, qy), np.float32(0)) - corner
    glass = ramp(-away, pixel) * before
    streak = np.abs(np.float32(0.8) * (side - middle_x) + y - np.float32(0.02))
    glare = np.float32(0.07) + np.float32(0.2) * ramp(np.float32(0.03) - streak, 2 * pixel)
    mix(image[(slice(None), *window)], (226, 236, 244), glare * glass)
    frame = ramp(thick - np.abs(away), pixel)
    bridge = ramp(thick - np.abs(y - np.float32(0.04)), pixel) * ramp(middle_x - wide - side, pixel)
    paint(image, window, colour, np.maximum(frame, bridge) * before)
