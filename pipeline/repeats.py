"""Repeat a run with other seeds, or on other test images, and collect the verdicts.

    python -m pipeline.repeats --seed 1 2 --test-seed 1

Each run is an experiment of DVC, `dvc exp run --temp -S seed=1 claims`, in a copy of the repository
that shares DVC's cache: with another `test_seed` alone, nothing is trained. Verdicts go to
reports/<scale>/repeats.json, which the report shows next to those of the run in the workspace.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.cli import report_errors
from pipeline.config.files import load_run
from pipeline.errors import PipelineError
from pipeline.reporting.repeats import repeat_of
from pipeline.storage import read_json, write_json

__all__ = ["collect", "main", "run_experiment"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the whole pipeline with other seeds, and once on each of other test images."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.repeats", description=(main.__doc__ or "").strip()
    )
    parser.add_argument("--seed", type=int, nargs="+", default=[], metavar="N")
    parser.add_argument("--test-seed", type=int, nargs="+", default=[], metavar="N")
    chosen = parser.parse_args(argv)
    if not chosen.seed and not chosen.test_seed:
        parser.error("give --seed or --test-seed")
    with report_errors():
        run = load_run()
        file = paths.repeats(run.scale)
        if not paths.claims(run.scale).exists():
            raise PipelineError(
                f"scale {run.scale} has no claims to compare with: run `make reproduce` first."
            )
        own = {"seed": run.seed, "test_seed": run.test_seed}
        wanted = [own | {"seed": seed} for seed in chosen.seed]
        wanted += [own | {"test_seed": seed} for seed in chosen.test_seed]
        for seeds in wanted:
            if seeds != own:
                repeat = seeds | {"claims": repeat_of(run_experiment(run.scale, **seeds))}
                write_json(file, collect(file, run.scale, own, repeat))
        from pipeline.experiments import reports
        from pipeline.reporting.report import write_report

        write_report(Path(), reports())


def run_experiment(scale: str, seed: int, test_seed: int) -> list[dict[str, Any]]:
    """The claims of an experiment of DVC with these seeds; it is run unless it was before.

    Raises PipelineError if it fails.
    """
    name = f"{scale}-seed-{seed}-tests-{test_seed}"
    if (found := _claims_of(name, scale)) is None:
        command = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--force", "--name", name]
        command += ["-S", f"seed={seed}", "-S", f"test_seed={test_seed}", "claims"]
        if subprocess.run(command).returncode:
            raise PipelineError(f"the experiment {name} failed, see above; rerun the same command.")
        found = _claims_of(name, scale)
    if found is None:
        raise PipelineError(f"the experiment {name} has no claims: look at `dvc exp show`.")
    return found


def collect(
    file: Path, scale: str, own: dict[str, int], repeat: dict[str, Any]
) -> list[dict[str, Any]]:
    """The runs in `file` with another one; the first is that in the workspace.

    Those of a workspace with other verdicts or values are left out, for they are of other code or
    settings.
    """
    first = own | {"claims": repeat_of(read_json(paths.claims(scale)))}
    runs = read_json(file) if file.exists() else []
    kept = runs[1:] if runs and runs[0] == first else []
    seeds = ("seed", "test_seed")
    kept = [run for run in kept if any(run[name] != repeat[name] for name in seeds)]
    return [first, *sorted([*kept, repeat], key=lambda run: [run[name] for name in seeds])]


def _claims_of(name: str, scale: str) -> list[dict[str, Any]] | None:
    """The claims of an experiment that started from this commit, if there is one."""
    head = _git("rev-parse", "HEAD")
    ref = f"refs/exps/{head[:2]}/{head[2:]}/{name}"
    text = _git("show", f"{ref}:{paths.claims(scale).as_posix()}")
    return json.loads(text) if text else None


def _git(*arguments: str) -> str:
    """What git prints; nothing if it fails."""
    result = subprocess.run(["git", *arguments], capture_output=True, text=True)
    return "" if result.returncode else result.stdout.strip()


if __name__ == "__main__":
    main()
