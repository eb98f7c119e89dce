"""Attacks against closed forms: a linear network's gradient is known."""

from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.evaluation.attacks import attack, random_signs

EPSILON = 0.1


@cache
def network() -> nn.Sequential:
    """Logits W x of an image, as f."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 5))


def images(count: int = 6) -> Tensor:
    return torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_one_step_along_the_sign_of_the_gradient() -> None:
    x = images()
    with torch.no_grad():
        logits = network()(x)
        # d cross entropy / d x = W' (softmax - one-hot of the predicted class)
        slope = (logits.softmax(1) - F.one_hot(logits.argmax(1), 5)) @ network()[1].weight
    expected = (x + EPSILON * slope.sign().view_as(x)).clamp(-1, 1)
    torch.testing.assert_close(attack(network(), x, EPSILON), expected)
    assert all(parameter.grad is None for parameter in network().parameters())


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_an_attack_stays_close_and_does_not_depend_on_its_batch(method: str) -> None:
    x = images()
    found, again, part = (
        attack(network(), some, EPSILON, method=method, steps=10) for some in (x, x, x[2:3])
    )
    assert found.abs().max() <= 1 and (found - x).abs().max() <= EPSILON + 1e-6
    assert torch.equal(found, again) and torch.equal(found[2:3], part)


def test_several_steps_mislead_more_than_one() -> None:
    torch.manual_seed(1)
    curved = nn.Sequential(nn.Flatten(), nn.Linear(48, 64), nn.Tanh(), nn.Linear(64, 5)).eval()
    x = images(64)
    attacked = [x, attack(curved, x, 0.2), attack(curved, x, 0.2, method="pgd", steps=20)]
    with torch.no_grad():
        predicted = curved(x).argmax(1)
        none, one, several = (F.cross_entropy(curved(some), predicted) for some in attacked)
    assert none < one <= several


def test_random_signs_are_as_large_without_a_direction() -> None:
    x = images(200) * 0.8  # nothing is clamped
    found, again = (random_signs(x, EPSILON, torch.Generator().manual_seed(3)) for _ in range(2))
    change = (found - x) / EPSILON
    torch.testing.assert_close(change.abs(), torch.ones_like(x))
    assert abs(change.mean()) < 0.03 and torch.equal(found, again)
    assert random_signs(torch.ones(1, 3, 4, 4), EPSILON, torch.Generator()).max() <= 1
