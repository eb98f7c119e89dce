"""The report is complete, loads nothing from elsewhere, and refuses missing pieces."""

import html
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drawn import stand_in
from synthetic_results import numbers, write_results

from pipeline import experiments, paths
from pipeline.config.fields import Section
from pipeline.errors import PipelineError
from pipeline.reporting.claim import Claim, Condition, with_interval
from pipeline.reporting.content import Image, Table
from pipeline.reporting.experiment import Experiment
from pipeline.reporting.report import write_report
from pipeline.reporting.tables import TextTable
from pipeline.storage import read_json, write_json

VOID = {"meta", "img", "br", "hr", "link", "input"}


def values_of(text: str, *names: str) -> list[str]:
    """The values of attributes of HTML, wherever they occur."""
    return re.findall(rf'\b(?:{"|".join(names)})="([^"]*)"', text)


def words_of(text: str) -> str:
    """What a page says; its elements have to be closed."""
    opened, closed = (Counter(re.findall(f"<{slash}([a-z]\\w*)", text)) for slash in ("", "/"))
    assert {tag: n for tag, n in opened.items() if tag not in VOID} == closed
    return html.unescape(re.sub("<[^>]*>", " ", text))


BOTH = (
    Condition(1, lambda n: (n["y"], None), sign="<=", of="ours"),
    Condition(3, lambda n: (n["x"], None), of="theirs"),
)
TOYS = {
    "first": Experiment(
        order=1,
        settings=Section,
        claims=(
            Claim("A", "Fig. 1", "x_1 grows.", "x", (Condition(2, with_interval("x")),)),
            Claim("B", "Fig. 1", "Both <b>.", "y", BOTH, prototyped=True),
        ),
        figures=(Image("one", "Fig. 1. One", "A | B.", "a <picture>"),),
        facts=lambda n: [("Fig. 1", f"seed {n['seed']}")],
        files=lambda n: {
            "sizes": TextTable("Sizes", ["layer", "size"], [["fc", (n["x"], 0.5)]], (0, 1), ["N."])
        },
        tables=lambda n: [
            Table("Details", ["step", "value"], [["1", n["cell"]]], folded=True, files=["raw.json"])
        ],
        judge=lambda n: f"of people yaw R² {n['r2']:.2f}",
        intervals="Fig. 1: bootstrap over inputs",
    ),
    "second": Experiment(
        order=2, settings=Section, figures=(Image("two", "Fig. 2. Two", "C.", "a chart"),)
    ),
}
MEASURED: dict[str, Any] = {
    "first": {"x": 5.4321, "y": 0.5, "seed": 7, "r2": 0.958, "cell": "9\n8",
              "intervals": {"x": [5.0, 6.0]}},
    "second": {},
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for scale in ("laptop", "smoke"):
        write_results(tmp_path, scale, TOYS, MEASURED)
        write_json(tmp_path / paths.reports(scale) / "raw.json", {})
        cost = {"seconds": 12.5, "peak_rss_mib": 1234, "threads": 2, "device": "cpu"}
        gpu = {**cost, "device": "a <fast> GPU", "peak_gpu_mib": 4321}
        wall = {"seconds": 1500.0, "stages": 2, "jobs": 2}
        costs = {"prepare@digits": cost, "measure@first": gpu, "wall": wall}
        write_json(tmp_path / paths.costs(scale), costs)
    return tmp_path


def change(root: Path, path: Path, edit: Callable[[Any], None]) -> None:
    content = read_json(root / path)
    edit(content)
    write_json(root / path, content)


def written(root: Path, chosen: dict[str, Experiment] = TOYS) -> tuple[str, str]:
    write_report(root, chosen)
    return (root / "reports/README.md").read_text(), (root / "reports/index.html").read_text()


def assert_complete(root: Path, readme: str, text: str) -> None:
    """Every reference of both pages leads to a file, every image is described."""
    for target in values_of(text, "href", "src"):
        if target.startswith("#"):
            assert target[1:] in values_of(text, "id")
        else:
            assert (root / "reports" / target).is_file(), target
    images, descriptions = values_of(text, "src"), values_of(text, "alt")
    assert images and len(images) == len(descriptions) and all(descriptions)
    assert not re.search(r"<script|<link|https?:|//|@import|url\(", text.replace("</", ""))
    targets = re.findall(r"\]\(([^)]*)\)", readme)
    assert sum(target.endswith(".png") for target in targets) == len(images)
    for target in targets:
        assert target == "index.html" or (root / "reports" / target).is_file(), target


def test_everything_is_shown_and_nothing_comes_from_elsewhere(root: Path) -> None:
    readme, text = written(root)
    assert_complete(root, readme, text)
    assert values_of(text, "lang") == ["en"] and "prefers-color-scheme: dark" in text
    levels = [int(level) for level in re.findall("<h([1-6])", text)]
    assert levels.count(1) == 1 and levels.count(2) == 2
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    for document in (readme, words_of(text)):
        for phrase in (
            "2 of 2 claims hold", "seed 7", "≥ 2", "5.43", "5 to 6", "5.4 ± 0.5", "R² 0.96",
            "1,234", "4,321", "25 s", "25 min, 2 stages, 2 at a time",
        ):  # fmt: skip
            assert phrase in document, phrase
    row = next(line for line in readme.splitlines() if line.startswith("| B "))
    assert "| ours 0.5, theirs 5.43 | ours none, theirs none | ours ≤ 1, theirs ≥ 3 |" in row
    assert "9<br>8" in text and "| 9, 8 |" in readme
    for file in ("figures/first/sizes.csv", "figures/first/sizes.tex", "raw.json"):
        assert f"laptop/{file}" in values_of(text, "href") and f"(laptop/{file})" in readme
    assert (readme, text) == written(root)


def test_verdicts_and_how_targets_and_intervals_came_about(root: Path) -> None:
    def decide(claims: Any) -> None:
        claims[0]["verdict"], claims[1]["verdict"] = "does not hold", "not measured"

    change(root, paths.claims("laptop"), decide)
    readme, text = written(root)
    assert "laptop: 0 of 2 claims hold" in readme and "smoke: 2 of 2 claims hold" in readme
    assert "| does not hold |" in readme and "| not measured |" in readme
    assert '<span class="verdict fails">' in text
    (note, _) = re.findall("Targets were fixed.*", readme)
    for words in ("Those of B were", TOYS["first"].intervals, "of people yaw"):
        assert words in note
    plain = {"first": replace(TOYS["first"], claims=TOYS["first"].claims[:1], judge=None)}
    readme, _ = written(root, plain)
    assert "prototype" not in readme and "evaluator" not in readme


def test_a_scale_shows_what_was_run_there(root: Path) -> None:
    """What has neither claims nor numbers at a scale was not run: nothing of it is asked for."""
    write_json(root / paths.claims("smoke"), [])
    shutil.rmtree(root / paths.figures("smoke", "first"))
    (root / paths.metrics("smoke", "first")).unlink()
    (root / paths.costs("smoke")).unlink()  # which is no output of a stage
    change(root, paths.metrics("laptop", "first"), lambda numbers: numbers.update(seed=987654))
    for document, mark in zip(written(root), ("## Scale smoke", '<h2 id="smoke">'), strict=True):
        laptop, smoke = document.split(mark)
        for words in ("figures/first", "987654", "25 min", "MiB"):
            assert words in laptop and words not in smoke
        assert "figures/second" in laptop and "figures/second" in smoke


def test_only_scales_with_claims_are_reported(root: Path) -> None:
    (root / paths.reports("smoke")).rename(root / paths.reports("a-scale-of-ones-own"))
    readme, text = written(root)
    assert "Scale smoke" not in readme and "Scale smoke" not in text
    assert readme.index("## Scale laptop") < readme.index("## Scale a-scale-of-ones-own")
    for claims in root.glob("reports/*/claims.json"):
        claims.unlink()
    with pytest.raises(PipelineError, match="dvc repro"):
        write_report(root, TOYS)


def test_what_was_drawn_besides_is_shown(root: Path) -> None:
    """Contact sheets of a scale, and the layer inspected last."""
    folder = root / paths.sheets("laptop", "animals")
    assert all(word not in document for document in written(root) for word in ("inspect", "data/"))
    stand_in(folder, "classes")
    about = {"layer": "fc7", "network": "alex_net", "scale": "laptop"}
    write_json(root / paths.inspection() / "metrics.json", about)
    (root / paths.inspection() / "README.md").write_text("x")
    readme, text = written(root)
    assert_complete(root, readme, text)
    for document, network in ((readme, r"alex\_net"), (text, "alex_net")):
        assert "laptop/data/animals/classes.png" in document
        assert "factors.png" not in document and "smoke/data" not in document
        assert "inspect/README.md" in document and f"layer fc7 of {network}" in document
    (folder / "classes.pdf").unlink()
    with pytest.raises(PipelineError, match=r"classes\.pdf.*dvc repro -f draw_data@animals"):
        write_report(root, TOYS)


def test_everything_is_escaped(root: Path) -> None:
    def attack(claims: Any) -> None:
        claims[0]["statement"] = "<script>alert('x')</script> | **bold** [a](b)"

    change(root, paths.claims("laptop"), attack)
    readme, text = written(root)
    for document in (readme, text):
        assert "<script>" not in document and "&lt;script&gt;" in document
        assert "a &lt;fast&gt; GPU" in document and "a &lt;picture&gt;" in document
    assert "\\| \\*\\*bold\\*\\* \\[a\\](b)" in readme
    tables = [line for line in readme.splitlines() if line.startswith("| A ")]
    assert tables and all(len(re.findall(r"(?<!\\)\|", line)) == 8 for line in tables)
    words_of(text)


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("figures/first/one.png", "draw@first"), ("figures/second/two.pdf", "draw@second"),
        ("figures/first/sizes.md", "draw@first"), ("metrics/first.json", "measure-first"),
        *((f"metrics/first.json {key}", "measure-first") for key in ("seed", "x", "cell", "r2")),
    ],
)  # fmt: skip
def test_what_is_missing_names_the_stage(root: Path, name: str, stage: str) -> None:
    file, _, key = name.partition(" ")
    if key:
        change(root, paths.reports("laptop") / file, lambda numbers: numbers.pop(key))
    else:
        (root / paths.reports("laptop") / file).unlink()
    words = f"laptop lack '{key}'" if key else rf"{Path(name).name}.*laptop"
    with pytest.raises(PipelineError, match=rf"{words}.*dvc repro -f {stage}"):
        write_report(root, TOYS)
    assert not (root / "reports/index.html").exists()


NAMES = experiments.names()


def test_measured_numbers_and_the_papers_are_shown(tmp_path: Path) -> None:
    write_results(tmp_path, "laptop", experiments.reports(), numbers())
    write_json(tmp_path / "reports/laptop/training/train_stargan-faces/metrics.json", {})
    readme, text = written(tmp_path, experiments.reports())
    assert_complete(tmp_path, readme, text)
    for document in (readme, words_of(text)):
        for phrase in (
            "29 of 29 claims hold",
            # Calibration
            "3 layers; largest difference", "1.8 ± 0.0", "74.2 %",
            # Table 1
            "352.6", "27.4 ± 0.3", "FID-EN0", "2,048 test images of 64 px", "0.970 ± 0.010",
            # Figs. 3, S10, 4 and 6
            "0.0810", "glasses 99.0 %", "yaw R² 0.95", "36.08 %", "0.0123", "7,200 samples",
            "97.5 %",
            # Fig. 7
            "1.120 ± 0.000", "41.27", "2.656", "hair 95.0 %",
        ):  # fmt: skip
            assert phrase in document, phrase


@pytest.mark.parametrize("name", NAMES)
def test_a_report_without_numbers_is_an_error(name: str) -> None:
    experiment = experiments.load(name, "report").EXPERIMENT
    for measured in ({}, {"scale": "laptop", "seed": 0}):
        with pytest.raises(KeyError):
            [*experiment.facts(measured), *experiment.files(measured)]
            experiment.tables(measured)
