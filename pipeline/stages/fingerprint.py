"""Stage fingerprint@alexnet: what belongs to the data set of features, named by content."""

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.fingerprint import fingerprint as fingerprint_of
from pipeline.params import Params
from pipeline.storage import write_json


def fingerprint(params: Params, item: str) -> None:
    """Name the data set that a network reads, its autoencoder and its posteriors by content."""
    dataset = params.features[item].dataset
    folders = (paths.prepared(dataset), paths.autoencoder(dataset), paths.posteriors(dataset))
    write_json(paths.fingerprint(item), fingerprint_of(folders))


if __name__ == "__main__":
    run_stage("fingerprint", fingerprint, items="extract", torch=False)
