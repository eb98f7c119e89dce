"""Stage fingerprint@alexnet: what belongs to the network's data set, named by content."""

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.fingerprint import fingerprint as fingerprint_of
from pipeline.params import Params
from pipeline.storage import write_json


def fingerprint(params: Params, item: str) -> None:
    """Name a network's data set, its autoencoder and its posteriors by their content."""
    dataset = params.networks[item].dataset
    folders = (paths.prepared(dataset), paths.autoencoder(dataset), paths.posteriors(dataset))
    write_json(paths.fingerprint(item), fingerprint_of(folders))


if __name__ == "__main__":
    run_stage("fingerprint", fingerprint, items="train_network", torch=False)
