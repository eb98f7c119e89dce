"""The paper's figures and tables, a folder each, found and imported by name only."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from pipeline.config.sentences import nearest
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.reporting.experiment import Experiment

__all__ = ["load", "names", "reports"]

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The experiments that are there, by name: folders with a module `report`."""
    return sorted(path.parent.name for path in FOLDER.glob("*/report.py"))


def load(name: str, part: str) -> ModuleType:
    """The module `part` (measure, summary, draw or report) of an experiment.

    Raises:
        PipelineError: there is no such experiment.
    """
    known = names()
    if name not in known:
        raise PipelineError(
            f"there is no experiment {name!r}{nearest(name, known)}; an experiment is a folder of "
            f"pipeline/experiments with a module report.py: {', '.join(known) or 'there is none'}."
        )
    return importlib.import_module(f"{__name__}.{name}.{part}")


def reports() -> Mapping[str, Experiment]:
    """Every experiment's EXPERIMENT by name, in the order of the report."""
    found = {name: load(name, "report").EXPERIMENT for name in names()}
    return dict(sorted(found.items(), key=lambda pair: (pair[1].order, pair[0])))
