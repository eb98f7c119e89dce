"""Primitives of the renderer: areas, depths and normals in closed form."""

import numpy as np
import pytest

from pipeline.rendering.primitives import Surface, View, ball, capsule, ellipsoid, rotation

CENTRE = (0.0, 0.0, 0.0)


def view(size: int = 64, yaw: float = 0.0) -> View:
    return View(rotation(yaw, 0.0, 0.0), np.ones(1), np.zeros((1, 2)), size)


@pytest.mark.parametrize("size", [32, 129])
@pytest.mark.parametrize("yaw", [0.0, 0.7, 2.0])
def test_ellipsoids_and_rods_cover_the_area_of_their_silhouette(size: int, yaw: float) -> None:
    x, y, z = radii = (0.7, 0.5, 0.4)
    part, pixel = ellipsoid(view(size, yaw), CENTRE, radii), (2 / size) ** 2
    wide, deep = (np.hypot(a * np.cos(yaw), b * np.sin(yaw)) for a, b in ((x, z), (z, x)))
    assert part.coverage.sum() * pixel == pytest.approx(np.pi * wide * y, rel=0.008)
    assert part.depth.max() == pytest.approx(deep, rel=0.01)
    rod = capsule(view(size), (-0.4, 0.0, 0.0), (0.4, 0.0, 0.0), (0.1, 0.1))
    assert rod.coverage.sum() * pixel == pytest.approx(0.8 * 0.2 + np.pi * 0.01, rel=0.01)


def test_points_and_normals_lie_on_the_ellipsoid() -> None:
    radii, centre, tilt = np.array([0.5, 0.7, 0.4]), np.array([0.1, -0.1, 0.2]), 0.4
    seen = View(rotation(0.5, 0.2, 0.1), np.array([0.9]), np.array([[0.05, -0.02]]), 64)
    surface = Surface.empty(seen, roles=("muzzle",))
    surface.add(ellipsoid(seen, tuple(centre), tuple(radii), tilt), "muzzle")
    surface.finish()
    inside = surface.coverage == 1
    points = np.stack(surface.points(seen.everything), -1)[inside] - centre
    own = rotation(0.0, tilt, 0.0)[0]
    local = points @ own
    assert ((local / radii) ** 2).sum(axis=1) == pytest.approx(1, abs=2e-3)
    normal = (local / radii**2) @ own.T @ seen.turn[0].T
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    assert np.moveaxis(surface.normal, 0, -1)[inside] == pytest.approx(normal, abs=5e-3)
    assert (surface.share["muzzle"][inside] == 1).all()


@pytest.mark.parametrize("yaw", [0.0, 0.5, -0.5])
@pytest.mark.parametrize("pitch", [0.0, 0.3])
def test_balls_turn_with_the_head_to_the_viewers_right_and_up(yaw: float, pitch: float) -> None:
    seen = View(rotation(yaw, pitch, 0.0), np.ones(1), np.zeros((1, 2)), 64)
    part = ball(seen, (0.0, 0.0, 0.8), 0.1)
    columns, rows = seen.grid(part.window)
    x, y = ((part.coverage * place).sum() / part.coverage.sum() for place in (columns, rows))
    assert x == pytest.approx(0.8 * np.sin(yaw), abs=0.02)
    assert y == pytest.approx(0.8 * np.cos(yaw) * np.sin(pitch), abs=0.02)


def test_nearer_parts_win() -> None:
    surface = Surface.empty(view(), roles=("near",))
    surface.add(ball(view(), (0.0, 0.0, 0.6), 0.2), "near")
    surface.add(ball(view(), CENTRE, 0.6), "far")
    assert surface.share["near"][0, 32, 32] == 1 and surface.share["near"][0, 32, 16] == 0
    assert surface.depth[0, 32, 32] == pytest.approx(0.8, abs=0.01)
