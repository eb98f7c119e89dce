"""What the command lines of all stages share.

A stage script is

    def train_thing(params: Params, item: str, device: torch.device) -> None:
        '''Train the thing (one line: what --help says).'''
        ...

    if __name__ == "__main__":
        run_stage("train_thing", train_thing)

and is run as `python -m pipeline.stages.train_thing ITEM`.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import difflib
import errno
import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from pipeline.cost import measure
from pipeline.errors import PipelineError
from pipeline.params import Params, load_params
from pipeline.runtime import prepare_runtime

__all__ = ["report_errors", "run_stage"]

# Errors of the machine, not of the program.
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}


def run_stage(
    stage: str,
    work: Callable[..., Any],
    *,
    items: str | None = "same",
    torch: bool = True,
    argv: Sequence[str] | None = None,
) -> None:
    """Run a stage from its command line; leave with code 1 and one sentence if it fails.

    Args:
        stage: name of the stage.
        work: called as `work(params, item, device)`; without `items`, `work(params, device)`.
            Without `torch`, the device is left out. Its docstring's first line is the help text.
        items: section of the scale's settings whose keys are the stage's items: by default the
            section with the stage's name. None if the stage has no items.
        torch: whether the stage needs torch, and so a device, threads and seeds.
        argv: arguments, by default the command line's.
    """
    section = stage if items == "same" else items
    parser = argparse.ArgumentParser(
        prog=f"python -m pipeline.stages.{stage}",
        description=(work.__doc__ or stage).strip().splitlines()[0],
    )
    if section:
        parser.add_argument("item", help=f"one of the items of {section} in scales/<scale>.yaml")
    item = getattr(parser.parse_args(argv), "item", "")
    atexit.register(
        gc.freeze
    )  # looking for garbage in torch's modules makes the exit a second longer
    with report_errors():
        params = load_params()
        if section:
            _check_item(stage, item, list(getattr(params.settings, section)))
        _run(stage, work, params, item, has_item=bool(section), torch=torch)


def _run(
    stage: str,
    work: Callable[..., Any],
    params: Params,
    item: str,
    *,
    has_item: bool,
    torch: bool,
) -> None:
    arguments: list[Any] = [params, item] if has_item else [params]
    threads, device_name = 1, "cpu"
    if torch:
        device = prepare_runtime(params.device, params.threads, params.seed)
        arguments.append(device)
        threads, device_name = params.threads, str(device)
    with measure(stage, item, params.scale, threads=threads, device=device_name):
        work(*arguments)


def _check_item(stage: str, item: str, known: list[str]) -> None:
    if item in known:
        return
    near = difflib.get_close_matches(item, known, n=1, cutoff=0.7)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise PipelineError(f"{stage} has no item {item!r}{hint}; known are {', '.join(known)}.")


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
