"""Documents lead to what exists, and show the numbers of the committed run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import paths
from pipeline.docs import documents, stale
from pipeline.errors import PipelineError
from pipeline.storage import write_json
from pipeline.validation.loading import load_run

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    document
    for pattern in ("*.md", "docs/*.md", "data/README.md", "benchmarks/README.md")
    for document in sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern))
]


def headings(text: str) -> set[str]:
    """The anchors that a forge gives to headings."""
    found = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?ms)^```.*?^```", "", text))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    file = ROOT / document
    links = re.findall(r"\]\(([^)\s]+)\)", file.read_text())
    assert links or document != "README.md"
    for link in links:
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = file.parent / path if path else file
        assert target.exists(), link
        assert not anchor or anchor in headings(target.read_text()), link


def test_commands_name_what_there_is() -> None:
    text, run = "".join((ROOT / name).read_text() for name in DOCUMENTS), load_run(ROOT)
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    named = re.findall(r"`(\w+)@([\w-]+)`", text)
    scripts = re.findall(r"python -m pipeline\.(?:stages\.)?(\w+)", text)
    targets = re.findall(r"(?:`|\$ )make (\w+)", text)
    assert named and scripts and {"reproduce", "test"} <= set(targets)
    for stage, item in named:
        choices = stages[stage]["foreach"]
        if isinstance(choices, str):  # ${networks}
            choices = getattr(run, choices.strip("${}"))
        assert item in choices, f"{stage}@{item}"
    for stage in re.findall(r"`(measure-[\w-]+)`", text):
        assert stage in stages
    for script in scripts:
        assert list(ROOT.glob(f"pipeline/**/{script}.py")), script
    for target in targets:
        assert re.search(rf"(?m)^{target}:", (ROOT / "Makefile").read_text()), target


def test_documents_show_the_committed_run() -> None:
    assert stale(ROOT) == [], "run `python -m pipeline.docs`"


README = "# Title\n\n<!-- begin headline -->\nold\n<!-- end headline -->\n\nMore.\n"
PARAMS = "layers: {a-fc: {network: a}}\nexperiments: {toy: {layers: [a-fc]}}"
STAGES = """stages:
  plan: {desc: all, outs: [data/plan]}
  train: {foreach: {a: }, do: {desc: net, deps: [data/plan/t.json], outs: [models/network]}}
  extract:
    foreach: ${layers}
    do: {desc: z, deps: ["models/network/${item.network}"], outs: ["data/features/${key}"]}
  measure-toy:
    desc: numbers
    deps: [models/network, "data/features/${experiments.toy.layers[0]}"]
    metrics: [toy.json: {cache: false}]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A document, a block of the README, and results."""
    readme = tmp_path / "docs/templates/readme"
    readme.mkdir(parents=True)
    (readme / "headline.md.j2").write_text("{{ claims.values() | selectattr('holds') | list }}\n")
    (readme.parent / "costs.md.j2").write_text(
        "{{ metrics['toy'].x | percent }}, {{ metrics.toy.n | number }}, {{ metrics['t-a'] }}\n"
        "{% if wall %}{{ wall.seconds | duration }}{% else %}never{% endif %}, "
        "{{ cost.values() | sum(attribute='seconds') | duration }}\n"
    )
    (tmp_path / "README.md").write_text(README)
    (readme.parent / "graph.md.j2").write_text(
        "{% for stage in stages %}{{ stage.name }}: {{ stage.reads }} {{ stage.makes }}\n"
        "{% endfor %}{{ arrows }}"
    )
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "dvc.yaml").write_text(STAGES)
    write_json(tmp_path / "reports/laptop/training/t-a.json", 5)
    write_json(tmp_path / paths.metrics("laptop", "toy"), {"x": 0.125, "n": 4321})
    write_json(tmp_path / paths.claims("laptop"), [])
    costs = {"plan": {"seconds": 20}, "wall": {"seconds": 120, "stages": 1, "jobs": 1}}
    write_json(tmp_path / paths.costs("laptop"), costs)
    return tmp_path


def test_documents_are_filled_in_and_describe_the_graph(project: Path) -> None:
    texts = documents(project)
    assert "docs/templates/costs.md.j2" in texts[Path("docs/costs.md")]
    assert "12.5 %, 4,321, 5\n2 min, 20 s\n" in texts[Path("docs/costs.md")]
    assert texts[Path("README.md")] == README.replace("old", "[]")
    lines = texts[Path("docs/graph.md")].splitlines()
    assert "extract@<layer>: ['models/network/<network>'] ['data/features/<layer>']" in lines
    assert "train@a: [] ['models/network']" in lines
    arrows = [("plan", "train"), ("train", "extract"), ("extract", "measure")]
    assert lines[-1] == str(arrows)  # none from train to measure: extract is between them


def test_documents_are_written_where_they_are_out_of_date(project: Path) -> None:
    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        script = [sys.executable, "-m", "pipeline.docs", *arguments]
        environment = {"PYTHONPATH": str(ROOT)}
        return subprocess.run(script, cwd=project, env=environment, capture_output=True, text=True)

    check = command("--check")
    assert check.returncode == 1
    assert "docs/costs.md" in check.stderr and "README.md" in check.stderr
    assert not (project / "docs/costs.md").exists()
    assert command().returncode == 0 and stale(project) == []
    assert command("--check").returncode == 0
    write_json(project / paths.metrics("laptop", "toy"), {"x": 0.5, "n": 1})
    assert stale(project) == ["docs/costs.md"]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("README.md", "begin headline", "begin other", "no block headline"),
        ("README.md", "More.", "<!-- begin b -->\n<!-- end b -->", "block b .*no template"),
        ("docs/templates/costs.md.j2", "cost.v", "price.v", r"costs\.md\.j2, line 2.*price"),
        ("docs/templates/costs.md.j2", ".x", ".y", r"costs\.md\.j2, line 1.*'y'"),
        ("docs/templates/costs.md.j2", "{% endif", "{% end", r"costs\.md\.j2, line 2"),
    ],
)
def test_what_cannot_be_filled_in(
    project: Path, file: str, old: str, new: str, message: str
) -> None:
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new))
    with pytest.raises(PipelineError, match=message):
        documents(project)
