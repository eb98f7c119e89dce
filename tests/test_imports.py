"""The layers of the package: what may import what."""

from __future__ import annotations

import os
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from pipeline.modules import module_imports

ROOT = Path(__file__).resolve().parents[1]
LAYERS = (
    "errors rounding",
    "torchvision_compat storage paths",
    "config",
    "task modules cost",
    "runtime",
    "rendering",
    "datasets",
    "models",
    "networks",
    "evaluation",
    "training",
    "drawing",
    "reporting",
    "experiments",
    "validation",
    "cli plan raw_data",
    "docs repeats reproduce",
    "stages",
)
"""Folders and modules of the package, the lowest first; those of a line are equally high."""

HEIGHT = {name: height for height, names in enumerate(LAYERS) for name in names.split()}


@pytest.fixture(scope="module")
def graph() -> dict[Path, frozenset[Path]]:
    files = (path.relative_to(ROOT) for path in (ROOT / "pipeline").rglob("*.py"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return {file: module_imports(file) for file in files}


def part(file: Path) -> str:
    name = ".".join(file.parts[1:]).removesuffix(".py")
    return name if name in HEIGHT else file.parts[1].removesuffix(".py")


def test_no_module_imports_one_of_a_higher_layer(graph: dict[Path, frozenset[Path]]) -> None:
    wrong = [
        f"{file} imports {other}"
        for file, others in graph.items()
        for other in others
        if part(file) != part(other) and part(other) != "__init__"
        if HEIGHT[part(other)] >= HEIGHT[part(file)]
    ]
    assert not wrong


def test_no_modules_import_each_other(graph: dict[Path, frozenset[Path]]) -> None:
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(str(file) for file in error.args[1]))


def test_nothing_imports_an_experiment_but_its_own_modules(
    graph: dict[Path, frozenset[Path]],
) -> None:
    for file, others in graph.items():
        for other in others:
            if other.parts[1] == "experiments" and len(other.parts) == 4:
                assert file.parent == other.parent, f"{file} imports {other}"


PROGRAM = """
import sys
import pipeline.cli, pipeline.reproduce, pipeline.stages.claims, pipeline.stages.report
import pipeline.stages.plan
from pipeline.experiments import load, names, reports
reports()
assert not {"torch", "matplotlib", "pandas", "scipy"} & sys.modules.keys(), "report"
import pipeline.stages.draw
for name in names():
    load(name, "draw")
assert "torch" not in sys.modules, "draw"
"""


def test_a_stage_without_networks_does_not_wait_for_torch() -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
