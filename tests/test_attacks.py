"""Attacks against closed forms: a linear network's gradient is known."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.evaluation.attacks import attack, random_signs

EPSILON = 0.1


class Linear(nn.Module):
    """Logits W x of an image, as f."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 4 * 4, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(1))


@pytest.fixture(scope="module")
def network() -> Linear:
    torch.manual_seed(0)
    return Linear()


def images(count: int = 6) -> Tensor:
    return torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_one_step_along_the_sign_of_the_gradient(network: Linear) -> None:
    x = images()
    with torch.no_grad():
        logits = network(x)
        weight = network.layer.weight
        # d cross entropy / d x = W' (softmax - one-hot of the predicted class)
        slope = (logits.softmax(1) - F.one_hot(logits.argmax(1), 5)) @ weight
    expected = (x + EPSILON * slope.sign().view_as(x)).clamp(-1, 1)
    torch.testing.assert_close(attack(network, x, EPSILON), expected)
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_an_attack_stays_close_and_does_not_depend_on_its_batch(
    method: str, network: Linear
) -> None:
    x = images()
    found = attack(network, x, EPSILON, method=method, steps=10)
    assert found.min() >= -1 and found.max() <= 1
    assert (found - x).abs().max() <= EPSILON + 1e-6
    assert torch.equal(found[2:3], attack(network, x[2:3], EPSILON, method=method, steps=10))
    assert torch.equal(found, attack(network, x, EPSILON, method=method, steps=10))


def test_several_steps_mislead_more_than_one() -> None:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 64), nn.Tanh(), nn.Linear(64, 5)).eval()
    x = images(64)

    def loss(inputs: Tensor) -> float:
        with torch.no_grad():
            predicted = network(x).argmax(1)
            return F.cross_entropy(network(inputs), predicted).item()

    one = attack(network, x, 0.2)
    several = attack(network, x, 0.2, method="pgd", steps=20)
    assert loss(x) < loss(one) <= loss(several)


def test_random_signs_are_as_large_without_a_direction() -> None:
    x = images(200) * 0.8  # nothing is clamped
    found = random_signs(x, EPSILON, torch.Generator().manual_seed(3))
    change = (found - x) / EPSILON
    torch.testing.assert_close(change.abs(), torch.ones_like(x))
    assert abs(change.mean()) < 0.03
    assert torch.equal(found, random_signs(x, EPSILON, torch.Generator().manual_seed(3)))
    assert random_signs(torch.ones(1, 3, 4, 4), EPSILON, torch.Generator()).max() <= 1
