"""The whole graph at scale smoke: all of it is there, declared, and the same when run again.

The tests run in this order and share one copy; each leaves it complete.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from ruamel.yaml import YAML
from smoke_project import COSTS, Project
from test_report import assert_complete

from pipeline import paths
from pipeline.cost import WALL, cost_key
from pipeline.experiments import reports
from pipeline.models.inn import load_semantic
from pipeline.modules import PLUMBING, imported_modules
from pipeline.reporting.claim import DECIDED
from pipeline.validation.loading import load_config

pytestmark = pytest.mark.slow


def read(smoke: Project, path: Path) -> Any:
    return json.loads((smoke.folder / path).read_text())


def test_every_output_exists(smoke: Project) -> None:
    stages = smoke.lock()
    families = YAML(typ="safe").load(smoke.folder / "dvc.yaml")["stages"]
    assert {name.partition("@")[0] for name in stages} == set(families)
    for stage in stages.values():
        for out in stage.get("outs", []):
            assert (smoke.folder / out["path"]).exists()
    assert not smoke.leftovers()


def test_what_it_cost_is_noted(smoke: Project) -> None:
    costs = read(smoke, COSTS)
    wall = costs.pop(WALL)
    assert set(costs) == {*map(cost_key, smoke.lock())}
    assert all(entry["seconds"] >= 0 and entry["threads"] == 1 for entry in costs.values())
    assert wall["stages"] == len(costs) and wall["jobs"] == 2
    assert wall["seconds"] > max(entry["seconds"] for entry in costs.values())


def test_every_claim_has_a_verdict(smoke: Project) -> None:
    rows = read(smoke, paths.claims("smoke"))
    claims = [claim.id for experiment in reports().values() for claim in experiment.claims]
    assert [row["id"] for row in rows] == claims and len(claims) > 20
    for row in rows:
        assert DECIDED[row["verdict"]] is row["holds"]
        assert row["scale"] == "smoke"


def test_factors_are_read_back_in_their_order(smoke: Project) -> None:
    factors = load_config(smoke.folder).settings("train_semantic", "digits").factors
    e = load_semantic(smoke.folder / paths.semantic("digits"))
    assert list(e.factors) == ["residual", *factors]
    metrics = read(smoke, paths.training_metrics("smoke", "train_semantic", "digits"))
    assert metrics["sizes"] == e.factors


def test_the_report_works_offline(smoke: Project) -> None:
    pages = smoke.folder / "reports"
    readme, page = ((pages / name).read_text() for name in ("README.md", "index.html"))
    assert 'src="smoke/' in page
    assert_complete(smoke.folder, readme, page)


def test_the_models_edit_a_users_image(smoke: Project) -> None:
    for name, colour in (("me.png", "tan"), ("friend.png", "brown")):
        Image.new("RGB", (90, 60), colour).save(smoke.folder / name)
    command = ("python", "-m", "pipeline.stages.edit_image", "me.png", "--factor", "Smiling")
    for options in (("--donor", "friend.png"), ("--along", "-1", "1", "--steps", "3")):
        smoke.succeed(*command, *options, "--out", "strip.png")
        with Image.open(smoke.folder / "strip.png") as strip:
            assert strip.width > strip.height
    for name in ("me.png", "friend.png", "strip.png"):
        (smoke.folder / name).unlink()


def test_a_second_run_does_nothing_and_stages_give_the_same_bytes(smoke: Project) -> None:
    """One item of each family of stages, and every figure and table."""
    lock, reported = smoke.lock(), smoke.digests("reports/smoke")
    assert smoke.ran() == [] and smoke.lock() == lock
    # What it writes again may be linked to DVC's cache, which it must not change.
    smoke.dvc("config", "--local", "cache.type", "hardlink,copy")
    smoke.dvc("checkout", "--relink")
    cached = [path for path in (smoke.folder / ".dvc/cache/files").rglob("*") if path.is_file()]
    written = {path: path.stat().st_mtime_ns for path in cached}
    one_of_each = {name.partition("@")[0]: name for name in reversed(lock)}
    chosen = {*one_of_each.values(), *(n for n in lock if n.startswith(("measure-", "draw@")))}
    made_by = {Path(out["path"]): name for name in chosen for out in lock[name].get("outs", [])}

    def needs(name: str) -> set[str]:
        found = [Path(dep["path"]) for dep in lock[name]["deps"]]
        return {made_by[p] for path in found for p in (path, *path.parents) if p in made_by}

    order = TopologicalSorter({name: needs(name) for name in chosen})
    order.prepare()
    with ThreadPoolExecutor(2) as pool:
        while ready := order.get_ready():
            list(pool.map(smoke.stage, ready))
            order.done(*ready)
    assert {path: path.stat().st_mtime_ns for path in cached} == written
    # What they made has the hashes of dvc.lock; `dvc repro` would bring it back from the cache.
    assert "up to date" in smoke.dvc("status")
    costs = {COSTS.as_posix(): ""}
    assert smoke.digests("reports/smoke") | costs == reported | costs


INSPECTED = {"data/prepared", "data/posteriors", "models/autoencoder", "models/semantic"}
"""What `inspect` reads beyond what DVC knows: t is made of these very files, which it checks."""


def test_a_stage_reads_what_it_declares(smoke: Project) -> None:
    lock = {name.replace("@", "-"): stage for name, stage in smoke.lock().items()}
    read: dict[str, set[Path]] = {name: set() for name in lock}
    for line in smoke.reads.read_text().splitlines():
        name, _, path = line.partition(" ")
        if not path.endswith((".py", ".pyc")):
            read[name].add(Path(path))
    for name, stage in lock.items():
        own = {Path(out["path"]) for out in stage.get("outs", [])} | {COSTS}
        own = {path.with_name(f".{path.name}.partial") for path in own} | own
        declared = {Path(dep["path"]) for dep in stage["deps"]}
        found = {path for path in read[name] if not own & {path, *path.parents}}
        # The report also shows the other scales that are there.
        found = {path for path in found if path.parts[0] != "reports" or "smoke" in path.parts}
        undeclared = {path for path in found if not declared & {path, *path.parents}}
        if name == "inspect":
            undeclared = {p for p in undeclared if "/".join(p.parts[:2]) not in INSPECTED}
        assert not undeclared, name
        unread = {path for path in declared if not any(path in {p, *p.parents} for p in found)}
        # A page only links to figures; `plan` reads modules.
        assert not unread or name in {"report", "plan"}, name


def test_a_stage_runs_the_modules_of_its_plan(
    smoke: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a change of any of them makes it out of date."""
    monkeypatch.chdir(smoke.folder)
    run: dict[str, set[str]] = {}
    for line in smoke.reads.read_text().splitlines():
        name, _, path = line.partition(" ")
        if path.endswith(".py") and not path.startswith(PLUMBING):
            run.setdefault(name, set()).add(path)
    del run["plan"]
    assert len(run) > 80
    for name, modules in run.items():
        planned = set(read(smoke, paths.plan(name))["modules"])
        stage, _, item = name.partition("-")
        if stage == "measure":  # report.py holds the class of its settings
            report = Path(f"pipeline/experiments/{item}/report.py")
            planned |= {file.as_posix() for file in imported_modules(report)}
        assert modules <= planned, name
