"""Stage claims: which of the paper's claims hold at this scale."""

from pathlib import Path

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.fields import Section
from pipeline.experiments import reports
from pipeline.reporting.results import evaluated
from pipeline.storage import write_json
from pipeline.task import Task


def claims(task: Task[Section]) -> None:
    """Decide the claims of all experiments from what was measured."""
    rows = []
    for name, experiment in reports().items():
        if experiment.claims:
            with evaluated(Path(), task.scale, name) as numbers:
                rows += [claim.decide(task.scale, name, numbers) for claim in experiment.claims]
    write_json(paths.claims(task.scale), rows)


if __name__ == "__main__":
    run_stage("claims", claims, Section, torch=False)
