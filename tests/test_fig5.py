"""Fig. 5: shares and Eq. 19 against what was made up, and the drawing."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import synthetic_fig5
from drawn import assert_same_in_another_style, place, sheet, texts
from matplotlib.figure import Figure
from synthetic_fig5 import (
    BY_V,
    CONFIDENCE,
    FOLLOWED,
    IMAGES,
    MISLED,
    SPECIES,
    SURE,
    arrays,
    predictions,
    summary,
)

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.evaluation.fig5 import PAPER, summarise_fig5
from pipeline.figures.fig5 import draw_fig5, draw_figS13, draw_target_shares, load_attacks
from pipeline.reporting.parts.fig5 import fig5_part
from pipeline.storage import write_json, write_npz


def test_how_far_an_attack_reaches() -> None:
    found = summary()
    assert found["success"] == MISLED / IMAGES and found["targets"] == MISLED
    assert found["sure"] == SURE
    right = {"clean": 1.0, "random": 1.0, "attacked": 1 - MISLED / IMAGES}
    assert found["accuracy"] == pytest.approx(right)
    for name, layer in found["layers"].items():
        assert layer["target"] == {"clean": 0, "random": 0, "attacked": FOLLOWED[name] / MISLED}
        assert layer["target_sure"] == min(FOLLOWED[name], SURE) / SURE
        assert layer["kept"]["attacked"] == pytest.approx(1 - FOLLOWED[name] / MISLED)
        assert layer["explained_by_v"] == pytest.approx(BY_V[name], rel=0.25)
        assert layer["explained_by_v_se"] > 0
        assert layer["paper"] == list(PAPER[name])
    shares = [found["layers"][name]["explained_by_v"] for name in PAPER]
    expected = min(shares[3] - shares[2], shares[2] - max(shares[:2]))
    assert found["order_gap"] == pytest.approx(expected)
    assert found["target_logits"] == FOLLOWED["logits"] / MISLED and found["target_input"] == 0
    assert found["random_largest"] == 0
    json.dumps(found, allow_nan=False)


def test_targets_that_the_evaluator_does_not_know_are_left_out() -> None:
    seen = predictions()
    layers = {name: synthetic_fig5.layer(name, seen) for name in PAPER}
    found = summarise_fig5(
        layers, seen["clean"], seen, ["fox"], seen["clean"], CONFIDENCE, bootstrap=5,
        about={"seed": 0},
    )  # fmt: skip
    assert found["targets"] == MISLED // len(SPECIES)


def test_an_attack_without_success_has_no_target() -> None:
    found = summary(misled=0)
    assert found["success"] == 0 and found["targets"] == 0 and found["sure"] == 0
    assert found["target_logits"] is None and found["intervals"]["target_logits"] is None
    json.dumps(found, allow_nan=False)


def test_other_layers() -> None:
    seen = predictions()
    with pytest.raises(PipelineError, match="is about the layers input, conv, fc, logits, not fc"):
        summarise_fig5(
            {"fc": synthetic_fig5.layer("fc", seen)}, seen["clean"], seen, list(SPECIES),
            seen["clean"], CONFIDENCE, bootstrap=5, about={"seed": 0},
        )  # fmt: skip


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_figures(tmp_path: Path, rows: int) -> None:
    """Fig. 5 shows the first image, S13 the others: a row for each kind, a column per layer."""
    write_npz(tmp_path / "fig5.npz", **arrays(rows))
    attacks = load_attacks(tmp_path / "fig5.npz")
    others = range(1, rows) or range(1)
    for draw, shown in ((draw_fig5, range(1)), (draw_figS13, others)):
        canvas = sheet(draw(attacks, summary()))
        for row in shown:
            tops = []
            for kind in ("clean", "random", "attacked"):
                images = [attacks[key][row] for key in (f"{kind}_images", *_of(kind))]
                found = [place(canvas, image) for image in images]
                assert len({y for y, _ in found}) == 1
                assert [x for _, x in found] == sorted(x for _, x in found)
                tops.append(found[0][0])
            assert tops == sorted(set(tops))
    words = texts(draw_fig5(attacks, summary()))
    assert "84.8 ± 5.8 %" in words and str(attacks["attacked_predictions"][0]) in words


def _of(kind: str) -> list[str]:
    return [f"{layer}_{kind}" for layer in PAPER]


@pytest.mark.parametrize(
    ("changes", "attack"),
    [
        ({}, "FGSM"),
        ({"attack": "pgd", "attack_steps": 10}, "PGD (10 steps)"),
    ],
)
def test_what_was_attacked_and_measured_is_told(
    tmp_path: Path, changes: dict[str, object], attack: str
) -> None:
    found = summary() | changes
    footer = texts(draw_fig5(arrays(), found))[-1]
    assert f"N = 1 test image  ·  Eq. 19: 20 inputs × 25 samples  ·  {attack}, ε = 0.02" in footer
    others = texts(draw_figS13(arrays(), found))[-1]
    assert f"N = 2 test images  ·  {attack}, ε = 0.02" in others
    write_json(tmp_path / paths.metrics("laptop", "fig5"), found)
    (_, words), *_ = fig5_part(tmp_path, "laptop").facts
    assert words.startswith(f"{attack} with ε = 0.02 on 100 test images")


@pytest.mark.parametrize("draw", [draw_fig5, draw_figS13])
def test_figures_look_the_same_in_another_style(draw: Callable[..., Figure]) -> None:
    assert_same_in_another_style(lambda: draw(arrays(), summary()))


def test_the_shares_of_images_that_show_the_target() -> None:
    found = summary()
    panel = draw_target_shares(found).axes[0]
    attacked = panel.get_lines()[2].get_ydata()
    np.testing.assert_allclose(attacked, [n / MISLED for n in FOLLOWED.values()])
    drawn = [end[:, 1] for bars in panel.collections for end in bars.get_segments()]
    expected = [
        found["layers"][layer]["target_intervals"][kind]
        for kind in ("clean", "random", "attacked")
        for layer in found["order"]
    ]
    np.testing.assert_allclose(drawn, expected)


def test_a_missing_array(tmp_path: Path) -> None:
    found = arrays()
    del found["fc_random"]
    write_npz(tmp_path / "fig5.npz", **found)
    with pytest.raises(PipelineError, match="holds no attacks .*dvc repro -f evaluate@fig5"):
        load_attacks(tmp_path / "fig5.npz")
