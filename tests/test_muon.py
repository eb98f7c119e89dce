"""Muon: against torch's, against the singular value decomposition, and resumed."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from training import assert_equal, normal

from pipeline.training.muon import Muon, orthogonalize

SHAPES = [(24, 24), (16, 90), (90, 16)]


def step(parameter: nn.Parameter, gradient: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
    parameter.grad = gradient.clone()
    optimizer.step()


@pytest.mark.parametrize("shape", SHAPES)
def test_orthogonalize_keeps_singular_vectors_and_evens_out_singular_values(
    shape: tuple[int, int],
) -> None:
    rank = min(shape)
    u, v = (torch.linalg.qr(normal(n, rank, seed=n, dtype=torch.float64))[0] for n in shape)
    matrix = 7 * u @ torch.diag(torch.linspace(0.02, 1, rank, dtype=torch.float64)) @ v.T
    rotated = u.T @ orthogonalize(matrix) @ v
    values = rotated.diagonal()
    assert (values > 0.65).all() and (values < 1.25).all()
    assert (rotated - torch.diag(values)).abs().max() < 1e-9


def test_float32_is_enough_for_a_matrix_of_low_rank() -> None:
    matrix = normal(128, 3) @ normal(3, 1024, seed=1) + 1e-4 * normal(128, 1024, seed=2)
    single, double = orthogonalize(matrix), orthogonalize(matrix.double())
    assert (single - double).norm() / double.norm() < 1e-3


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this PyTorch has no Muon")
@pytest.mark.parametrize("shape", SHAPES)
def test_matrices_move_as_with_torch_s_muon(shape: tuple[int, int]) -> None:
    """Up to the bfloat16 in which torch computes."""
    ours, theirs = (nn.Parameter(torch.zeros(shape)) for _ in range(2))
    muon = Muon([ours], lr=0.1)
    peer = torch.optim.Muon([theirs], lr=0.1, weight_decay=0, adjust_lr_fn="match_rms_adamw")
    for seed in range(3):
        step(ours, normal(*shape, seed=seed), muon)
        step(theirs, normal(*shape, seed=seed), peer)
    assert (ours - theirs).norm() / theirs.norm() < 0.02


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_moves_as_the_matrix_of_its_rows(memory_format: torch.memory_format) -> None:
    start, gradient = normal(8, 6, 3, 3), normal(8, 6, 3, 3, seed=1)
    kernel = nn.Parameter(start.clone(memory_format=memory_format))
    matrix = nn.Parameter(start.flatten(1).clone())
    step(kernel, gradient.to(memory_format=memory_format), Muon([kernel], lr=0.1))
    step(matrix, gradient.flatten(1), Muon([matrix], lr=0.1))
    torch.testing.assert_close(kernel.detach().flatten(1), matrix.detach())


def test_a_step_is_as_large_as_adam_s_and_none_without_a_gradient() -> None:
    weight = nn.Parameter(torch.zeros(64, 64, 3, 3))
    step(weight, normal(64, 64, 3, 3), Muon([weight], lr=1.0))
    assert weight.square().mean().sqrt().item() == pytest.approx(0.2, rel=0.3)
    still, untouched = (nn.Parameter(torch.ones(3, 4)) for _ in range(2))
    step(still, torch.zeros(3, 4), Muon([still, untouched], lr=0.1))
    assert_equal([still.detach(), untouched.detach()], [torch.ones(3, 4)] * 2)


def test_vectors_and_scalars_move_as_with_adam_at_the_rate_of_their_group() -> None:
    ours = [nn.Parameter(normal(5)), nn.Parameter(torch.zeros(()))]
    theirs = copy.deepcopy(ours)
    optimizers = [
        kind([{"params": [p], "lr": rate} for p, rate in zip(ps, (1e-2, 1e-1), strict=True)], lr=1)
        for kind, ps in ((Muon, ours), (torch.optim.Adam, theirs))
    ]
    for _ in range(4):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_a_closure_gives_the_loss_and_the_gradient() -> None:
    weight = nn.Parameter(torch.eye(3))

    def closure() -> float:
        weight.grad = 2 * weight.detach()
        return 3.0

    assert Muon([weight], lr=0.1).step(closure) == 3.0
    assert (weight.diagonal() < 1).all()
