"""The learned output variance gamma of the loss of Sec. A.1."""

from __future__ import annotations

from typing import Any

from torch import nn

__all__ = ["parameter_groups"]

GAMMA_RATE = 10
"""log gamma learns this much faster than the weights: at their pace it needs thousands of steps."""


def parameter_groups(
    model: nn.Module, log_gamma: nn.Parameter, learning_rate: float
) -> list[dict[str, Any]]:
    """Parameters of `model` for one optimizer; `log_gamma`, one of them, has its own rate."""
    weights = [value for value in model.parameters() if value is not log_gamma]
    return [{"params": weights}, {"params": [log_gamma], "lr": GAMMA_RATE * learning_rate}]
