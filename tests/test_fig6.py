"""Figs. 6, S11 and S12: measured with formulas, made-up shares, verdicts, and the drawings."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import colour_models as world
import numpy as np
import pandas as pd
import pytest
import torch
from colour_models import LEVELS, SPECIES, shown_colours
from drawn import texts
from synthetic_fig6 import INPUTS, WRONG, arrays, inputs, summary
from synthetic_results import decide
from torch import Tensor

from pipeline import paths
from pipeline.experiments.fig6 import measure as module
from pipeline.experiments.fig6.draw import draw_cue_shares, draw_fig6
from pipeline.experiments.fig6.measure import shown_rows
from pipeline.experiments.fig6.report import EXPERIMENT, Fig6Settings
from pipeline.experiments.fig6.summary import KINDS, NETWORKS, READERS, Seen, summarise

NOISE = 2
"""Dimensions of z~; the rest of z_bar represents the class."""


def generator(labels: Tensor, outputs: int) -> world.Formula:
    """D of z_bar = (z~, h~): red shows the class of h, blue is the first of z~; h = 2 h~."""

    def decode(z_bar: Tensor) -> Tensor:
        nearest = (z_bar[:, NOISE:] - labels).abs().argmin(1)
        blue = z_bar[:, 0].tanh()
        return world.images(torch.stack([LEVELS[nearest], 0 * blue, blue], 1))

    def embed(label: Tensor) -> Tensor:
        return 2.0 * label[:, None]

    inner = SimpleNamespace(classes=outputs, noise=NOISE, embed=embed)
    return world.Formula(
        decode=decode, generator=inner, dequantizer=SimpleNamespace(decode=lambda code: 2 * code)
    )


def inn(labels: Tensor) -> world.Formula:
    """t^-1(v | z): z~ is v's, h~ the class whose red z represents, and a bit of v."""

    def inverse(v: Tensor, z: Tensor) -> Tensor:
        found = labels[(world.colour(z)[:, :1] - LEVELS).abs().argmin(1)]
        return torch.cat([v[:, :NOISE], found[:, None] + 0.3 * v[:, NOISE:].tanh()], 1)

    return world.Formula(features=3, inverse=inverse)


def measure(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    classes: dict[int, str],
    outputs: int,
    given: list[tuple[str, str, str, int, int]],
) -> tuple[dict[str, np.ndarray], dict[str, Any], list[Path]]:
    """Fig. 6 of an image per class, and of inputs: kind, shape, texture, red and green.

    The first network sees the texture, which is green, the second the shape.
    """
    monkeypatch.chdir(folder)
    labels, channels = tuple(classes), {"textures": 1, "shapes": 0}
    modules = {f"{name}-fc": (name, "avgpool") for name in channels}
    rows = world.write_rows(modules, outputs, evaluator="readers")
    *words, red, green = zip(*given, strict=True)
    truth = pd.DataFrame(dict(zip(("kind", "shape", "texture"), words, strict=True)))
    truth = truth.assign(split="inputs", label=-1)
    made = {"label": labels, "species": list(classes.values()), "split": "test"}
    truth = pd.concat([pd.DataFrame(made), truth], ignore_index=True)
    red, green = LEVELS[[0, 1, 2, 3, *red]], torch.cat([torch.zeros(4), LEVELS[list(green)]])
    world.write_images(torch.stack([red, green, 0 * red], 1), truth)
    settings = Fig6Settings(samples=5, rows=2, more=1, columns=3, bootstrap=5)
    return world.measure(
        monkeypatch, module, settings, rows, lambda _: inn(torch.tensor(labels)),
        latent_generator=lambda _: generator(torch.tensor(labels), outputs),
        network=lambda folder: world.Network(
            ("avgpool",), world.Classes(labels, outputs), channels[folder.name]
        ),
    )  # fmt: skip


def shares(numbers: dict[str, Any], reader: str) -> dict[str, list[float]]:
    """Of both networks: natural inputs, then the shapes and the textures of stylized ones."""
    return {
        name: [
            found[kind][cue][reader]["share"]
            for kind, cue in (("natural", "shape"), ("stylized", "shape"), ("stylized", "texture"))
        ]
        for name, found in numbers["networks"].items()
    }


BOTH = {"natural": [1.0, 0.0, 1.0], "stylized": [1.0, 1.0, 0.0]}
"""Of a network that sees textures, and one that sees shapes."""


def test_two_networks_share_invariances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [
        (kind, name, SPECIES[(i + step) % 4], i, (i + step) % 4)
        for step, kind in enumerate(("natural", "stylized"))
        for i, name in enumerate(SPECIES)
    ]
    classes = dict(enumerate(SPECIES))
    found, numbers, folders = measure(monkeypatch, tmp_path, classes, 4, given)
    assert paths.evaluator("readers") in folders
    for reader in READERS:
        assert shares(numbers, reader) == BOTH
    assert numbers["inputs"] == {"natural": 4, "stylized": 4, "texture": 0, "sketch": 0}
    assert numbers["generated_right"] == numbers["evaluator_right"] == 1
    shown = {name: shown_colours(found[name]) for name in found if name != "kinds"}
    textures, forms = shown["natural_samples"], shown["stylized_samples"]
    assert forms.shape == (6, 3, 3)  # three of each kind
    np.testing.assert_array_equal(textures[..., 2], forms[..., 2])
    assert len(np.unique(forms[..., 2])) > 15  # one v for each of 18 samples
    for samples, channel in ((textures, 1), (forms, 0)):
        expected = np.repeat(shown["inputs"][:, None, channel], 3, 1)
        np.testing.assert_array_equal(samples[..., 0], expected)


def test_categories_of_imagenet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Species of photographs and words of stimuli are, and what ImageNet lacks is left out."""
    # The fourth class is a racer, which has no category.
    classes = {281: "tabby", 254: "pug", 766: "766", 751: "751"}
    given = [
        ("natural", "tabby", "tabby", 0, 0),
        ("natural", "zebu", "zebu", 3, 3),
        ("natural", "pug", "pug", 1, 1),
        ("stylized", "cat", "oven", 0, 2),
        ("stylized", "oven", "dog", 2, 1),
    ]

    found, numbers, folders = measure(monkeypatch, tmp_path, classes, 1000, given)
    assert paths.evaluator("readers") not in folders
    for reader in ("embedding", "network"):
        assert shares(numbers, reader) == BOTH
    assert numbers["networks"]["natural"]["natural"]["shape"]["evaluator"] is None
    assert numbers["generated_right"] is None and numbers["evaluator_right"] is None
    assert numbers["inputs"] == {"natural": 2, "stylized": 2, "texture": 0, "sketch": 0}
    assert len(found["inputs"]) == 4
    (table,) = EXPERIMENT.tables(numbers)
    assert table.rows[0][1] == "not measured" and "evaluator's accuracy" not in table.note
    assert len(EXPERIMENT.facts(numbers)) == 1
    expected = {"F6.a": None, "F6.b": True, "F6.c": None, "F6.d": True}
    assert verdicts(numbers, "paper") == expected


def test_shown_are_many_classes() -> None:
    truth = inputs()
    rows = shown_rows(truth, 3)
    shown = truth.iloc[rows]
    names = (shown["shape"] + shown["texture"]).groupby(shown["kind"])
    assert names.nunique().to_dict() == names.size().to_dict() == dict.fromkeys(KINDS, 3)
    assert len(shown_rows(pd.DataFrame(truth[truth["kind"] == "natural"]), 6)) == 6


def test_shares() -> None:
    found = summary()
    for network, cue, other in (("natural", "texture", "shape"), ("stylized", "shape", "texture")):
        for kind, shares in found["networks"][network].items():
            if (kind, cue) in {("texture", "shape"), ("sketch", "texture")}:
                assert shares[cue] == dict.fromkeys(READERS)
                continue
            read = shares[cue]["evaluator"]
            assert read["share"] == pytest.approx(1 - WRONG[kind] / 10)
            assert read["interval"][0] <= read["share"] <= read["interval"][1]
            assert shares[cue]["network"]["share"] == 1
        assert found["networks"][network]["stylized"][other]["evaluator"]["share"] == 0
    assert found["shape_share"]["natural"]["network"] == 0
    assert found["shape_share"]["stylized"]["evaluator"] == 1
    assert found["sketch_advantage"]["share"] == pytest.approx(0.7)


def test_intervals_cover_what_differs_between_inputs() -> None:
    truth = inputs()
    read = np.repeat(truth["shape"].to_numpy()[:, None], 4, 1)
    read[: INPUTS // 2] = "fox"  # half of the natural inputs
    both = {name: Seen(read, None, None) for name in NETWORKS}
    found = summarise(truth, both, bootstrap=2000, seed=0, about={})
    share = found["networks"]["natural"]["natural"]["shape"]["evaluator"]
    assert share["share"] == 0.5
    # Of eight independent halves: 0.5 -+ about 1.96 * sqrt(0.25 / 8).
    assert share["interval"] == pytest.approx([0.125, 0.875], abs=0.07)


def verdicts(numbers: dict[str, Any], scale: str = "laptop") -> dict[str, bool | None]:
    rows = decide({"fig6": EXPERIMENT}, {"fig6": numbers}, scale)
    return {name: row["holds"] for name, row in rows.items()}


def test_the_verdicts() -> None:
    found = summary()
    assert verdicts(found) == dict.fromkeys(("F6.a", "F6.b", "F6.c", "F6.d"), True)
    natural, stylized = (found["networks"][name] for name in NETWORKS)
    swapped = {**found, "networks": {"natural": stylized, "stylized": natural}}
    assert verdicts(swapped) == dict.fromkeys(("F6.a", "F6.b", "F6.c"), False) | {"F6.d": True}


def test_figures_count_their_inputs() -> None:
    """Photographs are not of all kinds."""
    kinds = {"kinds": np.array(["natural", "stylized", "stylized"])}
    some = {key: array[:3] for key, array in arrays().items()} | kinds
    for make, found, numbers, words in (
        (draw_fig6, arrays(), {}, "N = 1 inputs of each kind × 3 samples"),
        (draw_fig6, some, {"rows": 3}, "N = 1 natural and 2 stylized inputs × 3 samples"),
    ):
        assert words in texts(make(summary() | numbers, found))[-1]


def test_bars_are_the_shares() -> None:
    figure = draw_cue_shares(summary())
    heights = [patch.get_height() for patch in figure.axes[0].patches]
    assert heights == pytest.approx([0.9, 0, 0, 0.9, 0.8, 0.7])


def test_the_table_compares_both_networks() -> None:
    (table,) = EXPERIMENT.tables(summary())
    assert len({len(row) for row in [table.head, *table.rows]}) == 1
    cells = [(row[1].split(" (")[0], row[4].split(" (")[0]) for row in table.rows[1:3]]
    assert cells == [("0.0 %", "80.0 %"), ("80.0 %", "0.0 %")]
    assert table.rows[-1][1:] == ["0.0 %"] * 3 + ["100.0 %"] * 3
    assert "97.5 %" in table.note
