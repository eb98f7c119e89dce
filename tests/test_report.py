"""The report is complete, loads nothing from elsewhere, and refuses missing pieces."""

import csv
import html
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from synthetic_fig4 import write_results

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.params import load_params
from pipeline.reporting.captions import FIGURES
from pipeline.reporting.claims import decide_claims
from pipeline.reporting.report import PARTS, write_report
from pipeline.storage import read_json, write_json

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Collects what a page refers to and checks that its elements are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.targets: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append(tag)
        if tag not in VOID:
            self._open.append(tag)
        if tag == "img":
            self.images.append(attributes)
        self.targets += [attributes[name] or "" for name in ("href", "src") if name in attributes]
        if "id" in attributes:
            self.ids.append(attributes["id"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results")
    for scale in ("laptop", "smoke"):
        write_results(root, scale)
    return root


@pytest.fixture
def root(results: Path, tmp_path: Path) -> Path:
    shutil.copytree(results, tmp_path / "root")
    return tmp_path / "root"


def change(root: Path, path: Path, edit: Callable[[Any], None]) -> None:
    content = read_json(root / path)
    edit(content)
    write_json(root / path, content)


def written(root: Path) -> tuple[str, str]:
    write_report(root)
    return (root / "reports/README.md").read_text(), (root / "reports/index.html").read_text()


def test_every_reference_exists_and_nothing_comes_from_elsewhere(root: Path) -> None:
    readme, text = written(root)
    page = Page(text)
    # Figs. 2, S4, S5, S6, 3 and S10 with their variances, 4, S7, 7, S8, S9 and the changes by
    # edits, 5 and S13 with their shares, 6, S11 and S12 with theirs, of two scales
    assert len(page.images) == 42
    for target in page.targets:
        if target.startswith("#"):
            assert target[1:] in page.ids
        else:
            assert (root / "reports" / target).is_file()
    assert all(image["alt"] for image in page.images)
    assert "script" not in page.tags and "link" not in page.tags
    assert not re.search(r"https?:|//|@import|url\(", text.replace("</", ""))
    targets = re.findall(r"\]\(([^)]*)\)", readme)
    assert sum(target.endswith(".png") for target in targets) == 42
    for target in targets:
        assert target == "index.html" or (root / "reports" / target).is_file()


def test_headings_and_language(root: Path) -> None:
    text = written(root)[1]
    page = Page(text)
    assert page.tags.count("h1") == 1
    assert page.tags.count("h2") == 2
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    assert '<html lang="en">' in text
    assert "width=device-width" in text
    assert "prefers-color-scheme: dark" in text


def test_numbers_and_verdicts_are_told(root: Path) -> None:
    def fail(claims: Any) -> None:
        assert claims[2]["id"] == "T1.c"
        claims[2]["holds"] = False

    change(root, paths.claims("laptop"), fail)
    readme, text = written(root)
    page = " ".join(Page(text).words)
    numbers = read_json(root / paths.metrics("laptop", "fig4"))
    for document in (readme, page):
        for phrase in ("2.57 %", "36.08 %", "38.44 %", "2.76 %", "≥ 2", "does not hold"):
            assert phrase in document
        assert "24 of 25 claims hold" in document and "25 of 25 claims hold" in document
        assert f"{100 * numbers['digit_total_late']:.1f} %" in document
        assert f"{numbers['digit_total_ratio']:.3g}" in document
        assert "0.0123" in document
        assert "1,234" in document and "4,321" in document and "25 s" in document
        assert "N = 7,200" in document
        assert "They do not reproduce its numbers" in document
        for claim in read_json(root / paths.claims("laptop")):
            assert claim["id"] in document
    record = numbers["curves"][3]
    row = f"{100 * record['digit_total']:.1f} ± {100 * record['digit_total_se']:.1f} %"
    assert row in readme and row in page
    assert f"{record['v_square_mean']:.3f}" in readme


def test_table_1_stands_beside_the_papers_numbers(root: Path) -> None:
    readme, text = written(root)
    page = " ".join(Page(text).words)
    numbers = read_json(root / paths.metrics("laptop", "table1"))
    for document in (readme, page):
        for phrase in (
            "23.6 ± 0.5", "352.6", "27.4 ± 0.3", "FID-EN0", "2,048 test images of 64 px",
            "3 sample draws", "another scale than the paper's FID", "0.970 ± 0.010",
        ):  # fmt: skip
            assert phrase in document
        for record in numbers["layers"]:
            assert f"{record['fid_ours']:.1f} ± {record['fid_ours_std']:.1f}" in document
            assert f"{record['samples']:.3f}" in document
    # A claim with two conditions shows both numbers; D&B's method has no draws.
    row = next(line for line in readme.splitlines() if line.startswith("| T1.b"))
    assert "| ours 1.1, D&amp;B 3 |" in row
    assert re.search(r"\| ours [\d.]+ to [\d.]+, D&amp;B none \|", row)
    assert "| ours ≤ 1.25, D&amp;B ≥ 1.4 | holds |" in row
    # The same numbers for programs.
    for name in ("table1", "table1_faithfulness"):
        assert f"(laptop/figures/table1/{name}.csv)" in readme
        assert f'href="laptop/figures/table1/{name}.tex"' in text
    with open(root / paths.figures("laptop", "table1") / "table1.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 5


def test_edits_stand_beside_stargans_and_the_papers(root: Path) -> None:
    readme, text = written(root)
    page = " ".join(Page(text).words)
    for document in (readme, page):
        for phrase in (
            "1.061 ± 0.030", "1.120 ± 0.051", "41.27", "2.656",
            "edits each attribute in most images, as far as",
            "reads the attribute as asked in at least 88.0 %", "hair 93.0 %", "97.0 % accuracy",
            "R² 0.958", "98.5 % right", "93.0 % (91.0 to 95.0)", "35.0 %", "11,000 updates",
            "FID-EN0 11.0 of the unedited images",
            "91.3 % of validation images of people it was trained on named, ",
        ):  # fmt: skip
            assert phrase in document, phrase
    row = next(line for line in readme.splitlines() if line.startswith("| S8.a"))
    assert "| hair 0.93, women 0.93, grey 0.93 |" in row
    for name in ("edits", "fid"):
        assert f"(laptop/figures/fig7/{name}.csv)" in readme
        assert f'href="laptop/figures/fig7/{name}.tex"' in text
    assert 'href="laptop/training/train_stargan-faces/metrics.json"' in text


def test_published_weights_have_no_accuracy_in_training(root: Path) -> None:
    for curves in root.glob("reports/*/training/train_network-facenet/metrics.json"):
        write_json(curves, {})
    readme, _ = written(root)
    assert "trained on named" not in readme and "of pairs of images of people it was not" in readme


def test_textures_stand_with_how_well_they_are_read(root: Path) -> None:
    readme, text = written(root)
    for document in (readme, " ".join(Page(text).words)):
        assert "The evaluator reads 97.5 % of the natural inputs rightly" in document


def test_what_varies_stands_with_how_well_it_is_read(root: Path) -> None:
    readme, text = written(root)
    page = " ".join(Page(text).words)
    for document in (readme, page):
        for phrase in (
            "0.0010", "0.0810", "glasses 99.0 %", "yaw R² 0.95", "different images it is 0.1000",
            "How well the evaluator reads blurred held-out images: of people yaw R² 0.95",
        ):  # fmt: skip
            assert phrase in document, phrase
    names = (r"| conv2d\_4a", "| embedding")
    rows = [line for line in readme.splitlines() if line.startswith(names)]
    assert len(rows) == 8  # people and animals, of two scales
    assert all(("| 0.10 |" in row) == row.startswith("| embedding") for row in rows)


def test_a_baseline_that_does_not_edit_is_not_praised(root: Path) -> None:
    def fail(numbers: Any) -> None:
        numbers["factors"]["Smiling"]["stargan"]["success"] = 0.31

    change(root, paths.metrics("laptop", "fig7"), fail)
    assert "StarGAN does not edit every attribute" in written(root)[0]


def test_what_was_not_measured_is_neither_held_nor_failed(root: Path) -> None:
    """Photographs have no known length of hair."""

    def forget(numbers: Any) -> None:
        for kind in ("ours", "stargan"):
            numbers["coherence"][kind] |= {
                "gender_moves_hair": None, "gender_moves_hair_interval": None
            }  # fmt: skip
            for factor in numbers["factors"].values():
                factor[kind]["traits_kept"] = None
        numbers["evaluator"]["hair_length"] = None

    change(root, paths.metrics("laptop", "fig7"), forget)
    metrics = {
        name: read_json(root / paths.metrics("laptop", name))
        for name in ("fig3", "fig4", "fig5", "fig6", "fig7", "figs10", "table1")
    }
    write_json(root / paths.claims("laptop"), decide_claims("laptop", metrics))
    readme, text = written(root)
    row = next(line for line in readme.splitlines() if line.startswith("| S8.a"))
    assert "| hair not measured, women 0.93, grey 0.93 |" in row
    assert row.endswith("| not measured |")
    assert "24 of 25 claims hold" in readme
    assert "| not measured | not measured | not read |" in readme
    Page(text)


@pytest.mark.parametrize(
    ("stage", "gone", "kept"),
    [
        (
            "evaluate@fig7",
            ("figS8", "edits each attribute in most images, as far as", "Fig. S9."),
            ("fig2", "2.57 %"),
        ),
        (
            "evaluate@table1",
            ("fig2", "figS4", "Table 1.", "How faithful"),
            ("fig4", "figS7", "2.57 %"),
        ),
        ("evaluate@fig4", ("fig4.png", "figS7", "2.57 %", "factors of e"), ("fig2", "352.6")),
    ],
)
def test_a_scale_is_told_without_what_it_does_not_have(
    root: Path, stage: str, gone: tuple[str, ...], kept: tuple[str, ...]
) -> None:
    """What has no claim at a scale was not run there: neither is it asked for."""
    rows = read_json(root / paths.claims("smoke"))
    write_json(root / paths.claims("smoke"), [row for row in rows if row["stage"] != stage])
    item = stage.split("@")[1]
    shutil.rmtree(root / paths.figures("smoke", item))
    (root / paths.metrics("smoke", item)).unlink()
    readme, text = written(root)
    for document, mark in ((readme, "## Scale smoke"), (text, '<h2 id="smoke">')):
        laptop, smoke = document.split(mark)
        for phrase in gone:
            assert phrase in laptop and phrase not in smoke
        for phrase in kept:
            assert phrase in laptop and phrase in smoke


def test_sheets_of_animals_are_shown_where_they_were_drawn(root: Path) -> None:
    source = root / paths.figures("laptop", "table1")
    folder = root / paths.figures("laptop", "animals")
    folder.mkdir()
    for name in ("classes", "factors"):
        for suffix in ("png", "pdf"):
            shutil.copy(source / f"fig2.{suffix}", folder / f"{name}.{suffix}")
    readme, text = written(root)
    for document in (readme, text):
        assert document.count("laptop/figures/animals/classes.png") >= 1
        assert document.count("laptop/figures/animals/factors.png") >= 1
        assert "smoke/figures/animals" not in document
    (folder / "factors.png").unlink()
    assert all("animals/factors.png" not in document for document in written(root))  # photographs
    (folder / "classes.pdf").unlink()
    with pytest.raises(PipelineError, match=r"classes\.pdf.*dvc repro -f plot_data@animals"):
        write_report(root)


def test_every_evaluation_and_data_set_has_figures() -> None:
    settings = load_params(Path(__file__).resolve().parents[1]).settings
    assert set(PARTS) == set(settings.evaluate)
    assert set(FIGURES) == {*settings.evaluate, *settings.prepare}


def test_the_layer_inspected_last_is_linked(root: Path) -> None:
    assert all("inspect" not in document for document in written(root))
    about = {"layer": "fc7", "network": "alex_net", "scale": "laptop"}
    write_json(root / paths.inspection() / "metrics.json", about)
    (root / paths.inspection() / "README.md").write_text("x")
    readme, text = written(root)
    assert "[report on one layer](inspect/README.md): the layer fc7 of alex\\_net" in readme
    assert '<a href="inspect/README.md">Report on one layer</a>: the layer fc7 of alex_net' in text


def test_same_results_same_report(root: Path) -> None:
    assert written(root) == written(root)


def test_everything_is_escaped(root: Path) -> None:
    def attack(claims: Any) -> None:
        claims[0]["statement"] = "<script>alert('x')</script> | **bold** [a](b)"

    change(root, paths.claims("laptop"), attack)
    readme, text = written(root)
    assert "<script>" not in text and "<script>" not in readme
    assert "&lt;script&gt;" in text and "&lt;script&gt;" in readme
    assert "a &lt;fast&gt; GPU" in text and "a &lt;fast&gt; GPU" in readme
    assert "\\| \\*\\*bold\\*\\* \\[a\\](b)" in readme
    tables = [line for line in readme.splitlines() if line.startswith("| F4.a")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 8 for line in tables)
    Page(text)


def test_only_scales_with_claims_are_reported(root: Path) -> None:
    (root / paths.claims("smoke")).unlink()
    readme, text = written(root)
    assert "Scale smoke" not in readme and "Scale smoke" not in text
    assert "Scale laptop" in readme and "Scale laptop" in text
    (root / paths.claims("laptop")).unlink()
    with pytest.raises(PipelineError, match="dvc repro"):
        write_report(root)


def test_a_checkout_without_costs_is_reported(root: Path) -> None:
    (root / paths.costs("laptop")).unlink()
    (root / paths.costs("smoke")).unlink()
    assert "Cost" not in written(root)[0]


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("figures/fig4/fig4.png", "plot@fig4"),
        ("figures/fig4/fig4.pdf", "plot@fig4"),
        ("figures/fig4/figS7.png", "plot@fig4"),
        ("figures/table1/fig2.png", "plot@table1"),
        ("figures/table1/figS6.pdf", "plot@table1"),
        ("figures/table1/table1.csv", "plot@table1"),
        ("metrics/table1.json", "evaluate@table1"),
        ("metrics/fig3.json", "evaluate@fig3"),
        ("figures/fig3/variances.png", "plot@fig3"),
        ("metrics/fig5.json", "evaluate@fig5"),
        ("figures/fig5/shares.png", "plot@fig5"),
        ("metrics/fig6.json", "evaluate@fig6"),
        ("figures/fig6/figS11.png", "plot@fig6"),
        ("metrics/figs10.json", "evaluate@figs10"),
        ("figures/figs10/figS10.pdf", "plot@figs10"),
        ("metrics/fig7.json", "evaluate@fig7"),
        ("figures/fig7/changes.png", "plot@fig7"),
        ("figures/fig7/figS9.pdf", "plot@fig7"),
        ("figures/fig7/edits.md", "plot@fig7"),
        ("figures/fig7/fid.tex", "plot@fig7"),
        ("training/train_stargan-faces/metrics.json", "train_stargan@faces"),
        ("training/train_network-facenet/metrics.json", "train_network@facenet"),
        ("metrics/fig4.json", "evaluate@fig4"),
        ("metrics/train_semantic-digits.json", "train_semantic@digits"),
    ],
)
def test_a_missing_file_names_the_stage(root: Path, name: str, stage: str) -> None:
    (root / paths.reports("laptop") / name).unlink()
    with pytest.raises(PipelineError, match=rf"{Path(name).name}.*laptop.*dvc repro -f {stage}"):
        write_report(root)
    assert not (root / "reports/index.html").exists()


@pytest.mark.parametrize(
    ("path", "key", "stage"),
    [
        (paths.metrics("laptop", "fig4"), "digit_total_late", "evaluate@fig4"),
        (paths.metrics("laptop", "table1"), "fid_floor_real", "evaluate@table1"),
        (paths.metrics("laptop", "table1"), "layers", "evaluate@table1"),
        (paths.metrics("laptop", "fig3"), "layers", "evaluate@fig3"),
        (paths.metrics("laptop", "fig7"), "coherence", "evaluate@fig7"),
        (paths.metrics("laptop", "fig7"), "verification", "evaluate@fig7"),
        (
            paths.training("laptop", "train_stargan", "faces") / "metrics.json",
            "validation",
            "train_stargan@faces",
        ),
        (paths.metrics("laptop", "fig4"), "reconstruction_mse", "evaluate@fig4"),
        (paths.metrics("laptop", "train_semantic-digits"), "sizes", "train_semantic@digits"),
    ],
)
def test_a_missing_number_names_the_stage(root: Path, path: Path, key: str, stage: str) -> None:
    change(root, path, lambda numbers: numbers.pop(key))
    with pytest.raises(PipelineError, match=rf"{key}.*dvc repro -f {stage}"):
        write_report(root)


def test_a_missing_part_of_a_record_is_an_error(root: Path) -> None:
    def drop(numbers: Any) -> None:
        del numbers["curves"][2]["v_square_mean"]

    change(root, paths.metrics("smoke", "fig4"), drop)
    with pytest.raises(PipelineError, match="scale smoke lack 'v_square_mean'"):
        write_report(root)


def test_page_is_text_of_this_scale_only(root: Path) -> None:
    """Numbers of one scale do not stand in the section of another."""
    change(root, paths.metrics("smoke", "fig4"), lambda n: n.update(seed=987654))
    text = html.unescape(written(root)[1])
    laptop, smoke = text.split('<h2 id="smoke">')
    assert "987654" in smoke and "987654" not in laptop
    assert json.dumps("Nothing here is trained long enough to mean anything.")[1:-1] in smoke
