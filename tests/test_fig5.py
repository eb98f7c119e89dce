"""Figs. 5 and S13: attacked and measured with formulas, made-up numbers, and the drawings."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import colour_models as world
import numpy as np
import pandas as pd
import pytest
import torch
from colour_models import ROUNDING, shown_colours
from drawn import texts
from synthetic_fig5 import BY_V, FOLLOWED, IMAGES, LEFT, MISLED, SURE, arrays, summary

from pipeline import paths
from pipeline.datasets.carnivores import IMAGENET_CLASS, IMAGENET_CLASSES
from pipeline.datasets.features import representations_file, save_posterior
from pipeline.errors import PipelineError
from pipeline.experiments.fig5 import measure as module
from pipeline.experiments.fig5.draw import draw_fig5, draw_figS13, draw_target_shares
from pipeline.experiments.fig5.measure import _class_names
from pipeline.experiments.fig5.report import EXPERIMENT, Fig5Settings
from pipeline.experiments.fig5.summary import KINDS, PAPER
from pipeline.storage import write_json, write_npy

MODULES = {
    f"net-{name}": ("net", module)
    for name, module in zip(PAPER, ("input", "layer3", "avgpool", "fc"), strict=True)
}


def network(_: Path) -> world.Network:
    return world.Network(("input", "layer3", "avgpool"))


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_attacks_by_layer(here: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setattr(module, "BATCH", 3)  # a whole batch and a rest
    rows = world.write_rows(MODULES)
    unseen = (0, 0.1, 0.2)  # D shows what no layer represents: v keeps it
    colours = world.write_pets(rows, torch.tensor([0, 1, 2, 3, 1, 0]), 0.15, unseen)
    noise = torch.randn(80, 3, generator=torch.Generator().manual_seed(0))
    save_posterior(paths.posteriors("pets"), "train", (noise, torch.ones(80, 3)))
    for key in rows.layers:  # z of one layer says all about z_bar, others nothing
        write_json(paths.features(key) / "config.json", {"train": "train"})
        z = noise if key.endswith("conv") else torch.zeros(80, 3)
        size = world.SIZE if key.endswith("input") else 1
        z = z[:, :, None, None].expand(-1, -1, size, size)
        z = torch.zeros(80, 4) if key.endswith("logits") else z
        write_npy(representations_file(paths.features(key), world.STEP, "train"), z.numpy())
    settings = Fig5Settings(
        inputs=5, rows=3, attack=method, epsilon=0.25, attack_steps=4, variance_inputs=4,
        variance_samples=200, bootstrap=5,
    )  # fmt: skip
    found, numbers, _ = world.measure(monkeypatch, module, settings, rows, network=network)

    # Misled images come first; the first one is too far from others to be misled.
    shown = [1, 2, 3]
    moved = np.array([1, -1, -1])
    """Whether the attack makes them more red; between two species it is away from most others."""
    assert found["layers"].tolist() == list(PAPER)
    own = ["fox", "lynx", "wolf"]
    predicted = {"clean": own, "attacked": ["lynx", "fox", "lynx"], "random": own}
    for kind, names in predicted.items():
        assert found[f"{kind}_predictions"].tolist() == names
    for layer in PAPER:
        steps = {"clean": 0 * moved, "attacked": (0.4 if layer == "logits" else 0.25) * moved}
        for kind, step in steps.items():
            expected = colours[shown].numpy() + unseen + step[:, None] * [1, 0, 0]
            images = shown_colours(found[f"{layer}_{kind}"])
            np.testing.assert_allclose(images, expected, atol=ROUNDING)
    assert numbers["success"] == 0.8 and numbers["targets"] == 4
    assert numbers["accuracy"]["clean"] == 1 and numbers["variance_inputs"] == 4
    assert {numbers["layers"][name]["target"]["attacked"] for name in PAPER} == {1.0}
    by_v = 3 * 0.02**2
    expected = by_v / (by_v + float(colours[:4].var(0).sum()))
    assert numbers["layers"]["conv"]["explained_by_v"] == pytest.approx(expected, rel=0.2)
    left = {name: layer["left_by_regression"] for name, layer in numbers["layers"].items()}
    assert left["conv"] < 0.3 < 0.9 < left["fc"]
    assert numbers.get("attack_steps") == (4 if method == "pgd" else None)


def test_unknown_classes(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = world.write_rows(MODULES, classes=1)
    world.write_pets(rows, torch.tensor([1, 1]))
    with pytest.raises(PipelineError, match="no test image of pets .* net knows"):
        world.measure(monkeypatch, module, Fig5Settings(), rows, network=network)


def test_every_output_has_a_name_of_its_own() -> None:
    """Also of classes without test images, such as the last one; and the network knows no more."""
    truth = pd.DataFrame({"species": ["wolf", "cat", "wolf", "yak"]})
    test: Any = SimpleNamespace(truth=truth, label=torch.tensor([2, 0, 2, 5]))
    assert _class_names(test, 4).tolist() == ["cat", "class 1", "wolf", "class 3"]
    assert np.issubdtype(_class_names(test, 4).dtype, np.str_)
    imagenet = _class_names(test, IMAGENET_CLASSES)
    assert len(set(imagenet)) == len(imagenet) == IMAGENET_CLASSES
    assert all(imagenet[output] == species for species, output in IMAGENET_CLASS.items())


def test_how_far_an_attack_reaches() -> None:
    found = summary()
    counts = {"success": MISLED / IMAGES, "targets": MISLED, "sure": SURE, "random_largest": 0}
    ends = {"target_logits": FOLLOWED["logits"] / MISLED, "target_input": 0}
    assert found.items() >= (counts | ends).items()
    right = {"clean": 1.0, "random": 1.0, "attacked": 1 - MISLED / IMAGES}
    assert found["accuracy"] == pytest.approx(right)
    for name, layer in found["layers"].items():
        assert layer["target"] == {"clean": 0, "random": 0, "attacked": FOLLOWED[name] / MISLED}
        assert layer["target_sure"] == min(FOLLOWED[name], SURE) / SURE
        assert layer["kept"]["attacked"] == pytest.approx(1 - FOLLOWED[name] / MISLED)
        assert layer["explained_by_v"] == pytest.approx(BY_V[name], rel=0.25)
        assert (
            layer["left_by_mlp"] == layer["left_by_regression"] == pytest.approx(LEFT * BY_V[name])
        )
        assert layer["explained_by_v_se"] > 0 and layer["paper"] == list(PAPER[name])
    shares = [found["layers"][name]["explained_by_v"] for name in PAPER]
    expected = min(shares[3] - shares[2], shares[2] - max(shares[:2]))
    assert found["order_gap"] == pytest.approx(expected)


def test_targets_need_success_and_a_class_that_the_evaluator_knows() -> None:
    assert summary(known=["fox"])["targets"] == MISLED // 4
    found = summary(misled=0)
    assert found["success"] == found["targets"] == found["sure"] == 0
    assert found["target_logits"] is None and found["intervals"]["target_logits"] is None


@pytest.mark.parametrize(
    ("changes", "attack"),
    [({}, "FGSM"), ({"attack": "pgd", "attack_steps": 10}, "PGD (10 steps)")],
)
def test_figures_and_facts_name_the_attack(changes: dict[str, object], attack: str) -> None:
    found, attacks = summary() | changes, arrays(1)  # of which Fig. S13 shows the only input, too
    words = texts(draw_fig5(found, attacks))
    assert "84.8 ± 5.8 %" in words and str(attacks["attacked_predictions"][0]) in words
    (_, fact), *_ = EXPERIMENT.facts(found)
    for text in (words[-1], texts(draw_figS13(found, attacks))[-1], fact):
        assert attack in text and "ε = 0.02" in text
    assert "20 inputs × 25 samples" in words[-1] and "100 test images" in fact


def test_the_shares_of_images_that_show_the_target() -> None:
    found = summary()
    panel = draw_target_shares(found).axes[0]
    attacked = panel.get_lines()[2].get_ydata()
    np.testing.assert_allclose(attacked, [n / MISLED for n in FOLLOWED.values()])
    drawn = [end[:, 1] for bars in panel.collections for end in bars.get_segments()]
    layers = [found["layers"][layer]["target_intervals"] for layer in found["order"]]
    np.testing.assert_allclose(drawn, [layer[kind] for kind in KINDS for layer in layers])


def test_the_table_has_a_row_per_layer() -> None:
    (table,) = EXPERIMENT.tables(summary())
    assert [row[0] for row in table.rows] == list(PAPER)
    assert table.rows[3][2:5] == ["84.8 ± 5.8 %", "72.0 %", "72.0 %"]
    assert table.rows[3][5:] == ["0.95", "0.00", "0.00", "0.05"]
    assert all(words in table.note for words in ("80", "30 images", "1.00 (logits)", "99.0 %"))
    (empty,) = EXPERIMENT.tables(summary(misled=0))
    assert empty.rows[0][5:] == [""] * 4 and "none (input)" in empty.note
