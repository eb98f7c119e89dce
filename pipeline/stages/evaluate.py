"""Stage evaluate@table1: the numbers and samples that a figure or table shows."""

import torch

from pipeline.cli import run_stage
from pipeline.evaluation.measure_fig3 import measure_fig3, measure_figs10
from pipeline.evaluation.measure_fig4 import measure_fig4
from pipeline.evaluation.measure_fig5 import measure_fig5
from pipeline.evaluation.measure_fig6 import measure_fig6
from pipeline.evaluation.measure_fig7 import measure_fig7
from pipeline.evaluation.measure_table1 import measure_table1
from pipeline.params import Params

MEASURES = {
    "fig3": measure_fig3,
    "fig4": measure_fig4,
    "fig5": measure_fig5,
    "fig6": measure_fig6,
    "fig7": measure_fig7,
    "figs10": measure_figs10,
    "table1": measure_table1,
}


def evaluate(params: Params, item: str, device: torch.device) -> None:
    """Measure and sample what a figure or table shows."""
    MEASURES[item](params, device)


if __name__ == "__main__":
    run_stage("evaluate", evaluate)
