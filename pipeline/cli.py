"""What the command lines of all stages share.

A stage script is

    def train_thing(task: Task[TrainThingSettings], device: torch.device) -> None:
        '''Train the thing (one line: what --help says).'''
        ...

    if __name__ == "__main__":
        run_stage("train_thing", train_thing, TrainThingSettings)

and is run as `python -m pipeline.stages.train_thing ITEM`.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import errno
import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from pipeline.config.files import load_run
from pipeline.cost import measure
from pipeline.errors import PipelineError
from pipeline.runtime.device import available_cores, prepare_runtime
from pipeline.task import SettingsOf, load_task

__all__ = ["report_errors", "run_stage"]

# Errors of the machine, not of the program.
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}


def run_stage(
    stage: str,
    work: Callable[..., Any],
    settings: SettingsOf[Any],
    *,
    torch: bool = True,
    argv: Sequence[str] | None = None,
) -> None:
    """Run a stage from its command line; exit with code 1 and one sentence if it fails.

    Args:
        stage: name of the stage.
        work: called as `work(task, device)`; without `torch`, as `work(task)`. The first line of
            its docstring is the help text.
        settings: class of the settings, or what gives it for an item and its rows.
        torch: whether the stage needs torch, and so a device, threads and seeds.
        argv: arguments, by default the command line's.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m pipeline.stages.{stage}",
        description=(work.__doc__ or stage).strip().splitlines()[0],
    )
    parser.add_argument("item", nargs="?", default="", help="one of those in data/plan/<stage>-*")
    item = parser.parse_args(argv).item
    # Looking for garbage in torch's modules would make the exit a second longer.
    atexit.register(gc.freeze)
    with report_errors():
        run = load_run()
        threads = available_cores() if run.threads == "auto" else run.threads
        task = load_task(stage, item, settings, threads)
        arguments: list[Any] = [task]
        device_name = "cpu"
        if torch:
            device = prepare_runtime(run.device, threads, task.seed)
            arguments.append(device)
            device_name = str(device)
        with measure(stage, item, task.scale, threads=threads if torch else 1, device=device_name):
            work(*arguments)


@contextlib.contextmanager
def report_errors() -> Iterator[None]:
    """Turn an error that a user can mend into one line on stderr and an exit code."""
    try:
        yield
    except PipelineError as error:
        _leave(f"error: {error}", 1)
    except KeyboardInterrupt:
        _leave("interrupted; run the same command to resume", 130)
    except MemoryError:
        _leave("error: out of memory; lower batch_size, or choose a smaller scale.", 1)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        if error.errno in _NO_SPACE:
            _leave(f"error: no space left on the disk{place}; free some and run it again.", 1)
        if error.errno in _NOT_ALLOWED:
            _leave(f"error: {error.strerror}{place}; make it accessible and run it again.", 1)
        raise
    except RuntimeError as error:
        # torch.OutOfMemoryError, recognised without importing torch
        if type(error).__name__ != "OutOfMemoryError":
            raise
        _leave("error: out of GPU memory; lower batch_size, or set device to cpu.", 1)


def _leave(line: str, code: int) -> NoReturn:
    print(line, file=sys.stderr)
    sys.exit(code)
