"""An experiment is a folder: found by its name, measured, drawn and decided without any list."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline import experiments, paths
from pipeline.config.fields import Section
from pipeline.config.rows import Rows
from pipeline.errors import PipelineError
from pipeline.stages.claims import claims
from pipeline.stages.draw import draw
from pipeline.stages.measure import measure, settings
from pipeline.storage import read_arrays, read_json
from pipeline.task import Task

FILES = {
    "__init__": "",
    "measure": """
import numpy as np
def measure(task, device):
    return {"x": np.arange(3)}, {"x": 3, "item": task.item}
""",
    "draw": """
from matplotlib.figure import Figure
def draw(numbers, arrays):
    return {"toy": Figure(), "more": Figure()}
""",
    "report": """
from pipeline.config.fields import Count, Section
from pipeline.reporting.claim import Claim, Condition
from pipeline.reporting.content import Image
from pipeline.reporting.experiment import Experiment
from pipeline.reporting.tables import TextTable
class ToySettings(Section):
    count: Count = 1
claims = [Claim("Z.a", "Fig. 9", "It is.", "x", (Condition(2, lambda n: (n["x"], None)),))]
figures = [Image(stem, "Title", "Caption.", "Text") for stem in ("toy", "more")]
def files(numbers):
    return {"sizes": TextTable("Sizes", ["a", "b"], [["x", numbers["x"]]], (0, 0))}
EXPERIMENT = Experiment(15, ToySettings, claims, figures, files=files)
""",
}


def task(stage: str, item: str = "") -> Task[Any]:
    return Task(stage, item, "smoke", 0, 1, Section(), Rows(), {}, "0" * 64)


@pytest.fixture
def toy(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an experiment `toy`, the only one, in an empty project."""
    folder = here / "experiments/toy"
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.setattr(experiments, "FOLDER", folder.parent)
    monkeypatch.setattr(experiments, "__path__", [str(folder.parent)])
    yield folder
    for name in [name for name in sys.modules if name.startswith("pipeline.experiments.toy")]:
        del sys.modules[name]


def test_a_folder_is_an_experiment(toy: Path) -> None:
    assert experiments.names() == ["toy"]
    assert settings("toy", Rows()).model_fields.keys() == {"count"}
    measure(task("measure", "toy"), torch.device("cpu"))
    assert read_json(paths.metrics("smoke", "toy")) == {"x": 3, "item": "toy"}
    assert read_arrays(paths.evaluations("toy"))["x"].tolist() == [0, 1, 2]
    draw(task("draw", "toy"))
    files = sorted(file.name for file in paths.figures("smoke", "toy").iterdir())
    assert files == ["more.pdf", "more.png", "sizes.csv", "sizes.md", "sizes.tex", "toy.pdf",
                     "toy.png"]  # fmt: skip
    claims(task("claims"))
    (row,) = read_json(paths.claims("smoke"))
    assert (row["id"], row["holds"], row["stage"]) == ("Z.a", True, "measure-toy")


def test_what_does_not_fit_is_named(toy: Path) -> None:
    with pytest.raises(PipelineError, match=r"'toys'.*did you mean toy\?.*report\.py"):
        experiments.load("toys", "report")
    with pytest.raises(PipelineError, match=r"toy\.json of scale smoke.*dvc repro -f measure-toy"):
        claims(task("claims"))
    (toy / "draw.py").write_text(FILES["draw"].replace('"more"', '"other"'))
    measure(task("measure", "toy"), torch.device("cpu"))
    with pytest.raises(PipelineError, match="draw.py of experiment toy.*other.*report.py.*more"):
        draw(task("draw", "toy"))


def test_experiments_come_in_the_order_of_the_report() -> None:
    orders = [experiment.order for experiment in experiments.reports().values()]
    assert set(experiments.reports()) == set(experiments.names())
    assert orders == sorted(orders) and len(set(orders)) == len(orders)
