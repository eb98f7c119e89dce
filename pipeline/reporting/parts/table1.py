"""Facts and tables of Table 1 and Fig. 2: images recovered from AlexNet's layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.reporting.content import Fact, Part
from pipeline.reporting.parts.files import table_of_files
from pipeline.reporting.results import evaluated
from pipeline.reporting.tables import faithfulness_table, table1

__all__ = ["table1_part"]


def table1_part(root: Path, scale: str) -> Part:
    """Distances and faithfulness. Raises PipelineError if a file or a number is missing."""
    with evaluated(root, scale, "table1") as numbers:
        facts = _facts(numbers)
        tables = {"table1": table1(numbers), "table1_faithfulness": faithfulness_table(numbers)}
        return Part(
            facts,
            tables=[
                table_of_files(root, scale, "table1", name, table) for name, table in tables.items()
            ],
        )


def _facts(numbers: Mapping[str, Any]) -> list[Fact]:
    label = numbers["label"]
    return [
        ("Table 1", f"{numbers['images']:,} test images of {numbers['size']} px and as many "
         f"reference images, {numbers['draws']} sample draws, seed {numbers['seed']}"),
        ("Floors of Table 1", f"{label} {numbers['fid_floor_real']:,.1f} of other real images, "
         f"{numbers['fid_floor_reconstruction']:,.1f} of reconstructions D(E(x))"),
    ]  # fmt: skip
