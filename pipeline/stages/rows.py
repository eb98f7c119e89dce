"""Stage rows: the rows of params.yaml that are about a data set, so that others leave it alone."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.params import Params
from pipeline.storage import new_folder, write_json


def rows(params: Params) -> None:
    """Write down which networks read each data set, with which layers and baselines."""
    with new_folder(paths.rows()) as folder:
        for dataset in {row.dataset for row in params.features.values()}:
            features = {n: row for n, row in params.features.items() if row.dataset == dataset}
            tables: dict[str, Mapping[str, Any]] = {
                "networks": {
                    row.network: params.networks[row.network] for row in features.values()
                },
                "features": features,
                "layers": {n: row for n, row in params.layers.items() if row.dataset == dataset},
                "baselines": {
                    n: row for n, row in params.baselines.items() if row.dataset == dataset
                },
            }
            # Lists, for the order counts: it is that of layers in figures.
            content = {
                table: [{"name": name, **asdict(row)} for name, row in entries.items()]
                for table, entries in tables.items()
            }
            write_json(folder / f"{dataset}.json", content)


if __name__ == "__main__":
    run_stage("rows", rows, items=None, torch=False)
