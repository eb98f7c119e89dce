"""Figs. 7, S8 and S9: every image where its labels say, tables, claims, and what is refused."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from drawn import assert_same_in_another_style, place, places, sheet, texts
from matplotlib.figure import Figure
from synthetic_fig7 import edits, replaced, summary, without

from pipeline.errors import PipelineError
from pipeline.evaluation.concepts import asked, concept_of
from pipeline.figures.fig7 import draw_changes, draw_fig7, draw_figS8, draw_figS9, load_edits
from pipeline.figures.plots import PLOTS
from pipeline.reporting.claims import CLAIMS
from pipeline.reporting.tables import edits_table, fid_table, write_table
from pipeline.storage import read_json, write_json, write_npz

HEADS = ("hair", "glasses", "gender", "beard", "age", "smile")
NAMES = ("Black_Hair", "Eyeglasses", "Male", "No_Beard", "Young", "Smiling")


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    return edits()


@pytest.fixture(scope="module")
def noisy() -> dict[str, Any]:
    """Random pixels, each image of which is found on a sheet once only."""
    rng = np.random.default_rng(1)
    arrays = edits(rows=15, size=16)
    return arrays | {
        name: rng.integers(0, 256, arrays[name].shape, dtype=np.uint8)
        for name in ("inputs", "reconstructions", "ours", "stargan")
    }


def test_fig7_has_a_row_per_input_and_a_column_per_factor(noisy: dict[str, Any]) -> None:
    figure = draw_fig7(noisy, summary())
    canvas = sheet(figure)
    columns = set()
    for row in range(5):
        top, left = place(canvas, noisy["inputs"][row])
        found = [place(canvas, noisy["reconstructions"][row])]
        found += [place(canvas, image) for image in noisy["ours"][row]]
        assert {y for y, _ in found} == {top}
        xs = (left, *(x for _, x in found))
        assert list(xs) == sorted(xs)
        columns.add(xs)
    assert len(columns) == 1
    assert not places(canvas, noisy["inputs"][5])
    written = texts(figure)
    for i, head in enumerate(HEADS):
        assert f"{head} $e_{i + 1}$" in written
    for number in ("1.120 ± 0.051", "1.020 ± 0.062", "1.061 ± 0.030", "0.410 ± 0.110"):
        assert number in written
    assert any("0.620 ± 0.170" in text and "1.370 ± 0.140" in text for text in written)
    assert any("paper" in text and "CelebA" in text for text in written)
    footer = next(text for text in written if "scale laptop" in text)
    for words in ("N = 2,048", "seed 7", "16 × 16 px", "two largest"):
        assert words in footer


def test_the_two_largest_distances_are_bold(shown: dict[str, Any]) -> None:
    figure = draw_fig7(shown, summary())
    bold = {t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_weight() == "bold"}
    assert bold == {
        "1.120 ± 0.051", "0.930 ± 0.051", "1.020 ± 0.062", "0.830 ± 0.062", "1.061 ± 0.030",
        "1.000 ± 0.046",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("draw", "rows"), [(draw_figS8, range(5, 11)), (draw_figS9, range(11, 15))], ids=["S8", "S9"]
)
def test_methods_alternate_below_each_other(noisy: dict[str, Any], draw: Any, rows: range) -> None:
    figure = draw(noisy, summary())
    canvas = sheet(figure)
    tops = []
    for row in rows:
        ours = [place(canvas, image) for image in noisy["ours"][row]]
        stargan = [place(canvas, image) for image in noisy["stargan"][row]]
        (above,), (below,) = ({y for y, _ in found} for found in (ours, stargan))
        assert [x for _, x in ours] == [x for _, x in stargan] == sorted(x for _, x in ours)
        top, _ = place(canvas, noisy["inputs"][row])
        assert above < top < below
        tops += [above, below]
    assert tops == sorted(tops)
    written = texts(figure)
    tables = 3 if draw is draw_figS9 else 0
    assert written.count("ours") == written.count("StarGAN") == len(rows) + tables
    assert any(f"{len(rows)} test images" in text and "scale laptop" in text for text in written)


def test_each_edit_says_what_it_asks_for(shown: dict[str, Any]) -> None:
    written = texts(draw_figS8(shown, summary()))
    rows = range(5, 8)  # of ten: five are in Fig. 7, two in Fig. S9
    wanted = [asked(NAMES[i], not shown["values"][row, i]) for row in rows for i in range(6)]
    for words in set(wanted):
        assert written.count(words) == wanted.count(words)
    assert asked("Male", True) == "man" and asked("No_Beard", False) == "beard"
    assert asked("Bald_Head", False) == "not Bald Head" and concept_of("Bald_Head") == "Bald Head"


def test_figS9_ends_with_distances_floors_and_the_papers(shown: dict[str, Any]) -> None:
    figure = draw_figS9(shown, summary())
    written = texts(figure)
    for text in ("FID-EN0", "KID × 1000", "100.0", "155.0", "10.00", "16.24", "41.27",
                 "floors: real images 11.00, reconstructions 93.00"):  # fmt: skip
        assert text in written
    assert any("2,048 for distances" in text for text in written)
    bold = {t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_weight() == "bold"}
    assert {"100.0", "105.0", "10.00", "16.24"} <= bold and not {"150.0", "20.94"} & bold


@pytest.mark.parametrize(
    ("rows", "parts"),
    [(1, (1, 1, 1)), (3, (3, 1, 1)), (6, (5, 1, 1)), (7, (5, 1, 1)), (8, (5, 2, 1))],
)
def test_few_inputs(shown: dict[str, Any], rows: int, parts: tuple[int, ...]) -> None:
    few = {name: array if name == "attributes" else array[:rows] for name, array in shown.items()}
    for draw, count in zip((draw_fig7, draw_figS8, draw_figS9), parts, strict=True):
        figure = draw(few, summary())
        drawn = [text for text in texts(figure) if text in ("hair $e_1$", "black", "not black")]
        assert len(drawn) == 1 + count
        if draw is not draw_fig7:
            assert any(f"N = {count} test images" in text for text in texts(figure))


def test_changes_show_success_on_the_diagonal() -> None:
    figure = draw_changes(summary())
    ours, stargan = (axes for axes in figure.axes if axes.get_title() in ("ours", "StarGAN"))
    for axes, success in ((ours, 99.0), (stargan, 93.0)):
        cells = np.asarray(axes.collections[0].get_array()).reshape(6, 6)
        assert np.allclose(np.diag(cells), success - np.arange(6))
        assert np.isclose(cells[0, 2], 2.0) and np.isclose(cells[2, 0], 1.0)  # edited, read
        caused = [text.get_text() for text in axes.texts if "†" in text.get_text()]
        assert len(caused) == 1
    assert "hair\n100.0" in [label.get_text() for label in ours.get_xticklabels()]
    assert [label.get_text() for label in ours.get_yticklabels()] == list(HEADS)


def test_tables_say_what_was_measured(tmp_path: Path) -> None:
    numbers = summary()
    for table, name in ((edits_table(numbers), "edits"), (fid_table(numbers), "fid")):
        write_table(table, tmp_path / name)
    markdown, latex = ((tmp_path / f"edits.{suffix}").read_text() for suffix in ("md", "tex"))
    assert (
        "| gender | 99.0 | 97.0 | 91.0 | 97.0 | 97.0 | 0.91 | 0.97 | 1.120 ± 0.051 | "
        "0.712 ± 0.100 | 1.061 ± 0.030 |"
    ) in markdown
    for phrase in ("Scale laptop, seed 7", "2,048", "64 px", "97.0", "hair 3, glasses 4"):
        assert phrase in markdown and phrase in latex
    photographs = edits_table(numbers | {"true_edits": None})
    assert all(row[-2] == "not known" for row in photographs.rows)
    fid = (tmp_path / "fid.md").read_text()
    assert "| glasses | 24.97 | 41.27 | 101.0 | 151.0 | 11.00 | 15.00 |" in fid
    for phrase in ("FID-EN0 11.0, KID × 1000 0.02", "FID-EN0 93.0", "another scale"):
        assert phrase in fid
    with open(tmp_path / "fid.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["factor"] for row in rows] == list(HEADS)
    assert float(rows[5]["FID-EN0 StarGAN"]) == 155


def test_the_order_is_the_papers_whatever_that_of_the_file(tmp_path: Path) -> None:
    """JSON files are written with sorted keys."""
    write_json(tmp_path / "fig7.json", summary())
    numbers = read_json(tmp_path / "fig7.json")
    assert list(numbers["factors"]) != list(NAMES)
    assert [row[0] for row in fid_table(numbers).rows] == list(HEADS)
    assert [row[0] for row in edits_table(numbers).rows] == list(HEADS)
    cells = [axes.collections[0].get_array() for axes in draw_changes(numbers).axes[:3]]
    expected = [axes.collections[0].get_array() for axes in draw_changes(summary()).axes[:3]]
    assert all(np.array_equal(a, b) for a, b in zip(cells, expected, strict=True))


def test_large_distances_have_no_decimals() -> None:
    numbers = replaced(summary(), 2082.2, "factors", "Male", "stargan", "kid")
    assert fid_table(numbers).digits == (0, 2, 2, 1, 1, 0, 0)


def test_what_is_unknown_of_photographs_is_said(shown: dict[str, Any]) -> None:
    numbers = summary()
    for factor in numbers["factors"].values():
        factor["paper_distance"] = factor["paper_fid"] = factor["ours"]["traits_kept"] = None
    cells = [cell for row in edits_table(numbers).rows for cell in row]
    assert cells.count("not measured") == cells.count("not stated") == 6
    assert [row[1:3] for row in fid_table(numbers).rows] == [["not stated", "not stated"]] * 6
    for draw in (draw_fig7, draw_figS9):
        assert "not stated" in texts(draw(shown, numbers))


def test_the_stage_writes_every_file(tmp_path: Path) -> None:
    write_npz(tmp_path / "fig7.npz", **edits(rows=1))
    names = {f"{stem}.{suffix}" for stem in ("fig7", "figS8", "figS9", "changes")
             for suffix in ("png", "pdf")}  # fmt: skip
    names |= {f"{stem}.{suffix}" for stem in ("edits", "fid") for suffix in ("csv", "md", "tex")}
    PLOTS["fig7"](summary(), tmp_path / "fig7.npz", tmp_path / "fig7")
    assert {path.name for path in (tmp_path / "fig7").iterdir()} == names


@pytest.mark.parametrize("draw", [draw_fig7, draw_figS8, draw_figS9])
def test_figures_look_the_same_in_another_style(
    draw: Callable[..., Figure], shown: dict[str, Any]
) -> None:
    assert_same_in_another_style(lambda: draw(shown, summary()))


def test_changes_look_the_same_in_another_style() -> None:
    assert_same_in_another_style(lambda: draw_changes(summary()))


# --- claims --------------------------------------------------------------------------------------


def decide(claim: str, numbers: dict[str, Any], scale: str = "laptop") -> dict[str, Any]:
    (found,) = (one for one in CLAIMS if one.id == claim)
    return found.decide(scale, numbers)


def test_claims_are_about_the_smallest_number() -> None:
    numbers = summary()
    rows = {name: decide(name, numbers) for name in ("F7.a", "F7.b", "F7.c", "S9.a", "S8.a")}
    assert all(row["holds"] is True for row in rows.values())
    smile, young = (numbers["factors"][name]["ours"] for name in ("Smiling", "Young"))
    assert rows["F7.a"]["value"] == smile["success"]
    assert rows["F7.a"]["ci"] == smile["success_interval"]
    kept = [factor["ours"]["unrelated_kept"] for factor in numbers["factors"].values()]
    assert rows["F7.b"]["value"] == min(kept) == young["unrelated_kept"]
    assert rows["F7.c"]["value"] == pytest.approx(0.93 / 0.84)
    assert rows["S9.a"]["value"] == pytest.approx(155 / 105)
    assert [part["of"] for part in rows["S8.a"]["conditions"]] == ["hair", "women", "grey"]
    assert rows["S8.a"]["ci"] == [0.91, 0.9500000000000001]


@pytest.mark.parametrize(
    ("claim", "keys", "value", "holds"),
    [
        *(("F7.a", ("factors", name, "ours", "success"), 0.9, True) for name in NAMES),
        *(("F7.a", ("factors", name, "ours", "success"), 0.8999, False) for name in NAMES),
        ("F7.a", ("factors", "Male", "stargan", "success"), 0.1, True),
        *(("F7.b", ("factors", name, "ours", "unrelated_kept"), 0.9, True) for name in NAMES),
        *(("F7.b", ("factors", name, "ours", "unrelated_kept"), 0.8999, False) for name in NAMES),
        ("F7.c", ("factors", "Young", "ours", "distance", "mean"), 0.93, False),
        ("F7.c", ("factors", "Young", "ours", "distance", "mean"), 0.9299, True),
        ("F7.c", ("factors", "Male", "ours", "distance", "mean"), 0.8401, True),
        ("F7.c", ("factors", "Male", "ours", "distance", "mean"), 0.84, False),
        ("F7.c", ("factors", "Black_Hair", "ours", "distance", "mean"), 1.5, False),
        ("S9.a", ("factors", "Male", "stargan", "fid"), 102.0, False),
        ("S9.a", ("factors", "Male", "stargan", "fid"), 102.001, True),
        ("S9.a", ("factors", "Smiling", "ours", "fid"), 155.001, False),
        *(
            ("S8.a", ("coherence", "ours", name), value, value >= 0.8)
            for name in ("gender_moves_hair", "women_stay_beardless", "older_turns_grey")
            for value in (0.8, 0.7999)
        ),
        ("S8.a", ("coherence", "ours", "older_turns_grey"), None, None),
        ("F7.a", ("factors", "No_Beard", "ours", "success"), None, None),
        ("F7.b", ("factors", "Male", "ours", "unrelated_kept"), None, None),
    ],
)
@pytest.mark.parametrize("scale", ["laptop", "paper"])
def test_verdicts(
    claim: str, keys: tuple[str, ...], value: float | None, holds: bool | None, scale: str
) -> None:
    assert decide(claim, replaced(summary(scale), value, *keys), scale)["holds"] is holds


def test_a_failure_outweighs_what_was_not_measured() -> None:
    numbers = replaced(summary(), None, "coherence", "ours", "gender_moves_hair")
    numbers = replaced(numbers, 0.5, "coherence", "ours", "older_turns_grey")
    assert decide("S8.a", numbers)["holds"] is False


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "keys"),
    [
        ("F7.a", ("factors", "Young", "ours", "success")),
        ("F7.a", ("factors", "Young", "ours", "success_interval")),
        ("F7.b", ("factors", "Male", "ours", "unrelated_kept")),
        ("F7.c", ("factors", "Eyeglasses")),
        ("S9.a", ("factors", "Smiling", "stargan", "fid")),
        ("S8.a", ("coherence", "ours", "women_stay_beardless")),
        ("S8.a", ("coherence", "ours", "older_turns_grey_interval")),
    ],
)
def test_a_claim_without_its_number_is_an_error(claim: str, keys: tuple[str, ...]) -> None:
    pattern = rf"lacks '{keys[-1]}', which claim {claim} needs: run `dvc repro -f evaluate@fig7`"
    with pytest.raises(PipelineError, match=pattern):
        decide(claim, without(summary(), *keys))


@pytest.mark.parametrize(
    ("makers", "keys"),
    [
        ((draw_fig7, edits_table), ("factors", "Young", "ours", "distance", "std")),
        ((draw_fig7,), ("factors", "Young", "ours", "distance_from_reconstruction", "mean")),
        ((draw_fig7, edits_table), ("factors", "Young", "paper_distance")),
        ((draw_fig7, edits_table), ("pairs", "same")),
        ((draw_fig7, edits_table), ("images",)),
        ((draw_figS9, draw_fig7), ("factors", "Young")),
        ((draw_figS9, fid_table), ("factors", "Young", "stargan", "kid")),
        ((draw_figS9, fid_table), ("floors", "reconstruction")),
        ((draw_figS9, fid_table), ("label",)),
        ((draw_changes,), ("factors", "Male", "stargan", "changed", "Young")),
        ((draw_changes, edits_table), ("evaluator", "Young")),
        ((draw_changes, edits_table), ("factors",)),
        ((draw_figS8, draw_changes, edits_table), ("scale",)),
        ((edits_table,), ("verification", "accuracy")),
        ((fid_table,), ("preparation",)),
    ],
)
def test_a_missing_number_names_the_stage(
    shown: dict[str, Any], makers: tuple[Any, ...], keys: tuple[str, ...]
) -> None:
    numbers = without(summary(), *keys)
    for make in makers:
        arguments = (shown, numbers) if make.__name__.startswith("draw_fig") else (numbers,)
        with pytest.raises(PipelineError, match=rf"lacks '{keys[-1]}'.*evaluate@fig7"):
            make(*arguments)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("inputs", np.zeros((10, 16, 16), np.uint8)),
        ("inputs", np.zeros((0, 16, 16, 3), np.uint8)),
        ("inputs", np.zeros((10, 16, 16, 3))),
        ("reconstructions", np.zeros((9, 16, 16, 3), np.uint8)),
        ("ours", np.zeros((10, 5, 16, 16, 3), np.uint8)),
        ("stargan", np.zeros((10, 6, 16, 16, 3), np.float32)),
        ("values", np.zeros((10, 6), np.int64)),
        ("values", np.zeros((6, 10), bool)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    shown: dict[str, Any], name: str, array: np.ndarray
) -> None:
    for draw in (draw_fig7, draw_figS8, draw_figS9):
        with pytest.raises(PipelineError, match=f"{name}.*shape"):
            draw(shown | {name: array}, summary())


def test_a_file_without_edits_names_the_stage(tmp_path: Path, shown: dict[str, Any]) -> None:
    with pytest.raises(PipelineError, match=r"evaluate@fig7"):
        load_edits(tmp_path / "fig7.npz")
    write_npz(tmp_path / "fig7.npz", inputs=shown["inputs"])
    with pytest.raises(PipelineError, match=r"reconstructions.*evaluate@fig7"):
        load_edits(tmp_path / "fig7.npz")
