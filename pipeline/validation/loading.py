"""Read and check every setting of a run: params.yaml and scales/<scale>.yaml.

In a scale's file each stage has a section. Its key `default` holds what all items share; an item's
own key holds only what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.config import settings
from pipeline.config.config import Config
from pipeline.config.fields import Section, validate
from pipeline.config.files import load_run, read_yaml
from pipeline.config.rows import FILE, GENERATED, STYLIZED, DatasetRow, Rows, Run
from pipeline.config.sentences import bad, nearest, unknown
from pipeline.datasets.formats import formats, settings_class
from pipeline.errors import PipelineError
from pipeline.experiments import load, names
from pipeline.networks.card import load_card
from pipeline.validation import checks

__all__ = ["load_config", "section_classes"]

DEFAULT = "default"


def load_config(root: str | Path = ".") -> Config:
    """Read and check params.yaml and the file of its scale, both below `root`.

    Raises PipelineError, one sentence that names file and key, if anything is wrong with either.
    """
    root = Path(root)
    run = load_run(root)
    known = sorted(path.stem for path in (root / "scales").glob("*.yaml"))
    if run.scale not in known:
        raise unknown(FILE, ("scale",), run.scale, known, "scale")
    file = f"scales/{run.scale}.yaml"
    raw = read_yaml(root, file)
    if not isinstance(raw, dict):
        raise bad(file, (), raw, "a mapping with a section for each stage")
    classes = section_classes(run)
    for key in raw:
        if key not in classes:
            raise unknown(file, (str(key),), None, classes, "section")
    config = Config(
        run, file, {name: _section(file, name, raw, of) for name, of in classes.items()}
    )
    checks.check(config)
    for name in run.experiments:
        check = load(name, "report").EXPERIMENT.check
        if check is not None:
            check(config)
    run.check_networks()
    return config


def section_classes(run: Run) -> dict[str, dict[str, type[Section]]]:
    """The class of every item's settings, by section. Sections without items have one called ""."""
    of_datasets = dict.fromkeys([*run.datasets, GENERATED])
    return {
        "prepare": {
            **{name: _format(name, row) for name, row in run.datasets.items()},
            STYLIZED: settings_class(STYLIZED, Rows()),
        },
        "train_autoencoder": {
            name: settings.autoencoder_settings(row.format) for name, row in run.datasets.items()
        },
        "train_network": {name: _network(run, name) for name in run.networks},
        "train_evaluator": dict.fromkeys(("animals", "faces"), settings.TrainEvaluatorSettings),
        "extract": dict.fromkeys(run.layers, settings.ExtractSettings),
        "train_semantic": dict.fromkeys(of_datasets, settings.TrainSemanticSettings),
        "train_cinn": dict.fromkeys(run.layers, settings.TrainCinnSettings),
        "train_prior": dict.fromkeys(of_datasets, settings.TrainCinnSettings),
        "train_baseline": dict.fromkeys(run.baselines, settings.TrainBaselineSettings),
        "train_stargan": {"faces": settings.TrainStarGANSettings},
        "train_generator": {"animals": settings.TrainGeneratorSettings},
        "train_dequantizer": {"animals": settings.TrainDequantizerSettings},
        "generate": {"animals": settings.GenerateSettings},
        "experiments": _experiments(run),
        "inspect": {"": settings.InspectSettings},
    }


def _format(name: str, row: DatasetRow) -> type[Section]:
    known = formats()
    if row.format not in known:
        raise unknown(FILE, ("datasets", name, "format"), row.format, known, "format")
    return settings_class(name, Rows(datasets={name: row}))


def _network(run: Run, name: str) -> type[Section]:
    build = run.networks[name].build
    try:
        return load_card(build or name).settings
    except PipelineError as error:
        key = f"networks.{name}.build" if build else f"networks.{name}"
        raise PipelineError(f"{FILE}: {key}: {error}") from error


def _experiments(run: Run) -> dict[str, type[Section]]:
    """The settings of each experiment, which is a folder and a row of params.yaml."""
    for name in run.experiments:
        if name not in names():
            raise PipelineError(
                f"{FILE}: experiments.{name} has no folder pipeline/experiments/{name}"
                f"{nearest(name, names())}; choose from {', '.join(names())}."
            )
    for name in names():
        if name not in run.experiments:
            raise PipelineError(
                f"{FILE}: experiments.{name} is missing, although there is a folder "
                f"pipeline/experiments/{name}; add the row, or remove the folder."
            )
    return {name: load(name, "report").EXPERIMENT.settings for name in run.experiments}


def _section(
    file: str, name: str, raw: Mapping[str, Any], classes: Mapping[str, type[Section]]
) -> dict[str, Section]:
    """Every item's settings: what the section's `default` says, then what its own key says."""
    section = raw.get(name, {})
    if not isinstance(section, dict):
        raise bad(file, (name,), section, "a mapping from items to their settings")
    if list(classes) == [""]:
        return {"": validate(classes[""], section, file, _place(name, {}))}
    for item in section:
        if item != DEFAULT and item not in classes:
            raise unknown(file, (name, str(item)), None, [DEFAULT, *classes], "item")
    shared = section.get(DEFAULT, {})
    if not isinstance(shared, dict):
        raise bad(file, (name, DEFAULT), shared, "a mapping of settings")
    fields = {field for model in classes.values() for field in model.model_fields}
    for key in shared:
        if key not in fields:
            raise unknown(file, (name, DEFAULT, str(key)), None, sorted(fields), "key")
    result = {}
    for item, model in classes.items():
        own = section.get(item, {})
        if not isinstance(own, dict):
            raise bad(file, (name, item), own, "a mapping of settings")
        defaults = {key: value for key, value in shared.items() if key in model.model_fields}
        place = _place(name, {key: DEFAULT for key in defaults if key not in own}, item)
        result[item] = validate(model, defaults | own, file, place)
        check = getattr(result[item], "check", None)
        if check is not None:
            check(file, (name, item))
    return result


def _place(
    section: str, elsewhere: Mapping[str, str], item: str = ""
) -> Callable[[str | None], tuple[str, ...]]:
    """The full key in the file of each key of an item."""

    def place(key: str | None) -> tuple[str, ...]:
        own = (section, item) if item else (section,)
        if key is None:
            return own
        return (section, elsewhere[key], key) if key in elsewhere else (*own, key)

    return place
