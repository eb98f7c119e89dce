"""Fig. 5: what is attacked, what goes through t, and what classes are called."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.datasets.carnivores import IMAGENET_CLASS, IMAGENET_CLASSES
from pipeline.evaluation import measure_fig5
from pipeline.evaluation.attacks import attack
from pipeline.evaluation.measure_fig5 import _attacked, _class_names, _with_representation
from pipeline.models.inn import ConditionalINN
from pipeline.models.loading import build_cinn

IMAGES = 7
"""With batches of three, two whole ones and a rest."""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure_fig5, "BATCH", 3)


@pytest.fixture
def t() -> ConditionalINN:
    torch.manual_seed(0)
    model = build_cinn(6, (5,), 8, blocks=3, width=16, depth=1).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))  # untrained, it ignores z
    return model


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_another_representation_keeps_the_invariances(t: ConditionalINN) -> None:
    z_bar = normal(IMAGES, 6, seed=1)
    z, changed = normal(IMAGES, 5, seed=2), normal(IMAGES, 5, seed=3)
    close = {"rtol": 0, "atol": 1e-4}
    torch.testing.assert_close(_with_representation(t, z_bar, z, z), z_bar, **close)
    found = _with_representation(t, z_bar, z, changed)
    with torch.no_grad():
        torch.testing.assert_close(t(found, changed)[0], t(z_bar, z)[0], **close)
    swapped = _with_representation(t, z_bar, changed, z)
    assert all((found - other).abs().max() > 0.01 for other in (z_bar, swapped))


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_images_are_attacked_in_batches(method: str) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 5)).eval()
    images = 0.8 * (torch.rand(IMAGES, 3, 4, 4) * 2 - 1)
    found = _attacked(network, images, 0.1, method, 4)
    torch.testing.assert_close(found, attack(network, images, 0.1, method=method, steps=4))
    assert (found - images).abs().amax((1, 2, 3)).min() > 0.09
    assert (found - images).abs().max() < 0.1 + 1e-6
    with torch.no_grad():
        clean = network(images)
        before, after = (
            F.cross_entropy(logits, clean.argmax(1), reduction="none")
            for logits in (clean, network(found))
        )
    assert (after > before).all()


def test_imagenets_classes_are_told_apart() -> None:
    nothing: Any = None  # no image is looked at
    names = _class_names(nothing, IMAGENET_CLASSES)
    assert len(set(names)) == len(names) == IMAGENET_CLASSES
    assert all(names[output] == species for species, output in IMAGENET_CLASS.items())


def test_every_output_has_a_name() -> None:
    """Also of classes without test images, such as the last one; and the network knows no more."""
    truth = pd.DataFrame({"species": ["wolf", "cat", "wolf", "yak"]})
    test: Any = SimpleNamespace(truth=truth, label=torch.tensor([2, 0, 2, 5]))
    assert _class_names(test, 4).tolist() == ["cat", "class 1", "wolf", "class 3"]
    assert np.issubdtype(_class_names(test, 4).dtype, np.str_)
