"""What holds for the rows, numbers and figures of every experiment."""

from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pytest
from drawn import OTHER_STYLE, assert_grid, looks, sheet, texts
from matplotlib.figure import Figure
from synthetic_results import SYNTHETIC
from synthetic_results import numbers as made_up
from synthetic_table1 import LAYERS

from pipeline.errors import PipelineError
from pipeline.experiments import load, names
from pipeline.experiments.fig5.draw import KINDS


class Made(NamedTuple):
    """An experiment's numbers and arrays, and the figures drawn from them."""

    name: str
    numbers: dict[str, Any]
    arrays: dict[str, np.ndarray]
    figures: dict[str, Figure]


@pytest.fixture(scope="module", params=names())
def made(request: pytest.FixtureRequest) -> Made:
    name = request.param
    numbers, arrays = made_up()[name], SYNTHETIC[name].arrays()
    return Made(name, numbers, arrays, load(name, "draw").draw(numbers, arrays))


def test_figures_are_those_of_the_report_in_the_pipelines_style(made: Made) -> None:
    """Whatever a user's matplotlibrc says; only the schematic of Fig. S11 comes from no run."""
    stems = [image.stem for image in load(made.name, "report").EXPERIMENT.figures]
    assert sorted(made.figures) == sorted(stems)
    with matplotlib.rc_context(OTHER_STYLE):
        others = load(made.name, "draw").draw(made.numbers, made.arrays)
        found = {stem: looks(others[stem]) for stem in stems}
    for stem, figure in made.figures.items():
        assert np.array_equal(looks(figure), found[stem]), stem
        written = " ".join(texts(figure))
        assert ("scale laptop" in written and "seed 7" in written) == (stem != "figS11"), stem


def grids(
    experiment: str, arrays: dict[str, np.ndarray]
) -> dict[str, list[list[list[np.ndarray]]]]:

    def line(row: int, *keys: str) -> list[np.ndarray]:
        stacks = (arrays[key][row] for key in keys)
        return [image for stack in stacks for image in stack.reshape(-1, *stack.shape[-3:])]

    if experiment == "calibration":
        return {}
    if experiment == "eq7":
        samples, edits = arrays["samples"], arrays["edits"]
        blocks = [
            [[sample, *row] for sample, row in zip(samples[i], edits[i], strict=True)]
            for i in (0, 1)
        ]
        return {"eq7": blocks}
    if experiment == "table1":
        arrays |= {f"{layer}_first": arrays[f"{layer}_ours"][:, 0] for layer in LAYERS}
        ours, *others = (
            [f"{layer}_{method}" for layer in LAYERS]
            for method in ("first", "dosovitskiy", "mahendran")
        )
        samples = [
            [line(row, f"{layer}_ours", f"{layer}_dosovitskiy") for layer in LAYERS]
            for row in range(2)
        ]
        figures = {
            f"figS{5 + row}": [lines[:: len(LAYERS) - 1]] for row, lines in enumerate(samples)
        }
        fig2 = [
            [line(row, "inputs", *ours), *(line(row, *keys) for keys in others)] for row in (0, 1)
        ]
        return figures | {"fig2": fig2, "figS4": samples}
    if experiment == "fig4":
        further = line(5, "late_inputs", "late_samples")
        first = [line(row, "late_inputs", "late_samples")[:9] for row in range(5)]
        return {"fig4": [first], "figS7": [[further]]}
    if experiment == "fig5":
        names = {kind: [f"{layer}_{kind}" for layer in arrays["layers"]] for kind in KINDS}
        blocks = [[line(row, f"{kind}_images", *names[kind]) for kind in KINDS] for row in range(3)]
        return {"fig5": blocks[:1], "figS13": blocks[1:]}
    if experiment == "fig6":
        lines = [line(row, "inputs", "natural_samples", "stylized_samples") for row in range(8)]
        return {"fig6": [lines[::2]], "figS12": [lines[1::2]]}
    if experiment == "fig7":
        first = [line(row, "inputs", "reconstructions", "ours") for row in range(5)]
        lines = [line(row, key) for row in range(5, 10) for key in ("ours", "inputs", "stargan")]
        return {"fig7": [first], "figS8": [lines[:9]], "figS9": [lines[9:]]}
    rows = [(f"{layer}_samples", f"{layer}_mean") for layer in arrays["layers"]]
    shown = [("inputs", "reconstructions"), *rows]
    return {
        experiment.replace("figs", "figS"): [[line(i, *keys) for keys in shown] for i in (0, 1)]
    }


def test_images_are_in_their_rows(made: Made) -> None:
    for stem, blocks in grids(made.name, dict(made.arrays)).items():
        for lines in blocks:
            assert_grid(sheet(made.figures[stem]), lines)


class Logged(dict[str, np.ndarray]):
    """Arrays that note which of them are read."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        super().__init__(arrays)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> np.ndarray:
        self.read.add(name)
        return super().__getitem__(name)


def test_a_missing_array_is_a_key_error(made: Made) -> None:
    arrays = Logged(made.arrays)
    load(made.name, "draw").draw(made.numbers, arrays)
    needed = sorted(arrays.read)
    for key in (needed[0], needed[-1]):
        some = {name: array for name, array in made.arrays.items() if name != key}
        with pytest.raises(KeyError, match=key):
            load(made.name, "draw").draw(made.numbers, some)


@pytest.mark.parametrize(
    ("experiment", "name", "shape", "kind"),
    [
        ("fig7", "inputs", (0, 8, 8, 3), np.uint8),
        ("fig7", "inputs", (10, 8, 8, 3), float),
        ("fig7", "ours", (10, 5, 8, 8, 3), np.uint8),
        ("fig7", "values", (10, 6), np.int64),
        ("table1", "inputs", (0, 16, 16, 3), np.uint8),
        ("table1", "reconstructions", (2, 16, 16, 3), float),
        ("table1", "names", (1,), "U5"),
        ("table1", "fc6_ours", (2, 2, 16, 16, 3), np.uint8),
    ],
)
def test_arrays_that_do_not_fit(
    experiment: str, name: str, shape: tuple[int, ...], kind: Any
) -> None:
    arrays = SYNTHETIC[experiment].arrays() | {name: np.zeros(shape, kind)}
    with pytest.raises(PipelineError, match=name):
        load(experiment, "draw").draw(made_up()[experiment], arrays)
