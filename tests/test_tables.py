"""Tables as files: the three formats say the same, and nothing in them is taken for markup."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest
import synthetic_fig7
from synthetic_table1 import summary

from pipeline.errors import PipelineError
from pipeline.evaluation.perceptual_features import load_extractor
from pipeline.reporting.tables import (
    NETWORKS,
    TextTable,
    edits_table,
    faithfulness_table,
    fid_table,
    table1,
    write_table,
)

TABLE = TextTable(
    "A & B",
    ("method_name", "value", "count"),
    (("a|b <i>", (1234.5678, 0.25), 3), ("100 %", 7.0, 40000)),
    (0, 2, 0),
    ("N = 5.", "Back\\slash, x^2 ~ {y} × ±."),
    {"N": 5, "seed": 0},
)


@pytest.fixture
def written(tmp_path: Path) -> dict[str, str]:
    files = write_table(TABLE, tmp_path / "folder" / "t")
    assert [file.name for file in files] == ["t.csv", "t.md", "t.tex"]
    return {file.suffix: file.read_text() for file in files}


def test_csv_keeps_all_digits(written: dict[str, str]) -> None:
    rows = list(csv.reader(written[".csv"].splitlines()))
    assert rows == [
        ["method_name", "value", "value ±", "count", "N", "seed"],
        ["a|b <i>", "1234.5678", "0.25", "3", "5", "0"],
        ["100 %", "7.0", "", "40000", "5", "0"],
    ]


def test_markdown(written: dict[str, str]) -> None:
    lines = written[".md"].splitlines()
    assert lines[0] == "**A & B.**"
    assert lines[2] == r"| method\_name | value | count |"
    assert lines[3] == "| --- | ---: | ---: |"
    assert lines[4] == r"| a\|b \<i\> | 1,234.57 ± 0.25 | 3 |"
    assert lines[5] == "| 100 % | 7.00 | 40000 |"
    assert lines[7] == "N = 5. Back\\\\slash, x^2 ~ {y} × ±."


def test_latex(written: dict[str, str]) -> None:
    text = written[".tex"]
    assert r"method\_name & value & count \\" in text
    assert r"a|b \textless{}i\textgreater{} & 1,234.57 $\pm$ 0.25 & 3 \\" in text
    assert r"100 \% & 7.00 & 40000 \\" in text
    assert r"\caption{A \& B.}" in text
    assert (
        r"Back\textbackslash{}slash, x\textasciicircum{}2 \textasciitilde{} \{y\} $\times$" in text
    )
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    assert r"\begin{tabular}{lrr}" in text
    assert text.isascii()


@pytest.mark.parametrize("rows", [(), (("a", 1.0),), (("a", 1.0, 2, 3),)])
def test_rows_must_fit_the_head(rows: Any) -> None:
    with pytest.raises(PipelineError, match="'title' needs rows of 3 cells"):
        TextTable("title", ("a", "b", "c"), rows, (0, 1, 1))


def test_table1_shows_the_paper_beside_ours(tmp_path: Path) -> None:
    numbers = summary()
    files = write_table(table1(numbers), tmp_path / "table1")
    _, markdown, latex = (file.read_text() for file in files)
    assert "**Table 1. Fréchet" in markdown and r"\caption{Fréchet" in latex
    conv5 = next(line for line in markdown.splitlines() if line.startswith("| conv5"))
    assert conv5 == (
        "| conv5 | 23.6 ± 0.5 | 25.2 | 100.0 ± 2.0 | 120.0 | 10.00 ± 0.20 | 12.00 | 0.970 ± 0.010 |"
    )
    output = next(line for line in markdown.splitlines() if line.startswith("| output"))
    assert "| 27.4 ± 0.3 | 352.6 | 110.0 ± 2.0 | 360.0 |" in output
    for phrase in ("2,048", "64 px", "Scale laptop", "seed 7", "3 sample draws", "FID-EN0",
                   "another scale", "95.0", "10.0", "EfficientNet-Lite0's features", "antialiased",
                   "the first 8,000 of them"):  # fmt: skip
        assert phrase in markdown and phrase in latex
    with open(files[0], newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["layer"] for row in rows] == ["conv5", "fc6", "fc7", "fc8", "output"]
    assert float(rows[3]["FID-EN0 ours"]) == 106
    assert float(rows[3]["FID-EN0 ours ±"]) == 2
    assert all(all(row.values()) for row in rows)  # no cell is empty


def test_a_program_need_not_read_the_notes(tmp_path: Path) -> None:
    """What was measured on what, and the floors, stand in the csv files."""
    about = {"scale": "laptop", "seed": "7", "N": "2048", "px": "64"}
    features = {"extractor": "EfficientNet-Lite0 at 128 px, bilinear, antialiased"}
    floors = {
        "floor FID-EN0, real images": "10.0",
        "floor FID-EN0, reconstructions": "95.0",
        "floor KID × 1000, real images": "0.01",
        "floor KID × 1000, reconstructions": "9.0",
    }
    found = rows_of(table1(summary()), tmp_path)
    assert all(row.items() >= (about | features | floors | {"draws": "3"}).items() for row in found)
    found = rows_of(faithfulness_table(summary()), tmp_path)
    assert all(row.items() >= (about | {"draws": "3"}).items() for row in found)
    numbers = synthetic_fig7.summary()
    about |= {"seed": str(numbers["seed"]), "px": str(numbers["size"])}
    assert rows_of(edits_table(numbers), tmp_path)[0].items() >= about.items()
    (row, *_) = rows_of(fid_table(numbers), tmp_path)
    assert row.items() >= about.items()
    for kind, name in (("real", "real images"), ("reconstruction", "reconstructions")):
        assert float(row[f"floor FID-EN0, {name}"]) == numbers["floors"][kind]["fid"]
        assert float(row[f"floor KID × 1000, {name}"]) == numbers["floors"][kind]["kid"]


def rows_of(table: TextTable, folder: Path) -> list[dict[str, str]]:
    with open(write_table(table, folder / "table")[0], newline="") as file:
        return list(csv.DictReader(file))


def test_the_extractor_has_a_name() -> None:
    assert load_extractor("efficientnet-lite0").label in NETWORKS


def test_three_cosines_lead_to_the_faithfulness(tmp_path: Path) -> None:
    numbers = summary()
    _, markdown, latex = (
        file.read_text() for file in write_table(faithfulness_table(numbers), tmp_path / "table1")
    )
    line = next(line for line in markdown.splitlines() if line.startswith("| fc8"))
    assert line == "| fc8 | 0.200 | 0.844 | 0.900 | 0.920 ± 0.010 | 96.0 | 50.0 | 82.0 | 26.0 |"
    for phrase in ("Scale laptop", "seed 7", "2,048 test images of 64 px", "3 samples of each"):
        assert phrase in markdown and phrase in latex
    assert r"$\Phi$(image)" in latex and latex.isascii()
    for share in ("98.0 % of the real", "97.0 % of the recon", "reconstructions 93.0 %", "99.0 %"):
        assert share in markdown
    numbers["layers"][3]["agreement_ours"] = 0.825195
    row = rows_of(faithfulness_table(numbers), tmp_path)[3]
    assert row["AlexNet agrees [%], samples"] == "82.5195"  # not 82.51950000000001
    assert (row["layer"], row["cosine, other images"]) == ("fc8", "0.2")
    assert float(row["cosine, samples"]) == pytest.approx(0.2 + 0.7 * 0.92)
    assert (row["cosine, reconstructions"], row["faithfulness"]) == ("0.9", "0.92")
    assert float(row["AlexNet agrees [%], reconstructions"]) == 93


def test_large_distances_and_inception(tmp_path: Path) -> None:
    numbers = summary(label="FID")
    for record in numbers["layers"]:
        record["fid_ours"] *= 20
        record["fid_dosovitskiy"] *= 20
    _, markdown, _ = write_table(table1(numbers), tmp_path / "table1")
    text = markdown.read_text()
    assert "| 2,000 ± 2 | 2,400 |" in text
    assert "another scale" not in text
    written = write_table(table1(summary(updates_inherited=0)), tmp_path / "alone")
    assert "D&B 9,000." in written[1].read_text()


@pytest.mark.parametrize("key", ["label", "layers", "fid_floor_real", "updates_inherited"])
def test_a_missing_number_names_the_stage(key: str) -> None:
    numbers = summary()
    del numbers[key]
    with pytest.raises(PipelineError, match=f"{key}.*evaluate@table1"):
        table1(numbers)
    numbers = summary()
    del numbers["layers"][2]["agreement_ours"]
    with pytest.raises(PipelineError, match=r"agreement_ours.*evaluate@table1"):
        faithfulness_table(numbers)
    numbers = summary()
    del numbers["layers"][2]["kid_ours_std"]
    with pytest.raises(PipelineError, match=r"kid_ours_std.*evaluate@table1"):
        table1(numbers)


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    first = [file.read_bytes() for file in write_table(table1(summary()), tmp_path / "a")]
    assert first == [file.read_bytes() for file in write_table(table1(summary()), tmp_path / "b")]
    assert not re.search(rb"20\d\d-\d\d", b"".join(first))  # no date
