"""Muon: against torch's, against the singular value decomposition, and resumed."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from pipeline.training.muon import Muon, orthogonalize

SHAPES = [(24, 24), (16, 90), (90, 16)]


def step(parameter: nn.Parameter, gradient: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
    parameter.grad = gradient.clone()
    optimizer.step()


@pytest.mark.parametrize("shape", SHAPES)
def test_orthogonalize_keeps_singular_vectors_and_evens_out_singular_values(
    shape: tuple[int, int],
) -> None:
    torch.manual_seed(0)
    rank = min(shape)
    u, v = (torch.linalg.qr(torch.randn(n, rank, dtype=torch.float64))[0] for n in shape)
    matrix = 7 * u @ torch.diag(torch.linspace(0.02, 1, rank, dtype=torch.float64)) @ v.T

    rotated = u.T @ orthogonalize(matrix) @ v

    values = rotated.diagonal()
    assert (values > 0.65).all() and (values < 1.25).all()
    assert (rotated - torch.diag(values)).abs().max() < 1e-9


def test_float32_is_enough_for_a_matrix_of_low_rank() -> None:
    torch.manual_seed(0)
    matrix = torch.randn(128, 3) @ torch.randn(3, 1024) + 1e-4 * torch.randn(128, 1024)

    single, double = orthogonalize(matrix), orthogonalize(matrix.double())

    assert (single - double).norm() / double.norm() < 1e-3


def test_a_gradient_of_zero_moves_nothing() -> None:
    weight = nn.Parameter(torch.ones(3, 4))

    step(weight, torch.zeros(3, 4), Muon([weight], lr=0.1))

    assert torch.equal(weight, torch.ones(3, 4))


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this PyTorch has no Muon")
@pytest.mark.parametrize("shape", SHAPES)
def test_matrices_move_as_with_torch_s_muon(shape: tuple[int, int]) -> None:
    """Up to the bfloat16 in which torch computes."""
    torch.manual_seed(0)
    ours = nn.Parameter(torch.zeros(shape))
    theirs = nn.Parameter(torch.zeros(shape))
    muon = Muon([ours], lr=0.1)
    peer = torch.optim.Muon([theirs], lr=0.1, weight_decay=0, adjust_lr_fn="match_rms_adamw")

    for _ in range(3):
        gradient = torch.randn(shape)
        step(ours, gradient, muon)
        step(theirs, gradient, peer)

    assert (ours - theirs).norm() / theirs.norm() < 0.02


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_moves_as_the_matrix_of_its_rows(
    memory_format: torch.memory_format,
) -> None:
    torch.manual_seed(0)
    start, gradient = torch.randn(8, 6, 3, 3), torch.randn(8, 6, 3, 3)
    kernel = nn.Parameter(start.clone(memory_format=memory_format))
    matrix = nn.Parameter(start.flatten(1).clone())

    step(kernel, gradient.to(memory_format=memory_format), Muon([kernel], lr=0.1))
    step(matrix, gradient.flatten(1), Muon([matrix], lr=0.1))

    torch.testing.assert_close(kernel.detach().flatten(1), matrix.detach())


def test_an_update_is_as_large_as_adam_s() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(64, 64, 3, 3))

    step(weight, torch.randn(64, 64, 3, 3), Muon([weight], lr=1.0))

    assert weight.square().mean().sqrt().item() == pytest.approx(0.2, rel=0.3)


def test_vectors_and_scalars_move_as_with_adam_at_the_rate_of_their_group() -> None:
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(5)), nn.Parameter(torch.zeros(()))]
    theirs = copy.deepcopy(ours)
    groups = [
        [{"params": [p], "lr": rate} for p, rate in zip(ps, (1e-2, 1e-1), strict=True)]
        for ps in (ours, theirs)
    ]
    optimizers = Muon(groups[0], lr=1.0), torch.optim.Adam(groups[1], lr=1.0)

    for _ in range(4):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        for optimizer in optimizers:
            optimizer.step()

    torch.testing.assert_close(ours, theirs)


def test_what_has_no_gradient_stays() -> None:
    layer = nn.Linear(3, 2)
    before = copy.deepcopy(layer.state_dict())

    Muon(layer.parameters(), lr=0.1).step()

    torch.testing.assert_close(layer.state_dict(), before)


def test_a_restored_optimizer_goes_on_with_the_same_bits() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 4, 3)
    gradients = [[torch.randn_like(p) for p in layer.parameters()] for _ in range(4)]

    def run(layer: nn.Module, optimizer: Muon, rows: list[list[torch.Tensor]]) -> None:
        for row in rows:
            for parameter, gradient in zip(layer.parameters(), row, strict=True):
                parameter.grad = gradient.clone()
            optimizer.step()

    optimizer = Muon(layer.parameters(), lr=0.1)
    run(layer, optimizer, gradients[:2])
    resumed = copy.deepcopy(layer)
    restored = Muon(resumed.parameters(), lr=0.1)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    run(layer, optimizer, gradients[2:])
    run(resumed, restored, gradients[2:])

    assert all(map(torch.equal, layer.parameters(), resumed.parameters()))


def test_a_closure_gives_the_loss_and_the_gradient() -> None:
    weight = nn.Parameter(torch.eye(3))
    optimizer = Muon([weight], lr=0.1)

    def closure() -> float:
        loss = weight.square().sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 3.0
    assert (weight.diagonal() < 1).all()
