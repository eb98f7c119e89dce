"""Coats: the colour of fur as a function of the point of the head it grows on.

Any species can wear any coat: of the shape, a coat knows only which part of the surface is muzzle
or neck, and where the eyes are. Stripes are warped waves; rosettes, dots and patches come from
points scattered evenly on a sphere of directions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pipeline.rendering.primitives import mix, ramp, scalars, wave

__all__ = ["COATS", "Coat", "Skin", "streaks"]

Array = NDArray[np.float32]
Colour = tuple[float, float, float]

CELLS = 512
"""Side of the maps of the sphere of directions."""


@dataclass(frozen=True)
class Skin:
    """Points to colour, all (N, H, W), in the head's frame.

    pixel: width of a pixel on the surface. muzzle: how much of the pixel is muzzle. eyes: centres
    of the two eyes, if any. phase in [0, 1) and density about one, (N, 1, 1), move and scale the
    pattern. neck: whether the points are on the neck. flat: whether this is a patch without shape.
    """

    x: Array
    y: Array
    z: Array
    pixel: Array
    muzzle: Array
    eyes: tuple[tuple[float, float, float], ...]
    phase: Array
    density: Array
    neck: bool = False
    flat: bool = False

    def fill(self, colour: Colour) -> Array:
        """A plain coat (3, N, H, W)."""
        colours = np.empty((3, *self.x.shape), np.float32)
        for channel, value in zip(colours, colour, strict=True):
            channel[...] = value
        return colours

    def spot(
        self, centre: tuple[float, float, float], radii: tuple[float, float], softness: float = 0.0
    ) -> Array:
        """Share of the pixel inside an ellipse about a point of the front, seen along z."""
        x, y = (self.x - np.float32(centre[0])), (self.y - np.float32(centre[1]))
        x, y = x / np.float32(radii[0]), y / np.float32(radii[1])
        inside = np.float32(1) - np.sqrt(x * x + y * y)
        front = ramp(self.z, np.float32(0.2))
        width = np.maximum(self.pixel, np.float32(softness))
        return front * ramp(inside * np.float32(min(radii)), width)

    def ring(self, centre: tuple[float, float, float], radius: float) -> Array:
        """Share of the pixel within a distance of a point."""
        x, y, z = (p - np.float32(c) for p, c in zip((self.x, self.y, self.z), centre, strict=True))
        return ramp(np.float32(radius) - np.sqrt(x * x + y * y + z * z), self.pixel)


Painter = Callable[[Skin], Array]


@dataclass(frozen=True)
class Coat:
    """A coat: what paints the surface, and the plain colours of the ears."""

    paint: Painter
    ear: Colour
    ear_inner: Colour
    ear_tip: Colour | None = None


# --- patterns ------------------------------------------------------------------------------------


Map = NDArray[np.float32]


@functools.cache
def _directions() -> NDArray[np.float64]:
    """Unit vectors of the maps' cells, (CELLS ** 2, 3): a sphere unfolded as an octahedron."""
    steps = (np.arange(CELLS) + 0.5) / CELLS * 2 - 1
    u, v = np.meshgrid(steps, steps)
    w = 1 - np.abs(u) - np.abs(v)
    u, v = (
        np.where(w < 0, (1 - np.abs(v)) * np.sign(u), u),
        np.where(w < 0, (1 - np.abs(u)) * np.sign(v), v),
    )
    directions = np.stack([u, v, w], -1).reshape(-1, 3)
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


@functools.cache
def _scattered(count: int) -> tuple[Map, Map, Map]:
    """Maps (CELLS ** 2,) of `count` points scattered evenly over the directions.

    The distance to the nearest point, how much farther the second nearest is, and a random number
    in [0, 1] that belongs to the nearest point.
    """
    rng = np.random.default_rng(count)
    index = np.arange(count) + 0.5
    jitter = rng.uniform(-0.8, 0.8, (2, count)) / np.sqrt(count)
    height = np.clip(1 - 2 * index / count + jitter[1], -1, 1)
    turn = np.pi * (1 + 5**0.5) * index + jitter[0]
    ring = np.sqrt(1 - height**2)
    points = np.stack([ring * np.cos(turn), height, ring * np.sin(turn)], -1)
    own = rng.uniform(size=count).astype(np.float32)
    away, nearest = cKDTree(points).query(_directions(), k=2)
    first, second = away.astype(np.float32).T
    return first.copy(), second - first, own[nearest[:, 0]]


@functools.cache
def _fur() -> Map:
    """Map (CELLS ** 2,) of smooth streaks along y: sums of waves, mostly within [-1, 1]."""
    rng = np.random.default_rng(0)
    streaks = np.zeros(CELLS**2)
    for _ in range(40):
        frequency = rng.normal(size=3) * (20, 7, 20)
        streaks += np.sin(_directions() @ frequency + rng.uniform(0, 2 * np.pi))
    return (streaks / np.sqrt(40)).astype(np.float32)


def _look_up(skin: Skin) -> tuple[NDArray[np.int32], Array]:
    """Index of each point's direction in the maps, and its distance from the middle."""
    angle = 0.9 * (skin.phase.astype(np.float64) - 0.5)
    cosine, sine = scalars(np.cos(angle)), scalars(np.sin(angle))
    # The neck has a middle of its own, or its pattern would be stretched.
    y = skin.y + np.float32(0.95 if skin.neck else 0.08)
    depth = skin.z + np.float32(0.5) if skin.neck else skin.z
    x = cosine * skin.x + sine * depth
    z = cosine * depth - sine * skin.x
    return _cells(x, y, z), np.sqrt(x * x + y * y + z * z)


def _cells(x: Array, y: Array, z: Array) -> NDArray[np.int32]:
    """Index of the maps' cells that lie in the direction of points."""
    one, half = np.float32(1), np.float32(CELLS / 2)
    norm = one / (np.abs(x) + np.abs(y) + np.abs(z) + np.float32(1e-6))
    u, v = x * norm, y * norm
    back = z < 0
    if back.any():
        u, v = (
            np.where(back, (one - np.abs(v)) * np.where(u < 0, -one, one), u),
            np.where(back, (one - np.abs(u)) * np.where(v < 0, -one, one), v),
        )
    column = np.clip(((u + one) * half).astype(np.int32), 0, CELLS - 1)
    row = np.clip(((v + one) * half).astype(np.int32), 0, CELLS - 1)
    return row * np.int32(CELLS) + column


def streaks(x: Array, y: Array, z: Array) -> Array:
    """Streaks along y at points around the middle of a head, mostly within [-1, 1]."""
    return _fur()[_cells(x, y, z)]


def _tufts(skin: Skin, amount: float) -> Array:
    """Darker and lighter streaks of fur, as a factor about one; none on the muzzle."""
    index, _ = _look_up(skin)
    grain = _fur()[index] * np.float32(amount)
    grain *= np.float32(1) - skin.muzzle
    grain += np.float32(1)
    return grain


# --- coats ---------------------------------------------------------------------------------------


def _brows(skin: Skin, colours: Array, colour: Colour, radii: tuple[float, float]) -> None:
    for x, y, z in skin.eyes:
        mix(colours, colour, skin.spot((1.05 * x, y + 0.17, z), radii, 0.08))


def _tiger(skin: Skin) -> Array:
    colours = skin.fill((240, 132, 28))
    side = np.abs(skin.x)
    if not skin.flat:
        _brows(skin, colours, (255, 244, 226), (0.17, 0.13))
        if not skin.neck:
            chin = ramp(np.float32(-0.36) - skin.y + np.float32(0.25) * side, np.float32(0.16))
            mix(colours, (255, 244, 226), np.maximum(chin, skin.muzzle))
    bend = wave(side * np.float32(0.9) + skin.phase) * np.float32(0.05)
    turns = (skin.y + bend + np.float32(0.32) * side * side) * np.float32(2.9) * skin.density
    stripe = wave(turns + np.float32(0.12) + skin.phase * np.float32(0.25))
    # Stripes are widest at the sides and leave the middle of the face free.
    if skin.flat:
        threshold = np.float32(0.35) + np.float32(0.3) * wave(side * 2 + skin.phase)
    else:
        forehead = ramp(skin.y - np.float32(0.3), np.float32(0.2))
        free = np.maximum(np.float32(0.42) - side, 0) * np.float32(3.4)
        threshold = np.float32(0.05) + free * (np.float32(1) - forehead)
        threshold = threshold + np.float32(0.25) * forehead
        threshold += np.float32(2) * skin.muzzle
    mix(colours, (24, 16, 14), ramp(stripe - threshold, skin.pixel * np.float32(12)))
    return colours


def _leopard(skin: Skin) -> Array:
    colours = skin.fill((248, 196, 98))
    if not skin.flat and not skin.neck:
        pale = np.maximum(skin.muzzle, ramp(np.float32(-0.42) - skin.y, np.float32(0.2)))
        mix(colours, (255, 243, 220), pale)
    near, _, own = _scattered(88)
    index, radius = _look_up(skin)
    away = near[index] * radius * skin.density
    size = np.float32(0.082) + np.float32(0.022) * own[index]
    if not skin.flat:
        size = size * (np.float32(1) - np.float32(0.7) * skin.muzzle)
    mix(colours, (46, 26, 14), ramp(size - away, skin.pixel))
    mix(colours, (196, 122, 44), ramp(size * np.float32(0.42) - away, skin.pixel))
    return colours


def _wolf(skin: Skin) -> Array:
    colours = skin.fill((104, 110, 122))
    if skin.flat:
        pale = ramp(wave(skin.y * np.float32(0.8) + skin.x * np.float32(0.3) + skin.phase), 0.9)
    else:
        face = np.abs(skin.x) * np.float32(0.75) - skin.y - np.float32(0.2)
        if skin.neck:
            face = np.float32(0.24) - np.abs(skin.x)
        pale = np.maximum(ramp(face, np.float32(0.22)), skin.muzzle)
        bridge = ramp(np.float32(0.13) - np.abs(skin.x), np.float32(0.1))
        bridge *= ramp(skin.y + np.float32(0.2), np.float32(0.16))
        pale = pale * (np.float32(1) - np.float32(0.85) * bridge)
    mix(colours, (232, 233, 236), pale)
    if not skin.flat:
        _brows(skin, colours, (226, 228, 232), (0.13, 0.09))
    colours *= _tufts(skin, 0.1)
    return colours


def _fox(skin: Skin) -> Array:
    colours = skin.fill((238, 104, 22))
    if skin.flat:
        edge = wave(skin.x * np.float32(0.9) + skin.phase) * np.float32(0.22) - skin.y
        pale = ramp(edge - np.float32(0.1), skin.pixel * 2)
    else:
        edge = np.abs(skin.x) * np.float32(0.85) - skin.y - np.float32(0.38)
        pale = ramp(edge, np.float32(0.07))
        if skin.neck:
            pale = ramp(np.float32(0.3) - np.abs(skin.x), np.float32(0.1))
    mix(colours, (255, 248, 238), pale)
    colours *= _tufts(skin, 0.05)
    return colours


def _zebra(skin: Skin) -> Array:
    colours = skin.fill((250, 248, 242))
    side = np.abs(skin.x)
    bend = wave(skin.y * np.float32(0.55) + skin.phase * np.float32(0.4)) * np.float32(0.06)
    if skin.flat:
        turns = (skin.x + bend * 2) * np.float32(3.4) * skin.density + skin.phase
    else:
        # Upright on the forehead, round the cheeks, level on the neck.
        cheek = ramp(side - np.float32(0.2), np.float32(0.35))
        lower = ramp(np.float32(0.2) - skin.y, np.float32(0.6))
        level = np.ones_like(side) if skin.neck else cheek * lower
        upright = (side + bend) * np.float32(4.3)
        across = (skin.y + np.float32(0.5) * side) * np.float32(3.6)
        turns = (upright + level * (across - upright)) * skin.density + np.float32(0.25)
    stripe = ramp(wave(turns), skin.pixel * np.float32(18))
    for x, y, z in skin.eyes:
        stripe *= np.float32(1) - skin.ring((x, y, z), 0.25)
    mix(colours, (18, 16, 18), stripe)
    if not skin.flat:
        mix(colours, (74, 68, 70), skin.muzzle)
    return colours


def _cow(skin: Skin) -> Array:
    colours = skin.fill((252, 250, 246))
    one = np.float32(1)
    blot = wave(skin.x * np.float32(0.62) * skin.density + skin.phase * np.float32(0.3))
    blot = blot * wave(skin.y * np.float32(0.5) + np.float32(0.14))
    blot += np.float32(0.55) * wave(
        skin.x * np.float32(0.5) + skin.y * np.float32(0.8) + skin.phase * np.float32(0.4)
    )
    if not skin.flat:
        # Black about the eyes, a white blaze between them.
        blaze = ramp(np.abs(skin.x) - np.float32(0.13), skin.pixel)
        cheek = ramp(skin.y + np.float32(0.3) + np.float32(0.12) * blot, skin.pixel)
        black = ramp(blot, skin.pixel * 4) if skin.neck else blaze * cheek
        mix(colours, (26, 24, 26), black)
        mix(colours, (240, 160, 160), skin.muzzle)
    else:
        mix(colours, (26, 24, 26), one - ramp(blot - np.float32(0.05), skin.pixel * 4))
    return colours


def _rabbit(skin: Skin) -> Array:
    colours = skin.fill((178, 138, 98))
    if not skin.flat:
        for x, y, z in skin.eyes:
            mix(colours, (240, 226, 204), skin.spot((x, y, z), (0.25, 0.25), 0.07))
        low = np.float32(0.3) - np.abs(skin.x) if skin.neck else np.float32(-0.45) - skin.y
        mix(colours, (252, 244, 232), np.maximum(skin.muzzle, ramp(low, np.float32(0.2))))
    colours *= _tufts(skin, 0.08)
    return colours


def _panda(skin: Skin) -> Array:
    colours = skin.fill((250, 248, 244))
    black = (24, 22, 26)
    if skin.flat:
        edge = wave(skin.x * np.float32(0.55) + skin.phase) * np.float32(0.3) + skin.y
        mix(colours, black, ramp(edge, skin.pixel))
        return colours
    for x, y, _ in skin.eyes:
        slant = np.float32(0.55 if x > 0 else -0.55)
        dx, dy = skin.x - np.float32(1.06 * x), skin.y - np.float32(y - 0.05)
        u, v = dx + slant * dy, dy - slant * dx
        away = np.sqrt((u / np.float32(0.235)) ** 2 + (v / np.float32(0.33)) ** 2)
        patch = ramp((np.float32(1) - away) * np.float32(0.24), skin.pixel)
        mix(colours, black, patch * ramp(skin.z, np.float32(0.2)))
    if skin.neck:
        mix(colours, black, ramp(np.float32(-0.86) - skin.y, skin.pixel))
    return colours


def _bear(skin: Skin) -> Array:
    colours = skin.fill((122, 70, 34))
    if not skin.flat:
        mix(colours, (206, 156, 102), skin.muzzle)
    colours *= _tufts(skin, 0.13)
    return colours


def _dalmatian(skin: Skin) -> Array:
    colours = skin.fill((252, 251, 250))
    near, _, own = _scattered(110)
    index, radius = _look_up(skin)
    away = near[index] * radius * skin.density
    size = np.float32(0.03) + np.float32(0.055) * own[index]
    if not skin.flat:
        size = size * (np.float32(1) - np.float32(0.45) * skin.muzzle)
    mix(colours, (22, 20, 22), ramp(size - away, skin.pixel))
    return colours


def _giraffe(skin: Skin) -> Array:
    colours = skin.fill((250, 226, 170))
    _, gap, own = _scattered(64)
    index, radius = _look_up(skin)
    away = gap[index] * radius - np.float32(0.085) / skin.density
    patch = ramp(away, skin.pixel * np.float32(1.6))
    if not skin.flat:
        patch = patch * (np.float32(1) - skin.muzzle)
    brown = np.float32(0.85) + np.float32(0.3) * own[index]
    mix(colours, (brown * 176, brown * 98, brown * 36), patch)
    return colours


def _pig(skin: Skin) -> Array:
    colours = skin.fill((246, 168, 164))
    if not skin.flat:
        mix(colours, (238, 134, 138), skin.muzzle)
    colours *= _tufts(skin, 0.03)
    return colours


COATS: dict[str, Coat] = {
    "tiger": Coat(_tiger, (40, 26, 20), (255, 226, 200)),
    "leopard": Coat(_leopard, (60, 38, 22), (252, 214, 160)),
    "wolf": Coat(_wolf, (84, 88, 98), (214, 196, 190), (44, 46, 52)),
    "fox": Coat(_fox, (232, 98, 20), (255, 236, 214), (30, 22, 22)),
    "zebra": Coat(_zebra, (240, 238, 232), (120, 108, 108), (22, 20, 22)),
    "cow": Coat(_cow, (30, 28, 30), (244, 176, 172)),
    "rabbit": Coat(_rabbit, (170, 130, 92), (246, 182, 172)),
    "panda": Coat(_panda, (24, 22, 26), (48, 44, 48)),
    "brown_bear": Coat(_bear, (110, 62, 30), (190, 134, 92)),
    "dalmatian": Coat(_dalmatian, (26, 24, 26), (70, 62, 64)),
    "giraffe": Coat(_giraffe, (222, 168, 96), (255, 226, 196)),
    "pig": Coat(_pig, (240, 152, 150), (226, 112, 122)),
}
"""The coat of each species, under the species' name."""
