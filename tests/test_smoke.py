"""The whole graph at scale smoke: all of it is there, declared, and the same when run again.

The tests run in this order and share one copy; each leaves it complete.
"""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from graphlib import TopologicalSorter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from ruamel.yaml import YAML
from smoke_project import COSTS, Project

from pipeline.models.loading import load_semantic
from pipeline.params import load_params

pytestmark = pytest.mark.slow


def test_every_output_exists(smoke: Project) -> None:
    stages = smoke.lock()
    families = YAML(typ="safe").load(smoke.folder / "dvc.yaml")["stages"]
    assert {name.partition("@")[0] for name in stages} == set(families)
    for stage in stages.values():
        for out in stage.get("outs", []):
            assert (smoke.folder / out["path"]).exists()
    assert not smoke.leftovers()


def test_what_it_cost_is_told(smoke: Project) -> None:
    costs = json.loads((smoke.folder / "reports/smoke/cost.json").read_text())
    assert set(costs) == set(smoke.lock())
    for entry in costs.values():
        assert entry["seconds"] >= 0 and entry["threads"] == 1


def test_every_claim_has_a_verdict(smoke: Project) -> None:
    claims = json.loads((smoke.folder / "reports/smoke/claims.json").read_text())
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


def test_factors_are_read_back_in_their_order(smoke: Project) -> None:
    factors = load_params(smoke.folder).settings.train_semantic["digits"].factors
    e = load_semantic(smoke.folder / "models/semantic/digits")
    assert list(e.factors) == ["residual", *factors]
    metrics = json.loads(
        (smoke.folder / "reports/smoke/metrics/train_semantic-digits.json").read_text()
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


def test_the_report_works_offline(smoke: Project) -> None:
    page = smoke.folder / "reports/index.html"
    references = References(page)
    assert any("smoke" in path and path.endswith(".png") for path in references.loaded)
    for path in references.loaded:
        assert path.startswith("data:") or (page.parent / path).is_file(), path
    for path in references.linked:
        target = path.partition("#")[0]
        assert not target or target.startswith("https://") or (page.parent / target).exists(), path
    readme = smoke.folder / "reports/README.md"
    for path in re.findall(r"\]\(([^)#]+)[^)]*\)", readme.read_text()):
        assert path.startswith("https://") or (readme.parent / path).exists(), path


def test_the_models_edit_a_users_image(smoke: Project) -> None:
    for name, colour in (("me.png", "tan"), ("friend.png", "brown")):
        Image.new("RGB", (90, 60), colour).save(smoke.folder / name)
    command = ("python", "-m", "pipeline.stages.edit_image", "me.png", "--factor", "Smiling")
    for options in (("--donor", "friend.png"), ("--along", "-1", "1", "--steps", "3")):
        result = smoke.run(*command, *options, "--out", "strip.png")
        assert result.returncode == 0, result.stdout
        with Image.open(smoke.folder / "strip.png") as strip:
            assert strip.width > strip.height
    for name in ("me.png", "friend.png", "strip.png"):
        (smoke.folder / name).unlink()


def test_a_second_run_does_nothing(smoke: Project) -> None:
    lock = smoke.lock()
    said = smoke.reproduce()
    assert "Running stage" not in said and "up to date" in said
    assert smoke.lock() == lock


def named(smoke: Project, dependencies: set[Path]) -> set[Path]:
    """The files that fingerprints among the dependencies stand for."""
    texts = [
        (smoke.folder / path).read_text()
        for path in dependencies
        if path.parent == Path("data/fingerprints")
    ]
    return {Path(file) for text in texts for file in json.loads(text)}


def test_run_again_stages_give_the_same_bytes(smoke: Project) -> None:
    """One item of each family of stages, and every figure and table."""
    lock, reports = smoke.lock(), smoke.digests("reports/smoke")
    # What it writes again may be linked to DVC's cache, which it must not change.
    for command in (("config", "--local", "cache.type", "hardlink,copy"), ("checkout", "--relink")):
        result = smoke.run("python", "-m", "dvc", *command)
        assert result.returncode == 0, result.stdout
    cached = [path for path in (smoke.folder / ".dvc/cache/files").rglob("*") if path.is_file()]
    written = {path: path.stat().st_mtime_ns for path in cached}
    one_of_each = {name.partition("@")[0]: name for name in reversed(lock)}
    chosen = {*one_of_each.values(), *(n for n in lock if n.startswith(("evaluate@", "plot@")))}
    made_by = {Path(out["path"]): name for name in chosen for out in lock[name].get("outs", [])}

    def needs(name: str) -> set[str]:
        paths = [Path(dep["path"]) for dep in lock[name]["deps"]]
        return {made_by[p] for path in paths for p in (path, *path.parents) if p in made_by}

    def run(name: str) -> str:
        stage, _, item = name.partition("@")
        result = smoke.run("python", "-m", f"pipeline.stages.{stage}", *filter(None, [item]))
        return f"{name}: {result.stdout}" if result.returncode else ""

    order = TopologicalSorter({name: needs(name) for name in chosen})
    order.prepare()
    with ThreadPoolExecutor(2) as pool:
        while ready := order.get_ready():
            assert not any(failed := list(pool.map(run, ready))), failed
            order.done(*ready)
    assert {path: path.stat().st_mtime_ns for path in cached} == written
    # What they made has the hashes of dvc.lock; `dvc repro` would bring it back from the cache.
    result = smoke.run("python", "-m", "dvc", "status")
    assert "up to date" in result.stdout, result.stdout
    costs = COSTS.as_posix()
    assert smoke.digests("reports/smoke") | {costs: ""} == reports | {costs: ""}


def test_a_stage_reads_what_it_declares(smoke: Project) -> None:
    lock = smoke.lock()
    read: dict[str, set[Path]] = {name: set() for name in lock}
    for line in smoke.reads.read_text().splitlines():
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
        declared = dependencies | named(smoke, dependencies)
        undeclared = {path for path in found if not declared & {path, *path.parents}}
        unread = {path for path in dependencies if not any(path in {p, *p.parents} for p in found)}
        assert not undeclared, name
        # A page only links to figures; figures are about a data set and a network, whatever of
        # them they need.
        assert not unread or name == "report" or name.startswith("evaluate@"), name
