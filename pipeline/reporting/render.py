"""Jinja2 templates: text for pages and documents, with numbers filled in."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound

from pipeline.errors import PipelineError
from pipeline.reporting import formatting

__all__ = ["TEMPLATES", "escape_markdown", "render"]

TEMPLATES = Path(__file__).with_name("templates")
"""The report's own templates."""


def render(template: str, folder: Path = TEMPLATES, **content: Any) -> str:
    """The text of `folder/<template>` with `content` filled in, one newline at its end.

    Templates called *.html.j2 escape what they show. Others escape Markdown by the filter `md`.
    Numbers have the filters percent, percent_and_error, percent_and_interval, number (with commas
    and a given count of decimals) and duration (seconds in words).

    Raises:
        PipelineError: the template is missing or wrong, or uses a name that `content` lacks.
    """
    try:
        text = _environment(folder).get_template(template).render(content)
        return text.rstrip("\n") + "\n"
    except TemplateNotFound as error:
        raise PipelineError(f"{folder / str(error.name)} is missing; restore it.") from error
    except TemplateError as error:
        place = f"{folder / template}, line {line}" if (line := _line(error)) else folder / template
        raise PipelineError(f"{place}: {error.message}; fix the template.") from error


def escape_markdown(text: str) -> str:
    """Text in which nothing is taken for Markdown or HTML; line breaks become commas."""
    for sign in "\\`*_[]|":
        text = text.replace(sign, f"\\{sign}")
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\n", ", ")):
        text = text.replace(sign, entity)
    return text


@cache
def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "duration": formatting.duration,
        "md": escape_markdown,
        "number": formatting.number,
        "percent": formatting.percent,
        "percent_and_error": formatting.percent_and_error,
        "percent_and_interval": formatting.percent_and_interval,
    }
    return environment


def _line(error: Exception) -> int | None:
    """The line of the template that an error is about."""
    line = getattr(error, "lineno", None)
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith(".j2"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
