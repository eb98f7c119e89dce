"""Products of float32 matrices: faster where that is exact."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from pipeline.models.products import TOLERANCE, use_fast_products
from pipeline.runtime import prepare_runtime


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


def test_stages_use_them_on_a_cpu(matmul: Any, unchanged_torch: None) -> None:
    expected = use_fast_products()["value"]
    matmul.fp32_precision = "none"
    prepare_runtime("cpu", 1, 0)
    assert matmul.fp32_precision == expected


@pytest.mark.parametrize("rows", [1, 7, 64, 256])
def test_products_of_any_shape_are_exact(matmul: Any, rows: int) -> None:
    use_fast_products()
    generator = torch.Generator().manual_seed(0)
    for inner, columns in itertools.product((3, 64, 192, 512), (6, 12, 128, 512)):
        a = torch.randn(2, rows, inner, generator=generator)
        b = torch.randn(2, columns, inner, generator=generator)
        exact = a.double() @ b.double().mT
        for product in (a @ b.mT, torch.stack([x @ y.T for x, y in zip(a, b, strict=True)])):
            assert (product - exact).norm() / exact.norm() <= TOLERANCE
