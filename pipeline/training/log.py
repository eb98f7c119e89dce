"""Progress of a training: curves by DVCLive, and a progress bar or lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError

__all__ = ["TrainingLog"]


class TrainingLog:
    """Curves in `folder/name` by DVCLive; a progress bar on a terminal, plain lines elsewhere.

    The files hold steps and rounded values only, so that equal trainings write equal files.
    """

    def __init__(self, folder: str | Path | None, name: str) -> None:
        """`name` is what messages call the training; `folder=None` writes no files."""
        self.name = name
        self.folder = None if folder is None else Path(folder) / name
        self._live: Any = None
        self._bar: Any = None
        self._started = 0.0
        self._printed = 0.0
        self._first = 0

    def start(self, steps: int, step: int, history: Iterable[Mapping[str, float]]) -> None:
        """Begin at `step` of `steps`, with the curves of the training so far."""
        from tqdm import tqdm

        self._started = self._printed = time.monotonic()
        self._first = step
        if self.folder is not None:
            self._live = _open_live(self.folder)
        for entry in history:
            self._write(entry)
        if sys.stderr.isatty():
            self._bar = tqdm(total=steps, initial=step, desc=self.name, unit="step")
        elif step:
            print(f"{self.name}: resuming at step {step} of {steps}", flush=True)

    def advance(self) -> None:
        """Count one step."""
        if self._bar is not None:
            self._bar.update()

    def record(self, entry: Mapping[str, float], steps: int) -> None:
        """Add an entry to the curves and show it; as lines, at most every five seconds."""
        self._write(entry)
        step = int(entry["step"])
        shown = {key: f"{value:.4g}" for key, value in entry.items() if key != "step"}
        now = time.monotonic()
        if self._bar is not None:
            self._bar.set_postfix(shown)
        elif now - self._printed > 5 or step == steps:
            self._printed = now
            rate = (step - self._first) / max(now - self._started, 1e-9)
            values = ", ".join(f"{key} {value}" for key, value in shown.items())
            left = (steps - step) / rate if rate > 0 else 0
            print(
                f"{self.name}: step {step} of {steps}, {values} "
                f"({rate:.1f} steps/s, {left:.0f} s left)",
                flush=True,
            )

    def finish(self) -> None:
        """Close bar and files; may be called twice."""
        if self._bar is not None:
            self._bar.close()
        if self._live is not None:
            self._live.end()
        self._bar = self._live = None

    def _write(self, entry: Mapping[str, float]) -> None:
        if self._live is None:
            return
        self._live.step = int(entry["step"])
        for key, value in entry.items():
            if key != "step":
                self._live.log_metric(key, value)
        self._live.make_summary()


def _open_live(folder: Path) -> Any:
    """Start with empty files: DVC has deleted old ones, which are outs of the stage."""
    from dvclive import Live
    from scmrepo.exceptions import SCMError

    try:
        return Live(str(folder), save_dvc_exp=False, dvcyaml=None)
    except SCMError as error:  # as in a repository without a commit
        raise PipelineError(
            f"DVCLive cannot read the git repository here ({error}); it needs at least one commit."
        ) from error
