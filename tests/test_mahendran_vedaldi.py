"""Gradient-based inversion: its objective, its determinism, and that it finds what z holds."""

import pytest
import torch
from torch import nn

from pipeline.errors import PipelineError
from pipeline.evaluation.mahendran_vedaldi import invert_representation, total_variation
from pipeline.networks.layers import phi

SHAPE = (3, 12, 12)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(8, 16, 3, 2, 1)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 10)).eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(2, 3, 3, 3, generator=generator) * 1.6 - 0.8
    return nn.functional.interpolate(coarse, (12, 12), mode="bilinear")


def invert(network: nn.Module, path: str, z: torch.Tensor, **changes: object) -> torch.Tensor:
    options = {"steps": 60, "seed": 0, **changes}
    return invert_representation(network, path, z, SHAPE, **options)  # type: ignore[arg-type]


def error(network: nn.Module, path: str, images: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """What is left of z, as a share of it, for each image."""
    return (phi(network, path, images) - z).flatten(1).norm(dim=1) / z.flatten(1).norm(dim=1)


@pytest.mark.parametrize("path", ["0", "1", "2", "3", "5"])
def test_the_representation_is_reached(network: nn.Module, images: torch.Tensor, path: str) -> None:
    z = phi(network, path, images)
    found = invert(network, path, z, steps=150, variation_weight=0.01)
    assert found.shape == images.shape
    assert found.abs().max() <= 1
    assert not found.requires_grad
    early = error(network, path, invert(network, path, z, steps=1), z)
    final = error(network, path, found, z)
    assert (final**2 < 0.05).all() and (final < early).all()


def test_what_comes_before_an_inplace_activation_is_read_before_it(
    network: nn.Module, images: torch.Tensor
) -> None:
    z = network[0](images).detach()
    assert phi(network, "0", images) == pytest.approx(z, abs=1e-6)


def test_an_invertible_layer_gives_the_image_back(images: torch.Tensor) -> None:
    found = invert(
        nn.Sequential(nn.Identity()), "0", images, steps=200, variation_weight=0, range_weight=0
    )
    assert found == pytest.approx(images, abs=0.02)


def test_the_same_seed_gives_the_same_images(network: nn.Module, images: torch.Tensor) -> None:
    z = phi(network, "3", images)
    first = invert(network, "3", z)
    torch.manual_seed(99)
    assert torch.equal(invert(network, "3", z), first)
    assert not torch.allclose(invert(network, "3", z, seed=1), first)


def test_images_do_not_influence_each_other(network: nn.Module, images: torch.Tensor) -> None:
    z = phi(network, "3", images)
    changed = torch.stack([z[0], 5 * z[1]])
    kept, other = invert(network, "3", z)[0], invert(network, "3", changed)[0]
    assert kept == pytest.approx(other, abs=1e-4)


def test_weights_of_the_priors(network: nn.Module, images: torch.Tensor) -> None:
    z = phi(network, "3", images)
    smooth, rough = (invert(network, "3", z, variation_weight=weight) for weight in (10.0, 0.01))
    assert (total_variation(smooth) < 0.5 * total_variation(rough)).all()
    bright = 4 * phi(network, "3", images)
    free = invert(network, "3", bright, range_weight=0, variation_weight=0.01, steps=150)
    kept = invert(network, "3", bright, range_weight=3, variation_weight=0.01, steps=150)
    assert kept.abs().mean() < free.abs().mean()


def test_total_variation_of_an_edge() -> None:
    steps = torch.zeros(1, 3, 4, 5)
    steps[..., 2:] = 2  # one edge of height 2 in each of 4 rows and 3 channels
    assert total_variation(steps) == pytest.approx([4 * 3 * 4 / 20])
    assert total_variation(steps.mT.contiguous()) == pytest.approx([4 * 3 * 4 / 20])


def test_the_network_is_left_as_it_was(network: nn.Module, images: torch.Tensor) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():  # as evaluation usually runs
        invert(network, "3", phi(network, "3", images), steps=3)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


def test_a_zero_representation_is_no_division_by_zero(network: nn.Module) -> None:
    assert invert(network, "3", torch.zeros(1, 16, 3, 3), steps=5).isfinite().all()


class Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = nn.Identity(), nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.used(images)


@pytest.mark.parametrize(
    ("path", "z", "message"),
    [
        ("nowhere", torch.zeros(2, *SHAPE), "no module 'nowhere'.*params.yaml"),
        ("idle", torch.zeros(2, *SHAPE), "does not use its module 'idle'"),
        ("used", torch.zeros(2, 5), r"shape \[2, 3, 12, 12\].*z is \[2, 5\]"),
        ("used", torch.full((2, *SHAPE), float("nan")), "finite"),
    ],
)
def test_bad_input(path: str, z: torch.Tensor, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        invert(Unused(), path, z)
