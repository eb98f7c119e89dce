"""params.yaml: what a user changes between runs, and the rows of what is interpreted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pipeline.config.fields import Count, Folder, Folders, Must, Name, OptionalName, Section, Seed
from pipeline.config.sentences import bad, unknown
from pipeline.errors import PipelineError

__all__ = [
    "GENERATED",
    "STYLIZED",
    "BaselineRow",
    "DatasetRow",
    "ExperimentRow",
    "LayerRow",
    "NetworkRow",
    "Rows",
    "Run",
    "layer_name",
]

FILE = "params.yaml"

GENERATED = "generated"
"""The data set that the stage `generate` makes; every other one is made by `prepare`."""
STYLIZED = "stylized"
"""The data set that a network learns from, but that none is interpreted on."""


class DatasetRow(Section):
    """A data set, the format it is read in, and a second one that its autoencoder is trained on."""

    format: Name
    autoencoder_data: Name
    images: Folder | Folders | None = None


class NetworkRow(Section):
    """An interpreted network, the data set it learns, and what builds it: by default its name."""

    dataset: Name
    build: str | None = None


class LayerRow(Section):
    """A layer: the network, the module whose output is z, and the images it is read from."""

    network: Name
    dataset: Name
    module: str


class BaselineRow(Section):
    """A decoder trained on z of one layer alone (Dosovitskiy and Brox)."""

    layer: Name
    dataset: Name


class ExperimentRow(Section):
    """What a figure or table is about.

    Without a `dataset`, its layers are of several. `networks` are those of its layers. `evaluator`
    names the data set whose evaluator judges its samples, where it has one.
    """

    dataset: OptionalName = ""
    networks: Annotated[tuple[Name, ...], Must("a list of rows of networks")] = ()
    layers: Annotated[tuple[Name, ...], Must("a list of rows of layers")] = ()
    evaluator: OptionalName = ""
    baselines: Annotated[tuple[Name, ...], Must("a list of rows of baselines")] = ()


class Rows(Section):
    """The rows that one item of a stage is about, by name."""

    datasets: dict[str, DatasetRow] = {}
    networks: dict[str, NetworkRow] = {}
    layers: dict[str, LayerRow] = {}
    baselines: dict[str, BaselineRow] = {}
    experiment: ExperimentRow | None = None


class Run(Section):
    """The whole of params.yaml."""

    scale: str
    seed: Seed
    test_seed: Seed
    device: Literal["auto", "cpu", "cuda"]
    threads: Literal["auto"] | Count
    network: str
    layer: str
    networks: dict[Name, NetworkRow]
    datasets: dict[Name, DatasetRow]
    layers: dict[Name, LayerRow]
    baselines: dict[Name, BaselineRow]
    experiments: dict[Name, ExperimentRow]

    @property
    def inspected(self) -> str:
        """The row of the layer that the stage `inspect` is about."""
        return f"{self.network}-{self.layer}"

    def check(self) -> None:
        """Raise PipelineError if a row refers to one that is not there."""
        for table in ("networks", "datasets", "layers", "baselines", "experiments"):
            if "default" in getattr(self, table):
                raise PipelineError(
                    f"{FILE}: {table}.default is a name that scales/<scale>.yaml keeps for what "
                    "all rows share; choose another one."
                )
        self._check_datasets()
        for name, network in self.networks.items():
            self._known(("networks", name, "dataset"), network.dataset, self._labelled())
        for key, layer in self.layers.items():
            self._known(("layers", key, "network"), layer.network, self.networks)
            self._known(("layers", key, "dataset"), layer.dataset, [*self.datasets, GENERATED])
            if not layer_name(key) or layer_name(key) == key:
                raise PipelineError(
                    f"{FILE}: the row layers.{key} has to be called <network>-<layer>, such as "
                    f"{layer.network}-{key}."
                )
        self._known(("network",), self.network, self.networks)
        prefix = f"{self.network}-"
        own = [key.removeprefix(prefix) for key in self.layers if key.startswith(prefix)]
        self._known(("layer",), self.layer, own, f"layer of {self.network}")
        inspected = self.layers[self.inspected].network
        if inspected != self.network:
            raise bad(FILE, ("layers", self.inspected, "network"), inspected, self.network)
        for name, baseline in self.baselines.items():
            self._known(("baselines", name, "layer"), baseline.layer, self.layers, "layer")
            self._same(("baselines", name), baseline.dataset, baseline.layer)
        for name, row in self.experiments.items():
            place = ("experiments", name)
            if row.dataset:
                self._known((*place, "dataset"), row.dataset, [*self.datasets, GENERATED])
            for key in row.layers:
                self._known((*place, "layers"), key, self.layers, "row of layers")
                if row.dataset:
                    self._same(place, row.dataset, key)
            if not row.dataset and len({self.layers[key].dataset for key in row.layers}) < 2:
                raise PipelineError(f"{FILE}: experiments.{name}.dataset is missing.")
            for key in row.baselines:
                self._known((*place, "baselines"), key, self.baselines, "row of baselines")

    def check_networks(self) -> None:
        """Raise PipelineError if an experiment's networks are not those of its layers."""
        for name, row in self.experiments.items():
            networks = list(dict.fromkeys(self.layers[key].network for key in row.layers))
            if list(row.networks) != networks:
                words = f"[{', '.join(networks)}], the networks of its layers"
                raise bad(FILE, ("experiments", name, "networks"), list(row.networks), words)

    def _check_datasets(self) -> None:
        for name, row in self.datasets.items():
            if name in (GENERATED, STYLIZED):
                raise PipelineError(
                    f"{FILE}: datasets.{name} is the name of a data set that the pipeline makes "
                    "itself; choose another one."
                )
            self._known(("datasets", name, "autoencoder_data"), row.autoencoder_data, self.datasets)
            if (row.format == "folder") != (row.images is not None):
                raise PipelineError(
                    f"{FILE}: datasets.{name} needs both `format: folder` and `images`, the folder "
                    "with the images, or neither."
                )

    def _labelled(self) -> list[str]:
        return [*self.datasets, STYLIZED]

    def _same(self, place: tuple[str, ...], dataset: str, layer: str) -> None:
        """A row has the data set of a layer that it names."""
        expected = self.layers[layer].dataset
        if dataset != expected:
            words = f"{expected}, the data set of the layer {layer}"
            raise bad(FILE, (*place, "dataset"), dataset, words)

    def _known(
        self, where: tuple[str, ...], value: str, known: Iterable[str], kind: str = ""
    ) -> None:
        kinds = {"network": "network", "dataset": "data set", "autoencoder_data": "data set"}
        if value not in known:
            raise unknown(FILE, where, value, known, kind or kinds[where[-1]])


def layer_name(key: str) -> str:
    """What reports call the layer of a row: what follows the last '-' of its key."""
    return key.rpartition("-")[2]
