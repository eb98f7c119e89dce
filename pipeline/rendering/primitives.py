"""Analytic primitives of a 2.5-D renderer, for many heads at once.

A head lives in its own frame: x to the viewer's right, y up, z forward, about one unit in radius.
A `View` turns, scales and shifts N heads and looks at them along -z without perspective. For every
pixel of a window, a primitive has a closed form of the share of the pixel it covers (signed
distance to its edge over the pixel's width, without supersampling), of its depth and its normal.

Pixels are computed in float32 by additions, products, quotients, square roots and roundings alone.
IEEE 754 fixes the result of each: an image has the same bytes whatever batch, window or thread
computes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Fragment",
    "Leaf",
    "Surface",
    "View",
    "Window",
    "ball",
    "capsule",
    "ellipsoid",
    "leaf",
    "mix",
    "paint",
    "ramp",
    "rotation",
    "scalars",
    "wave",
]

Array = NDArray[np.float32]
Scalars = NDArray[np.float64]
Window = tuple[slice, slice, slice]
"""All images, some rows, some columns."""

FAR = np.float32(-9)
"""Depth of pixels that nothing covers."""


def scalars(values: ArrayLike) -> Array:
    """One number per image (N,) as (N, 1, 1) float32, to broadcast over pixels."""
    return np.asarray(values, dtype=np.float32).reshape(-1, 1, 1)


def ramp(
    distance: NDArray[np.floating], width: NDArray[np.floating] | np.floating | float
) -> Array:
    """Coverage in [0, 1] of an edge `distance` away (positive inside), softened over `width`."""
    covered = distance / width
    covered += np.float32(0.5)
    return np.clip(covered, np.float32(0), np.float32(1), out=covered)


def wave(turns: Array) -> Array:
    """Sine of `turns` full turns, to 0.001, from products and roundings."""
    turns = turns - np.rint(turns)
    wave = turns * (np.float32(8) - np.float32(16) * np.abs(turns))
    return wave * (np.float32(0.775) + np.float32(0.225) * np.abs(wave))


def mix(colours: Array, colour: ArrayLike, share: Array) -> None:
    """Move colours (3, N, H, W) towards `colour` by `share` (N, H, W), in place.

    `colour` has three channels: numbers, (N,) arrays or (N, H, W) arrays.
    """
    for channel, target in zip(colours, _channels(colour), strict=True):
        channel += share * (target - channel)


def paint(image: Array, window: Window, colour: ArrayLike, share: Array) -> None:
    """Mix `colour` into a window of the image (3, N, H, W), in place."""
    mix(image[(slice(None), *window)], colour, share)


def _channels(colour: ArrayLike) -> list[Array]:
    channels = [np.asarray(channel, dtype=np.float32) for channel in colour]  # type: ignore[union-attr]  # never a scalar
    return [c.reshape(-1, 1, 1) if c.ndim == 1 else c for c in channels]


def rotation(yaw: ArrayLike, pitch: ArrayLike, roll: ArrayLike) -> Scalars:
    """Matrices (N, 3, 3) that turn right by yaw, up by pitch, then clockwise by roll (radians)."""
    yaw, pitch, roll = (np.array(angle, np.float64, ndmin=1) for angle in (yaw, pitch, roll))
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    # Rows of pitch after yaw; the roll then mixes the first two.
    first = np.stack([cy, 0 * cy, sy], -1)
    second = np.stack([-sy * sp, cp, cy * sp], -1)
    third = np.stack([-sy * cp, -sp, cy * cp], -1)
    cr, sr = cr[:, None], sr[:, None]
    return np.stack([cr * first + sr * second, cr * second - sr * first, third], 1)


@dataclass(frozen=True)
class View:
    """How N heads are seen in square pictures: turned, scaled and shifted, without perspective.

    turn: (N, 3, 3) from the head's frame to the viewer's. scale: (N,) half pictures per unit of
    the head. shift: (N, 2) of the head's origin, in half pictures to the right and up.
    """

    turn: Scalars
    scale: Scalars
    shift: Scalars
    size: int

    @property
    def pixel(self) -> Array:
        """Width of a pixel in units of the head, (N, 1, 1)."""
        return scalars(2 / self.size / self.scale)

    @property
    def line(self) -> Array:
        """Width of a drawn line in units of the head, (N, 1, 1); never thinner than a pixel."""
        return np.maximum(np.float32(1.1) * self.pixel, np.float32(0.022))

    @property
    def everything(self) -> Window:
        """The whole picture."""
        return slice(None), slice(0, self.size), slice(0, self.size)

    def point(self, point: ArrayLike) -> Scalars:
        """A point or direction of the head, (3,) or (N, 3), in the viewer's frame, (N, 3)."""
        x, y, z = np.moveaxis(np.asarray(point, dtype=np.float64)[..., None], -2, 0)
        return self.turn[:, :, 0] * x + self.turn[:, :, 1] * y + self.turn[:, :, 2] * z

    def grid(self, window: Window) -> tuple[Array, Array]:
        """Pixel centres of a window in units of the head: x (N, 1, W) and y (N, H, 1), upwards."""
        steps = (2 * np.arange(self.size) + 1) / self.size - 1
        x = (steps[None, window[2]] - self.shift[:, :1]) / self.scale[:, None]
        y = (-steps[None, window[1]] - self.shift[:, 1:]) / self.scale[:, None]
        return x.astype(np.float32)[:, None, :], y.astype(np.float32)[:, :, None]

    def points(self, window: Window, depth: Array) -> tuple[Array, Array, Array]:
        """Points `depth` towards the viewer (N, H, W), in the head's frame."""
        x, y = self.grid(window)
        turn = self.turn
        return tuple(
            (scalars(turn[:, 0, axis]) * x + scalars(turn[:, 1, axis]) * y)
            + scalars(turn[:, 2, axis]) * depth
            for axis in range(3)
        )

    def plane(self, window: Window, z: float) -> tuple[Array, Array, Array]:
        """Where lines of sight cross the head's plane z: x and y in the plane, and depth."""
        x, y = self.grid(window)
        turn = self.turn
        x, y = x - scalars(z * turn[:, 0, 2]), y - scalars(z * turn[:, 1, 2])
        # The cross product of the plane's axes is its normal; no head turns as far as the clamp.
        area = np.maximum(turn[:, 2, 2], 0.12)
        u = scalars(turn[:, 1, 1] / area) * x - scalars(turn[:, 0, 1] / area) * y
        v = scalars(turn[:, 0, 0] / area) * y - scalars(turn[:, 1, 0] / area) * x
        depth = scalars(turn[:, 2, 0]) * u + scalars(turn[:, 2, 1]) * v
        return u, v, depth + scalars(z * turn[:, 2, 2])

    def window(self, centre: Scalars, reach_x: Scalars, reach_y: Scalars) -> Window | None:
        """The smallest window that holds boxes around `centre` (N, 2+) in every image, or None.

        A primitive covers nothing outside its window: a larger one, which other images of the batch
        may need, changes nothing.
        """
        middle = self.shift + self.scale[:, None] * centre[:, :2]
        reach = self.scale[:, None] * np.stack([reach_x, reach_y], -1) + 2 / self.size
        low = (np.min(middle - reach, axis=0) + 1) * self.size / 2
        high = (np.max(middle + reach, axis=0) + 1) * self.size / 2
        left, right = max(int(low[0]), 0), min(int(high[0]) + 1, self.size)
        top, bottom = max(self.size - int(high[1]) - 1, 0), min(self.size - int(low[1]), self.size)
        if left >= right or top >= bottom:
            return None
        return slice(None), slice(top, bottom), slice(left, right)


@dataclass(frozen=True)
class Fragment:
    """A primitive in a window: coverage, depth towards the viewer, and normals.

    Normals are in the viewer's frame and not of unit length.
    """

    window: Window
    coverage: Array
    depth: Array
    normal: tuple[Array, Array, Array]
    edge: Array
    """Distance to the silhouette in units of the head, positive inside."""


def ellipsoid(
    view: View, centre: ArrayLike, radii: ArrayLike, tilt: float = 0.0
) -> Fragment | None:
    """An ellipsoid of the head; `tilt` turns its own axes upwards about x. None if out of sight.

    Centre and radii are (3,), or (N, 3) where the images have their own.
    """
    turn = view.turn
    if tilt:
        own = rotation(0.0, tilt, 0.0)[0]
        turn = np.stack([view.point(own[:, axis]) for axis in range(3)], -1)
    weight = 1 / np.square(np.asarray(radii, dtype=np.float64))
    # |p - c| in units of the radii is d' m d; along the line of sight it is least where g is.
    m = np.zeros_like(turn)
    for axis in range(3):
        m += weight[..., axis, None, None] * turn[:, :, None, axis] * turn[:, None, :, axis]
    a, b, c = (
        m[:, i, j] - m[:, i, 2] * m[:, j, 2] / m[:, 2, 2] for i, j in ((0, 0), (0, 1), (1, 1))
    )
    middle = view.point(centre)
    area = a * c - b * b
    window = view.window(middle, np.sqrt(c / area), np.sqrt(a / area))
    if window is None:
        return None
    x, y = view.grid(window)
    x, y = x - scalars(middle[:, 0]), y - scalars(middle[:, 1])
    slope_x = scalars(a) * x + scalars(b) * y
    slope_y = scalars(b) * x + scalars(c) * y
    g = slope_x * x + slope_y * y
    root = np.sqrt(g)
    slope_x *= slope_x
    slope_y *= slope_y
    slope_x += slope_y
    np.sqrt(slope_x, out=slope_x)
    slope_x += np.float32(1e-6)
    edge = (root - g) / slope_x
    coverage = ramp(edge, view.pixel)
    np.subtract(np.float32(1), g, out=g)
    np.maximum(g, np.float32(0), out=g)
    np.sqrt(g, out=g)
    g *= scalars(1 / np.sqrt(m[:, 2, 2]))
    z = g - (scalars(m[:, 0, 2] / m[:, 2, 2]) * x + scalars(m[:, 1, 2] / m[:, 2, 2]) * y)
    unit = np.prod(np.asarray(radii, dtype=np.float64), axis=-1) ** (1 / 3)
    normal = tuple(
        scalars(unit * m[:, i, 0]) * x
        + scalars(unit * m[:, i, 1]) * y
        + scalars(unit * m[:, i, 2]) * z
        for i in range(3)
    )
    z += scalars(middle[:, 2])
    return Fragment(window, coverage, z, normal, edge)  # type: ignore[arg-type]  # normal has three axes


@dataclass
class Surface:
    """The body: ellipsoids melted into one another, before any colour.

    Buffers are (N, H, W). `share` holds for each named role how much of a pixel it owns.
    """

    view: View
    coverage: Array
    depth: Array
    normal: Array
    share: dict[str, Array] = field(default_factory=dict)
    ink: Array | None = None
    window: Window | None = None

    @classmethod
    def empty(cls, view: View, *, roles: Sequence[str] = (), inked: bool = False) -> Surface:
        """Nothing yet. `inked` also keeps lines along the outlines of the parts."""
        shape = (len(view.scale), view.size, view.size)
        return cls(
            view,
            np.zeros(shape, np.float32),
            np.full(shape, FAR),
            np.zeros((3, *shape), np.float32),
            {role: np.zeros(shape, np.float32) for role in roles},
            np.zeros(shape, np.float32) if inked else None,
        )

    def add(self, part: Fragment | None, role: str = "", melt: float = 0.02) -> None:
        """Join a part where it is in front, over a seam of depth `melt`."""
        if part is None:
            return
        window = part.window
        self.window = _around(self.window, window)
        depth = self.depth[window]
        gap = part.depth - depth
        # A seam thinner than this would show steps.
        wins = ramp(gap, np.maximum(np.float32(melt), np.float32(2.5) * self.view.pixel))
        wins *= part.coverage
        if self.ink is not None:
            drawn = np.float32(1) - ramp(part.edge - self.view.line, self.view.pixel)
            ink = self.ink[window]
            ink += wins * (drawn - ink)
        for old, new in zip(self.normal, part.normal, strict=True):
            here = old[window]
            here += wins * (new - here)
        fresh = depth == FAR
        fresh &= part.coverage > 0
        for name, owned in self.share.items():
            here = owned[window]
            value = np.float32(name == role)
            here += wins * (value - here)
            np.copyto(here, value, where=fresh)
        gap *= wins
        depth += gap
        np.copyto(depth, part.depth, where=fresh)
        np.maximum(self.coverage[window], part.coverage, out=self.coverage[window])

    def finish(self) -> None:
        """Bring the normals to unit length."""
        if self.window is not None:
            normal = self.normal[(slice(None), *self.window)]
            x, y, z = normal
            normal /= np.sqrt(x * x + y * y + z * z) + np.float32(1e-6)

    def points(self, window: Window) -> tuple[Array, Array, Array]:
        """Points of the surface in the head's frame."""
        return self.view.points(window, self.depth[window])


def _around(first: Window | None, second: Window) -> Window:
    if first is None:
        return second
    rows, columns = (
        slice(min(a.start, b.start), max(a.stop, b.stop))
        for a, b in zip(first[1:], second[1:], strict=True)
    )
    return slice(None), rows, columns


def ball(view: View, centre: Sequence[float], radius: float) -> Fragment | None:
    """A ball of the head; its normals have unit length."""
    return ellipsoid(view, centre, (radius, radius, radius))


@dataclass(frozen=True)
class Leaf:
    """Something flat, such as an ear: its window, coverages, depth and normals.

    inner: coverage of its inner field, seen only from the front. along: position from root (0) to
    tip (1).
    """

    window: Window
    coverage: Array
    inner: Array
    depth: Array
    normal: tuple[Array, Array, Array]
    along: Array
    edge: Array


def leaf(
    view: View,
    root: Sequence[float],
    tip: Sequence[float],
    side: Sequence[float],
    profile: str,
    *,
    inset: float = 0.3,
    curl: float = 0.7,
) -> Leaf | None:
    """A flat leaf from `root` to `tip`, `side` being half its width; None if out of sight.

    profile: `round` (an ellipse), `pointed` (a triangle with bulging sides) or `lance` (narrow at
    the root, widest in the middle, pointed). inset: how far the inner field stays inside the edge.
    curl: how much the leaf is cupped.
    """
    half_width = np.asarray(side, dtype=np.float64)
    axis = np.asarray(tip, dtype=np.float64) - np.asarray(root, dtype=np.float64)
    base, up, across = view.point(root), view.point(axis), view.point(half_width)
    face = np.cross(half_width, axis)
    full = np.linalg.norm(face)
    # A leaf's front is the side that looks forward, on either side of the head.
    front = view.point(face / (full if face[2] > 0 else -full))
    # Edge-on, a leaf has no area in the picture: the clamp keeps it thin, not infinitely long.
    area = across[:, 0] * up[:, 1] - across[:, 1] * up[:, 0]
    area = np.where(area < 0, -1.0, 1.0) * np.maximum(np.abs(area), 0.12 * full)
    reach = 1.1 * np.abs(across) + 0.6 * np.abs(up)
    window = view.window(base + 0.45 * up, reach[:, 0] + 0.06, reach[:, 1] + 0.06)
    if window is None:
        return None
    x, y = view.grid(window)
    x, y = x - scalars(base[:, 0]), y - scalars(base[:, 1])
    sx, sy = up[:, 1] / area, -up[:, 0] / area
    tx, ty = -across[:, 1] / area, across[:, 0] / area
    s = scalars(sx) * x + scalars(sy) * y
    t = scalars(tx) * x + scalars(ty) * y
    one = np.float32(1)
    if profile == "round":
        v = 2 * t - one
        field_, ds, dt = one - s * s - v * v, -2 * s, -4 * v
    elif profile == "pointed":
        low = np.maximum(t, np.float32(0))
        field_ = (one - low) * (one + np.float32(0.55) * low) - np.abs(s)
        ds, dt = np.where(s < 0, one, -one), -np.float32(0.45) - np.float32(1.1) * low
    else:
        field_ = np.float32(2.75) * (t + np.float32(0.2)) * (one - t) - np.abs(s)
        ds, dt = np.where(s < 0, one, -one), np.float32(2.75) * (np.float32(0.8) - 2 * t)
    gx = ds * scalars(sx) + dt * scalars(tx)
    gy = ds * scalars(sy) + dt * scalars(ty)
    steep = np.sqrt(gx * gx + gy * gy) + np.float32(1e-3)
    edge = field_ / steep
    floor = (t + np.float32(0.1)) / scalars(np.hypot(tx, ty))
    edge = np.minimum(edge, floor)
    pixel = view.pixel
    coverage = ramp(edge, pixel)
    inner = ramp((field_ - np.float32(inset)) / steep, pixel)
    inner *= scalars(front[:, 2] > 0)
    depth = scalars(base[:, 2]) + scalars(up[:, 2]) * t + scalars(across[:, 2]) * s
    lean = across * (curl / np.linalg.norm(half_width))
    facing = np.where(front[:, 2] > 0, 1.0, -1.0)
    normal = tuple(
        scalars(facing * front[:, i]) - scalars(facing * lean[:, i]) * s for i in range(3)
    )
    return Leaf(window, coverage, inner, depth, normal, t, edge)  # type: ignore[arg-type]  # normal has three axes


def capsule(
    view: View, start: ArrayLike, end: ArrayLike, radii: tuple[float, float]
) -> Fragment | None:
    """A rod of the head that tapers from `start` to `end`; None if out of sight.

    The ends are (3,), or (N, 3) where the images have their own.
    """
    first, last = view.point(start), view.point(end)
    along = last - first
    reach = np.abs(along) / 2 + max(radii)
    window = view.window((first + last) / 2, reach[:, 0], reach[:, 1])
    if window is None:
        return None
    x, y = view.grid(window)
    x, y = x - scalars(first[:, 0]), y - scalars(first[:, 1])
    length = np.maximum(along[:, 0] ** 2 + along[:, 1] ** 2, 1e-4)
    t = scalars(along[:, 0] / length) * x + scalars(along[:, 1] / length) * y
    np.clip(t, np.float32(0), np.float32(1), out=t)
    radius = np.float32(radii[0]) + np.float32(radii[1] - radii[0]) * t
    x, y = x - scalars(along[:, 0]) * t, y - scalars(along[:, 1]) * t
    away = np.sqrt(x * x + y * y)
    edge = radius - away
    height = np.sqrt(np.maximum(radius * radius - away * away, np.float32(0)))
    depth = scalars(first[:, 2]) + scalars(along[:, 2]) * t + height
    normal = (x, y, height + np.float32(1e-3))
    return Fragment(window, ramp(edge, view.pixel), depth, normal, edge)
