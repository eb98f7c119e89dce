"""A copy of the repository in which the whole graph runs at scale smoke, as a user runs it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fork_server import SERVER, fork_server
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", "cache", "tmp", "__pycache__", ".*_cache", ".checkpoints", "models", "smoke",
    "plan", "prepared", "posteriors", "features", "evaluations", "*.egg-info",
)  # fmt: skip

COSTS = Path("reports/smoke/cost.json")

REPRODUCE = ("python", "-m", "pipeline.reproduce", "--jobs", "2")
"""What `make reproduce` runs."""


class Project:
    """A copy of the repository in which commands run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reads = folder.parent / "reads.txt"
        """What stages of the first run read and imported: lines `<stage>-<item> <path>`."""
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "DVC_NO_ANALYTICS": "1",
            # Neither a developer's own settings, nor traces in a place that all projects share.
            "DVC_GLOBAL_CONFIG_DIR": str(folder.parent / "dvc"),
            "DVC_SITE_CACHE_DIR": str(folder.parent / "dvc"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{
                f"GIT_{who}_{what}": value
                for who in ("AUTHOR", "COMMITTER")
                for what, value in (("NAME", "Tests"), ("EMAIL", "tests@example.org"))
            },
        }

    @contextmanager
    def copy(self, folder: Path) -> Iterator[Project]:
        """All of it in another folder, in its present state; its programs are forks."""
        shutil.copytree(self.folder, folder, symlinks=True)
        shutil.copy(self.reads, folder.parent)
        project = Project(folder)
        with fork_server(folder.parent) as forked:
            project.environment |= forked
            yield project
        shutil.rmtree(folder)

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def succeed(self, *command: str) -> str:
        """What a command says, which has to succeed."""
        result = self.run(*command)
        assert result.returncode == 0, result.stdout
        return result.stdout

    def dvc(self, *arguments: str) -> str:
        """What a command of DVC says, which has to succeed."""
        return self.succeed("python", "-m", "dvc", *arguments)

    def ran(self, *arguments: str) -> list[str]:
        """The stages that a command of DVC runs, by default `dvc repro`."""
        return re.findall(r"Running stage '([\w@-]+)'", self.dvc(*(arguments or ("repro",))))

    def stage(self, name: str) -> str:
        """Run a stage by its address in DVC, without DVC."""
        stage, _, item = name.replace("@", "-", 1).partition("-")
        return self.succeed("python", "-m", f"pipeline.stages.{stage}", *filter(None, [item]))

    def commit(self) -> None:
        """Commit all files to git."""
        self.succeed("git", "add", "-A")
        self.succeed("git", "commit", "-q", "--allow-empty", "-m", "x")

    @contextmanager
    def restored(self, *places: str) -> Iterator[None]:
        """Whatever the block changes in settings, results or `places` is undone in the end."""
        places = ("reports", "scales", "params.yaml", "dvc.lock", *places)
        contents = {name: (self.folder / name).read_bytes() for name in self.digests(*places)}
        try:
            yield
        finally:
            for name in self.digests(*places).keys() - contents.keys():
                (self.folder / name).unlink()
            for name, content in contents.items():
                (self.folder / name).write_bytes(content)
            self.dvc("checkout")

    def start(self, stage: str, *arguments: str) -> subprocess.Popen[str]:
        """A stage in a process of its own, that can be killed."""
        return subprocess.Popen(
            [sys.executable, "-m", f"pipeline.stages.{stage}", *arguments],
            cwd=self.folder,
            env={name: self.environment[name] for name in self.environment if name != SERVER},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def lock(self) -> dict[str, Any]:
        return YAML(typ="safe").load(self.folder / "dvc.lock")["stages"]

    def digests(self, *places: str) -> dict[str, str]:
        """A hash of every file below some folders."""
        return {
            path.relative_to(self.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for place in places
            for path in [self.folder / place, *sorted((self.folder / place).rglob("*"))]
            if path.is_file()
        }

    def leftovers(self) -> list[Path]:
        """What only an interrupted run leaves behind."""
        found = [*self.folder.rglob("*.partial"), *self.folder.rglob(".*.old")]
        return found + list((self.folder / ".checkpoints").glob("*"))


def copy_repository(target: Path) -> None:
    """Copy what git tracks or would track; of an unpacked archive, all but what a run makes."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if not (ROOT / ".git").exists() or listing.returncode:
        shutil.copytree(ROOT, target, ignore=NOT_COPIED)
        return
    for name in filter(None, listing.stdout.split("\0")):
        if (ROOT / name).is_file():  # it may have been deleted
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def build(folder: Path) -> Project:
    """Run the whole graph once at scale smoke, in a new copy of the repository."""
    copy_repository(folder)
    (folder / "dvc.lock").unlink(missing_ok=True)
    project = Project(folder)
    project.succeed("git", "init", "-q")
    params = (folder / "params.yaml").read_text()
    changed, count = re.subn(r"(?m)^scale: \w+$", "scale: smoke", params)
    assert count == 1
    (folder / "params.yaml").write_text(changed)
    project.commit()
    with fork_server(folder.parent) as forked:
        result = project.run(*REPRODUCE, **forked, READ_FILES=str(project.reads))
    assert result.returncode == 0, result.stdout
    return project
