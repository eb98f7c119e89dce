"""Shapes of animal heads: which ellipsoids, ears, horns and features make a species."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SHAPES", "Ear", "Eye", "Horn", "Mouth", "Nose", "Part", "Shape"]

Point = tuple[float, float, float]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Part:
    """An ellipsoid of the body: centre, radii, role (`fur`, `muzzle`, `neck`), seam, tilt.

    `mirror` adds its image on the other side.
    """

    centre: Point
    radii: Point
    role: str = "fur"
    melt: float = 0.12
    tilt: float = 0.0
    mirror: bool = False


@dataclass(frozen=True)
class Ear:
    """The ear on the viewer's right, mirrored for the left. See `primitives.leaf`."""

    root: Point
    tip: Point
    side: Point
    profile: str
    inset: float = 0.3
    tipped: float = 0.72


@dataclass(frozen=True)
class Horn:
    """A rod on each side, with a knob at its end if `knob` is positive."""

    start: Point
    end: Point
    radii: tuple[float, float]
    colour: Colour
    knob: float = 0.0
    knob_colour: Colour = (60, 36, 20)


@dataclass(frozen=True)
class Eye:
    """The right eye: a ball with iris and pupil, whose sizes are sines of angles on the ball."""

    centre: Point
    radius: float
    iris: Colour
    iris_size: float = 0.84
    pupil_size: float = 0.45
    rim: Colour = (24, 16, 12)
    outward: float = 0.25


@dataclass(frozen=True)
class Nose:
    """An ellipsoid with a highlight; `nostrils` are dark dots on it: offsets in x and y, radius."""

    centre: Point
    radii: Point
    colour: Colour
    nostrils: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Mouth:
    """A line on the front: middle height, half width, dip of its halves, lift of its ends.

    groove: height up to which a line runs from the middle of the mouth to the nose.
    """

    height: float
    half_width: float
    dip: float = 0.0
    lift: float = 0.0
    groove: float | None = None
    colour: Colour = (52, 26, 24)


@dataclass(frozen=True)
class Shape:
    """The head of a species; zoom and lift make it fill the picture."""

    parts: tuple[Part, ...]
    ears: Ear
    eye: Eye
    nose: Nose
    mouth: Mouth
    horns: tuple[Horn, ...] = ()
    zoom: float = 1.0
    lift: float = 0.0


NECK = Part((0, -1.0, -0.42), (0.62, 0.72, 0.5), "neck", 0.04)

SHAPES: dict[str, Shape] = {
    "tiger": Shape(
        parts=(
            NECK,
            Part((0, 0, 0), (0.74, 0.66, 0.64)),
            Part((0.5, -0.26, 0.06), (0.36, 0.33, 0.36), melt=0.25, mirror=True),
            Part((0, 0.02, 0.46), (0.2, 0.36, 0.3), melt=0.2),
            Part((0, -0.46, 0.48), (0.2, 0.16, 0.24), "muzzle", 0.06),
            Part((0.155, -0.29, 0.56), (0.2, 0.18, 0.26), "muzzle", 0.06, mirror=True),
        ),
        ears=Ear((0.46, 0.4, -0.1), (0.66, 0.86, -0.14), (0.24, -0.1, 0.06), "round"),
        eye=Eye((0.31, 0.1, 0.5), 0.165, (250, 206, 60)),
        nose=Nose((0, -0.15, 0.8), (0.13, 0.085, 0.08), (226, 110, 116)),
        mouth=Mouth(-0.4, 0.27, 0.07, 0.06, -0.2),
        zoom=1.0,
        lift=0.02,
    ),
    "leopard": Shape(
        parts=(
            NECK,
            Part((0, 0.04, 0), (0.62, 0.66, 0.62)),
            Part((0.32, -0.22, 0.14), (0.32, 0.28, 0.36), melt=0.25, mirror=True),
            Part((0, -0.02, 0.48), (0.19, 0.4, 0.32), melt=0.2),
            Part((0, -0.5, 0.5), (0.18, 0.15, 0.26), "muzzle", 0.06),
            Part((0.135, -0.34, 0.62), (0.18, 0.16, 0.28), "muzzle", 0.06, mirror=True),
        ),
        ears=Ear((0.36, 0.5, -0.08), (0.5, 0.92, -0.12), (0.19, -0.07, 0.05), "round"),
        eye=Eye((0.27, 0.08, 0.5), 0.165, (150, 216, 120)),
        nose=Nose((0, -0.21, 0.88), (0.115, 0.08, 0.07), (60, 34, 36)),
        mouth=Mouth(-0.45, 0.23, 0.06, 0.06, -0.24),
        zoom=1.14,
        lift=0.0,
    ),
    "wolf": Shape(
        parts=(
            NECK,
            Part((0, 0.02, -0.05), (0.62, 0.58, 0.58)),
            Part((0.38, -0.22, -0.06), (0.36, 0.34, 0.34), melt=0.4, mirror=True),
            Part((0, -0.14, 0.42), (0.25, 0.26, 0.5), melt=0.16, tilt=-0.25),
            Part((0, -0.4, 0.6), (0.16, 0.12, 0.34), "muzzle", 0.06, tilt=-0.1),
            Part((0, -0.28, 0.66), (0.2, 0.17, 0.4), "muzzle", 0.1, tilt=-0.1),
        ),
        ears=Ear((0.34, 0.4, -0.1), (0.48, 1.06, -0.14), (0.23, -0.06, 0.09), "pointed"),
        eye=Eye((0.27, 0.1, 0.41), 0.15, (255, 200, 40), pupil_size=0.42),
        nose=Nose((0, -0.21, 1.04), (0.12, 0.09, 0.09), (22, 20, 24)),
        mouth=Mouth(-0.42, 0.14, 0.03, 0.05, -0.26),
        zoom=1.08,
        lift=-0.08,
    ),
    "fox": Shape(
        parts=(
            NECK,
            Part((0, 0.0, -0.05), (0.6, 0.5, 0.5)),
            Part((0.4, -0.18, 0.0), (0.35, 0.25, 0.3), melt=0.35, mirror=True),
            Part((0, -0.2, 0.4), (0.22, 0.22, 0.46), melt=0.16, tilt=-0.35),
            Part((0, -0.35, 0.66), (0.125, 0.115, 0.36), "muzzle", 0.1, tilt=-0.2),
        ),
        ears=Ear((0.36, 0.28, -0.1), (0.66, 1.14, -0.16), (0.29, -0.12, 0.1), "pointed"),
        eye=Eye((0.25, 0.06, 0.37), 0.145, (255, 178, 40), pupil_size=0.5),
        nose=Nose((0, -0.36, 1.02), (0.095, 0.08, 0.08), (20, 18, 20)),
        mouth=Mouth(-0.47, 0.17, 0.0, 0.1),
        zoom=1.04,
        lift=-0.14,
    ),
    "zebra": Shape(
        parts=(
            Part((0, -0.95, -0.5), (0.5, 0.9, 0.5), "neck", 0.04),
            Part((0, 0.72, -0.26), (0.13, 0.36, 0.4), melt=0.05),
            Part((0, 0.16, -0.02), (0.5, 0.56, 0.5)),
            Part((0, -0.24, 0.3), (0.34, 0.54, 0.36), melt=0.25, tilt=-0.35),
            Part((0, -0.54, 0.48), (0.32, 0.28, 0.34), "muzzle", 0.14),
        ),
        ears=Ear((0.28, 0.5, -0.12), (0.5, 1.08, -0.16), (0.18, -0.05, 0.05), "lance"),
        eye=Eye((0.35, 0.18, 0.28), 0.155, (74, 44, 24), pupil_size=0.6, outward=0.7),
        nose=Nose((0, -0.47, 0.77), (0.25, 0.13, 0.08), (92, 84, 86), (0.14, 0.0, 0.055)),
        mouth=Mouth(-0.7, 0.19, 0.0, 0.05, colour=(16, 12, 14)),
        zoom=1.0,
        lift=-0.12,
    ),
    "cow": Shape(
        parts=(
            Part((0, -1.0, -0.5), (0.62, 0.8, 0.5), "neck", 0.04),
            Part((0, 0.16, -0.02), (0.54, 0.52, 0.5)),
            Part((0, -0.2, 0.26), (0.4, 0.5, 0.4), melt=0.25, tilt=-0.3),
            Part((0, -0.52, 0.46), (0.43, 0.29, 0.36), "muzzle", 0.1),
        ),
        ears=Ear((0.44, 0.3, -0.16), (0.98, 0.22, -0.1), (0.02, 0.19, 0.08), "round"),
        eye=Eye((0.34, 0.16, 0.31), 0.16, (96, 56, 30), pupil_size=0.58, outward=0.6),
        nose=Nose((0, -0.46, 0.74), (0.3, 0.15, 0.12), (232, 140, 142), (0.17, 0.0, 0.062)),
        mouth=Mouth(-0.7, 0.24, 0.0, 0.06),
        horns=(
            Horn((0.3, 0.55, -0.1), (0.6, 0.68, -0.08), (0.115, 0.1), (232, 214, 170)),
            Horn((0.6, 0.68, -0.08), (0.66, 1.0, 0.0), (0.1, 0.03), (240, 226, 190)),
        ),
        zoom=1.0,
        lift=-0.06,
    ),
    "rabbit": Shape(
        parts=(
            NECK,
            Part((0, -0.02, 0), (0.56, 0.56, 0.56)),
            Part((0.25, -0.3, 0.18), (0.3, 0.28, 0.34), melt=0.25, mirror=True),
            Part((0.11, -0.26, 0.5), (0.155, 0.14, 0.16), "muzzle", 0.06, mirror=True),
        ),
        ears=Ear((0.2, 0.36, -0.1), (0.32, 1.3, -0.16), (0.19, -0.02, 0.05), "round", inset=0.5),
        eye=Eye((0.33, 0.06, 0.35), 0.18, (84, 44, 24), pupil_size=0.62, outward=0.55),
        nose=Nose((0, -0.17, 0.64), (0.095, 0.07, 0.06), (238, 130, 140)),
        mouth=Mouth(-0.34, 0.18, 0.06, 0.05, -0.2),
        zoom=1.04,
        lift=-0.36,
    ),
    "panda": Shape(
        parts=(
            Part((0, -1.02, -0.42), (0.75, 0.7, 0.5), "neck", 0.04),
            Part((0, 0.0, 0), (0.8, 0.68, 0.64)),
            Part((0.42, -0.24, 0.06), (0.42, 0.38, 0.42), melt=0.25, mirror=True),
            Part((0, -0.3, 0.5), (0.29, 0.23, 0.3), "muzzle", 0.14),
        ),
        ears=Ear((0.5, 0.42, -0.1), (0.76, 0.86, -0.14), (0.26, -0.15, 0.06), "round", inset=0.6),
        eye=Eye((0.32, 0.06, 0.5), 0.125, (110, 66, 40), pupil_size=0.6),
        nose=Nose((0, -0.2, 0.79), (0.13, 0.085, 0.08), (22, 20, 24)),
        mouth=Mouth(-0.42, 0.18, 0.05, 0.05, -0.24),
        zoom=1.0,
        lift=0.02,
    ),
    "brown_bear": Shape(
        parts=(
            Part((0, -1.02, -0.42), (0.75, 0.7, 0.5), "neck", 0.04),
            Part((0, 0.06, 0), (0.68, 0.66, 0.62)),
            Part((0.34, -0.22, 0.06), (0.38, 0.36, 0.4), melt=0.25, mirror=True),
            Part((0, -0.28, 0.58), (0.31, 0.27, 0.42), "muzzle", 0.08),
        ),
        ears=Ear((0.42, 0.48, -0.12), (0.66, 0.9, -0.16), (0.21, -0.11, 0.06), "round", inset=0.55),
        eye=Eye((0.28, 0.13, 0.485), 0.13, (196, 122, 50), pupil_size=0.58),
        nose=Nose((0, -0.15, 0.95), (0.155, 0.11, 0.09), (20, 16, 18)),
        mouth=Mouth(-0.4, 0.2, 0.03, 0.05, -0.22),
        zoom=1.05,
        lift=-0.02,
    ),
    "dalmatian": Shape(
        parts=(
            NECK,
            Part((0, 0.08, -0.02), (0.58, 0.6, 0.58)),
            Part((0, -0.14, 0.36), (0.3, 0.3, 0.4), melt=0.2),
            Part((0, -0.42, 0.52), (0.22, 0.16, 0.32), "muzzle", 0.06),
            Part((0.1, -0.3, 0.62), (0.21, 0.2, 0.34), "muzzle", 0.1, mirror=True),
        ),
        ears=Ear((0.44, 0.52, 0.02), (0.8, -0.5, 0.02), (0.21, 0.1, -0.14), "round", inset=2.0),
        eye=Eye((0.24, 0.12, 0.45), 0.15, (120, 70, 34), pupil_size=0.55),
        nose=Nose((0, -0.18, 0.96), (0.145, 0.1, 0.09), (22, 20, 24)),
        mouth=Mouth(-0.45, 0.22, 0.07, 0.06, -0.24),
        zoom=1.14,
        lift=0.04,
    ),
    "giraffe": Shape(
        parts=(
            Part((0, -1.1, -0.45), (0.42, 1.1, 0.4), "neck", 0.04),
            Part((0, 0.14, -0.02), (0.44, 0.46, 0.46)),
            Part((0, -0.2, 0.28), (0.3, 0.46, 0.4), melt=0.25, tilt=-0.45),
            Part((0, -0.5, 0.56), (0.29, 0.22, 0.34), "muzzle", 0.14),
        ),
        ears=Ear((0.36, 0.24, -0.16), (0.9, 0.36, -0.12), (-0.03, 0.17, 0.06), "lance", inset=0.4),
        eye=Eye((0.315, 0.16, 0.23), 0.155, (70, 42, 22), pupil_size=0.62, outward=0.75),
        nose=Nose((0, -0.45, 0.86), (0.2, 0.1, 0.07), (206, 160, 112), (0.11, 0.01, 0.045)),
        mouth=Mouth(-0.63, 0.19, 0.0, 0.06),
        horns=(
            Horn((0.17, 0.48, -0.1), (0.24, 0.95, -0.14), (0.075, 0.06), (226, 176, 104), 0.105),
        ),
        zoom=1.1,
        lift=-0.15,
    ),
    "pig": Shape(
        parts=(
            Part((0, -1.0, -0.42), (0.75, 0.75, 0.5), "neck", 0.04),
            Part((0, 0.0, 0), (0.7, 0.64, 0.62)),
            Part((0.34, -0.3, 0.08), (0.36, 0.32, 0.4), melt=0.25, mirror=True),
            Part((0, -0.2, 0.5), (0.3, 0.24, 0.4), melt=0.1),
        ),
        ears=Ear((0.36, 0.5, -0.02), (0.82, 0.82, 0.18), (0.2, -0.22, 0.12), "pointed", inset=0.25),
        eye=Eye((0.32, 0.16, 0.47), 0.135, (70, 90, 150), pupil_size=0.6),
        nose=Nose((0, -0.17, 0.86), (0.27, 0.21, 0.12), (236, 128, 134), (0.1, 0.0, 0.06)),
        mouth=Mouth(-0.47, 0.24, 0.0, 0.08, colour=(150, 60, 66)),
        zoom=1.08,
        lift=-0.02,
    ),
}
