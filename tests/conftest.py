"""Fixtures shared by all tests."""

import os

# Several test processes, or a small machine: more threads only get into each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the real params.yaml and scales/, as the current one."""
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    shutil.copytree(REPOSITORY / "scales", tmp_path / "scales")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def edit(project: Path) -> Callable[[str, str, str], None]:
    """`edit(file, old, new)` replaces a text that must stand in a file of the project once."""

    def replace(file: str, old: str, new: str) -> None:
        text = (project / file).read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        (project / file).write_text(text.replace(old, new))

    return replace


@pytest.fixture(autouse=True, scope="session")
def _signals_reach_python() -> None:
    """A shell ignores SIGINT in what it starts in the background, and children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole graph takes longest: it begins first, beside all other tests."""
    items.sort(key=lambda item: item.path.name != "test_smoke.py")
