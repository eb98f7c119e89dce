"""What the stages of a scale cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.reporting.content import Part, Table
from pipeline.reporting.results import measured

__all__ = ["cost_part"]


def cost_part(root: Path, scale: str) -> Part:
    """Time and memory of all stages. Raises PipelineError if a number is missing."""
    with measured(root, scale, paths.costs(scale), "report") as costs:
        seconds = sum(cost["seconds"] for cost in costs.values())
        told = f"{_duration(seconds)}; on a CPU, make reproduce runs two at a time"
        return Part([("Times of all stages, added up", told)], tables=[_costs(costs, seconds)])


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _costs(costs: Mapping[str, Mapping[str, Any]], seconds: float) -> Table:
    rows = [
        [
            stage,
            f"{cost['seconds']:,.0f}",
            f"{cost['peak_rss_mib']:,}",
            f"{cost['peak_gpu_mib']:,}" if "peak_gpu_mib" in cost else "none",
            str(cost["threads"]),
            str(cost["device"]),
        ]
        for stage, cost in costs.items()
    ]
    peak = max(cost["peak_rss_mib"] for cost in costs.values())
    rows.append(["sum, largest", f"{seconds:,.0f}", f"{peak:,}", "", "", ""])
    head = ["stage", "seconds", "memory, MiB", "GPU memory, MiB", "threads", "device"]
    note = (
        "The last run of each stage; a resumed one counts its last part. Without the start of "
        "processes and DVC's own time. On a CPU, make reproduce runs two stages at a time, and "
        "takes little more than half of the sum."
    )
    return Table("Cost", head, rows, note, words=(0, 5))
