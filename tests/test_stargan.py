"""StarGAN: its edits, its losses in closed form, and its training in turns."""

import copy
import math
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from training import gradients, run_in

from pipeline.config.settings import TrainStarGANSettings
from pipeline.datasets.images import ImageSet
from pipeline.errors import PipelineError
from pipeline.models.stargan import StarGANCritic, StarGANGenerator, edit_attribute
from pipeline.training import stargan
from pipeline.training.run import TrainingRun
from pipeline.training.stargan import Adversaries, classification_loss, gradient_penalty

NAMES = ("Red", "Dark", "Left")
SETTINGS = TrainStarGANSettings(
    attributes=NAMES, steps=11, batch_size=8, learning_rate=1e-3, critic_steps=3, width=4, blocks=1,
    critic_width=4, critic_layers=2, validate_every=6,
)  # fmt: skip


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(seed: int = 0) -> tuple[StarGANGenerator, StarGANCritic]:
    torch.manual_seed(seed)
    return StarGANGenerator(NAMES, 4, 1), StarGANCritic(3, 16, 4, 2)


def batch(count: int = 6) -> tuple[Tensor, Tensor]:
    images = torch.rand(count, 3, 16, 16, generator=draws(1)) * 2 - 1
    return images, torch.randint(0, 2, (count, 3), generator=draws(2)).float()


def test_a_residual_generator_begins_with_the_image() -> None:
    images, attributes = batch()
    generator = StarGANGenerator(NAMES, 4, 1, residual=True)
    assert_close(generator(images, attributes), 0.99 * images)
    generator.layers[-1].weight.data.normal_()
    edited = generator(images, attributes)
    assert (edited - images).abs().mean() > 0.1 and edited.abs().max() <= 1


@pytest.mark.parametrize(("size", "layers"), [(64, 6), (64, 4), (128, 5)])
def test_sizes(size: int, layers: int) -> None:
    generator, critic = StarGANGenerator(NAMES, 2, 1), StarGANCritic(3, size, 2, layers)
    edited = generator(torch.rand(2, 3, size, size), torch.ones(2, 3))
    assert edited.shape == (2, 3, size, size) and edited.abs().max() < 1
    patches, logits = critic(edited)
    assert patches.shape == (2, 1, size >> layers, size >> layers) and logits.shape == (2, 3)


def test_an_edit_negates_one_attribute_whatever_the_other_images_and_the_mode() -> None:
    generator, critic = small()
    images, attributes = batch()
    before, expected = attributes.clone(), generator(images, attributes)
    for index in range(3):
        wanted = attributes.clone()
        wanted[:, index] = 1 - wanted[:, index]
        edited = edit_attribute(generator, images, attributes, index)
        assert edited.equal(generator(images, wanted)) and not edited.requires_grad
        assert not edited.allclose(expected, atol=1e-4)
    assert attributes.equal(before)
    for mode in (True, False):
        assert generator.train(mode)(images, attributes).equal(expected)
    assert_close(expected[:1], generator(images[:1], attributes[:1]))
    assert_close(critic(images)[0][:1], critic(images[:1])[0])


def test_attributes_and_sizes_that_do_not_fit() -> None:
    generator, (images, attributes) = small()[0], batch()
    for index in (-1, 3):
        with pytest.raises(PipelineError, match=f"no attribute {index}: .*Red, Dark, Left"):
            edit_attribute(generator, images, attributes, index)
    for shape in ((6, 2), (6, 4), (5, 3), (6,)):
        with pytest.raises(PipelineError, match="expects 3 for each, Red, Dark, Left"):
            generator(images, torch.zeros(shape))
    with pytest.raises(PipelineError, match="18 x 16 px"):
        generator(torch.zeros(1, 3, 18, 16), torch.zeros(1, 3))
    for size in (48, 16):
        with pytest.raises(PipelineError, match=f"of 5 layers for images of {size} px"):
            StarGANCritic(3, size, 4, 5)


@pytest.mark.parametrize("patches", [1, 4])
def test_the_gradient_penalty_of_a_linear_critic(patches: int) -> None:
    """The gradient is the weight everywhere, the sum of them for several patches."""
    weight = torch.randn(patches, 3 * 4 * 4, generator=draws(3), dtype=torch.float64)
    real, fake = torch.randn(2, 5, 3, 4, 4, generator=draws(4), dtype=torch.float64)
    weight.requires_grad_()
    penalty = gradient_penalty(lambda x: x.flatten(1) @ weight.T, real, fake, draws())
    expected = (weight.sum(0).norm() - 1).square()
    assert_close(penalty, expected)
    assert_close(*(torch.autograd.grad(some, weight) for some in (penalty, expected)))


def test_the_gradient_penalty_lies_between_real_and_fake() -> None:
    """The gradient of |x|^2 / 2 is x: of real = 3 u and fake = u, all points have norm 1 to 3."""
    direction = torch.ones(1, 3, 2, 2) / math.sqrt(12)
    real, fake = (factor * direction.expand(1000, 3, 2, 2) for factor in (3, 1))
    penalty = gradient_penalty(lambda x: x.square().flatten(1).sum(1) / 2, real, fake, draws())
    # The mean of (2 share)^2 for a share that is even in [0, 1].
    assert penalty.item() == pytest.approx(4 / 3, rel=0.1)
    with torch.no_grad():  # as when processes are initialised alike
        assert gradient_penalty(torch.sin, real, fake, draws()).item() > 0


def test_the_classification_loss_is_summed_over_attributes() -> None:
    logits = torch.tensor([[0.0, 2.0, -1.0], [0.0, 0.0, 3.0]])
    attributes = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    expected = -torch.sigmoid((2 * attributes - 1) * logits).log().sum(1).mean()
    assert_close(classification_loss(logits, attributes), expected)


def test_the_generator_learns_in_its_own_turns_only() -> None:
    """Between them it has no gradient, so that Adam's momentum does not move it either."""
    generator, critic = small()
    training, moved = Adversaries(generator, critic, critic_steps=3), []
    optimizer = torch.optim.Adam(training.parameters(), fused=True)
    for _ in range(7):
        before = copy.deepcopy(dict(generator.named_parameters()))
        optimizer.zero_grad()
        training(*batch(), draws())["loss"].backward()
        optimizer.step()
        moved.append({not p.equal(before[name]) for name, p in generator.named_parameters()})
        assert None not in gradients(critic)
        with torch.no_grad():  # looking is no turn
            training(*batch(), draws())
    assert moved == [{False}, {False}, {True}, {False}, {False}, {True}, {False}]


def test_one_backward_gives_each_the_gradient_of_its_own_loss() -> None:
    generator, critic = small()
    images, attributes = batch()
    training = Adversaries(generator, critic, critic_steps=1, reconstruction=7)
    result = training(images, attributes, draws())
    result["loss"].backward()
    of_generator, of_critic = gradients(generator), gradients(critic)

    training.zero_grad()
    wanted = attributes[torch.randperm(6, generator=(same := draws()))]
    edited = generator(images, wanted)
    real, logits = critic(images)
    parts = {
        "distance": real.mean() - critic(edited.detach())[0].mean(),
        "classification": classification_loss(logits, attributes),
        "penalty": gradient_penalty(lambda x: critic(x)[0], images, edited.detach(), same),
    }
    loss = parts["classification"] + 10 * parts["penalty"] - parts["distance"]
    loss.backward()
    assert_close(of_critic, gradients(critic))

    patches, logits = critic(edited)
    parts |= {
        "edits_score": patches.mean(),
        "edits_classification": classification_loss(logits, wanted),
        "reconstruction": (generator(edited, attributes) - images).abs().mean(),
    }
    of_edits = parts["edits_classification"] + 7 * parts["reconstruction"] - parts["edits_score"]
    of_edits.backward()
    assert_close(of_generator, gradients(generator))
    assert_close(result, parts | {"loss": loss + of_edits})


def tiles(count: int, seed: int) -> ImageSet:
    """Images of 16 px: a bright or dark, red or blue square, left or right, on noise."""
    rng = np.random.default_rng(seed)
    red, dark, left = (rng.random(count) < 0.5 for _ in range(3))
    images = rng.integers(100, 150, (count, 16, 16, 3))
    for image, is_red, is_dark, is_left in zip(images, red, dark, left, strict=True):
        colour = np.array([220, 60, 60] if is_red else [60, 60, 220]) // (2 if is_dark else 1)
        image[4:12, 1:8] = colour if is_left else image[4:12, 1:8]
        image[4:12, 8:15] = image[4:12, 8:15] if is_left else colour
    truth = pd.DataFrame({"split": "train", "Red": red, "Dark": dark, "Left": left})
    label = torch.zeros(count, dtype=torch.int64)
    return ImageSet(images.astype(np.uint8), np.arange(count), truth, label)


TRAIN, VALIDATION = tiles(200, 0), tiles(60, 1)


def train(run: TrainingRun, **changes: Any) -> Any:
    torch.manual_seed(0)
    return stargan.train_stargan(TRAIN, VALIDATION, SETTINGS.model_copy(update=changes), run)


def test_it_learns_to_edit(tmp_path: Path) -> None:
    generator, result = train(
        run_in(tmp_path), steps=600, critic_steps=2, width=8, critic_width=16, validate_every=600
    )
    assert not generator.training
    found = result.last_validation
    assert set(found) == {"edited", "read", "change", "reconstruction"}
    assert found["read"] > 0.95 and found["edited"] > 0.8
    images = VALIDATION.images(slice(None))
    attributes = torch.tensor(VALIDATION.truth[list(NAMES)].to_numpy(np.float32))
    edited = edit_attribute(generator, images, attributes, 0)
    redder = ((edited - images)[:, 0] - (edited - images)[:, 2]).mean((1, 2))
    assert ((redder < 0) == attributes[:, 0].bool()).float().mean() > 0.9


def test_the_learning_rate_falls_in_the_second_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = Mock(wraps=stargan.fit)
    monkeypatch.setattr(stargan, "fit", fit)
    train(run_in(tmp_path), steps=10)
    (_, _, optimizer), options = fit.call_args
    factors = [options["schedule"](step) for step in (0, 5, 6, 9)]
    assert factors == pytest.approx([1, 1, 0.8, 0.2])
    assert optimizer.defaults["betas"] == (0.5, 0.999)
