"""Rendered images: known factors in, the same sharp pixels out, whatever the batch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import PipelineError
from pipeline.rendering import animals, people
from pipeline.rendering.animals import COATS, FACTORS, KINDS, SPECIES, sample_animals, vary
from pipeline.rendering.people import ATTRIBUTES, TRAITS, edit, sample_people
from pipeline.rendering.scene import BACKGROUNDS
from pipeline.rendering.sheets import animals_rows, faces_rows

SAMPLERS = {"natural": sample_animals, "people": sample_people}
PICTURES = [*KINDS, "people"]
STILL = dict.fromkeys(("yaw", "pitch", "roll", "x", "y", "light_azimuth"), 0.0)
STILL |= {"scale": 1.0, "light_elevation": 0.4, "light_strength": 0.65, "ambient": 0.5}


def scenes(picture: str, each: int = 1, others: int = 0) -> pd.DataFrame:
    """So many scenes of each species, and others, in a variant; or as many of people."""
    if picture == "people":
        return sample_people(len(SPECIES) * each + others, 5)
    drawn = sample_animals(400, 0).groupby("species", sort=False).head(each)
    return vary(pd.concat([drawn, sample_animals(others, 5)]), picture, seed=0)


def render(
    picture: str, factors: pd.DataFrame, size: int = 64, threads: int = 1, **changes: object
) -> np.ndarray:
    """Images (R, size, size, 3) uint8 of scenes of which some factors are changed."""
    draw = people.render_people if picture == "people" else animals.render_animals
    return draw(factors.assign(**changes), size, threads)


@pytest.mark.parametrize("kind", SAMPLERS)
def test_a_seed_decides_the_sample_and_longer_samples_go_on(kind: str) -> None:
    sample = SAMPLERS[kind]
    pd.testing.assert_frame_equal(sample(20, 3), sample(50, 3).head(20))
    assert not sample(20, 3).equals(sample(20, 4))
    assert sample(0, 3).shape == (0, sample(1, 3).shape[1])


@pytest.mark.parametrize("picture", PICTURES)
def test_an_image_depends_on_its_row_alone(picture: str) -> None:
    factors = scenes(picture, 2, 10)
    together = render(picture, factors, 32)
    assert together.shape == (len(factors), 32, 32, 3) and together.dtype == np.uint8
    alone = [render(picture, factors.iloc[[row]], 32)[0] for row in range(len(factors))]
    assert np.array_equal(together, np.stack(alone))
    assert np.array_equal(together[::-1], render(picture, factors[::-1], 32))
    assert np.array_equal(together, render(picture, factors, 32, threads=3))
    assert np.array_equal(together, render(picture, factors[list(factors)[::-1]], 32))


@pytest.mark.parametrize("picture", PICTURES)
def test_any_size_shows_the_same_picture(picture: str) -> None:
    factors = scenes(picture)
    assert render(picture, factors, 45).shape == (len(factors), 45, 45, 3)
    assert render(picture, factors[:0], 32).shape == (0, 32, 32, 3)
    halved = render(picture, factors, 128).reshape(-1, 64, 2, 64, 2, 3).mean(axis=(2, 4))
    error = np.abs(halved - render(picture, factors)).mean(axis=(1, 2, 3))
    # Lines of a sketch are never thinner than a pixel, so they do not shrink with the picture.
    assert error.max() < (14 if picture == "sketch" else 6)


@pytest.mark.parametrize("picture", SAMPLERS)
def test_bad_input(picture: str) -> None:
    factors = scenes(picture)
    for factor, value in (("yaw", np.nan), ("ambient", "bright")):
        with pytest.raises(PipelineError, match=f"'{factor}'.*finite number"):
            render(picture, factors, **{factor: value})
    with pytest.raises(PipelineError, match="lack pitch"):
        render(picture, factors.drop(columns="pitch"))
    with pytest.raises(PipelineError, match="15 pixels: use 16 or more"):
        render(picture, factors, 15)
    with pytest.raises(PipelineError, match="0 threads"):
        render(picture, factors, threads=0)
    with pytest.raises(PipelineError, match="-1 images"):
        SAMPLERS[picture](-1, 0)


def test_unknown_names_and_numbers() -> None:
    factors = sample_animals(3, 0)
    for column, name in (("species", "tiger"), ("coat", "zebra"), ("style", "sketch")):
        with pytest.raises(PipelineError, match=f"unknown {column} 'plaid'.*{name}"):
            render("natural", factors, **{column: "plaid"})
    with pytest.raises(PipelineError, match="no variant 'cartoon'.*stylized"):
        vary(factors, "cartoon", 0)
    with pytest.raises(PipelineError, match="lack coat"):
        vary(factors.drop(columns="coat"), "texture", 0)
    with pytest.raises(PipelineError, match="0 identities"):
        sample_people(1, 0, identities=0)
    with pytest.raises(PipelineError, match="numbered from -1"):
        sample_people(1, 0, first=-1)
    with pytest.raises(PipelineError, match="no attribute 'Bald'.*Eyeglasses"):
        edit(sample_people(3, 0), "Bald", True)


SEEN = [("natural", name, bounds) for name, bounds in animals.RANGES.items()]
SEEN += [("people", name, bounds) for name, bounds in people.RANGES.items()]
SEEN += [("people", name, (-1.0, 1.0)) for name in people.TRAITS]
SEEN += [(p, name, (20.0, 200.0)) for p in SAMPLERS for name in BACKGROUNDS]


@pytest.mark.parametrize(("picture", "factor", "bounds"), SEEN)
def test_every_factor_is_seen(picture: str, factor: str, bounds: tuple[float, float]) -> None:
    if picture == "people":
        shown = sample_people(200, 2).query("~No_Beard & Smiling & Eyeglasses").head(4)
        shown = shown.assign(face_skin_tone=-0.8, **STILL)
    else:
        shown = sample_animals(1, 0).assign(species="leopard", coat="leopard", **STILL)
    low, high = bounds
    first, second = (
        render(picture, shown, **{factor: low + share * (high - low)}).astype(int)
        for share in (0, 0.9)
    )
    difference = np.abs(first - second).mean(axis=3)
    assert (difference > 8).sum(axis=(1, 2)).max() >= 4


@pytest.mark.parametrize("picture", SAMPLERS)
def test_light_and_position_go_where_they_say(picture: str) -> None:
    shown = scenes(picture).assign(**STILL)
    left, right = (render(picture, shown, light_azimuth=x).astype(int) for x in (-1.2, 1.2))
    brighter = (left - right).mean(axis=(1, 3))
    assert (brighter[:, 12:32].mean(axis=1) > 1).all()
    assert (brighter[:, 32:52].mean(axis=1) < -1).all()
    # A shift by a whole number of pixels moves the picture, and does nothing else.
    shown = shown.assign(**dict.fromkeys(BACKGROUNDS, 0.0))
    middle, moved, raised = (
        render(picture, shown, **shift).sum(axis=3, dtype=int)
        for shift in ({}, {"x": 0.25}, {"y": 0.25})
    )
    assert np.abs(moved[:, :, 8:] - middle[:, :, :-8]).max() <= 3
    assert np.abs(raised[:, :-8] - middle[:, 8:]).max() <= 3


@pytest.mark.parametrize("picture", ["natural", "sketch", "people"])
def test_the_nearest_mean_classifies(picture: str) -> None:
    """Coats of natural animals, shapes of sketched ones, identities of people."""
    if picture == "people":
        drawn = sample_people(400, 3, identities=12).assign(**STILL)
        labels = drawn["identity"].to_numpy()
    else:
        drawn = vary(sample_animals(800, 11), picture, 0).assign(yaw=lambda rows: 0.3 * rows["yaw"])
        labels = pd.factorize(drawn["species"])[0]
    images = render(picture, drawn, 16).reshape(len(drawn), -1).astype(float)
    known = np.arange(len(drawn)) < 0.7 * len(drawn)
    means = np.stack([images[known & (labels == one)].mean(axis=0) for one in range(12)])
    distance = ((images[~known, None] - means) ** 2).sum(axis=2)
    assert (distance.argmin(axis=1) == labels[~known]).mean() > 0.6


@pytest.fixture(scope="module")
def drawn() -> pd.DataFrame:
    return sample_people(6000, 0, identities=300)


def test_samples_name_every_factor(drawn: pd.DataFrame) -> None:
    factors = sample_animals(3000, 0)
    for frame, module in ((factors, animals), (drawn, people)):
        assert tuple(frame.columns) == module.FACTORS
        for name, (low, high) in module.RANGES.items():
            assert frame[name].between(low, high).all() and frame[name].std() > 0.25 * (high - low)
    assert sorted(drawn["identity"].unique()) == list(range(300))
    assert all(drawn[name].dtype == bool for name in (*ATTRIBUTES, "dyed"))
    assert drawn[list(ATTRIBUTES)].mean().between(0.2, 0.8).all()
    assert set(factors["species"]) == set(SPECIES) == set(COATS)
    assert (factors["coat"] == factors["species"]).all() and (factors["style"] == "natural").all()
    assert factors["species"].value_counts(normalize=True).between(0.06, 0.11).all()
    correlation = factors[list(animals.RANGES)].corr()
    assert (np.abs(correlation - np.eye(len(correlation))) < 0.08).all(axis=None)


@pytest.mark.parametrize("kind", KINDS)
def test_variants_change_what_they_say(kind: str) -> None:
    factors = sample_animals(300, 1)
    before, varied = factors.copy(), vary(factors, kind, seed=2)
    pd.testing.assert_frame_equal(factors, before)
    pd.testing.assert_frame_equal(varied, vary(factors, kind, seed=2))
    rest = [name for name in FACTORS if name not in ("coat", "style")]
    pd.testing.assert_frame_equal(varied[rest], factors[rest])
    if kind == "stylized":
        assert (varied["coat"] != varied["species"]).all() and set(varied["coat"]) == set(COATS)
        assert not varied.equals(vary(factors, kind, seed=3))
    else:
        assert (varied["coat"] == factors["coat"]).all()
    assert (varied["style"] == (kind if kind in animals.STYLES else "natural")).all()


def test_textures_have_no_shape_and_sketches_no_coat() -> None:
    texture, sketch = scenes("texture"), scenes("sketch")
    assert np.array_equal(render("texture", texture), render("texture", texture, species="pig"))
    images = render("sketch", sketch)
    assert np.array_equal(images, render("sketch", sketch, coat="zebra"))
    assert np.ptp(images, axis=3).max() < 20  # nearly without colour


PERSONAL = [*TRAITS, "Male", "rank_grey", "rank_bald", "rank_beard"]


def test_an_identity_depends_on_seed_and_number_alone(drawn: pd.DataFrame) -> None:
    of = drawn.drop_duplicates("identity").set_index("identity")[PERSONAL]
    assert (drawn.groupby("identity")[PERSONAL].nunique() == 1).all(axis=None)
    for frame in (sample_people(900, 0, identities=40), sample_people(900, 0, 80, first=120)):
        some = frame.drop_duplicates("identity").set_index("identity").sort_index()
        pd.testing.assert_frame_equal(some[PERSONAL], of.loc[some.index], check_like=True)
    assert not set(sample_people(900, 1, identities=40)["face_iris"]) & set(of["face_iris"])
    # Numbers from another first one on are other people, in other scenes.
    first, second = sample_people(200, 0, 20), sample_people(200, 0, 20, first=20)
    assert set(second["identity"]) == set(range(20, 40))
    assert not set(first["yaw"]) & set(second["yaw"])


def test_the_world_has_its_causal_shape(drawn: pd.DataFrame) -> None:
    women, men = drawn[~drawn["Male"]], drawn[drawn["Male"]]
    assert women["No_Beard"].all() and 0.3 < men["No_Beard"].mean() < 0.7
    assert (women["baldness"] == 0).all() and (men["baldness"] > 0.5).any()
    assert women["hair_length"].mean() > men["hair_length"].mean() + 0.4
    young, old = drawn[drawn["Young"]], drawn[~drawn["Young"]]
    assert young["age"].max() < 40 and old["age"].min() > 50
    assert (young["hair_grey"] == 0).all() and (old["hair_grey"] > 0.4).mean() > 0.8
    # Black hair turns to pepper and salt, other hair white: its colour is seen at any age.
    assert abs(old["Black_Hair"].mean() - young["Black_Hair"].mean()) < 0.06
    grey = old[old["hair_grey"] > 0.9]
    assert grey["hair_red"][grey["Black_Hair"]].max() < 130
    assert grey["hair_red"][~grey["Black_Hair"]].min() > 170
    # What depends on nothing.
    causes = [*ATTRIBUTES, "age", "hair_length", "face_skin_tone", *TRAITS[:4]]
    free = ["yaw", "pitch", "light_azimuth", "light_strength", "cloth_red", *BACKGROUNDS[:2]]
    correlation = drawn[[*causes, *free]].astype(float).corr().abs()
    assert correlation.loc[causes, free].max(axis=None) < 0.06
    assert correlation["Smiling"].drop("Smiling").max() < 0.06


def test_how_often_a_person_changes(drawn: pd.DataFrame) -> None:
    someone = drawn.groupby("identity")
    glasses = someone["Eyeglasses"].mean()
    assert glasses[glasses > 0.5].mean() > 0.9 and glasses[glasses < 0.5].mean() < 0.07
    assert someone["Smiling"].mean().between(0.1, 0.9).all()
    # Everyone is seen young and old, and some dye their hair.
    usual = someone["Young"].mean().round() == 1
    other = (drawn["Young"] != drawn["identity"].map(usual)).mean()
    assert 0.2 < other < 0.3 and 0.5 < usual.mean() < 0.7
    assert not (drawn["dyed"] & ~drawn["Young"]).any()
    natural = drawn[~drawn["dyed"]].groupby("identity")["hair_colour"]
    assert (natural.nunique() == 1).all() and someone["hair_colour"].nunique().mean() > 1.2


CAUSED = {
    "Black_Hair": {"hair_colour"},
    "Male": {"No_Beard", "hair_length", "baldness"},
    "Young": {"age", "hair_grey", "baldness", "dyed"},
}


@pytest.mark.parametrize("value", [False, True])
@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_an_edit_and_what_it_causes(attribute: str, value: bool, drawn: pd.DataFrame) -> None:
    before, edited = drawn.copy(), edit(drawn, attribute, value)
    pd.testing.assert_frame_equal(drawn, before)
    assert edited.dtypes.equals(drawn.dtypes)
    bearded = attribute == "No_Beard" and not value
    rows = drawn["Male"] if bearded else pd.Series(True, index=drawn.index)
    assert (edited[attribute][rows] == value).all()
    same = (drawn[attribute] == value) | ~rows
    pd.testing.assert_frame_equal(edited[same], drawn[same])
    changed = {name for name in people.FACTORS if not edited[name].equals(drawn[name])}
    caused = CAUSED.get(attribute, set())
    colours = {"hair_red", "hair_green", "hair_blue"} if caused else set()
    assert changed - {attribute} <= caused | colours
    dyed = set() if attribute == "Young" and not value else {"dyed"}  # nobody dyes old hair
    assert caused - {"No_Beard"} - dyed <= changed or attribute == "Black_Hair"


def test_edits_have_their_consequences(drawn: pd.DataFrame) -> None:
    women, old = edit(drawn, "Male", False), edit(drawn, "Young", False)
    assert women["No_Beard"].all() and women["hair_length"].median() > 0.6
    assert (old["hair_grey"] > 0.4).mean() > 0.8 and (old["age"] > 50).all()
    assert edit(drawn, "Black_Hair", True)["hair_grey"].equals(drawn["hair_grey"])
    assert edit(women, "No_Beard", False)["No_Beard"].all()


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_attribute_is_seen_where_it_belongs(attribute: str) -> None:
    scenes = sample_people(60, 7).query("Male").head(16).assign(**STILL)
    off, on = (render("people", edit(scenes, attribute, x)).astype(int) for x in (False, True))
    changed = np.abs(on - off).mean(axis=3)
    assert (changed > 12).sum(axis=(1, 2)).min() >= 12
    upper, lower = changed[:, :34].sum(axis=(1, 2)), changed[:, 34:].sum(axis=(1, 2))
    if attribute in ("No_Beard", "Smiling"):
        assert (lower > upper).all()
    if attribute in ("Black_Hair", "Eyeglasses", "Young"):
        assert (upper > lower)[scenes["No_Beard"]].all()


@pytest.mark.parametrize(
    ("draw", "factors"),
    [(animals_rows, [*animals.RANGES]), (faces_rows, [*people.RANGES, *ATTRIBUTES])],
)
def test_a_row_for_every_factor(draw: Callable[..., Any], factors: list[str]) -> None:
    rows, again = (draw(16, seed=0, columns=4) for _ in range(2))
    assert {name for name in factors if not name.startswith(("background_", "cloth_"))} < set(rows)
    for name, row in rows.items():
        assert row.shape == (4, 16, 16, 3) and row.dtype == np.uint8
        assert len(np.unique(row, axis=0)) >= (4 if draw is animals_rows else 2), name
        assert np.array_equal(row, again[name])


def test_a_row_changes_what_it_says() -> None:
    """Light and coat leave the background alone, and the background leaves the head alone."""
    corner, middle = (slice(None, 3), slice(None, 3)), (slice(14, 20), slice(14, 20))
    rows = animals_rows(32, seed=0, columns=4)
    spread = {name: row.astype(int).std(axis=0) for name, row in rows.items()}
    for name, found in spread.items():
        if name.startswith(("light", "ambient", "coat")):
            assert found[corner].max() == 0 < found.max(), name
    assert spread["background"][middle].max() == 0
    assert spread["background"][corner].min() > 0
