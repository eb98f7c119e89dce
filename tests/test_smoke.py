"""The whole graph at scale smoke, in a copy of the repository, as a user runs and breaks it.

The tests run in this order and share one copy; each leaves it complete.
"""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from graphlib import TopologicalSorter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.models.loading import load_semantic
from pipeline.params import load_params

ROOT = Path(__file__).resolve().parents[1]
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", "cache", "tmp", "__pycache__", ".*_cache", ".checkpoints", "models", "smoke",
    "prepared", "posteriors", "features", "evaluations", "*.egg-info",
)  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("git") is None, reason="DVC needs git"),
]


WATCH = """
import os, sys
command = "@".join(sys.orig_argv).partition("pipeline.stages.")
if command[1]:
    stage = command[2]
    log, here = open(os.environ["READ_FILES"], "a", buffering=1), os.getcwd()
    def watch(event, arguments):
        if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
            path, mode = os.path.relpath(os.path.join(here, arguments[0]), here), arguments[1]
            if mode and "r" in mode and path.split("/")[0] in ("data", "models", "reports"):
                print(stage, path, file=log)
    sys.addaudithook(watch)
"""


REPRODUCE = ("python", "-m", "pipeline.reproduce", "--jobs", "2")
"""What `make reproduce` runs."""


class Project:
    """A copy of the repository in which commands run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reads = folder.parent / "reads.txt"
        """What stages of the first run read, a line `stage@item path` for each file."""
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{
                f"GIT_{who}_{what}": value
                for who in ("AUTHOR", "COMMITTER")
                for what, value in (("NAME", "Tests"), ("EMAIL", "tests@example.org"))
            },
        }

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

    def reproduce(self, *options: str, **environment: str) -> str:
        """What `dvc repro` says, which has to succeed."""
        result = self.run("python", "-m", "dvc", "repro", *options, **environment)
        assert result.returncode == 0, result.stdout
        return result.stdout

    def start(self, stage: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", f"pipeline.stages.{stage}", *arguments],
            cwd=self.folder,
            env=self.environment,
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
            for path in sorted((self.folder / place).rglob("*"))
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


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A copy of the repository in which the whole graph has run once at scale smoke."""
    folder = tmp_path_factory.mktemp("smoke") / "copy"
    copy_repository(folder)
    params = (folder / "params.yaml").read_text()
    changed, count = re.subn(r"(?m)^scale: \w+$", "scale: smoke", params)
    assert count == 1
    (folder / "params.yaml").write_text(changed)
    (folder / "dvc.lock").unlink(missing_ok=True)
    project = Project(folder)
    for command in (
        ("git", "init", "-q"),
        ("git", "add", "-A"),
        ("git", "commit", "-q", "-m", "x"),
    ):
        result = project.run(*command)
        assert result.returncode == 0, result.stdout
    (folder.parent / "sitecustomize.py").write_text(WATCH)
    watched = {"PYTHONPATH": str(folder.parent), "READ_FILES": str(project.reads)}
    result = project.run(*REPRODUCE, **watched)
    assert result.returncode == 0, result.stdout
    yield project
    shutil.rmtree(folder, ignore_errors=True)


def test_every_output_exists(project: Project) -> None:
    stages = project.lock()
    families = YAML(typ="safe").load(project.folder / "dvc.yaml")["stages"]
    assert {name.partition("@")[0] for name in stages} == set(families)
    for stage in stages.values():
        for out in stage.get("outs", []):
            assert (project.folder / out["path"]).exists()
    assert not project.leftovers()


def test_what_it_cost_is_told(project: Project) -> None:
    costs = json.loads((project.folder / "reports/smoke/cost.json").read_text())
    assert set(costs) == set(project.lock())
    for entry in costs.values():
        assert entry["seconds"] >= 0 and entry["threads"] == 1


def test_every_claim_has_a_verdict(project: Project) -> None:
    claims = json.loads((project.folder / "reports/smoke/claims.json").read_text())
    letters = {
        "F3": "abcd",
        "F4": "abcde",
        "F5": "abc",
        "F6": "abcd",
        "F7": "abc",
        "S10": "a",
        "S8": "a",
        "S9": "a",
        "T1": "abc",
    }
    ids = [f"{figure}.{letter}" for figure, some in letters.items() for letter in some]
    assert sorted(row["id"] for row in claims) == ids
    for row in claims:
        assert isinstance(row["holds"], bool) or row["value"] is None
        assert row["scale"] == "smoke"


def test_factors_are_read_back_in_their_order(project: Project) -> None:
    factors = load_params(project.folder).settings.train_semantic["digits"].factors
    e = load_semantic(project.folder / "models/semantic/digits")
    assert list(e.factors) == ["residual", *factors]
    metrics = json.loads(
        (project.folder / "reports/smoke/metrics/train_semantic-digits.json").read_text()
    )
    assert metrics["sizes"] == e.factors


class References(HTMLParser):
    """Everything a page loads or links to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"src", "href", "poster", "data"} and value:
                (self.linked if tag == "a" else self.loaded).append(value)


def test_the_report_works_offline(project: Project) -> None:
    page = project.folder / "reports/index.html"
    references = References(page)
    assert any("smoke" in path and path.endswith(".png") for path in references.loaded)
    for path in references.loaded:
        assert path.startswith("data:") or (page.parent / path).is_file(), path
    for path in references.linked:
        target = path.partition("#")[0]
        assert not target or target.startswith("https://") or (page.parent / target).exists(), path
    readme = project.folder / "reports/README.md"
    for path in re.findall(r"\]\(([^)#]+)[^)]*\)", readme.read_text()):
        assert path.startswith("https://") or (readme.parent / path).exists(), path


def test_a_second_run_does_nothing(project: Project) -> None:
    lock = project.lock()
    said = project.reproduce()
    assert "Running stage" not in said and "up to date" in said
    assert project.lock() == lock


def test_lost_results_come_back_from_the_cache(project: Project) -> None:
    before = project.digests("data", "models")
    shutil.rmtree(project.folder / "models")
    shutil.rmtree(project.folder / "data/features")
    result = project.run("python", "-m", "dvc", "checkout")
    assert result.returncode == 0, result.stdout
    assert project.digests("data", "models") == before
    assert "Running stage" not in project.reproduce()


def test_what_was_computed_once_is_not_computed_again(project: Project) -> None:
    """As after switching to another scale, or another setting, and back: dvc.lock knows nothing."""
    before, lock = project.digests("data", "models"), project.lock()
    costs = (project.folder / COSTS).read_text()
    for file in ("dvc.lock", COSTS):
        (project.folder / file).unlink()
    shutil.rmtree(project.folder / "models")
    result = project.run(*REPRODUCE)
    assert result.returncode == 0, result.stdout
    ran = json.loads((project.folder / COSTS).read_text())
    # Their results are in git, and quickly made.
    quick = {"inspect", "plot", "plot_data", "claims", "report"}
    assert {name.partition("@")[0] for name in ran} <= quick
    assert project.digests("data", "models") == before
    assert project.lock() == lock
    (project.folder / COSTS).write_text(costs)
    assert "Running stage" not in project.reproduce()


COSTS = Path("reports/smoke/cost.json")
CINN = ("models/cinn", "reports/smoke/metrics", "reports/smoke/training")


def random_moment(process: subprocess.Popen[str], seed: int) -> None:
    """Wait for a random moment after the first of the stage's trainings is done."""
    assert process.stdout is not None and process.stderr is not None
    if not process.stdout.readline():
        pytest.fail(process.stderr.read())
    time.sleep(random.Random(seed).uniform(0, 0.5))


def finish(project: Project) -> None:
    """Run the stage undisturbed; then nothing is left to do."""
    result = project.run("python", "-m", "pipeline.stages.train_cinn", "squeezenet-fire8")
    assert result.returncode == 0, result.stdout
    assert not project.leftovers()
    assert "Running stage" not in project.reproduce()


def test_killed_three_times_it_ends_with_the_same_files(project: Project) -> None:
    before = project.digests(*CINN)
    codes = []
    for seed in range(3):
        with project.start("train_cinn", "squeezenet-fire8") as process:
            random_moment(process, seed)
            process.kill()
        codes.append(process.returncode)
    assert -signal.SIGKILL in codes
    finish(project)
    assert project.digests(*CINN) == before


def test_interrupted_it_says_so_and_resumes(project: Project) -> None:
    before = project.digests(*CINN)
    for _ in range(5):  # on a busy machine it may have ended before it is interrupted
        with project.start("train_cinn", "squeezenet-fire8") as process:
            assert process.stdout is not None and process.stderr is not None
            process.stdout.readline()  # it trains
            process.send_signal(signal.SIGINT)
            error = process.stderr.read()
        if process.returncode:
            break
    assert process.returncode == 130
    assert error == "interrupted; run the same command to resume\n"
    assert list((project.folder / ".checkpoints").glob("train_cinn-squeezenet-fire8/*"))
    finish(project)
    assert project.digests(*CINN) == before


def test_a_queue_of_layers_fills_a_table(project: Project) -> None:
    """In copies of the workspace that share its cache, nothing is trained a second time."""
    for command in (("git", "add", "-A"), ("git", "commit", "-q", "-m", "run")):
        result = project.run(*command)
        assert result.returncode == 0, result.stdout
    before = project.digests("reports/inspect", "params.yaml")
    run = ("python", "-m", "dvc", "exp", "run")
    for command in (
        (*run, "--queue", "-S", "layer=conv5,output", "inspect"),
        (*run, "--run-all"),
        ("python", "-m", "dvc", "exp", "show", "--json"),
    ):
        result = project.run(*command)
        assert result.returncode == 0, result.stdout
        if "--run-all" in command:
            ran = re.findall(r"Running stage '([\w@]+)'", result.stdout)
            assert sorted(ran) == ["choose", "choose", "inspect", "inspect"]
    listed = json.loads(result.stdout[result.stdout.index("[") :])
    runs = [run["revs"][0]["data"] for row in listed for run in row["experiments"] or []]
    found = [run["metrics"]["reports/inspect/metrics.json"]["data"] for run in runs]
    assert {row["layer"] for row in found} == {"conv5", "output"}
    assert len({tuple(row) for row in found}) == 1
    assert project.digests("reports/inspect", "params.yaml") == before


def named(project: Project, dependencies: set[Path]) -> set[Path]:
    """The files that fingerprints among the dependencies stand for."""
    texts = [
        (project.folder / path).read_text()
        for path in dependencies
        if path.parent == Path("data/fingerprints")
    ]
    return {Path(file) for text in texts for file in json.loads(text)}


def test_run_again_stages_give_the_same_bytes(project: Project) -> None:
    """One item of each family of stages, and every figure and table."""
    lock, reports = project.lock(), project.digests("reports/smoke")
    one_of_each = {name.partition("@")[0]: name for name in reversed(lock)}
    chosen = {*one_of_each.values(), *(n for n in lock if n.startswith(("evaluate@", "plot@")))}
    made_by = {Path(out["path"]): name for name in chosen for out in lock[name].get("outs", [])}

    def needs(name: str) -> set[str]:
        paths = [Path(dep["path"]) for dep in lock[name]["deps"]]
        return {made_by[p] for path in paths for p in (path, *path.parents) if p in made_by}

    def run(name: str) -> str:
        stage, _, item = name.partition("@")
        result = project.run("python", "-m", f"pipeline.stages.{stage}", *filter(None, [item]))
        return f"{name}: {result.stdout}" if result.returncode else ""

    order = TopologicalSorter({name: needs(name) for name in chosen})
    order.prepare()
    with ThreadPoolExecutor(2) as pool:
        while ready := order.get_ready():
            assert not any(failed := list(pool.map(run, ready))), failed
            order.done(*ready)
    assert "Running stage" not in project.reproduce()
    assert project.lock() == lock
    costs = COSTS.as_posix()
    assert project.digests("reports/smoke") | {costs: ""} == reports | {costs: ""}


def test_a_stage_reads_what_it_declares(project: Project) -> None:
    lock = project.lock()
    read: dict[str, set[Path]] = {name: set() for name in lock}
    for line in project.reads.read_text().splitlines():
        name, _, path = line.partition(" ")
        read[name].add(Path(path))
    for name, stage in lock.items():
        own = {Path(out["path"]) for out in stage.get("outs", [])} | {COSTS}
        own = {path.with_name(f".{path.name}.partial") for path in own} | own
        dependencies = {Path(dep["path"]) for dep in stage["deps"]}
        dependencies -= {path for path in dependencies if "pipeline" in path.parts}
        # What stands for modules, and for rows of params.yaml.
        stands = {("data", "code"), ("data", "rows")}
        dependencies -= {path for path in dependencies if path.parts[:2] in stands}
        found = {path for path in read[name] if not own & {path, *path.parents}}
        # The report also shows the other scales that are there.
        found = {path for path in found if path.parts[0] != "reports" or "smoke" in path.parts}
        declared = dependencies | named(project, dependencies)
        undeclared = {path for path in found if not declared & {path, *path.parents}}
        unread = {path for path in dependencies if not any(path in {p, *p.parents} for p in found)}
        assert not undeclared, name
        # A page only links to figures; figures are about a data set and a network, whatever of
        # them they need.
        assert not unread or name == "report" or name.startswith("evaluate@"), name
