"""`make`: what it runs, what it says where it cannot, and what it leaves alone."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")

FAKE = """#!/bin/sh
echo "$@" >> "{log}"
"""
"""A Python that only notes what it is asked to run."""


@pytest.fixture
def copy(repository: Path, tmp_path: Path) -> Path:
    """A folder with what make needs, in no git repository, as of an unpacked archive."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(repository / name, tmp_path)
    return tmp_path


@pytest.fixture
def installed(copy: Path) -> Path:
    """The same with an environment that is up to date."""
    python = copy / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(FAKE.format(log=copy / "log"))
    python.chmod(0o755)
    for name in ("pyvenv.cfg", ".installed", ".installed-test"):
        (copy / ".venv" / name).touch()
    return copy


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Neither what a make around the tests hands on, nor a repository around the temporary folder.
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    environment["GIT_CEILING_DIRECTORIES"] = str(folder.parent)
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def asked(folder: Path) -> list[str]:
    """What the environment's Python was asked to run."""
    return (folder / "log").read_text().splitlines()


def test_reproduce_runs_the_graph(installed: Path) -> None:
    result = make(installed, "reproduce")
    assert result.returncode == 0, result.stderr
    assert asked(installed) == ["-m dvc config --local core.no_scm true", "-m pipeline.reproduce"]
    assert result.stdout == "Done. Open reports/index.html, or read reports/README.md.\n"


def test_an_environment_with_a_space_in_its_name_is_refused(copy: Path) -> None:
    result = make(copy, "-n", "reproduce", f"VENV={copy}/my environment")
    assert result.returncode == 2
    assert f'VENV is "{copy}/my environment": name a folder without spaces' in result.stderr


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_in_a_repository_dvc_uses_git(installed: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=installed, check=True)
    assert make(installed, "reproduce", "JOBS=3").returncode == 0
    assert asked(installed) == ["-m pipeline.reproduce --jobs 3"]


def test_tests_are_shared_by_processes(installed: Path) -> None:
    shutil.copy(installed / ".venv/bin/python", installed / ".venv/bin/python3")
    assert make(installed, "test", "ARGS=-k inn").returncode == 0
    (run,) = asked(installed)
    assert run.startswith("-m pytest -n 2 --dist loadfile") and run.endswith("-k inn")


def test_a_python_that_is_not_there(copy: Path) -> None:
    result = make(copy, "install", "PYTHON=/no/python")
    assert result.returncode
    assert (
        "error: Python 3.11 or newer is needed, and /no/python is not one; name one with PYTHON="
        in result.stderr
    )
    assert not (copy / ".venv").exists()


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("clean", "error: mine is not a virtual environment; it is left alone."),
        ("install", "error: mine exists and is not a virtual environment; move it away or choose"),
    ],
)
def test_a_folder_of_the_users_is_left_alone(copy: Path, command: str, sentence: str) -> None:
    (copy / "mine").mkdir()
    (copy / "mine/thesis.tex").write_text("x")
    result = make(copy, command, "VENV=mine")
    assert result.returncode and sentence in result.stderr
    assert (copy / "mine/thesis.tex").read_text() == "x"
    assert [path.name for path in (copy / "mine").iterdir()] == ["thesis.tex"]


def test_clean_removes_nothing_that_was_computed(installed: Path) -> None:
    for name in ("models/t.safetensors", ".pytest_cache/x", "pipeline/__pycache__/x.pyc"):
        (installed / name).parent.mkdir(parents=True, exist_ok=True)
        (installed / name).touch()
    assert make(installed, "clean").returncode == 0
    assert (installed / "models/t.safetensors").exists()
    for name in (".venv", ".pytest_cache", "pipeline/__pycache__"):
        assert not (installed / name).exists()
