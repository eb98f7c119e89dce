"""Stage plot@fig4: Figs. 4 and S7 from saved arrays and numbers."""

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.figures.drawing import save_figure
from pipeline.figures.fig4 import curves_of, draw_fig4, draw_figS7, load_grids
from pipeline.params import Params
from pipeline.storage import read_json


def plot(params: Params, item: str) -> None:
    """Draw a figure."""
    summary = read_json(paths.metrics(params.scale, item))
    curves, grids = curves_of(summary), load_grids(paths.evaluations(item))
    folder = paths.figures(params.scale, item)
    save_figure(draw_fig4(curves, grids, summary), folder / "fig4")
    save_figure(draw_figS7(curves, grids, summary), folder / "figS7")


if __name__ == "__main__":
    run_stage("plot", plot, items="evaluate", torch=False)
