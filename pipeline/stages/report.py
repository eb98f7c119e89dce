"""Stage report: reports/README.md and reports/index.html over all scales present.

The two pages show what the run cost, which differs every time: they are no outs of the stage, whose
hashes would then never agree between two runs.
"""

from pathlib import Path

from pipeline.cli import run_stage
from pipeline.params import Params
from pipeline.reporting.report import write_report


def report(_: Params) -> None:
    """Write the report on every scale that has been run."""
    write_report(Path())


if __name__ == "__main__":
    run_stage("report", report, items=None, torch=False)
