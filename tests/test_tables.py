"""Tables as files: the three formats say the same, and nothing in them is taken for markup."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation.perceptual_features import load_extractor
from pipeline.reporting.distances import NETWORKS
from pipeline.reporting.tables import TextTable, write_table

TABLE = TextTable(
    "Table 7. A & B",
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
    again = write_table(TABLE, tmp_path / "again")
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]
    return {file.suffix: file.read_text() for file in files}


def test_csv_keeps_all_digits(written: dict[str, str]) -> None:
    assert list(csv.reader(written[".csv"].splitlines())) == [
        ["method_name", "value", "value ±", "count", "N", "seed"],
        ["a|b <i>", "1234.5678", "0.25", "3", "5", "0"],
        ["100 %", "7.0", "", "40000", "5", "0"],
    ]


def test_markdown_and_latex_escape_what_looks_like_markup(written: dict[str, str]) -> None:
    lines = written[".md"].splitlines()
    assert lines[0] == "**Table 7. A & B.**"
    assert lines[2:6] == [
        r"| method\_name | value | count |",
        "| --- | ---: | ---: |",
        r"| a\|b \<i\> | 1,234.57 ± 0.25 | 3 |",
        "| 100 % | 7.00 | 40000 |",
    ]
    assert lines[7] == "N = 5. Back\\\\slash, x^2 ~ {y} × ±."
    text = written[".tex"]
    for line in (
        r"method\_name & value & count \\",
        r"a|b \textless{}i\textgreater{} & 1,234.57 $\pm$ 0.25 & 3 \\",
        r"100 \% & 7.00 & 40000 \\",
        r"\caption{A \& B.}",  # LaTeX numbers tables itself
        r"Back\textbackslash{}slash, x\textasciicircum{}2 \textasciitilde{} \{y\} $\times$",
        r"\begin{tabular}{lrr}",
    ):
        assert line in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    assert text.isascii()
    assert not re.search(r"20\d\d-\d\d", "".join(written.values()))  # no date


@pytest.mark.parametrize("rows", [(), (("a", 1.0),), (("a", 1.0, 2, 3),)])
def test_rows_must_fit_the_head(rows: Any) -> None:
    with pytest.raises(PipelineError, match="'title' needs rows of 3 cells"):
        TextTable("title", ("a", "b", "c"), rows, (0, 1, 1))


def test_every_extractor_has_a_name() -> None:
    assert load_extractor("efficientnet-lite0").label in NETWORKS
