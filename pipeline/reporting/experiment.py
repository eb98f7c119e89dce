"""What an experiment contributes to the report: the object EXPERIMENT of its module `report`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.reporting.claim import Claim
from pipeline.reporting.content import Fact, Image, Table
from pipeline.reporting.tables import TextTable

if TYPE_CHECKING:
    from pipeline.config.config import Config
    from pipeline.config.fields import Section

__all__ = ["Experiment", "Numbers"]

Numbers = Mapping[str, Any]
"""The content of `reports/<scale>/metrics/<experiment>.json`."""


def _nothing(_: Numbers) -> Sequence[Any]:
    return ()


def _no_files(_: Numbers) -> Mapping[str, TextTable]:
    return {}


@dataclass(frozen=True)
class Experiment:
    """A figure or table of the paper: its settings, claims and part of the report.

    The experiment's name is that of its folder. Functions of the numbers may raise KeyError if one
    is missing; the report names the stage to run again.

    Attributes:
        order: place in the report, smallest first.
        settings: type of its section in scales/<scale>.yaml.
        claims: in the order of the report.
        figures: one per file that `draw` returns; stems are file names without suffix.
        facts: lines for the head of the scale's section.
        files: tables that are also written as csv, md and tex, by file name without suffix. The
            page shows them before `tables`.
        tables: further tables of the page.
        judge: how accurate the evaluator is in what the claims rest on, to follow "The evaluator's
            accuracy on blurred held-out images:", such as "of people yaw R² 0.98".
        intervals: where the claims' intervals come from, such as "Fig. 3: bootstrap over inputs".
        check: called with a loaded configuration; raises PipelineError if its settings do not fit
            those of others.
    """

    order: int
    settings: type[Section]
    claims: Sequence[Claim] = ()
    figures: Sequence[Image] = ()
    facts: Callable[[Numbers], Sequence[Fact]] = _nothing
    files: Callable[[Numbers], Mapping[str, TextTable]] = _no_files
    tables: Callable[[Numbers], Sequence[Table]] = _nothing
    judge: Callable[[Numbers], str] | None = None
    intervals: str = ""
    check: Callable[[Config], None] | None = None
