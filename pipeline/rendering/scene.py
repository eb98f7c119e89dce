"""The surroundings of a head: two blended background colours, and one light."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.rendering.primitives import scalars

__all__ = ["BACKGROUNDS", "Columns", "Light", "backdrop", "draw_backgrounds", "unit"]

Array = NDArray[np.float32]
Columns = Mapping[str, NDArray[np.float64]]
"""The numeric factors of the images, each (N,) float64."""

BACKGROUNDS = tuple(f"background_{i}_{c}" for i in (1, 2) for c in ("red", "green", "blue"))
"""Columns of the two background colours."""

SCENES = np.array(
    [[96, 134, 84], [118, 150, 182], [170, 150, 120], [92, 100, 116], [176, 186, 196]],
    dtype=np.float64,
)
"""Meadow, sky, sand, dusk and mist: backgrounds are blends of two of them."""


def draw_backgrounds(draws: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """The columns `BACKGROUNDS` (R,) in [0, 255], from ten uniform numbers each (R, 10)."""
    columns = {}
    for i, (scene, brightness) in enumerate(((0, 2), (1, 3))):
        colour = SCENES[(draws[:, scene] * len(SCENES)).astype(int)]
        colour = colour * (0.65 + 0.6 * draws[:, brightness, None])
        colour = np.clip(colour + 24 * (draws[:, 4 + 3 * i : 7 + 3 * i] - 0.5), 0, 255)
        for channel in range(3):
            columns[BACKGROUNDS[3 * i + channel]] = colour[:, channel]
    return columns


def backdrop(columns: Columns, size: int) -> Array:
    """The backgrounds alone: (3, N, size, size) in [0, 255]."""
    image = np.empty((3, len(columns["background_angle"]), size, size), np.float32)
    steps = ((2 * np.arange(size) + 1) / size - 1).astype(np.float32)
    angle = columns["background_angle"]
    across = scalars(np.cos(angle)) * steps[None, None, :]
    t = across - scalars(np.sin(angle)) * steps[None, :, None]
    t = np.clip(np.float32(0.5) + np.float32(0.45) * t, np.float32(0), np.float32(1))
    t = t * t * (np.float32(3) - 2 * t)
    for channel in range(3):
        first, second = (scalars(columns[BACKGROUNDS[3 * i + channel]]) for i in (0, 1))
        image[channel] = first + (second - first) * t
    return image


def unit(normal: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
    """Normals brought to unit length."""
    x, y, z = normal
    length = np.sqrt(x * x + y * y + z * z) + np.float32(1e-6)
    return x / length, y / length, z / length


class Light:
    """Lambert light from one direction over an even ambient share."""

    def __init__(self, columns: Columns) -> None:
        azimuth, elevation = columns["light_azimuth"], columns["light_elevation"]
        level = np.cos(elevation)
        self.direction = np.sin(azimuth) * level, np.sin(elevation), np.cos(azimuth) * level
        self.strength = scalars(columns["light_strength"])
        self.ambient = scalars(columns["ambient"])

    def shade(self, normal: tuple[Array, Array, Array]) -> Array:
        """Brightness of a surface with unit normals."""
        facing = sum(scalars(d) * n for d, n in zip(self.direction, normal, strict=True))
        # Light wraps a little around the edge, and shadows are lighter above.
        lit = np.maximum((facing + np.float32(0.15)) / np.float32(1.15), np.float32(0))
        lit *= self.strength
        lit += self.ambient * (np.float32(1) + np.float32(0.12) * normal[1])
        return lit

    def glint(self) -> tuple[Array, Array]:
        """Where a ball mirrors the light towards the viewer: x and y of the normal."""
        x, y, z = self.direction
        x, y, z = 0.5 * x, 0.5 * y + 0.25, 0.5 * z + 0.75
        length = np.sqrt(x * x + y * y + z * z)
        return scalars(x / length), scalars(y / length)
