"""Results of a scale. If one is missing, the error names the stage that makes it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.reporting.content import Image
from pipeline.storage import read_json

__all__ = ["evaluated", "linked", "linked_image", "measured", "require"]


def require(root: Path, scale: str, path: Path, stage: str) -> None:
    """Raise PipelineError, which names the stage, unless the stage has written the file."""
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
    """The numbers of an experiment, as `measured` gives them."""
    return measured(root, scale, paths.metrics(scale, item), f"measure-{item}")


def linked(path: Path) -> str:
    """A path as the report, which lies in reports/, refers to it."""
    return path.relative_to("reports").as_posix()


def linked_image(root: Path, scale: str, folder: Path, image: Image, stage: str) -> Image:
    """The image with its file as the report refers to it.

    Raises PipelineError, which names the stage, unless it is there as PNG and PDF.
    """
    for suffix in ("png", "pdf"):
        require(root, scale, folder / f"{image.stem}.{suffix}", stage)
    return replace(image, stem=linked(folder / image.stem))
