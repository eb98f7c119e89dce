"""Formats of data sets, each a module of this package with `Settings` and `prepare`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.config.rows import STYLIZED, Rows

__all__ = ["format_name", "formats", "load_format", "settings_class"]


def formats() -> list[str]:
    """The formats that a row of params.yaml may have."""
    modules = sorted(Path(__file__).parent.glob("*.py"))
    found = [path.stem for path in modules if "class Settings(" in path.read_text(encoding="utf-8")]
    return [name for name in found if name != STYLIZED]


def format_name(dataset: str, rows: Rows) -> str:
    """What the row of a data set names; without a row, the data set has the format of its name."""
    row = rows.datasets.get(dataset)
    return row.format if row else dataset


def load_format(dataset: str, rows: Rows) -> Any:
    """The module of a data set's format."""
    return import_module(f"pipeline.datasets.{format_name(dataset, rows)}")


def settings_class(dataset: str, rows: Rows) -> Any:
    """The class of the settings that prepare a data set."""
    return load_format(dataset, rows).Settings
