"""How numbers are rounded before they are written."""

from __future__ import annotations

from typing import SupportsFloat

__all__ = ["rounded"]


def rounded(value: SupportsFloat) -> float:
    """`value` to six significant digits: more would only record the machine's rounding."""
    return float(f"{float(value):.6g}")
