"""Stage draw@table1: figures and tables from saved arrays and numbers."""

from pathlib import Path

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.fields import Section
from pipeline.drawing.arrays import open_arrays
from pipeline.drawing.drawing import save_figure
from pipeline.errors import PipelineError
from pipeline.experiments import load
from pipeline.reporting.results import evaluated
from pipeline.reporting.tables import write_table
from pipeline.task import Task


def draw(task: Task[Section]) -> None:
    """Draw an experiment's figures, and write its tables."""
    name, folder = task.item, paths.figures(task.scale, task.item)
    experiment = load(name, "report").EXPERIMENT
    with evaluated(Path(), task.scale, name) as numbers:
        tables = experiment.files(numbers)
    with open_arrays(paths.evaluations(name)) as arrays:
        figures = load(name, "draw").draw(numbers, arrays)
    stems = [image.stem for image in experiment.figures]
    if sorted(stems) != sorted(figures):
        raise PipelineError(
            f"draw.py of experiment {name} makes the figures {', '.join(figures) or 'none'}, but "
            f"report.py describes {', '.join(stems) or 'none'}: make the two agree."
        )
    for stem, figure in figures.items():
        save_figure(figure, folder / stem)
    for stem, table in tables.items():
        write_table(table, folder / stem)


if __name__ == "__main__":
    run_stage("draw", draw, Section, torch=False)
