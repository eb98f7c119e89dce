"""Rendered animals: known factors in, the same sharp pixels out, whatever the batch."""

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import PipelineError
from pipeline.rendering.animals import COATS, FACTORS, SPECIES, render_animals, sample_animals, vary
from pipeline.rendering.primitives import (
    Surface,
    View,
    ball,
    capsule,
    ellipsoid,
    leaf,
    ramp,
    rotation,
    wave,
)

KINDS = ("natural", "stylized", "texture", "sketch")


def all_species(seed: int = 0, each: int = 1) -> pd.DataFrame:
    drawn = sample_animals(400, seed)
    return pd.concat([drawn[drawn["species"] == name].head(each) for name in SPECIES])


def still(species: str, **factors: object) -> pd.DataFrame:
    """One animal that looks straight ahead in the middle of the picture, lit from the front."""
    centred = dict.fromkeys(
        ("yaw", "pitch", "roll", "x", "y", "light_azimuth", "light_elevation", "coat_hue"), 0.0
    )
    row = sample_animals(1, 0).assign(species=species, coat=species, scale=1.0, coat_density=1.0)
    return row.assign(**centred, coat_phase=0.5).assign(**factors)


def view(size: int = 64, yaw: float = 0.0, scale: float = 1.0) -> View:
    return View(rotation(yaw, 0.0, 0.0), np.array([scale]), np.zeros((1, 2)), size)


# --- factors -------------------------------------------------------------------------------------


def test_samples_name_every_factor() -> None:
    factors = sample_animals(3000, 0)
    assert tuple(factors.columns) == FACTORS
    assert set(factors["species"]) == set(SPECIES) == set(COATS)
    assert 10 <= len(SPECIES) <= 12
    assert (factors["coat"] == factors["species"]).all() and (factors["style"] == "natural").all()
    assert factors["species"].value_counts(normalize=True).between(0.06, 0.11).all()
    numbers = factors[list(FACTORS[3:])].to_numpy(np.float64)
    assert np.isfinite(numbers).all()
    assert (np.abs(np.corrcoef(numbers[:, :14].T) - np.eye(14)) < 0.08).all()
    assert factors["yaw"].abs().max() <= 0.7 and factors["yaw"].std() > 0.35


def test_a_seed_decides_the_sample_and_longer_samples_go_on() -> None:
    pd.testing.assert_frame_equal(sample_animals(20, 3), sample_animals(50, 3).head(20))
    assert not sample_animals(20, 3).equals(sample_animals(20, 4))
    assert sample_animals(0, 3).shape == (0, len(FACTORS))


@pytest.mark.parametrize("kind", KINDS)
def test_variants_change_what_they_say(kind: str) -> None:
    factors = sample_animals(300, 1)
    before = factors.copy()
    varied = vary(factors, kind, seed=2)
    pd.testing.assert_frame_equal(factors, before)
    pd.testing.assert_frame_equal(varied, vary(factors, kind, seed=2))
    rest = [name for name in FACTORS if name not in ("coat", "style")]
    pd.testing.assert_frame_equal(varied[rest], factors[rest])
    if kind == "stylized":
        assert (varied["coat"] != varied["species"]).all() and set(varied["coat"]) == set(COATS)
        assert not varied.equals(vary(factors, kind, seed=3))
    else:
        assert (varied["coat"] == factors["coat"]).all()
    styles = {"natural": "natural", "stylized": "natural"}
    assert (varied["style"] == styles.get(kind, kind)).all()


# --- images --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_depends_on_its_row_alone(kind: str) -> None:
    factors = vary(pd.concat([all_species(each=2), sample_animals(20, 5)]), kind, seed=0)
    together = render_animals(factors, 64)
    assert together.shape == (len(factors), 64, 64, 3) and together.dtype == np.uint8
    alone = [render_animals(factors.iloc[[row]], 64)[0] for row in range(len(factors))]
    assert np.array_equal(together, np.stack(alone))
    assert np.array_equal(together[::-1], render_animals(factors[::-1], 64))
    assert np.array_equal(together, render_animals(factors, 64, threads=3))
    assert np.array_equal(together, render_animals(factors[list(FACTORS[::-1])], 64))


@pytest.mark.parametrize("kind", KINDS)
def test_any_size_shows_the_same_picture(kind: str) -> None:
    factors = vary(all_species(), kind, seed=0)
    images = {size: render_animals(factors, size) for size in (16, 45, 64, 128)}
    for size, found in images.items():
        assert found.shape == (len(factors), size, size, 3)
    halved = images[128].reshape(-1, 64, 2, 64, 2, 3).mean(axis=(2, 4))
    error = np.abs(halved - images[64]).mean(axis=(1, 2, 3))
    # Lines of a sketch are never thinner than a pixel, so they do not shrink with the picture.
    assert error.max() < (14 if kind == "sketch" else 6)


def test_no_rows_give_no_images() -> None:
    assert render_animals(sample_animals(0, 0), 32).shape == (0, 32, 32, 3)


@pytest.mark.parametrize(
    ("factor", "values"),
    [
        ("yaw", (-0.6, 0.6)),
        ("pitch", (-0.2, 0.2)),
        ("roll", (-0.1, 0.1)),
        ("scale", (0.94, 1.06)),
        ("x", (-0.05, 0.05)),
        ("y", (-0.04, 0.04)),
        ("light_azimuth", (-1.2, 1.2)),
        ("light_elevation", (0.0, 1.0)),
        ("light_strength", (0.5, 0.75)),
        ("ambient", (0.4, 0.55)),
        ("background_angle", (0.0, 2.0)),
        ("background_1_red", (20.0, 200.0)),
        ("coat_phase", (0.1, 0.9)),
        ("coat_density", (0.92, 1.08)),
        ("coat_hue", (-1.0, 1.0)),
    ],
)
def test_every_factor_is_seen(factor: str, values: tuple[float, float]) -> None:
    first, second = (render_animals(still("leopard", **{factor: v}), 64) for v in values)
    assert np.abs(first.astype(int) - second).mean() > 0.5


@pytest.mark.parametrize("species", SPECIES)
def test_light_and_position_go_where_they_say(species: str) -> None:
    left, right = (
        render_animals(still(species, light_azimuth=a), 64)[0].astype(float) for a in (-1.2, 1.2)
    )
    half = (left - right).mean(axis=(0, 2))
    assert half[:32].mean() > 1 > -1 > half[32:].mean()
    dark = {name: 0.0 for name in FACTORS if name.startswith("background_")}
    middle, moved, raised = (
        render_animals(still(species, **dark, **shift), 64)[0].astype(float).sum(axis=2)
        for shift in ({}, {"x": 0.25}, {"y": 0.25})
    )
    # A shift by a whole number of pixels moves the picture, and does nothing else.
    assert np.abs(moved[:, 8:] - middle[:, :-8]).max() <= 3
    assert np.abs(raised[:-8] - middle[8:]).max() <= 3


@pytest.mark.parametrize("species", SPECIES)
def test_heads_are_large_and_keep_clear_of_left_and_right(species: str) -> None:
    white = {name: 255.0 for name in FACTORS if name.startswith("background_")}
    black = dict.fromkeys(white, 0.0)
    on_white, on_black = (
        render_animals(still(species, **colours), 64)[0].astype(int) for colours in (white, black)
    )
    # What hides the background is the animal.
    alpha = 1 - (on_white - on_black).mean(axis=2) / 255
    assert 0.36 < alpha.mean() < 0.8
    assert alpha[:48, 0].max() < 0.5 and alpha[:48, -1].max() < 0.5


@pytest.mark.parametrize("species", SPECIES)
def test_eyes_stand_out(species: str) -> None:
    pictures = all_species(seed=7, each=6)
    pictures = pictures[pictures["species"] == species]
    for image in render_animals(pictures, 64):
        grey = image[16:48].mean(axis=2)
        assert grey.min() < 40 and grey.max() > 215


def test_species_and_coats_are_told_apart() -> None:
    """Nearest mean colour layout classifies coats by natural and shapes by sketched images."""
    for kind in ("natural", "sketch"):
        known = vary(sample_animals(600, 11), kind, 0)
        asked = vary(sample_animals(240, 12), kind, 0)
        features = [
            render_animals(frame.assign(yaw=frame["yaw"] * 0.3), 32)
            .reshape(len(frame), 8, 4, 8, 4, 3)
            .mean(axis=(2, 4))
            .reshape(len(frame), -1)
            for frame in (known, asked)
        ]
        means = np.stack([features[0][known["species"] == name].mean(axis=0) for name in SPECIES])
        nearest = ((features[1][:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
        right = np.array(SPECIES)[nearest] == asked["species"].to_numpy()
        assert right.mean() > 0.75, kind


def test_textures_have_no_shape_and_sketches_no_coat() -> None:
    factors = all_species()
    textures = vary(factors, "texture", 0)
    one = render_animals(textures.assign(species="pig"), 64)
    assert np.array_equal(render_animals(textures, 64), one)
    sketches = vary(factors, "sketch", 0)
    images = render_animals(sketches, 64)
    assert np.array_equal(images, render_animals(sketches.assign(coat="zebra"), 64))
    # Dark lines on light paper, nearly without colour.
    assert 0.02 < (images.mean(axis=3) < 128).mean() < 0.2
    assert (images.mean(axis=3) > 230).mean() > 0.7
    assert (images.max(axis=3).astype(int) - images.min(axis=3)).max() < 20


# --- primitives ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [32, 64, 129])
@pytest.mark.parametrize("yaw", [0.0, 0.7, 2.0])
def test_ellipsoids_cover_the_area_of_their_silhouette(size: int, yaw: float) -> None:
    radii = (0.7, 0.5, 0.4)
    part = ellipsoid(view(size, yaw), (0.0, 0.0, 0.0), radii)
    assert part is not None
    wide = np.hypot(radii[0] * np.cos(yaw), radii[2] * np.sin(yaw))
    area = part.coverage.sum() * (2 / size) ** 2
    assert area == pytest.approx(np.pi * wide * radii[1], rel=0.008)
    assert part.depth.max() == pytest.approx(
        np.hypot(radii[0] * np.sin(yaw), radii[2] * np.cos(yaw)), rel=0.01
    )


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
    found = np.moveaxis(surface.normal, 0, -1)[inside]
    assert found == pytest.approx(normal, abs=5e-3)
    assert (surface.share["muzzle"][inside] == 1).all()


def test_balls_turn_with_the_head_to_the_viewers_right() -> None:
    for yaw, x in ((0.0, 0.0), (0.5, 0.8 * np.sin(0.5)), (-0.5, -0.8 * np.sin(0.5))):
        seen = view(64, yaw)
        part = ball(seen, (0.0, 0.0, 0.8), 0.1)
        assert part is not None
        columns, _ = seen.grid(part.window)
        middle = (part.coverage * columns).sum() / part.coverage.sum()
        assert middle == pytest.approx(x, abs=0.01)


def test_rotations_are_orthogonal_and_pitch_looks_up() -> None:
    turn = rotation(np.array([0.3, -0.7]), np.array([0.2, 0.1]), np.array([0.1, -0.1]))
    assert np.einsum("nij,nkj->nik", turn, turn) == pytest.approx(np.stack([np.eye(3)] * 2))
    assert np.linalg.det(turn) == pytest.approx(1)
    assert (turn[:, 1, 2] > 0).all()


def test_nearer_parts_win() -> None:
    seen = view()
    surface = Surface.empty(seen, roles=("near",))
    surface.add(ball(seen, (0.0, 0.0, 0.6), 0.2), "near")
    surface.add(ball(seen, (0.0, 0.0, 0.0), 0.6), "far")
    assert surface.share["near"][0, 32, 32] == 1 and surface.share["near"][0, 32, 16] == 0
    assert surface.depth[0, 32, 32] == pytest.approx(0.8, abs=0.01)


def test_rods_cover_the_area_of_a_capsule() -> None:
    part = capsule(view(128), (-0.4, 0.0, 0.0), (0.4, 0.0, 0.0), (0.1, 0.1))
    assert part is not None
    area = part.coverage.sum() * (2 / 128) ** 2
    assert area == pytest.approx(0.8 * 0.2 + np.pi * 0.01, rel=0.01)


@pytest.mark.parametrize("profile", ["round", "pointed", "lance"])
@pytest.mark.parametrize("yaw", np.linspace(0.0, 3.1, 8))
def test_leaves_seen_edge_on_stay_thin(profile: str, yaw: float) -> None:
    part = leaf(view(64, yaw), (0.0, 0.0, 0.0), (0.1, 0.8, 0.0), (0.3, 0.0, 0.0), profile)
    assert part is not None
    area = part.coverage.sum() * (2 / 64) ** 2
    flat = 2 * 0.3 * 0.8
    assert 0.02 * flat < area < flat * max(abs(np.cos(yaw)), 0.25)
    assert all(np.isfinite(values).all() for values in (part.depth, part.along, *part.normal))


def test_things_out_of_sight_are_none() -> None:
    assert ellipsoid(view(), (5.0, 0.0, 0.0), (0.3, 0.2, 0.1)) is None
    assert ball(view(), (0.0, -5.0, 0.0), 0.3) is None
    assert capsule(view(), (3.0, 0.0, 0.0), (4.0, 0.0, 0.0), (0.1, 0.1)) is None
    assert leaf(view(), (3.0, 0.0, 0.0), (4.0, 0.0, 0.0), (0.0, 0.2, 0.0), "round") is None


def test_waves_and_ramps() -> None:
    turns = np.linspace(-3, 3, 501, dtype=np.float32)
    assert wave(turns) == pytest.approx(np.sin(2 * np.pi * turns), abs=2e-3)
    edge = ramp(np.array([-2.0, -0.25, 0.0, 0.5, 2.0], np.float32), 1.0)
    assert edge == pytest.approx([0, 0.25, 0.5, 1, 1])


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"species": "unicorn"}, "unknown species 'unicorn'.*tiger"),
        ({"coat": "plaid"}, "unknown coat 'plaid'.*zebra"),
        ({"style": "cubist"}, "unknown style 'cubist'.*sketch"),
        ({"yaw": np.nan}, "'yaw'.*finite"),
        ({"ambient": "bright"}, "'ambient'.*finite number"),
    ],
)
def test_bad_factors(change: dict[str, object], message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        render_animals(sample_animals(3, 0).assign(**change), 32)


def test_other_bad_input() -> None:
    factors = sample_animals(3, 0)
    with pytest.raises(PipelineError, match="lack pitch, coat_hue: start from sample_animals"):
        render_animals(factors.drop(columns=["pitch", "coat_hue"]), 32)
    with pytest.raises(PipelineError, match="15 pixels: use 16 or more"):
        render_animals(factors, 15)
    with pytest.raises(PipelineError, match="0 threads"):
        render_animals(factors, 32, threads=0)
    with pytest.raises(PipelineError, match="-1 images"):
        sample_animals(-1, 0)
    with pytest.raises(PipelineError, match="no variant 'cartoon'.*stylized"):
        vary(factors, "cartoon", 0)
    with pytest.raises(PipelineError, match="lack coat"):
        vary(factors.drop(columns="coat"), "texture", 0)
