"""Figs. 7, S8 and S9: readings whose statistics are known, tables, claims and labels."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import colour_models as world
import numpy as np
import pandas as pd
import pytest
import torch
from drawn import texts
from matplotlib.figure import Figure
from matplotlib.text import Text
from nested import replaced
from synthetic_fig7 import COUNT, NAMES, OPPOSITE, ROWS, TRUTH, arrays, edits, measured, summary
from synthetic_results import decide
from torch import nn

from pipeline import paths
from pipeline.datasets.features import save_posterior
from pipeline.errors import PipelineError
from pipeline.evaluation.concepts import EFFECTS, asked
from pipeline.evaluation.counterfactual_edits import counterfactual_edits
from pipeline.evaluation.fid import FrechetInfluence
from pipeline.evaluation.intervals import wilson
from pipeline.experiments.fig7 import measure as module
from pipeline.experiments.fig7.draw import draw_changes, draw_fig7, draw_figS8, draw_figS9
from pipeline.experiments.fig7.report import COHERENCE, EXPERIMENT, Fig7Settings
from pipeline.experiments.fig7.summary import PAPER, Measured, pair_distances
from pipeline.rendering.people import edit, sample_people
from pipeline.reporting.tables import cell_texts
from pipeline.storage import read_json, write_json

HEADS = ["hair", "glasses", "gender", "beard", "age", "smile"]


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    return summary()


def test_perfect_edits() -> None:
    found = summary(ours=edits(), stargan=edits())
    assert (found["images"], tuple(found["factors"])) == (COUNT, NAMES)
    for i, (name, entry) in enumerate(found["factors"].items()):
        assert (entry["edits"], entry["dimensions"]) == (COUNT, 3 + i)
        assert {key: entry[f"paper_{key}"] for key in ("distance", "fid")} == PAPER[name]
        perfect = {"success": 1, "unrelated_kept": 1, "fid": 2 + i, "kid": (2 + i) / 10}
        for method in ("ours", "stargan"):
            assert entry[method].items() >= perfect.items()
            assert entry[method]["changed"] == dict.fromkeys({*NAMES} - {name}, 0)
            assert entry[method]["traits_kept"] == pytest.approx(1)
    floors = {"real": {"fid": 1, "kid": 0.1}, "reconstruction": {"fid": 1.5, "kid": 0.15}}
    assert found["floors"] == floors
    right = dict.fromkeys(NAMES, 1)
    assert found["reconstruction"] == right
    assert found["evaluator"] == right | {"hair_length": 1, "hair_grey": 1}


def test_distances_of_embeddings() -> None:
    ours = edits()
    ours["Male"].embeddings[: COUNT // 2, 2] = 3.12
    found = summary(ours=ours)
    male, young = (found["factors"][name]["ours"] for name in ("Male", "Young"))
    assert male["distance"] == pytest.approx({"mean": 2.12, "std": 1})
    assert young["distance"] == pytest.approx({"mean": 0.84, "std": 0})
    assert young["distance_from_reconstruction"] == pytest.approx({"mean": 0.34, "std": 0})
    assert found["factors"]["Male"]["stargan"]["distance_from_reconstruction"] is None
    assert found["reconstruction_distance"] == {"mean": 0.5, "std": 0}
    found = summary(ours={name: measured(shift=0.5) for name in NAMES})["factors"]["Smiling"]
    assert found["ours"]["success"] == found["ours"]["success_interval"][0] == 0
    assert found["ours"]["distance_from_reconstruction"]["mean"] == 0  # an edit that does nothing


def test_the_most_sensitive_factors_have_an_interval() -> None:
    ours = edits()
    ours["Male"].embeddings[: COUNT // 2, 2] = 3.12
    ours["Eyeglasses"].embeddings[:, 2] = 5
    found = summary(ours=ours)
    assert found["sensitive_ratio"] == pytest.approx(2.12 / 0.84)
    low, high = found["intervals"]["sensitive_ratio"]
    half = 1.96 / (COUNT / 2) ** 0.5 / 0.84  # half of the people moved by 1.12, half by 3.12
    assert (low, high) == pytest.approx((2.12 / 0.84 - half, 2.12 / 0.84 + half), abs=0.15)


def test_only_men_are_given_beards() -> None:
    read = OPPOSITE["No_Beard"] | ~TRUTH["Male"].to_numpy()  # every woman stays without
    found = summary(ours=edits(No_Beard={"No_Beard": read}), stargan=edits())
    beard, coherence = found["factors"]["No_Beard"]["ours"], found["coherence"]
    assert (beard["success"], beard["success_interval"]) == (1, wilson(np.ones(20, bool)))
    for method, share in (("ours", 1), ("stargan", 0)):
        assert coherence[method]["women_stay_beardless"] == share
        assert share in coherence[method]["women_stay_beardless_interval"]


def test_a_change_is_one_from_what_was_not_edited() -> None:
    """Ours is compared with the reconstruction, StarGAN with the input."""
    wrong = {"Young": OPPOSITE["Young"]}
    after = edits(Smiling=wrong)
    found = summary(reconstructions=measured(wrong), ours=after, stargan=after)["factors"]
    assert found["Smiling"]["ours"]["changed"]["Young"] == 0
    assert found["Smiling"]["stargan"]["changed"]["Young"] == 1
    assert found["Smiling"]["stargan"]["unrelated_kept"] == pytest.approx(4 / 5)


def test_what_an_attribute_causes_does_not_count_as_unrelated() -> None:
    half = {"No_Beard": np.where(ROWS < 20, OPPOSITE["No_Beard"], TRUTH["No_Beard"])}
    found = summary(ours=edits(Male=half, Young=half))["factors"]
    for name, kept in (("Male", 1), ("Young", 4.5 / 5)):
        assert found[name]["ours"]["changed"]["No_Beard"] == 0.5
        assert found[name]["ours"]["unrelated_kept"] == pytest.approx(kept)


@pytest.mark.parametrize("name", NAMES)
def test_effects_are_those_of_the_rendered_world(name: str) -> None:
    """Setting an attribute either way changes itself and what EFFECTS lists; others never."""
    people = sample_people(3000, seed=0)
    changed = set()
    for value in (True, False):
        after = edit(people, name, value)
        changed |= {other for other in NAMES if (after[other] != people[other]).any()}
    assert changed - {name} == set(EFFECTS.get(name, ()))


@pytest.mark.parametrize(("scale", "kept"), [(-1, 0), (0, 0.5)])
def test_traits_that_are_kept_in_part(scale: float, kept: float) -> None:
    width = {"face_width": scale * TRUTH["face_width"].to_numpy()}
    found = summary(ours=edits(Male=width))["factors"]["Male"]["ours"]
    assert found["traits_kept"] == pytest.approx(kept, abs=1e-6)


def test_coherence() -> None:
    inputs = measured({"hair_length": TRUTH["hair_length"].to_numpy() + 0.05 * (-1.0) ** ROWS})
    # The evaluator is wrong by 0.05: half of the men get more than that, all women less hair.
    longer = np.where(ROWS % 2 == 0, 0.06, 0.04)
    after = np.where(TRUTH["Male"], 0.1 + longer, 0.2)
    grey = np.where(TRUTH["Young"], np.where(ROWS % 5 == 2, 0.3, 0.29), 0)
    ours = edits(Male={"hair_length": after}, Young={"hair_grey": grey})
    found = summary(inputs=inputs, ours=ours)["coherence"]["ours"]
    assert found["gender_moves_hair"] == 0.75
    assert found["gender_moves_hair_interval"] == wilson(ROWS >= 10)
    assert found["older_turns_grey"] == pytest.approx(1 / 3)
    assert found["older_turns_grey_interval"] == wilson(np.arange(24) < 8)


def test_what_the_evaluator_does_not_read_is_none() -> None:
    """As of photographs, which have no numbers."""

    def bare(sets: Measured) -> Measured:
        return replace(sets, readings={name: sets.readings[name] for name in NAMES})

    after, before = {name: bare(one) for name, one in edits().items()}, bare(measured())
    sets = {"inputs": before, "reconstructions": before, "ours": after, "stargan": after}
    found = summary(truth=TRUTH[["identity", *NAMES]], **sets)
    json.dumps(found, allow_nan=False)
    assert found["evaluator"]["hair_length"] is None
    assert found["factors"]["Male"]["ours"]["traits_kept"] is None
    coherence = found["coherence"]["ours"]
    assert coherence["gender_moves_hair"] is coherence["older_turns_grey_interval"] is None
    assert coherence["women_stay_beardless"] == 0


def test_distances_of_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    points, people = rng.normal(size=(30, 4)), rng.integers(0, 5, 30)
    first, second = np.triu_indices(30, 1)
    distances = np.linalg.norm(points[first] - points[second], axis=1)
    same = people[first] == people[second]
    monkeypatch.setattr("pipeline.experiments.fig7.summary.BLOCK", 7)
    found = pair_distances(points, people)
    for name, some in (("same", distances[same]), ("different", distances[~same])):
        expected = {"mean": some.mean(), "std": some.std()}
        assert found[name] == pytest.approx(expected, rel=1e-5)
    for people in (np.arange(4), np.zeros(4, int)):
        with pytest.raises(PipelineError, match=r"no two of the same.*experiments\.fig7\.inputs"):
            pair_distances(np.eye(4), people)


@pytest.mark.parametrize(("successes", "count"), [(0, 10), (10, 10), (3, 10), (1900, 2048)])
def test_wilson(successes: int, count: int) -> None:
    z, p = 1.959964, successes / count
    centre = (p + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(p * (1 - p) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    found = wilson(np.arange(count) < successes)
    assert found == pytest.approx([max(centre - half, 0), min(centre + half, 1)], abs=1e-5)
    assert wilson(np.empty(0, bool)) is None


CHANNELS = {"Male": 0, "Smiling": 2}
"""Red people are men, blue ones smile; z_bar, and what the network sees, are the colour."""
MODELS: dict[str, Callable[[Any], Any]] = {
    "network": lambda _: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3)),
    "semantic": lambda _: world.Formula(  # e(z_bar) = z_bar
        factors={"residual": 1, **dict.fromkeys(CHANNELS, 1)}, indices=CHANNELS.get,
        inverse=lambda factors: factors, forward=lambda z_bar: (z_bar, None),
    ),
    "stargan": lambda _: world.Formula(  # paints people in the colour that is asked for
        attributes=("Smiling", "Male"),
        forward=lambda _, own: world.images((own[:, [1, 1, 0]] - 0.5) * torch.tensor([1, 0, 1])),
    ),
}  # fmt: skip


def reader(names: Iterable[str]) -> world.Formula:
    def read(x: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        colour = x.mean((2, 3))
        return {name: (colour[:, CHANNELS[name]] > 0).long() for name in names}, colour[:, :0]

    classes = dict.fromkeys(names, (False, True))
    return world.Formula(size=world.SIZE, classes=classes, numbers=(), read=read)


def measure(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], names: Iterable[str] = CHANNELS
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    men, smile, shades = ROWS[:16] % 2 == 0, ROWS[:16] % 4 < 2, np.linspace(0.3, 0.8, 16)
    red, blue = (np.where(values, shades, -shades) for values in (men, smile))
    colours = torch.tensor(np.stack([red, 0 * red, blue], 1), dtype=torch.float32)
    truth = pd.DataFrame(
        {"split": np.repeat(world.SPLITS, 8), "label": ROWS[:16] // 4, "identity": ROWS[:16] // 4}
    )
    truth = truth.assign(Male=men, Smiling=smile) if not change else truth.assign(**change)
    world.write_images(colours, truth)
    save_posterior(paths.posteriors("pets"), "test", (colours[:8], torch.ones(8, 3)))
    write_json(paths.autoencoder("pets") / "training.json", {"steps": 5})
    write_json(paths.stargan("pets") / "training.json", {"step": 3})
    rows, settings = world.write_rows({"net-e": ("net", "1")}), Fig7Settings(inputs=8, rows=3)
    models = MODELS | {"evaluator": lambda _: reader(names)}
    found, numbers, _ = world.measure(monkeypatch, module, settings, rows, **models)
    return found, numbers


def test_edits_are_measured(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extractor = SimpleNamespace(label="FID", preparation="", extract=world.shown_colours)
    monkeypatch.setattr(module, "load_extractor", lambda *_: extractor)
    found, numbers = measure(monkeypatch, {})
    expected = {
        "images": 8, "size": world.SIZE, "label": "FID",
        "counterfactual_edits": None,  # were not rendered
        "training": {"ours_steps": 5, "stargan": {"step": 3}},
    }  # fmt: skip
    assert numbers.items() >= expected.items()
    shown = {name: world.shown_colours(images) for name, images in found.items() if images.ndim > 2}
    inputs, close = shown["inputs"], {"atol": 2 * world.ROUNDING}
    np.testing.assert_allclose(shown["reconstructions"], inputs, **close)
    for i, (name, channel) in enumerate(CHANNELS.items()):
        own, entry = inputs[:, channel] > 0, numbers["factors"][name]
        assert np.array_equal(found["values"][:, i], own)
        for method in ("donors", "ours", "stargan"):  # show the other value
            assert np.array_equal(shown[method][:, i, channel] > 0, ~own)
        edited = inputs.copy()
        edited[:, channel] = shown["donors"][:, i, channel]
        np.testing.assert_allclose(shown["ours"][:, i], edited, **close)
        assert (entry["edits"], entry["dimensions"]) == (8, 1)
        for method in ("ours", "stargan"):
            assert entry[method]["success"] == entry[method]["unrelated_kept"] == 1
        moved = np.abs(shown["ours"][:, i] - inputs).sum(1).mean()
        assert entry["ours"]["distance"]["mean"] == pytest.approx(moved, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "names", "words"),
    [
        ({"Male": ROWS[:16] > 2}, CHANNELS, "test images of pets.*'Smiling'"),
        ({"Male": True, "Smiling": ROWS[:16] > 2}, CHANNELS, "'Male' is true in all 8"),
        ({}, ["Male"], "pets does not read the attribute 'Smiling'"),
    ],
)
def test_what_lacks_an_attribute(
    here: Path, monkeypatch: pytest.MonkeyPatch, change: Any, names: Any, words: str
) -> None:
    """Such as the faces of animals; reported before anything is computed."""
    monkeypatch.setattr(module, "load_extractor", None)
    with pytest.raises(PipelineError, match=words):
        measure(monkeypatch, change, names)


def test_counterfactual_edits() -> None:
    people = sample_people(12, seed=0)
    found = counterfactual_edits(people, NAMES, lambda images: images.mean((1, 2)), 16)
    assert list(found) == list(NAMES) and all(one["mean"] > 0 for one in found.values())
    assert found["No_Beard"]["images"] == people["Male"].sum() < found["Male"]["images"] == 12


def test_tables_of_edits(numbers: dict[str, Any]) -> None:
    found = EXPERIMENT.files(numbers)
    rows = {name: {row[0]: row[1:] for row in cell_texts(found[name])} for name in found}
    assert rows["edits"]["gender"] == [
        "100.0", "100.0", "85.0", "100.0", "75.0", "1.00", "0.50", "1.120 ± 0.000",
        "0.712 ± 0.100", "1.061 ± 0.030",
    ]  # fmt: skip
    assert rows["fid"]["glasses"] == ["24.97", "41.27", "101.0", "151.0", "10.10", "15.10"]
    for name, phrases in (
        ("edits", ("laptop", "seed 7", "40 test", "64 px", "97.0", "hair 3, glasses 4")),
        ("fid", ("FID-EN0 1.0, KID × 1000 0.10", "FID-EN0 1.5")),
    ):
        assert all(phrase in " ".join(found[name].notes) for phrase in phrases)
        about = {"scale": "laptop", "seed": 7, "N": COUNT, "px": 64}
        assert found[name].constants.items() >= about.items()
    assert found["fid"].constants["floor KID × 1000, reconstructions"] == 0.15
    large = replaced(numbers, 2082.2, "factors", "Male", "stargan", "kid")
    assert EXPERIMENT.files(large)["fid"].digits == (0, 2, 2, 1, 1, 0, 0)  # no decimals


def test_coherence_and_the_training_of_stargan(numbers: dict[str, Any]) -> None:
    coherence, stargan = EXPERIMENT.tables(numbers)
    assert [row[3] for row in coherence.rows] == ["R² 1.000", "100.0 % right", "R² 1.000"]
    assert [cell.split(" (")[0] for cell in coherence.rows[0][1:3]] == ["100.0 %", "0.0 %"]
    assert [value for _, value in stargan.rows] == [
        "2,000", "2.656", "0.0179", "0.630", "-1.310", "0.820", "0.067", "96.5 %", "78.7 %",
        "0.125", "0.063",
    ]  # fmt: skip
    assert all(words in stargan.note for words in ("60.0 %", "hair 95.0 %", "11,000 steps"))
    weak = replaced(numbers, 0.4, "factors", "Male", "stargan", "success")
    assert "does not edit every attribute" in EXPERIMENT.tables(weak)[1].note


def test_what_is_unknown_of_photographs_and_published_weights_is_said() -> None:
    numbers = summary() | {"counterfactual_edits": None}
    for factor in numbers["factors"].values():
        factor["paper_distance"] = factor["paper_fid"] = factor["ours"]["traits_kept"] = None
    found = EXPERIMENT.files(numbers)
    cells = [cell for row in found["edits"].rows for cell in row]
    assert {cells.count(words) for words in ("not measured", "not stated", "not known")} == {6}
    assert [row[1:3] for row in found["fid"].rows] == [["not stated", "not stated"]] * 6
    for make in (draw_fig7, draw_figS9):
        assert "not stated" in texts(make(numbers, arrays()))
    assert "97.0 %" in EXPERIMENT.facts(numbers)[-1][1]


def test_claims_are_about_the_smallest_number(numbers: dict[str, Any]) -> None:
    rows = decide({"fig7": EXPERIMENT}, {"fig7": numbers})
    expected = {"F7.a": 0.975, "F7.b": 0.99, "F7.c": 0.93 / 0.84, "S9.a": 155 / 105, "S8.a": 1}
    assert {name: rows[name]["value"] for name in expected} == pytest.approx(expected, rel=1e-5)
    assert [part["of"] for part in rows["S8.a"]["conditions"]] == ["hair", "women", "grey"]
    assert rows["S8.a"]["ci"] == numbers["coherence"]["ours"]["gender_moves_hair_interval"]


def test_the_smallest_has_an_interval_over_people() -> None:
    """One of 20 people has an edit that fails, and a smile that changes with age."""
    found = summary(ours=edits(Smiling={"Smiling": OPPOSITE["Smiling"] ^ (ROWS < 2)}))
    assert found["least_success"] == 0.95
    low, high = found["intervals"]["least_success"]
    assert 0.8 <= low <= 0.9 and high == 1  # 0 to 3 of them are drawn
    assert found["least_kept"] == 1 and found["intervals"]["least_kept"] == [1, 1]


def test_a_draw_without_men_has_no_edits_of_beards() -> None:
    """Two people, one of them a man: one draw in four shows women alone."""
    truth = TRUTH.assign(identity=(ROWS < 20).astype(int))
    found = summary(truth=truth)
    assert found["intervals"]["least_success"] == [0.95, 1]  # the edit of a smile that fails


def test_the_advantage_has_an_interval() -> None:
    rng = np.random.default_rng(0)

    def noisy(sets: dict[str, Measured]) -> dict[str, Measured]:
        return {
            name: replace(one, influence=FrechetInfluence(
                0, 30 * rng.normal(size=COUNT), 20 * rng.normal(size=500)
            ))
            for name, one in sets.items()
        }  # fmt: skip

    ours, stargan = noisy(edits(100)), noisy(edits(150))
    found = summary(ours=ours, stargan=stargan)
    assert found["fid_smallest_ratio"] == pytest.approx(155 / 105, rel=1e-5)
    low, high = found["intervals"]["fid_smallest_ratio"]
    assert 1.2 < low < 155 / 105 and low + 0.05 < high < 1.7
    assert summary()["intervals"]["fid_smallest_ratio"] is None


@pytest.mark.parametrize("name", COHERENCE)
@pytest.mark.parametrize(("value", "holds"), [(0.7999, False), (None, None)])
def test_verdicts(
    numbers: dict[str, Any], name: str, value: float | None, holds: bool | None
) -> None:
    keys = f"coherence ours {name}"
    changed = replaced(numbers, value, *keys.split())
    if value is not None:  # the interval is decisive
        changed = replaced(changed, [value, value], *f"{keys}_interval".split())
    for scale in ("laptop", "paper"):
        assert decide({"fig7": EXPERIMENT}, {"fig7": changed}, scale)["S8.a"]["holds"] is holds


def bold(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(Text) if text.get_weight() == "bold"}


def test_figures_end_with_distances(numbers: dict[str, Any]) -> None:
    figure = draw_fig7(numbers, arrays())
    written = texts(figure)
    assert {f"{head} $e_{i + 1}$" for i, head in enumerate(HEADS)} <= set(written)
    assert "0.500 ± 0.000" in written and "N = 40 test images" in written[-1]
    pairs = [f"{pair['mean']:.3f} ± {pair['std']:.3f}" for pair in numbers["pairs"].values()]
    assert any(all(pair in text for pair in pairs) for text in written)
    assert bold(figure) == {  # the two largest of a row
        "1.120 ± 0.000", "0.930 ± 0.000", "0.620 ± 0.000", "0.430 ± 0.000", "1.061 ± 0.030",
        "1.000 ± 0.046",
    }  # fmt: skip
    figure = draw_figS9(numbers, arrays())
    assert {"FID-EN0", "KID × 1000", "100.0", "155.0", "10.00", "16.24", "41.27",
            "floors: real images 1.00, reconstructions 1.50"} <= set(texts(figure))  # fmt: skip
    assert {"100.0", "105.0", "10.00", "16.24"} <= bold(figure)  # the smaller of two
    assert not {"150.0", "20.94"} & bold(figure)


def test_each_edit_says_what_it_asks_for(numbers: dict[str, Any]) -> None:
    shown = arrays()
    written = texts(draw_figS8(numbers, shown))
    rows = range(5, 8)  # of ten: five are in Fig. 7, two in Fig. S9
    wanted = [asked(NAMES[i], not shown["values"][row, i]) for row in rows for i in range(6)]
    assert all(written.count(words) == wanted.count(words) for words in wanted)
    assert (asked("Male", True), asked("Bald_Head", False)) == ("man", "not Bald Head")
    # Inputs are shared out, to as many as in the paper if there are 16.
    for count, shares in ((1, (1, 1)), (3, (1, 1)), (6, (1, 1)), (8, (2, 1)), (16, (6, 5))):
        few = arrays(count)
        for make, share in zip((draw_figS8, draw_figS9), shares, strict=True):
            assert f"N = {share} test images" in texts(make(numbers, few))[-1]
        assert draw_fig7(numbers, few)


def test_changes_in_the_papers_order(tmp_path: Path, numbers: dict[str, Any]) -> None:
    write_json(tmp_path / "fig7.json", numbers)
    numbers = read_json(tmp_path / "fig7.json")
    assert list(numbers["factors"]) != list(NAMES)  # sorted
    for table in EXPERIMENT.files(numbers).values():
        assert [row[0] for row in table.rows] == HEADS
    figure = draw_changes(numbers)
    ours, stargan = (axes for axes in figure.axes if axes.get_title() in ("ours", "StarGAN"))
    assert [label.get_text() for label in ours.get_yticklabels()] == HEADS
    for axes, success in ((ours, (100, 100, 100, 100, 100, 97.5)),
                          (stargan, (95, 90, 85, 60, 75, 70))):  # fmt: skip
        cells = np.asarray(axes.collections[0].get_array()).reshape(6, 6)
        assert np.diag(cells) == pytest.approx(success)  # success on the diagonal
        assert sum("†" in text.get_text() for text in axes.texts) == 1
    assert (cells[2, 5], cells[5, 2]) == (100, 0)  # edited, read
