"""Fixtures shared by all tests."""

import os

# Several test processes, or a small machine: more threads only get into each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import runpy
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock

pytest.register_assert_rewrite("smoke_project")  # before it is imported: its asserts explain
from smoke_project import Project, build  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def project(here: Path) -> Path:
    """A folder with the real params.yaml and scales/, as the current one."""
    shutil.copy(REPOSITORY / "params.yaml", here)
    shutil.copytree(REPOSITORY / "scales", here / "scales")
    return here


@pytest.fixture
def unchanged_torch() -> Iterator[None]:
    """Stages set torch's threads and determinism, which other tests share."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    state = torch.get_rng_state()
    matmul = getattr(torch.backends.mkldnn, "matmul", None)
    precision = getattr(matmul, "fp32_precision", None)
    yield
    if precision is not None:
        matmul.fp32_precision = precision
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
    torch.set_rng_state(state)


@pytest.fixture
def run_script(
    unchanged_torch: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """`run_script(name, *arguments)` runs a script of stages/: exit code, stdout and stderr."""

    def run(name: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        capsys.readouterr()
        code = 0
        try:
            runpy.run_path(str(REPOSITORY / f"pipeline/stages/{name}.py"), run_name="__main__")
        except SystemExit as error:
            code = int(error.code or 0)
        return code, *capsys.readouterr()

    return run


@pytest.fixture(autouse=True, scope="session")
def _signals_reach_python() -> None:
    """A shell ignores SIGINT in what it starts in the background, and children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which the whole graph has run once at scale smoke, to be copied, not changed.

    The first test process that needs it builds it, for all.
    """
    if shutil.which("git") is None:
        pytest.skip("DVC needs git")
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "built"
    done = folder / "done"
    with FileLock(f"{folder}.lock", timeout=3600):
        if not folder.exists():
            build(folder / "copy")
            done.touch()
    assert done.exists(), "the graph failed at scale smoke in another test process"
    return Project(folder / "copy")


@pytest.fixture(scope="module")
def smoke(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A copy of the built project that the tests of a module share."""
    with built.copy(tmp_path_factory.mktemp("smoke") / "copy") as project:
        yield project


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole graph takes longest: it starts first, in parallel with all other tests."""
    items.sort(key=lambda item: item.path.name != "test_smoke.py")
