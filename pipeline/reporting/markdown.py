"""The report as Markdown, for reading on a forge."""

from __future__ import annotations

import html
from collections.abc import Sequence

from pipeline.reporting.content import Image, Report, Section, Table

__all__ = ["to_markdown"]


def to_markdown(report: Report) -> str:
    """The text of reports/README.md."""
    lines = [f"# {report.title}", "", _marked(report.lead), ""]
    lines += ["The same as a page: [index.html](index.html).", ""]
    lines += [f"- scale {section.scale}: {section.verdict}" for section in report.sections]
    if report.inspected:
        lines.append(f"- [report on one layer]({report.inspection}): {_marked(report.inspected)}")
    lines.append("")
    for section in report.sections:
        lines += _section(section)
    return "\n".join(lines).rstrip() + "\n"


def _section(section: Section) -> list[str]:
    lines = [f"## Scale {section.scale}", "", _marked(section.note), ""]
    lines += [*(f"- {_marked(name)}: {_marked(fact)}" for name, fact in section.facts()), ""]
    lines += _table(section.claims)
    for part in section.parts:
        for image in part.images:
            lines += _image(image)
        for table in part.tables:
            lines += _table(table)
    return lines


def _image(image: Image) -> list[str]:
    picture = f"![{_marked(image.description)}]({image.stem}.png)"
    return [picture, "", f"**{_marked(image.title)}.** {_marked(image.caption)}", ""]


def _table(table: Table) -> list[str]:
    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(_marked(cell.replace("\n", ", ")) for cell in cells) + " |"

    rule = " | ".join("---" if i in table.words else "---:" for i in range(len(table.head)))
    rows = [row(table.head), f"| {rule} |", *map(row, table.rows)]
    note = " ".join([_marked(table.note), *(f"[{name}]({path})" for name, path in table.links())])
    return [f"### {_marked(table.title)}", "", *rows, "", note, ""]


def _marked(text: str) -> str:
    """Text in which nothing is taken for Markdown or HTML."""
    for sign in "\\`*_[]|":
        text = text.replace(sign, f"\\{sign}")
    return html.escape(text, quote=False)
