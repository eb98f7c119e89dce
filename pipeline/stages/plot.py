"""Stage plot@table1: figures and tables from saved arrays and numbers."""

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.figures.plots import PLOTS
from pipeline.params import Params
from pipeline.storage import read_json


def plot(params: Params, item: str) -> None:
    """Draw the figures of an evaluation, and set its tables."""
    summary = read_json(paths.metrics(params.scale, item))
    PLOTS[item](summary, paths.evaluations(item), paths.figures(params.scale, item))


if __name__ == "__main__":
    run_stage("plot", plot, items="evaluate", torch=False)
