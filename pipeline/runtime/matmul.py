"""A process-wide setting that speeds up float32 matrix products on some processors."""

from typing import Any

import torch

__all__ = ["TOLERANCE", "use_fast_matmul"]

TOLERANCE = 2e-6  # a float32 product is off by 2e-7 to 5e-7, one rounded to bfloat16 by 3e-3


def use_fast_matmul(tolerance: float = TOLERANCE) -> dict[str, Any]:
    """Multiply float32 matrices with oneDNN instead of MKL where that keeps float32's precision.

    The value "bf16" of `torch.backends.mkldnn.matmul.fp32_precision` hands products to oneDNN.
    Without AMX instructions, oneDNN has no bfloat16 kernels for float32 matrices and runs float32
    ones: with AVX-512 on AMD processors, where MKL uses AVX2 only, in half the time. Without
    AVX-512, PyTorch ignores the setting. With AMX it would round to bfloat16, so the setting stays
    only if probe products have a relative error of at most `tolerance` against float64; otherwise
    the former value is restored. No time is measured: a machine must always decide the same way.

    Returns a report: enabled (bool), before and value (the setting; None if PyTorch has none),
    error (the largest relative error of the probe).
    """
    matmul = getattr(torch.backends.mkldnn, "matmul", None)
    before = getattr(matmul, "fp32_precision", None)
    report = {"enabled": False, "before": before, "value": before, "error": None}
    if matmul is None or before is None or not torch.backends.mkldnn.is_available():
        return report
    try:
        matmul.fp32_precision = "bf16"
        report["error"] = max(_relative_error(batch) for batch in (25, 64, 256))
    except RuntimeError:  # this build does not know the value
        pass
    if report["error"] is not None and report["error"] <= tolerance:
        return report | {"enabled": True, "value": "bf16"}
    matmul.fp32_precision = before
    return report


def _relative_error(batch: int) -> float:
    """Largest relative error over the three products of a linear layer's training step."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, batch, 512, generator=generator)
    weight = torch.randn(2, 512, 384, generator=generator)
    grad = torch.randn(2, batch, 384, generator=generator)
    errors = []
    for left, right in ((x, weight), (grad, weight.mT), (x.mT, grad)):
        exact = left.double() @ right.double()
        for product in (left @ right, torch.stack([left[0] @ right[0], left[1] @ right[1]])):
            errors.append(((product - exact).norm() / exact.norm()).item())
    return max(errors)
