"""What one item of a stage is to do: its settings and rows, as the stage `plan` wrote them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pipeline import paths
from pipeline.config.fields import Section
from pipeline.config.rows import Rows
from pipeline.config.sentences import nearest
from pipeline.errors import PipelineError

__all__ = ["SettingsOf", "Task", "load_task"]

SettingsT = TypeVar("SettingsT", bound=Section)

SettingsOf = type[SettingsT] | Callable[[str, Rows], type[SettingsT]]
"""The class of a stage's settings, or a function that gives it for an item and its rows."""


@dataclass(frozen=True)
class Task(Generic[SettingsT]):
    """An item of a stage.

    Attributes:
        stage: name of the stage.
        item: name of the item; empty if the stage has only one.
        scale: name of the scale, which reports are filed under.
        seed: every random choice follows from it, but for those of `test_seed`.
        threads: CPU threads to use.
        settings: the item's settings.
        rows: the rows of params.yaml that it is about.
        related: settings of other stages that it needs, by stage.
        digest: SHA-256 of what decides the result: all but threads, and the code.
        test_seed: decides which test images are drawn, where the stage draws any.
    """

    stage: str
    item: str
    scale: str
    seed: int
    threads: int
    settings: SettingsT
    rows: Rows
    related: Mapping[str, Mapping[str, Any]]
    digest: str
    test_seed: int = 0

    @property
    def name(self) -> str:
        """What messages and files of reports call it, such as train_cinn-alexnet-fc7."""
        return f"{self.stage}-{self.item}" if self.item else self.stage


def load_task(
    stage: str, item: str, settings: SettingsOf[SettingsT], threads: int
) -> Task[SettingsT]:
    """Read a task from its file below data/plan.

    Raises PipelineError if `plan` has not written it.
    """
    import json

    path = paths.plan(stage, item)
    try:
        text = path.read_bytes()
    except OSError as error:
        prefix = f"{stage}-"
        known = sorted(
            path.stem.removeprefix(prefix) for path in path.parent.glob(f"{prefix}*.json")
        )
        choice = f", or choose from {', '.join(known)}{nearest(item, known)}" if known else ""
        raise PipelineError(f"{path} is missing: run `dvc repro plan`{choice}.") from error
    try:
        content = json.loads(text)
        rows = Rows.model_validate(content["rows"])
        model: Any = settings if isinstance(settings, type) else settings(item, rows)
        return Task(
            stage,
            item,
            content["scale"],
            content["seed"],
            threads,
            model.model_validate(content["settings"]),
            rows,
            content["related"],
            hashlib.sha256(text).hexdigest(),
            content.get("test_seed", 0),
        )
    except (KeyError, ValueError) as error:  # of pydantic and json, too
        raise PipelineError(f"{path} is out of date: run `dvc repro plan`.") from error
