"""The benchmarks: that they run, and the setting of matrix products that one compares."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.products import TOLERANCE, use_fast_products


@pytest.fixture
def matmul() -> Iterator[Any]:
    """Torch's setting, put back after the test."""
    found = getattr(torch.backends.mkldnn, "matmul", None)
    if not hasattr(found, "fp32_precision"):
        pytest.skip("this PyTorch has no such setting")
    before = found.fp32_precision
    yield found
    found.fp32_precision = before


def test_fast_products_stay_only_where_they_are_exact(matmul: Any) -> None:
    before = matmul.fp32_precision
    report = use_fast_products()
    assert report["before"] == before
    assert report["value"] == matmul.fp32_precision
    assert report["enabled"] == (report["error"] is not None and report["error"] <= TOLERANCE)
    a, b = torch.randn(2, 64, 300, generator=torch.Generator().manual_seed(0)).unbind()
    exact = a.double() @ b.double().T
    assert (a @ b.T - exact).norm() / exact.norm() <= 2e-6


def test_inexact_products_are_refused(matmul: Any) -> None:
    before = matmul.fp32_precision
    report = use_fast_products(tolerance=0)
    assert not report["enabled"]
    assert matmul.fp32_precision == before == report["value"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "arguments", "rows"),
    [
        ("inn.py", "--peers --widths 16 --blocks 1 --batches 4 --rounds 1 --slot 0.001", 6),
        ("fid.py", "--dims 8 --counts 40 --rounds 1 --images 0", 1),
    ],
)
def test_benchmarks_run(repository: Path, script: str, arguments: str, rows: int) -> None:
    command = [sys.executable, f"benchmarks/{script}", *arguments.split(), "--threads", "1"]
    result = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert len(re.findall(r"^\| \d", result.stdout, re.MULTILINE)) == rows
