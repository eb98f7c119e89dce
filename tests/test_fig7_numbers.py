"""The numbers of Figs. 7, S8 and S9 on readings and embeddings whose statistics are known."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation.concepts import EFFECTS
from pipeline.evaluation.fid import FrechetReference, feature_statistics
from pipeline.evaluation.fig7 import PAPER, Measured, pair_distances, summarise_fig7
from pipeline.evaluation.intervals import wilson
from pipeline.rendering.people import edit, sample_people

NAMES = tuple(PAPER)
COUNT = 40
ROWS = np.arange(COUNT)
TRUTH = pd.DataFrame(
    {
        "identity": ROWS // 2,
        "Black_Hair": ROWS % 2 == 0,
        "Eyeglasses": ROWS % 4 == 0,
        "Male": ROWS < 20,
        "No_Beard": (ROWS >= 20) | (ROWS % 2 == 0),
        "Young": ROWS % 5 > 1,
        "Smiling": ROWS % 3 == 0,
        "hair_length": np.where(ROWS < 20, 0.1, 0.8),
        "hair_grey": np.where(ROWS % 5 > 1, 0.0, 0.7),
        "face_width": np.linspace(-1, 1, COUNT),
        "face_length": np.cos(ROWS),
    }
)


def measured(
    changes: dict[str, Any] | None = None, shift: float = 0.0, fid: float = 1.0
) -> Measured:
    """What is read of the inputs, with some factors read otherwise, and f moved by `shift`."""
    readings = {
        name: values.to_numpy().astype(np.float32 if values.dtype == float else values.dtype)
        for name, values in TRUTH.drop(columns="identity").items()
    }
    readings |= {name: np.asarray(values) for name, values in (changes or {}).items()}
    embeddings = np.stack([np.cos(ROWS), np.sin(ROWS), np.full(COUNT, shift)], 1)
    return Measured(readings, embeddings, {"fid": fid, "kid": fid / 10})


def edits(shift: float = 1.0, **changes: dict[str, Any]) -> dict[str, Measured]:
    """Edits that are all read as they should be; `changes` per attribute."""
    return {
        name: measured({name: ~TRUTH[name].to_numpy()} | changes.get(name, {}), shift, 2.0)
        for name in NAMES
    }


def summary(**changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "truth": TRUTH,
        "inputs": measured(),
        "reconstructions": measured(shift=0.5, fid=1.5),
        "ours": edits(),
        "stargan": edits(),
        "dimensions": dict.fromkeys(NAMES, 3),
        "about": {"scale": "laptop", "seed": 0},
    }
    return summarise_fig7(**(arguments | changes))


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    return summary()


def test_all_that_is_promised_stands_there(numbers: dict[str, Any]) -> None:
    json.dumps(numbers, allow_nan=False)
    assert (numbers["images"], numbers["scale"], numbers["seed"]) == (COUNT, "laptop", 0)
    assert tuple(numbers["factors"]) == NAMES
    for name, entry in numbers["factors"].items():
        assert (entry["edits"], entry["dimensions"]) == (COUNT, 3)
        assert entry["paper_distance"] == PAPER[name]["distance"]
        assert entry["paper_fid"] == PAPER[name]["fid"]
        assert set(entry["ours"]) == set(entry["stargan"])
        assert set(entry["ours"]["changed"]) == {*NAMES} - {name}
    assert numbers["floors"] == {
        "real": {"fid": 1, "kid": 0.1},
        "reconstruction": {"fid": 1.5, "kid": 0.15},
    }
    assert set(numbers["evaluator"]) == {*NAMES, "hair_length", "hair_grey"}
    assert set(numbers["evaluator"].values()) == set(numbers["reconstruction"].values()) == {1.0}


def test_distances_of_embeddings(numbers: dict[str, Any]) -> None:
    ours = numbers["factors"]["Male"]["ours"]
    assert ours["distance"] == {"mean": 1, "std": 0}
    assert ours["distance_from_reconstruction"] == {"mean": 0.5, "std": 0}
    assert numbers["factors"]["Male"]["stargan"]["distance_from_reconstruction"] is None
    assert numbers["reconstruction_distance"] == {"mean": 0.5, "std": 0}


def test_distances_differ_from_image_to_image() -> None:
    ours = edits()
    ours["Male"].embeddings[: COUNT // 2, 2] = 3
    found = summary(ours=ours)["factors"]["Male"]["ours"]["distance"]
    assert found == {"mean": 2, "std": 1}


def test_perfect_edits(numbers: dict[str, Any]) -> None:
    for entry in numbers["factors"].values():
        for method in ("ours", "stargan"):
            assert entry[method]["success"] == 1
            assert entry[method]["unrelated_kept"] == 1
            assert set(entry[method]["changed"].values()) == {0}
            assert entry[method]["traits_kept"] == pytest.approx(1)
            assert (entry[method]["fid"], entry[method]["kid"]) == (2, 0.2)


def test_an_edit_that_does_nothing() -> None:
    found = summary(ours={name: measured(shift=0.5) for name in NAMES})["factors"]["Smiling"]
    assert found["ours"]["success"] == 0
    assert found["ours"]["success_interval"][0] == 0
    assert found["ours"]["distance_from_reconstruction"]["mean"] == 0
    assert found["stargan"]["success"] == 1


def test_a_beard_is_asked_of_men_alone() -> None:
    women = TRUTH["No_Beard"].to_numpy() & ~TRUTH["Male"].to_numpy()
    read = np.where(women, True, ~TRUTH["No_Beard"].to_numpy())  # every woman stays without
    found = summary(ours=edits(No_Beard={"No_Beard": read}))
    assert found["factors"]["No_Beard"]["ours"]["success"] == 1
    assert found["factors"]["No_Beard"]["ours"]["success_interval"] == wilson(np.ones(20, bool))
    assert found["coherence"]["ours"]["women_stay_beardless"] == 1
    assert found["coherence"]["stargan"]["women_stay_beardless"] == 0
    assert found["coherence"]["stargan"]["women_stay_beardless_interval"][0] == 0


def test_a_change_is_one_from_what_was_not_edited() -> None:
    """Ours is compared with the reconstruction, StarGAN with the input."""
    wrong = {"Young": ~TRUTH["Young"].to_numpy()}
    rebuilt, after = measured(wrong, 0.5, 1.5), edits(Smiling=wrong)
    found = summary(reconstructions=rebuilt, ours=after, stargan=after)["factors"]["Smiling"]
    assert found["ours"]["changed"]["Young"] == 0
    assert found["stargan"]["changed"]["Young"] == 1
    assert found["stargan"]["unrelated_kept"] == pytest.approx(4 / 5)


def test_what_an_attribute_causes_does_not_count_as_unrelated() -> None:
    half = np.where(ROWS < 20, ~TRUTH["No_Beard"], TRUTH["No_Beard"])
    changes = {"Male": {"No_Beard": half}, "Young": {"No_Beard": half}}
    found = summary(ours=edits(**changes))["factors"]
    assert found["Male"]["ours"]["changed"]["No_Beard"] == 0.5
    assert found["Male"]["ours"]["unrelated_kept"] == 1
    assert found["Young"]["ours"]["changed"]["No_Beard"] == 0.5
    assert found["Young"]["ours"]["unrelated_kept"] == pytest.approx(4.5 / 5)


@pytest.mark.parametrize("name", NAMES)
def test_effects_are_those_of_the_rendered_world(name: str) -> None:
    """Setting an attribute either way changes itself and what EFFECTS lists; others never."""
    people = sample_people(3000, seed=0)
    changed = set()
    for value in (True, False):
        after = edit(people, name, value)
        changed |= {other for other in NAMES if (after[other] != people[other]).any()}
    assert changed - {name} == set(EFFECTS.get(name, ()))


def test_traits_that_are_kept_by_half() -> None:
    mirrored = {"face_width": -TRUTH["face_width"].to_numpy()}
    found = summary(ours=edits(Male=mirrored))["factors"]["Male"]["ours"]
    assert found["traits_kept"] == pytest.approx(0, abs=1e-6)
    flat = {"face_width": np.zeros(COUNT, np.float32)}
    found = summary(ours=edits(Male=flat))["factors"]["Male"]["ours"]
    assert found["traits_kept"] == pytest.approx(0.5)


def test_coherence() -> None:
    male, young = TRUTH["Male"].to_numpy(), TRUTH["Young"].to_numpy()
    inputs = measured({"hair_length": TRUTH["hair_length"] + np.float32(0.05) * (-1) ** ROWS})
    # The evaluator is wrong by 0.05: half of the men get more than that, all women less hair.
    longer = np.where(ROWS % 2 == 0, 0.06, 0.04)
    after = np.where(male, 0.1 + longer, 0.2)
    grey = np.where(young, np.where(ROWS % 5 == 2, 0.3, 0.29), 0)
    ours = edits(Male={"hair_length": after}, Young={"hair_grey": grey})
    found = summary(inputs=inputs, ours=ours)["coherence"]["ours"]
    assert found["gender_moves_hair"] == 0.75
    assert found["gender_moves_hair_interval"] == wilson(ROWS >= 10)
    assert found["older_turns_grey"] == pytest.approx(1 / 3)
    assert found["older_turns_grey_interval"] == wilson(np.arange(24) < 8)


def test_what_the_evaluator_does_not_read_is_none() -> None:
    """Photographs have attributes alone."""

    def bare(sets: Measured) -> Measured:
        readings = {name: sets.readings[name] for name in NAMES}
        return Measured(readings, sets.embeddings, sets.distances)

    def all_bare(sets: dict[str, Measured]) -> dict[str, Measured]:
        return {name: bare(one) for name, one in sets.items()}

    found = summary(
        truth=TRUTH[["identity", *NAMES]],
        inputs=bare(measured()),
        reconstructions=bare(measured()),
        ours=all_bare(edits()),
        stargan=all_bare(edits()),
    )
    json.dumps(found, allow_nan=False)
    assert found["evaluator"]["hair_length"] is None
    assert found["factors"]["Male"]["ours"]["traits_kept"] is None
    coherence = found["coherence"]["ours"]
    assert coherence["gender_moves_hair"] is coherence["older_turns_grey_interval"] is None
    assert coherence["women_stay_beardless"] == 0


# --- pairs and intervals -------------------------------------------------------------------------


def test_distances_of_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    points, people = rng.normal(size=(30, 4)), rng.integers(0, 5, 30)
    pairs = [(i, j) for i in range(30) for j in range(i)]
    monkeypatch.setattr("pipeline.evaluation.fig7.BLOCK", 7)
    found = pair_distances(points, people)
    for name, kind in (("same", True), ("different", False)):
        distances = [
            np.linalg.norm(points[i] - points[j])
            for i, j in pairs
            if (people[i] == people[j]) == kind
        ]
        assert found[name]["mean"] == pytest.approx(np.mean(distances), rel=1e-5)
        assert found[name]["std"] == pytest.approx(np.std(distances), rel=1e-5)


@pytest.mark.parametrize("people", [np.arange(4), np.zeros(4, int)])
def test_pairs_of_one_kind_only(people: np.ndarray) -> None:
    with pytest.raises(PipelineError, match=r"no two of the same person.*evaluate\.fig7\.inputs"):
        pair_distances(np.eye(4), people)


@pytest.mark.parametrize(("successes", "count"), [(0, 10), (10, 10), (3, 10), (1900, 2048)])
def test_wilson(successes: int, count: int) -> None:
    z, p = 1.959964, successes / count
    centre = (p + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(p * (1 - p) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    found = wilson(np.arange(count) < successes)
    assert found == pytest.approx([max(centre - half, 0), min(centre + half, 1)], abs=1e-5)


def test_no_values_have_no_interval() -> None:
    assert wilson(np.empty(0, bool)) is None


def test_identical_images_are_at_no_distance() -> None:
    features = np.random.default_rng(1).normal(size=(50, 6))
    reference = FrechetReference(feature_statistics(features))
    assert reference.distance(feature_statistics(features)) == pytest.approx(0, abs=1e-6)
