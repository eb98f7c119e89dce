"""Tables as files: csv for programs, Markdown for a forge, LaTeX (booktabs) for a paper."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.storage import write_text

__all__ = ["SUFFIXES", "Cell", "TextTable", "cell_texts", "write_table"]

SUFFIXES = ("csv", "md", "tex")
"""The files of a table."""

Cell = str | int | float | tuple[float, float]
"""Words, a number, or a number with its deviation."""

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "±": r"$\pm$", "×": r"$\times$", "Φ": r"$\Phi$",
}  # fmt: skip
NUMBER = re.compile(r"^Table \w+\. ")
"""LaTeX numbers tables by itself."""

MARKDOWN = re.compile(r"([\\`*_\[\]|<>])")


@dataclass(frozen=True)
class TextTable:
    """A table with words in its first column and numbers in the others.

    Attributes:
        title: one sentence, without a full stop.
        head: names of the columns.
        rows: cells; a number is printed with `digits` of its column, a pair as value ± deviation.
        digits: decimals of each column; the first column's is ignored.
        notes: sentences below the table.
        constants: further columns of the csv file, the same in every row, with what the notes say.

    Raises:
        PipelineError: a row or `digits` whose length is not that of `head`, or no rows.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    digits: Sequence[int]
    notes: Sequence[str] = ()
    constants: Mapping[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {len(self.digits), *(len(row) for row in self.rows)}
        if not self.rows or lengths != {len(self.head)}:
            raise PipelineError(
                f"the table '{self.title}' needs rows of {len(self.head)} cells, one per column."
            )


def write_table(table: TextTable, stem: Path) -> list[Path]:
    """Write a table as `<stem>.csv`, `.md` and `.tex`; each appears whole or not at all.

    The csv file holds plain numbers with all their digits, a column `<name> ±` after each column
    that has deviations, and constants in place of title and notes. The tex file needs the package
    booktabs.

    Raises:
        PipelineError: the folder cannot be written.
    """
    written = []
    for suffix, text in zip(SUFFIXES, (_csv(table), _markdown(table), _latex(table)), strict=True):
        target = stem.with_name(f"{stem.name}.{suffix}")
        write_text(target, text)
        written.append(target)
    return written


def cell_texts(table: TextTable) -> list[list[str]]:
    """All cells as they are printed, row by row."""
    return [[_text(c, d) for c, d in zip(row, table.digits, strict=True)] for row in table.rows]


def _csv(table: TextTable) -> str:
    paired = [any(isinstance(row[i], tuple) for row in table.rows) for i in range(len(table.head))]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")

    def spread(cells: Sequence[Any]) -> list[Any]:
        flat: list[Any] = []
        for cell, pair in zip(cells, paired, strict=True):
            if pair:
                flat += list(cell) if isinstance(cell, tuple) else [cell, ""]
            else:
                flat.append(cell)
        return flat

    writer.writerow(spread([(name, f"{name} ±") if pair else name
                            for name, pair in zip(table.head, paired, strict=True)])
                    + list(table.constants))  # fmt: skip
    writer.writerows([*spread(row), *table.constants.values()] for row in table.rows)
    return buffer.getvalue()


def _text(cell: Cell, digits: int) -> str:
    if isinstance(cell, tuple):
        return f"{_text(cell[0], digits)} ± {_text(cell[1], digits)}"
    if isinstance(cell, float):
        return f"{cell:,.{digits}f}"
    return str(cell)


def _markdown(table: TextTable) -> str:
    def escaped(text: str) -> str:
        return MARKDOWN.sub(r"\\\1", text)

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(map(escaped, cells)) + " |"

    rule = "| --- |" + " ---: |" * (len(table.head) - 1)
    lines = [f"**{escaped(table.title)}.**", "", line(table.head), rule]
    lines += map(line, cell_texts(table))
    if table.notes:
        lines += ["", escaped(" ".join(table.notes))]
    return "\n".join([*lines, ""])


def _latex(table: TextTable) -> str:
    def escaped(text: str) -> str:
        return "".join(LATEX.get(sign, sign) for sign in text)

    def line(cells: Sequence[str]) -> str:
        return "    " + " & ".join(map(escaped, cells)) + r" \\"

    lines = [
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{escaped(NUMBER.sub('', table.title))}.}}",
        f"  \\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}",
        r"    \toprule",
        line(table.head),
        r"    \midrule",
        *map(line, cell_texts(table)),
        r"    \bottomrule",
        r"  \end{tabular}",
    ]
    if table.notes:
        lines += [r"  \par\smallskip\footnotesize", f"  {escaped(' '.join(table.notes))}"]
    return "\n".join([*lines, r"\end{table}", ""])
