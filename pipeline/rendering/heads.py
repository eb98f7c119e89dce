"""Painting of heads: a batch of images of one shape in one coat, from back to front."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.rendering.coats import Coat, Skin
from pipeline.rendering.primitives import (
    Fragment,
    Leaf,
    Surface,
    View,
    ball,
    capsule,
    ellipsoid,
    leaf,
    mix,
    paint,
    ramp,
    rotation,
    scalars,
)
from pipeline.rendering.scene import Columns, Light, backdrop, unit
from pipeline.rendering.species import Colour, Ear, Eye, Horn, Mouth, Nose, Point, Shape

__all__ = ["draw_head", "draw_patch"]

FILL = 0.93
"""Half pictures per unit of a head of factor scale 1 and zoom 1."""

PAPER, SHEET, INK = 244, (250, 250, 250), (40, 38, 40)
PATCH_RADIUS = 0.62

Array = NDArray[np.float32]


def draw_head(shape: Shape, coat: Coat, columns: Columns, size: int, *, sketch: bool) -> Array:
    """Heads of one shape in one coat, or as a sketch without coat: (3, N, size, size) in [0, 255].

    Where light is strongest, colours lie slightly outside the range: clip them.
    """
    view = View(
        rotation(columns["yaw"], columns["pitch"], columns["roll"]),
        FILL * shape.zoom * columns["scale"],
        np.stack([columns["x"], columns["y"] + shape.lift], -1),
        size,
    )
    return _Painter(view, coat, columns, sketch=sketch).head(shape)


def draw_patch(coat: Coat, columns: Columns, size: int) -> Array:
    """A flat patch of the coat that fills the picture: (3, N, size, size), as `draw_head`.

    Roll, scale, yaw and pitch decide which patch.
    """
    zero = np.zeros_like(columns["yaw"])
    zoom = 1.35 * FILL * columns["scale"]
    middle = np.stack([0.2 * columns["yaw"], columns["pitch"]], -1)
    view = View(rotation(zero, zero, zero), zoom, middle, size)
    flat_x, flat_y = view.grid(view.everything)
    c, s = scalars(np.cos(4 * columns["roll"])), scalars(np.sin(4 * columns["roll"]))
    x, y = c * flat_x - s * flat_y, s * flat_x + c * flat_y
    # Stereographic: patterns that live on a sphere of directions keep their shapes.
    z = np.float32(PATCH_RADIUS) - (x * x + y * y) / np.float32(4 * PATCH_RADIUS)
    phase, density = scalars(columns["coat_phase"]), scalars(columns["coat_density"])
    skin = Skin(x, y, z, view.pixel, np.zeros_like(x), (), phase, density, flat=True)
    image = coat.paint(skin)
    image *= _hue(columns)
    lean = np.float32(0.2)
    normal = (lean * flat_x + 0 * y, lean * flat_y + 0 * x, np.full_like(x, 0.95))
    image *= Light(columns).shade(normal)
    return image


def _side(point: Point, side: int) -> Point:
    """The point itself (1) or its mirror image on the other side of the head (-1)."""
    return (side * point[0], point[1], point[2])


def _plain(colour: Colour, like: Array) -> Array:
    colours = np.empty((3, *like.shape), np.float32)
    for channel, value in zip(colours, colour, strict=True):
        channel[...] = value
    return colours


def _hue(columns: Columns) -> Array:
    """Factors of red, green and blue for coat_hue: (3, N, 1, 1)."""
    hue = columns["coat_hue"]
    return np.stack([scalars(1 + 0.05 * hue), scalars(1 + 0 * hue), scalars(1 - 0.08 * hue)])


class _Painter:
    """Paints heads of one shape; a sketch has lines and paper instead of coat and light."""

    def __init__(self, view: View, coat: Coat, columns: Columns, *, sketch: bool) -> None:
        self.view, self.coat, self.columns, self.sketch = view, coat, columns, sketch
        self.light = Light(columns)
        self.hue = _hue(columns)
        self.line = view.line

    def head(self, shape: Shape) -> Array:
        image = self.background()
        self.body(image, self.surface(shape, ("neck",)), shape, neck=True)
        surface = self.surface(shape, ("fur", "muzzle"))
        ears = [self.ear_leaf(shape.ears, side) for side in (-1, 1)]
        rods = [rod for horn in shape.horns for side in (-1, 1) for rod in self.rods(horn, side)]
        # Ears and horns are painted twice: whole behind the head, then what lies in front of it.
        for depth in (None, surface.depth):
            if depth is not None:
                self.body(image, surface, shape)
            for colour, rod in rods:
                self.rod(image, colour, rod, depth)
            for ear in ears:
                self.ear(image, shape.ears, ear, depth)
        self.nose(image, surface.depth, shape.nose)
        for side in (-1, 1):
            self.eye(image, surface.depth, shape.eye, side)
        return image

    def background(self) -> Array:
        image = backdrop(self.columns, self.view.size)
        if self.sketch:
            image[...] = np.float32(PAPER)
        return image

    def surface(self, shape: Shape, roles: tuple[str, ...]) -> Surface:
        surface = Surface.empty(self.view, roles=("muzzle",), inked=self.sketch)
        for part in shape.parts:
            if part.role not in roles:
                continue
            for side in (-1, 1) if part.mirror else (1,):
                centre = _side(part.centre, side)
                fragment = ellipsoid(self.view, centre, part.radii, part.tilt)
                surface.add(fragment, part.role, part.melt)
        surface.finish()
        return surface

    def body(self, image: Array, surface: Surface, shape: Shape, *, neck: bool = False) -> None:
        """Paint the surface: the coat, light, and the line of the mouth."""
        window = surface.window
        if window is None:
            return
        x, y, z = surface.points(window)
        nx, ny, nz = (normal[window] for normal in surface.normal)
        skin = Skin(
            x,
            y,
            z,
            # Near the silhouette a pixel covers more of the surface.
            self.view.pixel / np.maximum(nz, np.float32(0.35)),
            surface.share["muzzle"][window],
            () if neck else tuple(_side(shape.eye.centre, side) for side in (-1, 1)),
            scalars(self.columns["coat_phase"]),
            scalars(self.columns["coat_density"]),
            neck=neck,
        )
        if surface.ink is not None:
            colours = _plain(SHEET, x)
            mix(colours, INK, surface.ink[window])
        else:
            colours = self.coat.paint(skin)
            colours *= self.hue
            shade = self.light.shade((nx, ny, nz))
            if neck:
                shade *= np.float32(0.7)  # in the head's shadow
            colours *= shade
        if not neck:
            self.mouth(colours, skin, shape.mouth)
        paint(image, window, colours, surface.coverage[window])

    def mouth(self, colours: Array, skin: Skin, mouth: Mouth) -> None:
        """Draw the line of the mouth on the front of the surface, in the head's own x and y."""
        x = np.abs(skin.x)
        end = np.float32(mouth.half_width)
        t = np.minimum(x / end, np.float32(1))
        height = np.float32(mouth.height) + np.float32(mouth.lift) * t * t
        height -= np.float32(4 * mouth.dip) * t * (np.float32(1) - t)
        away = np.abs(skin.y - height) + 2 * np.maximum(x - end, np.float32(0))
        if mouth.groove is not None:
            above = np.maximum(skin.y - np.float32(mouth.groove), np.float32(0))
            below = np.maximum(np.float32(mouth.height) - skin.y, np.float32(0))
            away = np.minimum(away, x + 2 * (above + below))
        share = ramp(np.float32(0.7) * self.line - away, skin.pixel)
        share *= ramp(skin.z - np.float32(0.3), np.float32(0.1))
        mix(colours, INK if self.sketch else mouth.colour, share)

    def before(self, depth: Array | None, part: Fragment | Leaf) -> Array:
        """Coverage of what lies in front of the surface, or all of it without a surface."""
        if depth is None:
            return part.coverage
        return part.coverage * ramp(part.depth - depth[part.window], np.float32(0.05))

    def drawn(self, part: Fragment | Leaf) -> Array:
        """A part of a sketch: its outline on paper."""
        colours = _plain(SHEET, part.edge)
        mix(colours, INK, np.float32(1) - ramp(part.edge - self.line, self.view.pixel))
        return colours

    def ear_leaf(self, ear: Ear, side: int) -> Leaf | None:
        root, tip, across = (_side(point, side) for point in (ear.root, ear.tip, ear.side))
        return leaf(self.view, root, tip, across, ear.profile, inset=ear.inset)

    def ear(self, image: Array, shape: Ear, ear: Leaf | None, depth: Array | None) -> None:
        if ear is None:
            return
        if self.sketch:
            colours = self.drawn(ear)
        else:
            colours = _plain(self.coat.ear, ear.edge)
            if self.coat.ear_tip is not None:
                tip = ramp(ear.along - np.float32(shape.tipped), np.float32(0.12))
                mix(colours, self.coat.ear_tip, tip)
            mix(colours, self.coat.ear_inner, ear.inner)
            colours *= self.light.shade(unit(ear.normal))
            colours *= self.hue
        paint(image, ear.window, colours, self.before(depth, ear))

    def rods(self, horn: Horn, side: int) -> list[tuple[Colour, Fragment | None]]:
        start, end = _side(horn.start, side), _side(horn.end, side)
        parts = [(horn.colour, capsule(self.view, start, end, horn.radii))]
        if horn.knob:
            parts.append((horn.knob_colour, ball(self.view, end, horn.knob)))
        return parts

    def rod(self, image: Array, colour: Colour, rod: Fragment | None, depth: Array | None) -> None:
        if rod is None:
            return
        if self.sketch:
            colours = self.drawn(rod)
        else:
            colours = _plain(colour, rod.edge)
            colours *= self.light.shade(unit(rod.normal))
        paint(image, rod.window, colours, self.before(depth, rod))

    def nose(self, image: Array, depth: Array, nose: Nose) -> None:
        part = ellipsoid(self.view, nose.centre, nose.radii)
        if part is None:
            return
        if self.sketch:
            colours = self.drawn(part) if nose.nostrils else _plain((70, 68, 70), part.edge)
        else:
            normal = unit(part.normal)
            colours = _plain(nose.colour, part.edge)
            colours *= self.light.shade(normal)
            if not nose.nostrils:
                gleam = np.float32(0.55) * ramp(normal[1] - np.float32(0.55), np.float32(0.4))
                mix(colours, (255, 250, 250), gleam)
        paint(image, part.window, colours, self.before(depth, part))
        if nose.nostrils:
            dx, dy, radius = nose.nostrils
            x, y, z = nose.centre
            for side in (-1, 1):
                at = (x + side * dx, y + dy, z + 0.75 * nose.radii[2])
                hole = ellipsoid(self.view, at, (radius, 1.25 * radius, 0.5 * radius))
                if hole is not None:
                    paint(image, hole.window, (34, 20, 22), self.before(depth, hole))

    def eye(self, image: Array, depth: Array, eye: Eye, side: int) -> None:
        part = ball(self.view, _side(eye.centre, side), eye.radius)
        if part is None:
            return
        nx, ny, nz = part.normal
        one = np.float32(1)
        gaze = self.view.point((side * np.sin(eye.outward), 0.04, np.cos(eye.outward)))
        facing = scalars(gaze[:, 0]) * nx + scalars(gaze[:, 1]) * ny + scalars(gaze[:, 2]) * nz
        # Distance from the middle of the iris as a sine, which is a length in the picture.
        off = np.sqrt(np.maximum(one - facing * facing, np.float32(0)))
        off = np.where(facing > 0, off, 2 - off)
        width = self.view.pixel / np.float32(eye.radius)
        if self.sketch:
            colours = self.drawn(part)
        else:
            # Eyes are not shaded: an iris glows from below, and its rim stays dark.
            colours = _plain(eye.rim, part.edge)
            glow = one - np.float32(0.3) * ny
            iris = np.stack([np.float32(channel) * glow for channel in eye.iris])
            mix(colours, iris, ramp(np.float32(eye.iris_size) - off, width))
        mix(colours, (8, 8, 12), ramp(np.float32(eye.pupil_size) - off, width))
        glint_x, glint_y = self.light.glint()
        dx, dy = nx - glint_x, ny - glint_y
        glint = ramp(np.float32(0.24) - np.sqrt(dx * dx + dy * dy), width)
        mix(colours, (255, 255, 255), glint)
        paint(image, part.window, colours, self.before(depth, part))
