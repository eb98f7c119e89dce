"""Stage report: reports/README.md and reports/index.html over all scales present.

The two pages show what the run cost, which differs every time. So they are not outputs of the DVC
stage: two runs' hashes would never agree.
"""

from pathlib import Path

from pipeline.cli import run_stage
from pipeline.config.fields import Section
from pipeline.experiments import reports
from pipeline.reporting.report import write_report
from pipeline.task import Task


def report(_: Task[Section]) -> None:
    """Write the report on every scale that has been run."""
    write_report(Path(), reports())


if __name__ == "__main__":
    run_stage("report", report, Section, torch=False)
