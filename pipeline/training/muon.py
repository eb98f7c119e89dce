"""The optimiser Muon (Jordan et al., 2024), for trainings of few steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

__all__ = ["Muon", "orthogonalize"]

MOMENTUM = 0.95
BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Adam's."""
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
"""Newton-Schulz iterations with the authors' coefficients; singular values end near 0.7 to 1.2."""
SCALE = 0.2
"""Root mean square of an update at learning rate 1, about that of Adam (Liu et al., 2025)."""


class Muon(torch.optim.Optimizer):
    """Muon for weights of two and more dimensions, Adam for biases, scales and other vectors.

    The momentum of a weight (A, B, ...), as a matrix (A, B * ...), is orthogonalised, and scaled to
    the size of Adam's updates: both use the same learning rate.

    `torch.optim.Muon` implements the same rule for matrices only, and in bfloat16, which takes a
    hundred times as long on processors without instructions for it.
    """

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Update all parameters with a gradient; return the loss if `closure` recomputes it."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            pairs = [(p, p.grad) for p in group["params"] if p.grad is not None]
            self._move_vectors([pair for pair in pairs if pair[0].ndim < 2], group["lr"])
            for weight, gradient in pairs:
                if weight.ndim >= 2:
                    self._move_matrix(weight, gradient.flatten(1), group["lr"])
        return loss

    def _move_matrix(self, weight: Tensor, gradient: Tensor, rate: float) -> None:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(gradient)
        momentum = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        update = orthogonalize(gradient.lerp(momentum, MOMENTUM))  # Nesterov's
        size = SCALE * max(update.shape) ** 0.5
        weight.sub_(update.view(weight.shape), alpha=rate * size)

    def _move_vectors(self, pairs: list[tuple[Tensor, Tensor]], rate: float) -> None:
        for vector, _ in pairs:
            state = self.state[vector]
            if not state:
                state["step"] = torch.zeros(())
                state["exp_avg"] = torch.zeros_like(vector)
                state["exp_avg_sq"] = torch.zeros_like(vector)
        states = [self.state[vector] for vector, _ in pairs]
        adam(
            [vector for vector, _ in pairs],
            [gradient for _, gradient in pairs],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=rate,
            weight_decay=0,
            eps=EPSILON,
            maximize=False,
        )


def orthogonalize(matrix: Tensor) -> Tensor:
    """The matrix (A, B) with singular values moved close to 1; zero stays zero.

    The Newton-Schulz iteration is a polynomial p(M M^T) M of the matrix M, so it runs on the
    smaller of M M^T and M^T M: a third of the operations for M of 256 by 2048.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonalize(matrix.T).T
    a, b, c = COEFFICIENTS
    norm = matrix.norm() + 1e-7
    gram = matrix @ matrix.T / norm.square()
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    product = identity / norm
    for _ in range(ITERATIONS):
        factor = torch.addmm(gram, gram, gram, beta=b, alpha=c) + a * identity
        product = factor @ product
        gram = factor @ gram @ factor
    return product @ matrix
