"""Stage choose: which layer of which network the stage inspect reports on."""

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.params import Params
from pipeline.storage import write_json


def choose(params: Params) -> None:
    """Look up the network and the layer that params.yaml names."""
    key = f"{params.network}-{params.layer}"
    write_json(paths.choice(), {"key": key, "dataset": params.layers[key].dataset})


if __name__ == "__main__":
    run_stage("choose", choose, items=None, torch=False)
