"""The documents' links lead to files and headings that exist, and their commands to stages."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.params import load_params

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "DEVIATIONS.md", "data/README.md", "benchmarks/README.md")


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


def test_the_commands_of_the_readme_name_what_there_is(project: Path) -> None:
    text, params = (ROOT / "README.md").read_text(), load_params(project)
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    named = re.findall(r"`(\w+)@([\w-]+)`", text)
    scripts = re.findall(r"python -m pipeline\.stages\.(\w+)", text)
    targets = re.findall(r"(?:`|\$ )make (\w+)", text)
    assert len(named) > 30 and scripts and {"reproduce", "test"} <= set(targets)
    for stage, item in named:
        choices = stages[stage]["foreach"]
        if isinstance(choices, str):  # ${networks}
            choices = getattr(params, choices.strip("${}"))
        assert item in choices, f"{stage}@{item}"
    for script in scripts:
        assert (ROOT / f"pipeline/stages/{script}.py").exists()
    for target in targets:
        assert re.search(rf"(?m)^{target}:", (ROOT / "Makefile").read_text()), target
