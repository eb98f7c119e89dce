"""What a scale cost: the wall time of a run, and time and memory of its stages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.cost import WALL
from pipeline.reporting.content import Fact, Part, Table
from pipeline.reporting.formatting import duration
from pipeline.reporting.results import measured

__all__ = ["cost_part"]


def cost_part(root: Path, scale: str) -> Part:
    """Time and memory of all stages; nothing if there is no cost.json.

    Costs are not outputs of a stage, so a checkout may lack them. Raises PipelineError if a number
    is missing.
    """
    if not (root / paths.costs(scale)).exists():
        return Part()
    with measured(root, scale, paths.costs(scale), "report") as costs:
        stages = {name: cost for name, cost in costs.items() if name != WALL}
        seconds = sum(cost["seconds"] for cost in stages.values())
        facts: list[Fact] = []
        if WALL in costs:
            wall = costs[WALL]
            jobs = "one at a time" if wall["jobs"] == 1 else f"{wall['jobs']} at a time"
            took = f"{duration(wall['seconds'])}, {wall['stages']} stages, {jobs}"
            facts.append(("Wall-clock time, last complete run", took))
        facts.append(("Sum over stages", duration(seconds)))
        return Part(facts=facts, tables=[_costs(stages, seconds)])


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
    peak = max((cost["peak_rss_mib"] for cost in costs.values()), default=0)
    rows.append(["sum, largest", f"{seconds:,.0f}", f"{peak:,}", "", "", ""])
    head = ["stage", "seconds", "memory, MiB", "GPU memory, MiB", "threads", "device"]
    note = (
        "The last run of each stage; if it was resumed, its last part. Process start-up and DVC's "
        "own time are not included. Independent stages may run at the same time, so a run can take "
        "less than the sum."
    )
    return Table("Cost", head, rows, note, words=(0, 5))
