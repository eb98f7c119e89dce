"""Tables as files: the three formats say the same, and nothing in them is taken for markup."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest
from synthetic_table1 import summary

from pipeline.errors import PipelineError
from pipeline.reporting.tables import TextTable, table1, write_table

TABLE = TextTable(
    "A & B",
    ("method_name", "value", "count"),
    (("a|b <i>", (1234.5678, 0.25), 3), ("100 %", 7.0, 40000)),
    (0, 2, 0),
    ("N = 5.", "Back\\slash, x^2 ~ {y} × ±."),
)


@pytest.fixture
def written(tmp_path: Path) -> dict[str, str]:
    files = write_table(TABLE, tmp_path / "folder" / "t")
    assert [file.name for file in files] == ["t.csv", "t.md", "t.tex"]
    return {file.suffix: file.read_text() for file in files}


def test_csv_keeps_all_digits(written: dict[str, str]) -> None:
    rows = list(csv.reader(written[".csv"].splitlines()))
    assert rows == [
        ["method_name", "value", "value ±", "count"],
        ["a|b <i>", "1234.5678", "0.25", "3"],
        ["100 %", "7.0", "", "40000"],
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
                   "another scale", "95.0", "10.0", "antialiased",
                   "the first 8,000 of them"):  # fmt: skip
        assert phrase in markdown and phrase in latex
    with open(files[0], newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["layer"] for row in rows] == ["conv5", "fc6", "fc7", "fc8", "output"]
    assert float(rows[3]["FID-EN0 ours"]) == 106
    assert float(rows[3]["FID-EN0 ours ±"]) == 2
    assert all(all(row.values()) for row in rows)  # no cell is empty


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
    del numbers["layers"][2]["kid_ours_std"]
    with pytest.raises(PipelineError, match=r"kid_ours_std.*evaluate@table1"):
        table1(numbers)


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    first = [file.read_bytes() for file in write_table(table1(summary()), tmp_path / "a")]
    assert first == [file.read_bytes() for file in write_table(table1(summary()), tmp_path / "b")]
    assert not re.search(rb"20\d\d-\d\d", b"".join(first))  # no date
