"""Everything that the report of a scale is written from, made up.

`summary` of a module makes what metrics/<experiment>.json would hold, `arrays` the arrays of
data/evaluations/<experiment>.npz.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import synthetic_calibration
import synthetic_eq7
import synthetic_fig3
import synthetic_fig4
import synthetic_fig5
import synthetic_fig6
import synthetic_fig7
import synthetic_table1
from drawn import stand_in

from pipeline import paths
from pipeline.reporting.experiment import Experiment
from pipeline.reporting.tables import write_table
from pipeline.storage import write_json

SYNTHETIC = {
    "calibration": synthetic_calibration, "eq7": synthetic_eq7,
    "fig3": synthetic_fig3, "fig4": synthetic_fig4, "fig5": synthetic_fig5,
    "fig6": synthetic_fig6, "fig7": synthetic_fig7, "figs10": synthetic_fig3,
    "table1": synthetic_table1,
}  # fmt: skip


def numbers(scale: str = "laptop") -> dict[str, dict[str, Any]]:
    """What metrics/<experiment>.json would hold, by experiment."""
    found = {name: made.summary(scale) for name, made in SYNTHETIC.items()}
    return found | {"figs10": synthetic_fig3.summary(scale, "figs10")}


def decide(
    experiments: Mapping[str, Experiment], measured: Mapping[str, Any], scale: str = "laptop"
) -> dict[str, dict[str, Any]]:
    """The rows of claims.json by id."""
    return {
        claim.id: claim.decide(scale, name, measured[name])
        for name, experiment in experiments.items()
        for claim in experiment.claims
    }


def write_results(
    root: Path, scale: str, experiments: Mapping[str, Experiment], measured: Mapping[str, Any]
) -> None:
    """Numbers, claims, and stand-ins of figures and tables."""
    for name, experiment in experiments.items():
        folder = root / paths.figures(scale, name)
        write_json(root / paths.metrics(scale, name), measured[name])
        stand_in(folder, *(image.stem for image in experiment.figures))
        for stem, table in experiment.files(measured[name]).items():
            write_table(table, folder / stem)
    rows = list(decide(experiments, measured, scale).values())
    write_json(root / paths.claims(scale), rows)
