"""Rendered people: identities and attributes in their causal order, and images that show them."""

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import PipelineError
from pipeline.rendering.people import (
    ATTRIBUTES,
    FACTORS,
    RANGES,
    TRAITS,
    edit,
    render_people,
    sample_people,
)
from pipeline.rendering.primitives import View, ellipsoid, rotation
from pipeline.rendering.scene import BACKGROUNDS
from pipeline.rendering.sheets import people_rows

PERSONAL = [*TRAITS, "Male", "rank_grey", "rank_bald", "rank_beard"]


@pytest.fixture(scope="module")
def drawn() -> pd.DataFrame:
    return sample_people(6000, 0, identities=300)


def still(frame: pd.DataFrame, **factors: object) -> pd.DataFrame:
    """The same people, seen from the front in one light."""
    centred = dict.fromkeys(("yaw", "pitch", "roll", "x", "y", "light_azimuth"), 0.0)
    fixed = {"scale": 1.0, "light_elevation": 0.4, "light_strength": 0.65, "ambient": 0.5}
    return frame.assign(**centred, **fixed).assign(**factors)


def difference(first: pd.DataFrame, second: pd.DataFrame) -> np.ndarray:
    """How much each pixel of two frames' images differs: (R, 64, 64)."""
    a, b = (render_people(frame, 64).astype(int) for frame in (first, second))
    return np.abs(a - b).mean(axis=3)


# --- factors -------------------------------------------------------------------------------------


def test_samples_name_every_factor(drawn: pd.DataFrame) -> None:
    assert tuple(drawn.columns) == FACTORS and set(ATTRIBUTES) < set(FACTORS)
    assert sorted(drawn["identity"].unique()) == list(range(300))
    assert all(drawn[name].dtype == bool for name in (*ATTRIBUTES, "dyed"))
    for name, (low, high) in RANGES.items():
        assert drawn[name].between(low, high).all() and drawn[name].std() > 0.25 * (high - low)
    for name in ATTRIBUTES:
        assert 0.2 < drawn[name].mean() < 0.8, name


def test_a_seed_decides_the_sample_and_longer_samples_go_on() -> None:
    pd.testing.assert_frame_equal(sample_people(20, 3), sample_people(50, 3).head(20))
    assert not sample_people(20, 3).equals(sample_people(20, 4))
    assert sample_people(0, 3).shape == (0, len(FACTORS))


def test_an_identity_depends_on_seed_and_number_alone(drawn: pd.DataFrame) -> None:
    of = drawn.drop_duplicates("identity").set_index("identity")[PERSONAL]
    assert (drawn.groupby("identity")[PERSONAL].nunique() == 1).all(axis=None)
    for frame in (sample_people(900, 0, identities=40), sample_people(900, 0, 80, first=120)):
        some = frame.drop_duplicates("identity").set_index("identity").sort_index()
        pd.testing.assert_frame_equal(some[PERSONAL], of.loc[some.index], check_like=True)
    other = sample_people(900, 1, identities=40).drop_duplicates("identity")
    assert not set(other["face_iris"]) & set(of["face_iris"])


def test_numbers_from_another_first_are_other_people_in_other_scenes() -> None:
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
    numbers = drawn[[*causes, *free]].astype(float)
    assert numbers.corr().loc[causes, free].abs().to_numpy().max() < 0.06
    others = [name for name in causes if name != "Smiling"]
    assert numbers[others].corrwith(numbers["Smiling"]).abs().max() < 0.06


def test_glasses_belong_to_a_person_most_of_the_time(drawn: pd.DataFrame) -> None:
    share = drawn.groupby("identity")["Eyeglasses"].mean()
    wearer = share > 0.5
    assert 0.25 < wearer.mean() < 0.45
    assert share[wearer].mean() > 0.9 and share[~wearer].mean() < 0.07
    smiles = drawn.groupby("identity")["Smiling"].mean()
    assert smiles.between(0.1, 0.9).all()


def test_a_person_is_seen_young_and_old_with_hair_of_several_colours(drawn: pd.DataFrame) -> None:
    people = drawn.groupby("identity")
    usual = people["Young"].mean().round() == 1
    other = (drawn["Young"] != drawn["identity"].map(usual)).mean()
    assert 0.2 < other < 0.3 and 0.5 < usual.mean() < 0.7
    assert not (drawn["dyed"] & ~drawn["Young"]).any()
    natural = drawn[~drawn["dyed"]].groupby("identity")["hair_colour"]
    assert (natural.nunique() == 1).all() and people["hair_colour"].nunique().mean() > 1.2


# --- edits ---------------------------------------------------------------------------------------

MAY_CHANGE = {
    "Black_Hair": {"hair_colour"},
    "Eyeglasses": set(),
    "Male": {"No_Beard", "hair_length", "baldness"},
    "No_Beard": set(),
    "Young": {"age", "hair_grey", "baldness", "dyed"},
    "Smiling": set(),
}


@pytest.mark.parametrize("value", [False, True])
@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_an_edit_changes_an_attribute_and_what_it_causes(
    attribute: str, value: bool, drawn: pd.DataFrame
) -> None:
    before = drawn.copy()
    edited = edit(drawn, attribute, value)
    pd.testing.assert_frame_equal(drawn, before)
    assert edited.dtypes.equals(drawn.dtypes)
    bearded = attribute == "No_Beard" and not value
    rows = drawn["Male"] if bearded else pd.Series(True, index=drawn.index)
    assert (edited[attribute][rows] == value).all()
    same = drawn[attribute] == value
    pd.testing.assert_frame_equal(edited[same | ~rows], drawn[same | ~rows])
    changed = {name for name in FACTORS if not edited[name].equals(drawn[name])}
    colours = {"hair_red", "hair_green", "hair_blue"} if MAY_CHANGE[attribute] else set()
    assert changed - {attribute} <= MAY_CHANGE[attribute] | colours
    dyed = set() if attribute == "Young" and not value else {"dyed"}  # nobody dyes old hair
    assert MAY_CHANGE[attribute] - {"No_Beard"} - dyed <= changed or attribute == "Black_Hair"


def test_edits_have_their_consequences(drawn: pd.DataFrame) -> None:
    women = edit(drawn, "Male", False)
    assert women["No_Beard"].all() and women["hair_length"].median() > 0.6
    old = edit(drawn, "Young", False)
    assert (old["hair_grey"] > 0.4).mean() > 0.8 and (old["age"] > 50).all()
    assert edit(drawn, "Black_Hair", True)["hair_grey"].equals(drawn["hair_grey"])
    assert edit(women, "No_Beard", False)["No_Beard"].all()


# --- images --------------------------------------------------------------------------------------


def test_an_image_depends_on_its_row_alone() -> None:
    factors = sample_people(70, 5)
    together = render_people(factors, 64)
    assert together.shape == (70, 64, 64, 3) and together.dtype == np.uint8
    alone = [render_people(factors.iloc[[row]], 64)[0] for row in range(len(factors))]
    assert np.array_equal(together, np.stack(alone))
    assert np.array_equal(together[::-1], render_people(factors[::-1], 64))
    assert np.array_equal(together, render_people(factors, 64, threads=3))
    assert np.array_equal(together, render_people(factors[list(FACTORS[::-1])], 64))


def test_any_size_shows_the_same_picture() -> None:
    factors = sample_people(40, 6)
    images = {size: render_people(factors, size) for size in (16, 45, 64, 128)}
    for size, found in images.items():
        assert found.shape == (len(factors), size, size, 3)
    halved = images[128].reshape(-1, 64, 2, 64, 2, 3).mean(axis=(2, 4))
    assert np.abs(halved - images[64]).mean(axis=(1, 2, 3)).max() < 6
    assert render_people(factors[:0], 32).shape == (0, 32, 32, 3)


SEEN = (*TRAITS, *RANGES, *BACKGROUNDS)


@pytest.mark.parametrize("factor", SEEN)
def test_every_factor_is_seen(factor: str) -> None:
    low, high = RANGES.get(factor, (20.0, 200.0) if factor in BACKGROUNDS else (-1.0, 1.0))
    scenes = sample_people(200, 2)
    scenes = scenes[~scenes["No_Beard"] & scenes["Smiling"] & scenes["Eyeglasses"]].head(4)
    scenes = still(scenes, face_skin_tone=-0.8)
    first, second = (scenes.assign(**{factor: v}) for v in (low, high * 0.9))
    assert (difference(first, second) > 8).sum(axis=(1, 2)).max() >= 4


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_attribute_is_seen_where_it_belongs(attribute: str) -> None:
    scenes = still(sample_people(60, 7).query("Male").head(16))
    off, on = (edit(scenes, attribute, value) for value in (False, True))
    changed = difference(off, on)
    assert (changed > 12).sum(axis=(1, 2)).min() >= 12
    upper, lower = changed[:, :34].sum(axis=(1, 2)), changed[:, 34:].sum(axis=(1, 2))
    if attribute in ("No_Beard", "Smiling"):
        assert (lower > upper).all()
    if attribute in ("Black_Hair", "Eyeglasses", "Young"):
        beardless = scenes["No_Beard"].to_numpy()
        assert (upper > lower)[beardless].all()


def test_light_and_position_go_where_they_say() -> None:
    scenes = still(sample_people(12, 8))
    left, right = (
        render_people(scenes.assign(light_azimuth=a), 64).astype(float) for a in (-1.2, 1.2)
    )
    half = (left - right).mean(axis=(1, 3))
    assert (half[:, 12:32].mean(axis=1) > 1).all() and (half[:, 32:52].mean(axis=1) < -1).all()
    dark = dict.fromkeys(BACKGROUNDS, 0.0)
    middle, moved = (
        render_people(scenes.assign(**dark, **shift), 64).astype(float).sum(axis=3)
        for shift in ({}, {"x": 0.25})
    )
    # A shift by a whole number of pixels moves the picture, and does nothing else.
    assert np.abs(moved[:, :, 8:] - middle[:, :, :-8]).max() <= 3


def test_people_are_large_and_keep_clear_of_the_edges() -> None:
    scenes = sample_people(64, 9)
    white, black = (
        render_people(scenes.assign(**dict.fromkeys(BACKGROUNDS, level)), 64).astype(int)
        for level in (255.0, 0.0)
    )
    # What hides the background is the person.
    alpha = 1 - (white - black).mean(axis=3) / 255
    assert ((alpha.mean(axis=(1, 2)) > 0.28) & (alpha.mean(axis=(1, 2)) < 0.7)).all()
    assert alpha[:, 0].max() < 0.5  # the top
    assert alpha[:, :40, [0, -1]].max() < 0.5  # the sides, above the shoulders
    assert alpha[:, 28:36, 28:36].min() > 0.99  # no holes


def test_identities_are_told_apart_by_the_nearest_mean() -> None:
    known, asked = (still(sample_people(n, s, identities=12)) for n, s in ((400, 3), (400, 3)))
    known, asked = known.head(280), asked.tail(120)
    features = [
        render_people(frame, 32).reshape(len(frame), 16, 2, 16, 2, 3).mean(axis=(2, 4))
        for frame in (known, asked)
    ]
    features = [f.reshape(len(f), -1) for f in features]
    means = np.stack([features[0][(known["identity"] == i).to_numpy()].mean(0) for i in range(12)])
    nearest = ((features[1][:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == asked["identity"].to_numpy()).mean() > 0.6


def test_a_sheet_of_factors() -> None:
    rows = people_rows(32, seed=0, columns=4)
    alone = [name for name in RANGES if not name.startswith(("background_", "cloth_"))]
    together = ["background", "clothes", *ATTRIBUTES, "age, woman", "age, man"]
    assert list(rows) == [*alone, *together, "hair_length", "hair_colour"]
    assert all(row.shape == (4, 32, 32, 3) and row.dtype == np.uint8 for row in rows.values())
    for name, row in rows.items():
        assert len({image.tobytes() for image in row}) > 1, name


def test_points_and_radii_may_differ_between_images() -> None:
    seen = View(rotation([0.3, -0.2], [0.1, 0.0], [0.0, 0.1]), np.ones(2), np.zeros((2, 2)), 48)
    centres = np.array([[0.1, 0.0, 0.2], [-0.2, 0.1, 0.0]])
    radii = np.array([[0.5, 0.4, 0.3], [0.3, 0.6, 0.5]])
    both = ellipsoid(seen, centres, radii)
    assert both is not None
    for i in range(2):
        view = View(seen.turn[[i]], np.ones(1), np.zeros((1, 2)), 48)
        one = ellipsoid(view, centres[i], radii[i])
        assert one is not None
        rows, columns = (
            slice(a.start - b.start, a.stop - b.start)
            for a, b in zip(one.window[1:], both.window[1:], strict=True)
        )
        assert np.array_equal(one.coverage[0], both.coverage[i, rows, columns])
        assert np.array_equal(one.depth[0], both.depth[i, rows, columns])


# --- bad input -----------------------------------------------------------------------------------


def test_bad_input() -> None:
    factors = sample_people(3, 0)
    with pytest.raises(PipelineError, match="lack face_chin, pitch: start from sample_people"):
        render_people(factors.drop(columns=["pitch", "face_chin"]), 32)
    for change, message in (
        ({"yaw": np.nan}, "'yaw'.*finite"),
        ({"ambient": "bright"}, "'ambient'.*finite number"),
    ):
        with pytest.raises(PipelineError, match=message):
            render_people(factors.assign(**change), 32)
    with pytest.raises(PipelineError, match="15 pixels: use 16 or more"):
        render_people(factors, 15)
    with pytest.raises(PipelineError, match="0 threads"):
        render_people(factors, 32, threads=0)
    with pytest.raises(PipelineError, match="-1 images"):
        sample_people(-1, 0)
    with pytest.raises(PipelineError, match="0 identities"):
        sample_people(1, 0, identities=0)
    with pytest.raises(PipelineError, match="numbered from -1"):
        sample_people(1, 0, first=-1)
    with pytest.raises(PipelineError, match="no attribute 'Bald'.*Eyeglasses"):
        edit(factors, "Bald", True)
