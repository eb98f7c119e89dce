"""What the benchmarks write their tables with."""

import contextlib
import platform
from pathlib import Path

__all__ = ["processor", "write_tables"]

MARKS = ("<!-- table -->", "<!-- end of table -->")


def processor() -> str:
    """Name of the processor, as far as the system tells."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def write_tables(page: Path, lines: list[str]) -> None:
    """Put the lines between the marks of a Markdown page."""
    head, rest = page.read_text().split(MARKS[0])
    tail = rest.split(MARKS[1])[1]
    page.write_text("\n".join([head + MARKS[0], "", *lines, "", MARKS[1] + tail]))
