"""Checks of what an experiment is about: its layers, and what its evaluator predicts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipeline.config.rows import FILE, layer_name
from pipeline.config.sentences import bad, dotted, unknown
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.config.config import Config

__all__ = ["check_evaluated_species", "check_evaluator", "check_layer_names"]


def check_layer_names(config: Config, experiment: str, names: Iterable[str]) -> None:
    """Raise PipelineError unless an experiment's layers have these names and are of one network."""
    keys, expected = config.run.experiments[experiment].layers, list(names)
    networks = {config.run.layers[key].network for key in keys}
    if [layer_name(key) for key in keys] != expected or len(networks) > 1:
        words = f"a list of the rows of the layers {', '.join(expected)} of one network, in order"
        raise bad(FILE, ("experiments", experiment, "layers"), list(keys), words)


def check_evaluator(config: Config, experiment: str) -> str:
    """The data set whose evaluator an experiment uses; PipelineError if there is none."""
    evaluator = config.run.experiments[experiment].evaluator
    known, where = config.sections["train_evaluator"], ("experiments", experiment, "evaluator")
    if not evaluator:
        raise PipelineError(f"{FILE}: {dotted(*where)} is missing; choose from {', '.join(known)}.")
    if evaluator not in known:
        raise unknown(FILE, where, evaluator, known, "evaluator")
    return evaluator


def check_evaluated_species(config: Config, experiment: str) -> None:
    """Raise PipelineError unless an experiment's evaluator predicts the species."""
    evaluator = check_evaluator(config, experiment)
    classes = config.settings("train_evaluator", evaluator).classes
    if "species" not in classes:
        where = ("train_evaluator", evaluator, "classes")
        words = f"a list of columns one of which is species, which {experiment} shows"
        raise bad(config.file, where, list(classes), words)
