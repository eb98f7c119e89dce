"""Fig. 6: shares of samples with the class of a shape or texture, and the drawings."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from drawn import assert_same_in_another_style, texts
from matplotlib.figure import Figure
from synthetic_fig6 import INPUTS, ROWS, WRONG, arrays, inputs, seen, summary

from pipeline.errors import PipelineError
from pipeline.evaluation.fig6 import (
    KINDS,
    Seen,
    inputs_in_words,
    nearest_classes,
    summarise_fig6,
)
from pipeline.evaluation.measure_fig6 import shown_rows
from pipeline.figures.fig6 import (
    draw_cue_shares,
    draw_fig6,
    draw_figS11,
    draw_figS12,
    load_texture_samples,
)
from pipeline.reporting.claims import CLAIMS
from pipeline.storage import write_npz


@pytest.mark.parametrize(("network", "cue"), [("vanilla", "texture"), ("stylized", "shape")])
@pytest.mark.parametrize("kind", KINDS)
def test_shares(network: str, cue: str, kind: str) -> None:
    found = summary()["networks"][network][kind]
    has = (kind, cue) not in {("texture", "shape"), ("sketch", "texture")}
    if has:
        assert found[cue]["evaluator"]["share"] == pytest.approx(1 - WRONG[kind] / 10)
        assert found[cue]["network"]["share"] == 1
        low, high = found[cue]["evaluator"]["interval"]
        assert low <= found[cue]["evaluator"]["share"] <= high
    else:
        assert found[cue] == dict.fromkeys(("evaluator", "embedding", "network"))
    other = "shape" if cue == "texture" else "texture"
    if kind == "stylized":
        assert found[other]["evaluator"]["share"] == 0
    json.dumps(summary(), allow_nan=False)


def test_shape_share_and_sketches() -> None:
    found = summary()
    assert found["shape_share"]["vanilla"]["network"] == 0
    assert found["shape_share"]["stylized"]["evaluator"] == 1
    assert found["sketch_advantage"]["share"] == pytest.approx(0.7)


def test_intervals_hold_what_differs_between_inputs() -> None:
    truth = inputs()
    read = np.repeat(truth["shape"].to_numpy()[:, None], 4, 1)
    read[: INPUTS // 2] = "fox"  # half of the natural inputs
    both = {name: Seen(read, None, None) for name in ("vanilla", "stylized")}
    found = summarise_fig6(truth, both, bootstrap=2000, seed=0, about={})
    share = found["networks"]["vanilla"]["natural"]["shape"]["evaluator"]
    assert share["share"] == 0.5
    # Of eight independent halves: 0.5 -+ about 1.96 * sqrt(0.25 / 8).
    assert share["interval"] == pytest.approx([0.125, 0.875], abs=0.07)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((1256,) * 4, "1,256 inputs of each kind"),
        ((500, 1280, 0, 0), "500 natural and 1,280 stylized inputs"),
        ((500, 0, 0, 0), "500 natural inputs"),
    ],
)
def test_inputs_in_words(counts: tuple[int, ...], words: str) -> None:
    assert inputs_in_words(dict(zip(KINDS, counts, strict=True))) == words


def test_photographs_without_an_evaluator() -> None:
    truth = inputs()
    truth = truth[truth["kind"].isin(["natural", "stylized"])].reset_index(drop=True)
    both = {
        name: Seen(None, found.embedding[: 2 * INPUTS], found.network[: 2 * INPUTS])
        for name, found in seen(inputs()).items()
        if found.embedding is not None and found.network is not None
    }
    found = summarise_fig6(truth, both, bootstrap=20, seed=0, about={})
    rows = {claim.id: claim.decide("paper", found) for claim in CLAIMS if claim.figure == "fig6"}
    assert rows["F6.b"]["holds"] is True and rows["F6.d"]["holds"] is True
    assert rows["F6.a"]["holds"] is None and rows["F6.c"]["value"] is None


def test_the_verdicts() -> None:
    found = summary()
    rows = {claim.id: claim.decide("laptop", found) for claim in CLAIMS if claim.figure == "fig6"}
    assert {name: row["holds"] for name, row in rows.items()} == dict.fromkeys(
        ("F6.a", "F6.b", "F6.c", "F6.d"), True
    )
    assert rows["F6.a"]["value"] == pytest.approx(0.8)
    swapped: dict[str, Any] = {
        **found,
        "networks": {
            "vanilla": found["networks"]["stylized"],
            "stylized": found["networks"]["vanilla"],
        },
    }
    for claim in CLAIMS:
        if claim.id in ("F6.a", "F6.b", "F6.c"):
            assert claim.decide("laptop", swapped)["holds"] is False


def test_nearest_classes() -> None:
    embeddings = np.array([[0.0, 0], [2, 0], [0, 2]])
    h = np.array([[[0.9, 0.1], [1.1, 0.1]], [[-3, 1.1], [5, 4]]])
    assert nearest_classes(h, embeddings).tolist() == [[0, 1], [2, 1]]


def test_shown_are_many_classes() -> None:
    truth = inputs()
    rows = shown_rows(truth, 3)
    assert truth["kind"][rows].value_counts().to_dict() == dict.fromkeys(KINDS, 3)
    for kind in KINDS:
        some = truth.iloc[rows][truth["kind"].to_numpy()[rows] == kind]
        assert len(set(some["shape"] + some["texture"])) == 3
    assert len(set(rows)) == len(rows)
    assert len(shown_rows(pd.DataFrame(truth[truth["kind"] == "natural"]), 6)) == 6


@pytest.mark.parametrize("draw", [draw_fig6, draw_figS12])
def test_every_image_is_drawn(draw: Any) -> None:
    made = arrays()
    figure = draw(made, summary())
    (image,) = figure.axes[0].images
    greys = set(np.unique(image.get_array()[..., 0]))
    part = slice(0, 1) if draw is draw_fig6 else slice(1, None)
    for kind in range(len(KINDS)):
        for grey in made["inputs"][kind * ROWS : kind * ROWS + ROWS][part, 0, 0, 0]:
            assert {grey, 255 - grey} <= greys
    written = " ".join(texts(figure))
    assert "natural images" in written and "sketch" in written
    assert "N = 1 inputs of each kind × 3 samples" in written


def test_kinds_of_which_there_are_fewer_inputs() -> None:
    """Of photographs: here one natural input, two stylized ones and no others."""
    made = arrays()
    kinds = {"kinds": np.array(["natural", "stylized", "stylized"])}
    some = kinds | {key: array[:3] for key, array in made.items() if key != "kinds"}
    footer = texts(draw_fig6(some, summary() | {"rows": 3}))[-1]
    assert "N = 1 natural and 2 stylized inputs × 3 samples" in footer


def test_bars_are_the_shares() -> None:
    figure = draw_cue_shares(summary())
    heights = [patch.get_height() for patch in figure.axes[0].patches]
    assert heights == pytest.approx([0.9, 0, 0, 0.9, 0.8, 0.7])


def test_the_schematic_names_the_networks_and_codes() -> None:
    written = " ".join(texts(draw_figS11()))
    for words in ("class $c$", "Tab. S17", "ResNet-50", "INN $t$", r"z=\Phi(x)"):
        assert words in written
    assert "generator\n$D$" in written and r"$x=D(\bar{z})$" in written  # as above samples


@pytest.mark.parametrize(
    "draw",
    [
        lambda: draw_fig6(arrays(), summary()),
        lambda: draw_figS12(arrays(), summary()),
        lambda: draw_cue_shares(summary()),
        draw_figS11,
    ],
    ids=["6", "S12", "shares", "S11"],
)
def test_figures_look_the_same_in_another_style(draw: Callable[[], Figure]) -> None:
    assert_same_in_another_style(draw)


def test_samples_are_read_back(tmp_path: Path) -> None:
    made = arrays()
    write_npz(tmp_path / "fig6.npz", **made)
    found = load_texture_samples(tmp_path / "fig6.npz")
    np.testing.assert_array_equal(found["vanilla_samples"], made["vanilla_samples"])
    del made["kinds"]
    write_npz(tmp_path / "fig6.npz", **made)
    with pytest.raises(PipelineError, match=r"holds no samples .*: run `dvc repro -f evaluate@"):
        load_texture_samples(tmp_path / "fig6.npz")
