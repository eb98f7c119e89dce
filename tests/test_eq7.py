"""Eq. 7: samples edited and probed in a world of colours, and the numbers of known edits."""

from pathlib import Path

import colour_models as world
import numpy as np
import pandas as pd
import pytest
import torch
from drawn import assert_words_apart
from synthetic_eq7 import BEFORE, FAILED, IMAGES, LAYERS, MOVED, NAMES, arrays, summary
from test_fig7 import CHANNELS, MODELS, reader

from pipeline import paths
from pipeline.datasets.features import representations_file, save_posterior
from pipeline.evaluation.intervals import wilson
from pipeline.experiments.eq7 import measure as module
from pipeline.experiments.eq7.draw import draw
from pipeline.experiments.eq7.report import EXPERIMENT, Eq7Settings
from pipeline.storage import write_npy

COUNT = 8


def test_samples_are_edited_and_probed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Red is a man, blue a smile; t adds a little noise to the colour that z has."""
    row = np.arange(COUNT)
    truth = pd.DataFrame(
        {"split": "test", "label": 0, "Male": row % 2 == 0, "Smiling": row % 4 < 2}
    )
    shades = np.linspace(0.3, 0.8, COUNT)
    red, blue = (np.where(truth[name], shades, -shades) for name in ("Male", "Smiling"))
    colours = torch.tensor(np.stack([red, 0 * red, blue], 1), dtype=torch.float32)
    world.write_images(colours, truth)
    save_posterior(paths.posteriors("pets"), "test", (colours, torch.ones(COUNT, 3)))
    rows = world.write_rows({"net-a": ("net", "0"), "net-b": ("net", "1")})
    for key in rows.layers:
        file = representations_file(paths.features(key), world.STEP, "test")
        write_npy(file, colours[:, :, None, None].half().numpy())
    models = {name: MODELS[name] for name in ("network", "semantic")}
    models["evaluator"] = lambda _: reader(CHANNELS)
    settings = Eq7Settings(inputs=COUNT, rows=3)
    found, numbers, _ = world.measure(monkeypatch, module, settings, rows, **models)
    shown = {name: world.shown_colours(found[name]) for name in ("inputs", "samples", "edits")}
    for i, gain in enumerate((0.01, 0.02)):
        noise = np.abs(shown["samples"][:, i] - shown["inputs"])
        assert noise.max() < 5 * gain and noise.max() > gain / 2
        for j, (name, channel) in enumerate(CHANNELS.items()):
            edited, sample = shown["edits"][:, i, j], shown["samples"][:, i]
            others = [other for other in range(3) if other != channel]
            np.testing.assert_allclose(
                edited[:, others], sample[:, others], atol=2 * world.ROUNDING
            )
            asked = found["values"][:, j]
            assert np.array_equal(edited[:, channel] > 0, asked)
            assert np.array_equal(shown["inputs"][:, channel] > 0, ~asked)
            entry = numbers["layers"]["ab"[i]][name]
            assert (entry["success"], entry["before"]) == (1, 0)
            # The output is the colour, which moves from one shade to the opposite of another.
            assert found["distances"][i, j].min() > 0.6 and found["distances"][i, j].max() < 1.7
    assert numbers["images"] == COUNT and numbers["output"] == "b"


def test_numbers_of_known_edits() -> None:
    numbers = summary()
    assert numbers["order"] == list(LAYERS) and numbers["attributes"] == list(NAMES)
    for i, layer in enumerate(LAYERS):
        for j, name in enumerate(NAMES):
            entry, mean = numbers["layers"][layer][name], MOVED[i, j]
            expected = {"distance": mean, "std": mean / 10}
            assert {key: entry[key] for key in expected} == pytest.approx(expected, rel=1e-4)
            assert entry["error"] == pytest.approx(mean / 10 / entry["edits"] ** 0.5, rel=1e-4)
            assert entry["before"] == pytest.approx(BEFORE[i, j] / IMAGES)
            edits = IMAGES - BEFORE[i, j]
            assert entry["edits"] == edits
            assert entry["success"] == pytest.approx(1 - FAILED[i, j] / edits, abs=1e-6)
            assert entry["success_interval"] == wilson(np.arange(edits) >= FAILED[i, j])


def test_edits_that_make_no_sense_do_not_count() -> None:
    possible = np.ones((len(NAMES), IMAGES), bool)
    possible[0, :30] = possible[1] = False
    numbers = summary(possible=possible)["layers"]["embedding"]
    first, second = (numbers[name] for name in NAMES[:2])
    assert first["edits"] == 10 and first["before"] == 0
    assert (second["edits"], second["distance"], second["before"]) == (0, None, None)


def test_figures_and_tables_show_them() -> None:
    figures = draw(summary(), arrays())
    assert_words_apart(figures["eq7"])
    shown = [text.get_text() for text in figures["sensitivity"].axes[0].texts]
    assert shown == [f"{mean:.3f}" for mean in MOVED.ravel()]
    (table,) = EXPERIMENT.tables(summary())
    assert [row[2] for row in table.rows[:3]] == ["0.200 ± 0.003", "97.5 %", "0.0 %"]
