"""Gradient-based inversion: its objective, its determinism, and that it finds what z holds."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from pipeline.errors import PipelineError
from pipeline.evaluation.mahendran_vedaldi import invert_representation, total_variation
from pipeline.networks.layers import phi

SHAPE = (3, 12, 12)


@cache
def network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(8, 16, 3, 2, 1)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 10)).eval()


def represent(path: str = "3") -> torch.Tensor:
    coarse = torch.rand(2, 3, 3, 3, generator=torch.Generator().manual_seed(1)) * 1.6 - 0.8
    return phi(network(), path, nn.functional.interpolate(coarse, SHAPE[1:], mode="bilinear"))


def invert(z: torch.Tensor, path: str = "3", **changes: Any) -> Any:
    return invert_representation(network(), path, z, SHAPE, **({"steps": 60, "seed": 0} | changes))


@pytest.mark.parametrize("path", ["0", "1", "2", "3", "5"])
def test_the_representation_is_reached(path: str) -> None:
    z = represent(path)
    found = invert(z, path, steps=150, variation_weight=0.01)
    assert found.shape == (2, *SHAPE) and not found.requires_grad
    assert found.abs().max() <= 1
    left = (phi(network(), path, found) - z).flatten(1).norm(dim=1) / z.flatten(1).norm(dim=1)
    assert (left**2 < 0.05).all()


def test_images_depend_on_their_z_and_the_seed_alone() -> None:
    z = represent()
    first = invert(z)
    torch.manual_seed(99)
    assert torch.equal(invert(z), first)
    assert not torch.allclose(invert(z, seed=1), first)
    assert first[0] == pytest.approx(invert(torch.stack([z[0], 5 * z[1]]))[0], abs=1e-4)


def test_weights_of_the_priors() -> None:
    z = represent()
    smooth, rough = (invert(z, variation_weight=weight) for weight in (10.0, 0.01))
    assert (total_variation(smooth) < 0.5 * total_variation(rough)).all()
    options = {"variation_weight": 0.01, "steps": 150}
    free, kept = (invert(4 * z, range_weight=weight, **options) for weight in (0, 3))
    assert kept.abs().mean() < free.abs().mean()


def test_total_variation_of_an_edge() -> None:
    steps = torch.zeros(1, 3, 4, 5)
    steps[..., 2:] = 2  # one edge of height 2 in each of 4 rows and 3 channels
    for image in (steps, steps.mT.contiguous()):
        assert total_variation(image) == pytest.approx([4 * 3 * 4 / 20])


def test_the_network_is_left_as_it_was() -> None:
    before = {name: value.clone() for name, value in network().state_dict().items()}
    with torch.no_grad():  # as evaluation usually runs; zero is no division by zero
        assert invert(torch.zeros(1, 16, 3, 3), steps=5).isfinite().all()
    assert all(torch.equal(value, before[name]) for name, value in network().state_dict().items())
    assert all(parameter.grad is None for parameter in network().parameters())
    assert not any(module._forward_hooks for module in network().modules())


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (torch.zeros(2, 5), r"shape \[2, 16, 3, 3\].*z is \[2, 5\]"),
        (torch.full((2, 16, 3, 3), float("nan")), "finite"),
    ],
)
def test_bad_input(z: torch.Tensor, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        invert(z)
