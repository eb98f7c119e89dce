"""What every item of every stage is to do: one JSON file each, which its DVC stage depends on.

An item's file holds the settings that it has after defaults and overrides, the rows of params.yaml
that it is about, the scale, the seed, and a hash of each module that it runs. Its DVC stage depends
on this file and on the files that it reads, but not directly on params.yaml, scales/ or pipeline/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.config.config import Config
from pipeline.config.fields import Section
from pipeline.config.rows import STYLIZED, ExperimentRow, Rows, Run
from pipeline.datasets.formats import format_name
from pipeline.modules import hash_modules
from pipeline.networks.card import load_card
from pipeline.storage import new_folder, write_json

__all__ = ["Item", "items", "write_plan"]


@dataclass(frozen=True)
class Item:
    """An item of a stage.

    Attributes:
        stage: name of the stage, and of its script.
        name: of the item; empty if the stage has only one.
        settings: its settings, if it has any.
        rows: the rows of params.yaml that it is about.
        modules: modules that it imports by name, in addition to those that its script imports.
        related: settings of other stages that it needs.
        tests: whether it draws test images, and so depends on `test_seed`.
    """

    stage: str
    name: str = ""
    settings: Section = Section()
    rows: Rows = Rows()
    modules: Iterable[str] = ()
    related: Mapping[str, Section] = field(default_factory=dict)
    tests: bool = False

    def content(self, run: Run) -> dict[str, Any]:
        """What its file holds."""
        files = [f"pipeline.stages.{self.stage}", *self.modules]
        return {
            "scale": run.scale,
            "seed": run.seed,
            **({"test_seed": run.test_seed} if self.tests else {}),
            "settings": self.settings.model_dump(mode="json"),
            "rows": self.rows.model_dump(mode="json"),
            "related": {key: value.model_dump(mode="json") for key, value in self.related.items()},
            "modules": hash_modules(Path(*name.split(".")).with_suffix(".py") for name in files),
        }


def write_plan(config: Config) -> None:
    """Write data/plan/<stage>-<item>.json for every item of every stage."""
    with new_folder(Path("data/plan")) as folder:
        for item in items(config):
            file = folder / paths.plan(item.stage, item.name).name
            write_json(file, item.content(config.run))


def items(config: Config) -> Iterator[Item]:
    """Every item of every stage, `plan` itself left out."""
    yield from _of_data(config)
    yield from _of_networks(config)
    yield from _of_experiments(config)
    report = [f"pipeline.experiments.{name}.report" for name in config.run.experiments]
    yield Item("claims", modules=report)
    yield Item("report", modules=report)


def _of_data(config: Config) -> Iterator[Item]:
    """Data sets, their autoencoders, e, evaluators, and what is generated."""
    run = config.run
    for name in [*run.datasets, STYLIZED]:
        rows = Rows(datasets={name: run.datasets[name]} if name in run.datasets else {})
        settings = config.settings("prepare", name)
        module = [f"pipeline.datasets.{format_name(name, rows)}"]
        yield Item("prepare", name, settings, rows, module, tests=True)
        yield Item("draw_data", name, settings, rows, module)
    for name, row in run.datasets.items():
        rows = Rows(datasets={name: row})
        settings = config.settings("train_autoencoder", name)
        yield Item("train_autoencoder", name, settings, rows)
        yield Item("encode", name, rows=rows)
    for stage in (
        "train_semantic", "train_evaluator", "train_stargan", "train_generator",
        "train_dequantizer", "train_prior", "generate",
    ):  # fmt: skip
        for name, section in config.sections[stage].items():
            yield Item(stage, name, section, tests=stage == "generate")


def _of_networks(config: Config) -> Iterator[Item]:
    """Networks, their layers, t and what it is compared with."""
    run = config.run
    for name, row in run.networks.items():
        settings = config.settings("train_network", name)
        modules = [_card(config, name)]
        yield Item("train_network", name, settings, Rows(networks={name: row}), modules)
    for key, layer in run.layers.items():
        rows, modules = _about(config, [key])
        yield Item("extract", key, config.settings("extract", key), rows, modules)
        settings = config.settings("train_cinn", key)
        yield Item("train_cinn", key, settings, Rows(layers={key: layer}))
    for name, baseline in run.baselines.items():
        rows = Rows(baselines={name: baseline}, layers={baseline.layer: run.layers[baseline.layer]})
        related = {"train_autoencoder": config.settings("train_autoencoder", baseline.dataset)}
        settings = config.settings("train_baseline", name)
        yield Item("train_baseline", name, settings, rows, related=related)
    rows, modules = _about(config, [run.inspected])
    yield Item("inspect", settings=config.settings("inspect"), rows=rows, modules=modules)


def _of_experiments(config: Config) -> Iterator[Item]:
    run = config.run
    for name, row in run.experiments.items():
        rows, modules = _about(config, row.layers, row)
        settings = config.settings("experiments", name)
        package = f"pipeline.experiments.{name}"
        yield Item("measure", name, settings, rows, [f"{package}.measure", *modules])
        draw = [f"{package}.draw", f"{package}.report"]
        yield Item("draw", name, rows=rows, modules=draw)


def _about(
    config: Config, layers: Iterable[str], experiment: ExperimentRow | None = None
) -> tuple[Rows, list[str]]:
    """The rows that have to do with some layers, and the modules of their networks."""
    run = config.run
    chosen = {key: run.layers[key] for key in layers}
    networks = dict.fromkeys(layer.network for layer in chosen.values())
    baselines = experiment.baselines if experiment else ()
    rows = Rows(
        networks={name: run.networks[name] for name in networks},
        layers=chosen,
        baselines={name: run.baselines[name] for name in baselines},
        experiment=experiment,
    )
    return rows, [_card(config, name) for name in networks]


def _card(config: Config, network: str) -> str:
    return load_card(config.run.networks[network].build or network).module
