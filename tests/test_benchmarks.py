"""The benchmarks: that they run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.page import write_tables


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "arguments", "rows"),
    [
        ("inn.py", "--peers --widths 16 --blocks 1 --batches 4 --rounds 1 --slot 0.001", 2),
        ("fid.py", "--dims 8 --counts 40 --rounds 1 --images 0", 1),
    ],
)
def test_benchmarks_run(repository: Path, script: str, arguments: str, rows: int) -> None:
    command = [sys.executable, f"benchmarks/{script}", *arguments.split(), "--threads", "1"]
    result = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    # Where the fast products are refused, there is nothing to compare with the default ones.
    pairs = 3 if "fast products: {'enabled': True" in result.stderr else 1
    assert len(re.findall(r"^\| \d", result.stdout, re.MULTILINE)) == pairs * rows


@pytest.mark.parametrize("name", ["README.md", "fid.md"])
def test_tables_are_put_into_their_page(repository: Path, tmp_path: Path, name: str) -> None:
    text = (repository / "benchmarks" / name).read_text()
    page = tmp_path / name
    page.write_text(text)
    write_tables(page, ["| new |"])
    head, tail = page.read_text().split("| new |")
    assert text.startswith(head) and text.endswith(tail)
    assert "| " in text[len(head) : -len(tail)] and "| " not in tail
    write_tables(page, ["| new |"])
    assert page.read_text() == f"{head}| new |{tail}"
