"""The report as one HTML page that loads nothing but its figures."""

from __future__ import annotations

from html import escape
from pathlib import Path

from pipeline.reporting.content import Image, Report, Section, Table
from pipeline.reporting.verdicts import VERDICTS

__all__ = ["to_page"]

MARKS = {VERDICTS[True]: ("holds", "✓"), VERDICTS[False]: ("fails", "✗")}
"""Class and sign of the cells that are a verdict."""


def to_page(report: Report) -> str:
    """The text of reports/index.html."""
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    title = escape(report.title)
    body = [f"<header><h1>{title}</h1>", f"<p>{escape(report.lead)}</p>", "<nav><ul>"]
    for section in report.sections:
        scale = escape(section.scale)
        body.append(f'<li><a href="#{scale}">Scale {scale}</a>: {escape(section.verdict)}</li>')
    if report.inspected:
        link = f'<a href="{escape(report.inspection)}">Report on one layer</a>'
        body.append(f"<li>{link}: {escape(report.inspected)}</li>")
    body.append("</ul></nav></header>")
    for section in report.sections:
        body += _section(section)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _section(section: Section) -> list[str]:
    scale = escape(section.scale)
    lines = [f'<section aria-labelledby="{scale}"><h2 id="{scale}">Scale {scale}</h2>']
    lines.append(f"<p>{escape(section.note)}</p><dl>")
    lines += [f"<dt>{escape(name)}</dt><dd>{escape(fact)}</dd>" for name, fact in section.facts()]
    lines += ["</dl>", _table(section.claims)]
    for part in section.parts:
        lines += [*map(_image, part.images), *map(_table, part.tables)]
    lines.append("</section>")
    return lines


def _image(image: Image) -> str:
    stem = escape(image.stem)
    return (
        f'<figure><a href="{stem}.png"><img src="{stem}.png" '
        f'alt="{escape(image.description)}"></a>'
        f"<figcaption><strong>{escape(image.title)}.</strong> {escape(image.caption)} "
        f'<a href="{stem}.pdf">PDF</a></figcaption></figure>'
    )


def _table(table: Table) -> str:
    def cell(i: int, text: str) -> str:
        inner = escape(text).replace("\n", "<br>")
        if text in MARKS:
            kind, mark = MARKS[text]
            inner = f'<span class="verdict {kind}">{mark} {inner}</span>'
        number = "" if i in table.words else ' class="number"'
        if i == 0:
            return f'<th scope="row"{number}>{inner}</th>'
        return f'<td{number} data-head="{escape(table.head[i])}">{inner}</td>'

    heads = (
        f'<th scope="col"{"" if i in table.words else " class=number"}>{escape(text)}</th>'
        for i, text in enumerate(table.head)
    )
    rows = ("<tr>" + "".join(cell(i, t) for i, t in enumerate(row)) + "</tr>" for row in table.rows)
    title = f"<h3>{escape(table.title)}</h3>"
    links = "".join(f' <a href="{escape(path)}">{escape(name)}</a>' for name, path in table.links())
    body = (
        f'<div class="scroll" tabindex="0"><table{" class=stack" if table.stacked else ""}>'
        f"<thead><tr>{''.join(heads)}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        f'<p class="note">{escape(table.note)}{links}</p>'
    )
    if table.folded:
        return f"<details><summary>{title}</summary>{body}</details>"
    return title + body
