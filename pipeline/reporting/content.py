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
    the screen is narrow. A cell may have several lines. `files`, relative to reports/<scale>/, hold
    the same numbers.
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

    An experiment names its files by stem, relative to its own folder of figures.

    Attributes:
        caption: what is shown, then what to look for; at most 60 words.
        description: the picture in words, for readers who cannot see it.
    """

    stem: str
    title: str
    caption: str
    description: str


@dataclass(frozen=True)
class Part:
    """What one experiment contributes: its facts, its figures, then its tables.

    A part with a `title` begins with it as a heading.
    """

    title: str = ""
    facts: Sequence[Fact] = ()
    images: Sequence[Image] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class Section:
    """What the report says about one scale. It begins with the facts of all parts."""

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

    `inspected` is the layer that the report on one layer is about, empty if there is none, and
    `inspection` that report's file, relative to reports/.
    """

    title: str
    lead: str
    sections: Sequence[Section]
    inspected: str
    inspection: str
