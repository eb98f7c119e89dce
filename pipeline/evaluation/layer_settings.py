"""Settings of experiments that sample every layer of a network, and what they must fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.fields import Count, Section, Several
from pipeline.config.rows import FILE, layer_name
from pipeline.config.sentences import bad, check_bounds
from pipeline.evaluation.layer_checks import check_evaluator

if TYPE_CHECKING:
    from pipeline.config.config import Config

__all__ = ["LayerSettings", "check_layers"]


class LayerSettings(Section):
    """Samples of every layer of a network (Figs. 3 and S10)."""

    inputs: Several = 100  # test images
    samples: Several  # samples of each
    evaluated_samples: Several = 50  # samples of each that the evaluator reads
    bootstrap: Several = 200  # bootstrap replicates of the intervals
    rows: Count = 4  # inputs that the figure shows
    columns: Count = 4  # samples shown of each


def check_layers(config: Config, experiment: str) -> None:
    """Raise PipelineError if an experiment asks for more than there is, or for too few layers."""
    check_evaluator(config, experiment)
    settings: LayerSettings = config.settings("experiments", experiment)
    row, where = config.run.experiments[experiment], ("experiments", experiment)
    if len({layer_name(key) for key in row.layers}) < max(3, len(row.layers)):
        words = "a list of at least 3 layers of different names, the shallowest first"
        raise bad(FILE, (*where, "layers"), list(row.layers), words)
    bounds = {
        "evaluated_samples": (settings.samples, f"experiments.{experiment}.samples"),
        "rows": (settings.inputs, f"experiments.{experiment}.inputs"),
        "columns": (settings.evaluated_samples, f"experiments.{experiment}.evaluated_samples"),
    }
    tests = config.images(row.dataset, "test")
    if tests is not None:
        bounds = {"inputs": (tests, "the number of test images"), **bounds}
    check_bounds(config.file, where, settings, bounds)
