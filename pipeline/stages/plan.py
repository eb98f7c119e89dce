"""Stage plan: what every item of every other stage is to do."""

from pipeline.cli import report_errors
from pipeline.cost import measure
from pipeline.plan import write_plan
from pipeline.validation.loading import load_config


def main() -> None:
    """Check all settings, and write one file per item of each stage."""
    with report_errors():
        config = load_config()
        with measure("plan", "", config.run.scale):
            write_plan(config)


if __name__ == "__main__":
    main()
