"""Results of a scale, read so that an error names the stage that should have made what lacks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.storage import read_json

__all__ = ["evaluated", "linked", "measured", "require"]


def require(root: Path, scale: str, path: Path, stage: str) -> None:
    """Raise PipelineError, which names the stage, if it has not written the file."""
    if not (root / path).exists():
        raise PipelineError(
            f"{path.name} of scale {scale} is missing: run `dvc repro -f {stage}` at this scale."
        )


@contextlib.contextmanager
def measured(root: Path, scale: str, path: Path, stage: str) -> Iterator[Any]:
    """The content of a JSON file that a stage has written, for the body of a `with` statement.

    Raises PipelineError, which names the stage, if the file is missing or the body misses a key.
    """
    require(root, scale, path, stage)
    content = read_json(root / path)
    try:
        yield content
    except KeyError as error:
        raise PipelineError(
            f"the results of scale {scale} lack {error}: run `dvc repro -f {stage}` at this scale."
        ) from error


def evaluated(root: Path, scale: str, item: str) -> contextlib.AbstractContextManager[Any]:
    """The numbers of an evaluation, as `measured` gives them."""
    return measured(root, scale, paths.metrics(scale, item), f"evaluate@{item}")


def linked(path: Path) -> str:
    """A path as the report, which lies in reports/, refers to it."""
    return path.relative_to("reports").as_posix()
