"""Stage code: which modules each stage runs, by content: what a change of code affects."""

from pathlib import Path

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.imports import hash_modules
from pipeline.params import Params
from pipeline.storage import new_folder, write_json


def code(params: Params) -> None:
    """Name the modules that each stage runs, by content."""
    scripts = Path("pipeline/stages").glob("*.py")
    stages = {path.stem: path for path in scripts if path.stem not in ("__init__", "code")}
    with new_folder(paths.code()) as folder:
        for stage, script in stages.items():
            write_json(folder / f"{stage}.json", hash_modules(script))


if __name__ == "__main__":
    run_stage("code", code, items=None, torch=False)
