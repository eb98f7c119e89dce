"""The setting of matrix products that the benchmark of the INN compares."""

from collections.abc import Iterator
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
