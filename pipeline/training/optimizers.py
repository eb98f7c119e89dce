"""Optimisers for models that learn their output variance gamma (Sec. A.1)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from pipeline.config.settings import OptimizerName
from pipeline.training.muon import Muon

__all__ = ["make_optimizer"]

GAMMA_RATE = 10
"""Learning rate of log gamma relative to the weights; at theirs it needs thousands of steps."""


def make_optimizer(
    name: OptimizerName, model: nn.Module, log_gamma: nn.Parameter, learning_rate: float
) -> torch.optim.Optimizer:
    """The optimiser of all parameters of `model`, with a higher rate for `log_gamma` among them."""
    weights = [value for value in model.parameters() if value is not log_gamma]
    groups: list[dict[str, Any]] = [
        {"params": weights},
        {"params": [log_gamma], "lr": GAMMA_RATE * learning_rate},
    ]
    if name == "muon":
        return Muon(groups, lr=learning_rate)
    return torch.optim.Adam(groups, lr=learning_rate, fused=True)
