"""Starts Python programs as forks of a process that has imported their libraries already.

A run of the graph starts hundreds of programs that each compute for a second, after three seconds
of imports. Within `fork_server`, `python -m pipeline.stages.<name>` and `python -m dvc` hand
themselves over to the server: a fork of it runs their code in their folder, with their environment,
arguments and streams. Of the project, the server keeps nothing.
"""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

LIBRARIES = (
    "numpy",
    "pandas",
    "pyarrow.parquet",
    "scipy.stats",
    "scipy.spatial",
    "scipy.optimize",
    "torch",
    "torch._inductor",
    "pipeline.torchvision_compat",
    "lightning_fabric",
    "safetensors.torch",
    "PIL.Image",
    "pydantic",
    "jinja2",
    "ruamel.yaml",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
    "seaborn",
    "dvc.cli",
    "dvc.repo",
    "dvc.repo.reproduce",
    "dvc.stage.cache",
    "dvc.commands.repro",
    "dvc.commands.status",
)

SERVER = "FORK_SERVER"
"""The environment variable with its address."""

CLIENT = """
import json, os, signal, socket, sys
def hand_over(address):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        started = {"argv": sys.orig_argv, "folder": os.getcwd(), "environment": dict(os.environ)}
        socket.send_fds(connection, [b"0"], [0, 1, 2])
        with connection.makefile("rw") as file:
            print(json.dumps(started), file=file, flush=True)
            status = int(file.readline() or -signal.SIGKILL)
    if status < 0:
        os.kill(os.getpid(), -status)
    os._exit(status)
if (
    "FORK_SERVER" in os.environ
    and sys.orig_argv[1:2] == ["-m"]
    and (sys.orig_argv[2] == "dvc" or sys.orig_argv[2].startswith("pipeline.stages."))
):
    hand_over(os.environ["FORK_SERVER"])
"""
"""For sitecustomize.py of a process that a fork may run in place of."""


@contextmanager
def fork_server(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of programs that hand themselves over; `folder` gets their sitecustomize.py.

    Each server has a seed of its own for hashes, as each process would have.
    """
    (folder / "sitecustomize.py").write_text(CLIENT)
    with tempfile.TemporaryDirectory() as place:  # the address must be short
        address = f"{place}/socket"
        command = [sys.executable, __file__, address]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            assert server.stdin is not None and server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            try:
                yield {SERVER: address, "PYTHONPATH": str(folder)}
            finally:
                server.stdin.close()  # which ends it, as the death of this process would


def serve(address: str) -> None:
    """Answer until nobody holds the other end of stdin."""
    for name in LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pipeline"]:
        del sys.modules[name]  # a program has its own
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for what watches a program
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _watch(connection)
            connection.close()


def _watch(connection: socket.socket) -> None:
    """Run a program in a fork and report its exit status."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rw") as file:
        started = json.loads(file.readline())
        if (child := os.fork()) == 0:
            connection.close()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            _run(**started)
        for stream in streams:
            os.close(stream)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=file, flush=True)
    os._exit(0)


def _run(argv: list[str], folder: str, environment: dict[str, str]) -> None:
    """Be the program `python -m <module> ...`."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = folder
    sys.orig_argv, sys.argv = argv, argv[2:]
    status = 0
    try:
        if argv[2] != "dvc" and "READ_FILES" in os.environ:
            _note_reads("-".join([argv[2].rpartition(".")[2], *argv[3:]]), argv[2])
        runpy.run_module(argv[2], run_name="__main__", alter_sys=True)
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _note_reads(stage: str, module: str) -> None:
    """Append what a stage reads, and the modules that it has imported in the end, to READ_FILES."""
    log = Path(os.environ["READ_FILES"]).open("a", buffering=1)  # noqa: SIM115 - until the end
    here = os.getcwd()

    def note(path: str) -> None:
        path = os.path.relpath(os.path.join(here, path), here)
        if path.split("/")[0] in ("data", "models", "reports", "pipeline"):
            print(stage, path, file=log)

    def watch(event: str, arguments: tuple) -> None:
        if event != "open" or not isinstance(arguments[0], str | os.PathLike):
            return
        file, mode = os.fspath(arguments[0]), arguments[1]
        if mode and "r" in mode and not file.endswith(".py"):
            note(file)

    def note_modules() -> None:
        files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
        for file in filter(None, files):
            note(file)

    def read_and_note(path: str, **options: Any) -> Any:
        note(path)
        return read(path, **options)

    # Arrow opens files by itself, of which Python knows nothing.
    pandas: Any = importlib.import_module("pandas")
    read, pandas.read_parquet = pandas.read_parquet, read_and_note
    sys.addaudithook(watch)
    atexit.register(note_modules)
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    note(spec.origin)


if __name__ == "__main__":
    serve(sys.argv[1])
