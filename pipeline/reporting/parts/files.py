"""Tables that the stage `plot` has written as files too."""

from __future__ import annotations

from pathlib import Path

from pipeline import paths
from pipeline.reporting.content import Table
from pipeline.reporting.results import linked, require
from pipeline.reporting.tables import TextTable, cell_texts

__all__ = ["table_of_files"]


def table_of_files(root: Path, scale: str, item: str, name: str, table: TextTable) -> Table:
    """The table of an evaluation whose files are `<name>.csv`, `.md` and `.tex`.

    Raises PipelineError if a file is missing.
    """
    files = {suffix: paths.figures(scale, item) / f"{name}.{suffix}"
             for suffix in ("csv", "md", "tex")}  # fmt: skip
    for file in files.values():
        require(root, scale, file, f"plot@{item}")
    links = [linked(files[suffix]) for suffix in ("csv", "tex")]
    note = " ".join(table.notes)
    return Table(table.title, table.head, cell_texts(table), note, stacked=True, files=links)
