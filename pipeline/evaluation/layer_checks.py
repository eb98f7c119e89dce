"""Checks of the layers that an experiment is about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipeline.config.rows import FILE, layer_name
from pipeline.config.sentences import bad

if TYPE_CHECKING:
    from pipeline.config.loading import Config

__all__ = ["check_layer_names"]


def check_layer_names(config: Config, experiment: str, names: Iterable[str]) -> None:
    """Raise PipelineError unless an experiment's layers have these names and are of one network."""
    keys, expected = config.run.experiments[experiment].layers, list(names)
    networks = {config.run.layers[key].network for key in keys}
    if [layer_name(key) for key in keys] != expected or len(networks) > 1:
        words = f"a list of the rows of the layers {', '.join(expected)} of one network, in order"
        raise bad(FILE, ("experiments", experiment, "layers"), list(keys), words)
