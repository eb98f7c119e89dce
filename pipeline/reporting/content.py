"""What the report consists of, before it is written as Markdown or as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Fact", "Image", "Part", "Report", "Section", "Table"]

Fact = tuple[str, str]
"""What it is about, and the fact itself."""


@dataclass(frozen=True)
class Table:
    """A table: a title, column heads and rows; all columns but those in `words` hold numbers.

    On a page, a `folded` table opens on demand, and the rows of a `stacked` one become cards where
    the screen is narrow. A cell may have several lines. `files`, relative to reports/, hold the
    same table.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    words: Sequence[int] = (0,)
    folded: bool = False
    stacked: bool = False
    files: Sequence[str] = ()

    def links(self) -> list[tuple[str, str]]:
        """The name of each file's format, and its path."""
        return [(path.rsplit(".", 1)[1], path) for path in self.files]


@dataclass(frozen=True)
class Image:
    """A figure: its file without suffix, and the words around it.

    The file is relative to reports/; in `captions`, to the folder of its evaluation.
    """

    stem: str
    title: str
    caption: str
    description: str


@dataclass(frozen=True)
class Part:
    """What one evaluation contributes: its facts, its figures, then its tables."""

    facts: Sequence[Fact] = ()
    images: Sequence[Image] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class Section:
    """What the report says about one scale; the facts of all parts stand at its beginning."""

    scale: str
    note: str
    verdict: str
    claims: Table
    parts: Sequence[Part]

    def facts(self) -> list[Fact]:
        """Those of all parts."""
        return [fact for part in self.parts for fact in part.facts]


@dataclass(frozen=True)
class Report:
    """The whole report.

    `inspected` tells which layer the report on one layer is about, and is empty if there is none;
    `inspection` is that report's file, relative to reports/.
    """

    title: str
    lead: str
    sections: Sequence[Section]
    inspected: str
    inspection: str
