"""StarGAN: the published architecture, its losses in closed form, and its training in turns."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning_fabric import Fabric
from test_biggan import parameters, record
from torch import Tensor, nn

from pipeline.datasets.attributes import attribute_values
from pipeline.datasets.images import ImageSet
from pipeline.errors import PipelineError
from pipeline.models.stargan import StarGANCritic, StarGANGenerator, edit_attribute
from pipeline.params import TrainStarGANParams
from pipeline.storage import read_json, read_tensors, write_json, write_safetensors
from pipeline.training import stargan
from pipeline.training.checkpoints import CheckpointFolder
from pipeline.training.log import TrainingLog
from pipeline.training.stargan import (
    Adversaries,
    classification_loss,
    gradient_penalty,
    train_stargan,
)

NAMES = ("Red", "Dark", "Left")
SETTINGS = TrainStarGANParams(
    attributes=NAMES,
    steps=11,
    batch_size=8,
    learning_rate=1e-3,
    critic_updates=3,
    reconstruction=10.0,
    width=4,
    blocks=1,
    residual=False,
    critic_width=4,
    critic_layers=2,
    validate_every=6,
)


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def attributes_of(data: ImageSet) -> Tensor:
    return torch.tensor(data.truth[list(NAMES)].to_numpy(np.float32))


def small(seed: int = 0) -> tuple[StarGANGenerator, StarGANCritic]:
    torch.manual_seed(seed)
    return StarGANGenerator(NAMES, 4, 1), StarGANCritic(3, 16, 4, 2)


def batch(count: int = 6) -> tuple[Tensor, Tensor]:
    images = torch.rand(count, 3, 16, 16, generator=draws(1)) * 2 - 1
    return images, torch.randint(0, 2, (count, 3), generator=draws(2)).float()


# --- architecture --------------------------------------------------------------------------------


def test_a_residual_generator_begins_with_the_image(tmp_path: Path) -> None:
    images, attributes = batch()
    generator = StarGANGenerator(NAMES, 4, 1, residual=True)
    torch.testing.assert_close(generator(images, attributes), 0.99 * images)
    generator.layers[-1].weight.data.normal_()
    edited = generator(images, attributes)
    assert (edited - images).abs().mean() > 0.1 and edited.abs().max() <= 1
    again = StarGANGenerator(**generator.arguments)
    again.load_state_dict(generator.state_dict())
    assert torch.equal(again(images, attributes), edited)


def test_the_published_generator() -> None:
    """Tab. 4 for the five attributes of CelebA, counted by hand."""
    convolutions = (3 + 5) * 64 * 49 + 64 * 128 * 16 + 128 * 256 * 16
    convolutions += 6 * 2 * 256 * 256 * 9
    convolutions += 256 * 128 * 16 + 128 * 64 * 16 + 64 * 3 * 49
    norms = 2 * (64 + 128 + 256 + 6 * 2 * 256 + 128 + 64)
    assert convolutions + norms == 8_430_528
    expected = {
        "layers.2": (64, 128, 128),
        "layers.5": (128, 64, 64),
        "layers.8": (256, 32, 32),
        "layers.14": (256, 32, 32),
        "layers.17": (128, 64, 64),
        "layers.20": (64, 128, 128),
    }
    with torch.device("meta"):
        generator = StarGANGenerator(list("abcde"))
        arguments = torch.zeros(2, 3, 128, 128), torch.zeros(2, 5)
        assert record(generator, list(expected), *arguments) == expected
        assert generator(*arguments).shape == (2, 3, 128, 128)
    assert parameters(generator) == 8_430_528


def test_the_published_critic() -> None:
    """Tab. 5 for the five attributes of CelebA, counted by hand."""
    convolutions = 3 * 64 * 16 + 16 * 64 * 128 * (1 + 4 + 16 + 64 + 256)
    biases = 64 + 128 + 256 + 512 + 1024 + 2048
    heads = 2048 * 9 + 2048 * 5 * 2 * 2
    assert convolutions + biases + heads == 44_762_048
    with torch.device("meta"):
        critic, images = StarGANCritic(5), torch.zeros(2, 3, 128, 128)
        assert record(critic, ["layers.11"], images) == {"layers.11": (2048, 2, 2)}
        patches, logits = critic(images)
    assert patches.shape == (2, 1, 2, 2) and logits.shape == (2, 5)
    assert parameters(critic) == 44_762_048


@pytest.mark.parametrize(("size", "layers"), [(64, 6), (64, 4), (128, 6), (128, 5)])
def test_sizes(size: int, layers: int) -> None:
    generator, critic = StarGANGenerator(NAMES, 2, 1), StarGANCritic(3, size, 2, layers)
    images = torch.rand(2, 3, size, size)
    edited = generator(images, torch.ones(2, 3))
    assert edited.shape == images.shape and -1 < edited.min() < edited.max() < 1
    patches, logits = critic(edited)
    assert patches.shape == (2, 1, size >> layers, size >> layers) and logits.shape == (2, 3)


def test_images_do_not_see_each_other() -> None:
    generator, critic = small()
    images, attributes = batch()
    torch.testing.assert_close(
        generator(images, attributes)[:1], generator(images[:1], attributes[:1])
    )
    torch.testing.assert_close(critic(images)[0][:1], critic(images[:1])[0])


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_attributes_matter_and_evaluation_mode_does_not(mode: str) -> None:
    generator, _ = small()
    images, attributes = batch()
    expected = generator(images, attributes)
    generator.train(mode == "train")
    assert generator(images, attributes).equal(expected)
    assert not generator(images, 1 - attributes).allclose(expected, atol=1e-3)


def test_a_stored_generator(tmp_path: Path) -> None:
    generator, _ = small()
    write_safetensors(tmp_path / "model.safetensors", generator.state_dict())
    write_json(tmp_path / "config.json", generator.arguments)
    loaded = StarGANGenerator(**read_json(tmp_path / "config.json")).eval()
    loaded.load_state_dict(read_tensors(tmp_path / "model.safetensors"))
    assert loaded.attributes == NAMES and not loaded.training
    assert loaded(*batch()).equal(generator(*batch()))


# --- editing -------------------------------------------------------------------------------------


def test_an_edit_negates_one_attribute() -> None:
    generator, _ = small()
    images, attributes = batch()
    before = attributes.clone()
    for index in range(3):
        wanted = attributes.clone()
        wanted[:, index] = 1 - wanted[:, index]
        edited = edit_attribute(generator, images, attributes, index)
        assert edited.equal(generator(images, wanted)) and not edited.requires_grad
    assert attributes.equal(before)


@pytest.mark.parametrize("index", [-1, 3])
def test_an_attribute_that_does_not_exist(index: int) -> None:
    sentence = rf"^StarGAN has no attribute {index}: it has 3, counted from 0: Red, Dark, Left\.$"
    with pytest.raises(PipelineError, match=sentence):
        edit_attribute(small()[0], *batch(), index)


@pytest.mark.parametrize("shape", [(6, 2), (6, 4), (5, 3), (6,)])
def test_attributes_of_the_wrong_length(shape: tuple[int, ...]) -> None:
    generator, _ = small()
    with pytest.raises(PipelineError) as caught:
        generator(batch()[0], torch.zeros(shape))
    assert str(caught.value) == (
        f"6 images with attributes of shape {shape}: StarGAN expects 3 for each, Red, Dark, Left."
    )


def test_sizes_that_cannot_be_halved() -> None:
    with pytest.raises(PipelineError, match="no StarGAN for images of 18 x 16 px: use multiples"):
        small()[0](torch.zeros(1, 3, 18, 16), torch.zeros(1, 3))
    for size in (48, 16):
        with pytest.raises(PipelineError, match=f"of 5 layers for images of {size} px: use a mult"):
            StarGANCritic(3, size, 4, 5)


# --- losses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("patches", [1, 4])
def test_the_gradient_penalty_of_a_linear_critic(patches: int) -> None:
    """The gradient is the weight everywhere, the sum of them for several patches."""
    weight = torch.randn(patches, 3 * 4 * 4, generator=draws(3), dtype=torch.float64)
    real, fake = torch.randn(2, 5, 3, 4, 4, generator=draws(4), dtype=torch.float64)
    penalty = gradient_penalty(lambda x: x.flatten(1) @ weight.T, real, fake, draws())
    torch.testing.assert_close(penalty, (weight.sum(0).norm() - 1).square())


def test_the_gradient_penalty_lies_between_real_and_fake() -> None:
    """The gradient of |x|^2 / 2 is x: of real = 3 u and fake = u, all points have norm 1 to 3."""
    direction = torch.ones(1, 3, 2, 2) / math.sqrt(12)
    real, fake = (factor * direction.expand(1000, 3, 2, 2) for factor in (3, 1))
    penalty = gradient_penalty(
        lambda x: x.square().flatten(1).sum(1) / 2, real, fake, draws()
    )  # the mean of (2 share)^2 for a share that is even in [0, 1]
    assert penalty.item() == pytest.approx(4 / 3, rel=0.1)


def test_the_gradient_penalty_teaches_the_critic() -> None:
    _, critic = small()
    real, fake = batch()[0], -batch()[0]
    gradient_penalty(lambda x: critic(x)[0], real, fake, draws()).backward()
    assert critic.layers[0].weight.grad.norm() > 0  # type: ignore[union-attr, operator]
    with torch.no_grad():  # as when processes are initialised alike
        assert gradient_penalty(lambda x: critic(x)[0], real, fake, draws()).item() > 0


def test_the_classification_loss_is_summed_over_attributes() -> None:
    logits = torch.tensor([[0.0, 2.0, -1.0], [0.0, 0.0, 3.0]])
    attributes = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    signs = 2 * attributes - 1
    expected = -torch.sigmoid(signs * logits).log().sum(1).mean()
    torch.testing.assert_close(classification_loss(logits, attributes), expected)
    undecided = classification_loss(torch.zeros(4, 6), torch.ones(4, 6))
    assert undecided.item() == pytest.approx(6 * math.log(2))


def gradients(module: nn.Module) -> list[Tensor | None]:
    return [None if p.grad is None else p.grad.clone() for p in module.parameters()]


def test_the_generator_gets_a_gradient_in_its_own_turn_only() -> None:
    generator, critic = small()
    training = Adversaries(generator, critic, critic_updates=3)
    turns = []
    for _ in range(7):
        training.zero_grad()
        training(*batch(), draws())["loss"].backward()
        of_generator = {gradient is not None for gradient in gradients(generator)}
        assert len(of_generator) == 1 and None not in gradients(critic)
        turns += of_generator
    assert turns == [False, False, True, False, False, True, False]


def test_looking_is_no_turn() -> None:
    training = Adversaries(*small(), critic_updates=1)
    with torch.no_grad():
        training(*batch(), draws())
    assert training.updates == 0
    training(*batch(), draws())
    assert training.updates == 1


def test_one_backward_gives_each_its_own_gradient() -> None:
    generator, critic = small()
    images, attributes = batch()
    training = Adversaries(generator, critic, critic_updates=1, reconstruction=7)
    result = training(images, attributes, draws())
    result["loss"].backward()
    of_generator, of_critic = gradients(generator), gradients(critic)

    wanted = attributes[torch.randperm(6, generator=draws())]
    training.zero_grad()
    alone = Adversaries(generator, critic, critic_updates=99)
    told = alone(images, attributes, draws())
    told["loss"].backward()
    torch.testing.assert_close(of_critic, gradients(critic))

    training.zero_grad()
    edited = generator(images, wanted)
    patches, logits = critic(edited)
    back = (generator(edited, attributes) - images).abs().mean()
    fooled = {
        "edits_score": patches.mean(),
        "edits_classification": classification_loss(logits, wanted),
        "way_back": back,
    }
    loss = fooled["edits_classification"] + 7 * back - fooled["edits_score"]
    loss.backward()
    torch.testing.assert_close(of_generator, gradients(generator))
    torch.testing.assert_close(result["loss"], told["loss"] + loss)
    assert set(result) - set(told) == set(fooled)
    for name, value in fooled.items():
        torch.testing.assert_close(result[name], value.detach())


def test_the_critics_loss() -> None:
    generator, critic = small()
    images, attributes = batch()
    result = Adversaries(generator, critic)(images, attributes, draws())
    wanted = attributes[torch.randperm(6, generator=(same := draws()))]
    edited = generator(images, wanted).detach()
    real, logits = critic(images)
    distance = real.mean() - critic(edited)[0].mean()
    classification = classification_loss(logits, attributes)
    penalty = gradient_penalty(lambda x: critic(x)[0], images, edited, same)
    torch.testing.assert_close(result["loss"], classification + 10 * penalty - distance)
    for name, value in (("distance", distance), ("penalty", penalty)):
        torch.testing.assert_close(result[name], value.detach())


# --- training ------------------------------------------------------------------------------------


def tiles(count: int, seed: int, **columns: Any) -> ImageSet:
    """Images of 16 px: a bright or dark, red or blue square, left or right, on noise."""
    rng = np.random.default_rng(seed)
    red, dark, left = (rng.random(count) < 0.5 for _ in range(3))
    images = rng.integers(100, 150, (count, 16, 16, 3))
    for image, is_red, is_dark, is_left in zip(images, red, dark, left, strict=True):
        colour = np.array([220, 60, 60] if is_red else [60, 60, 220]) // (2 if is_dark else 1)
        image[4:12, 1:8] = colour if is_left else image[4:12, 1:8]
        image[4:12, 8:15] = image[4:12, 8:15] if is_left else colour
    truth = pd.DataFrame({"split": "train", "Red": red, "Dark": dark, "Left": left})
    truth = truth.assign(species="tile", yaw=0.5).assign(**columns)
    label = torch.zeros(count, dtype=torch.int64)
    return ImageSet(images.astype(np.uint8), np.arange(count), truth, label)


TRAIN, VALIDATION = tiles(200, 0), tiles(60, 1)


def train(folder: Path, data: ImageSet = TRAIN, **changes: Any) -> Any:
    torch.manual_seed(0)
    return train_stargan(
        data,
        VALIDATION,
        dataclasses.replace(SETTINGS, **changes),
        seed=3,
        fabric=Fabric(accelerator="cpu", devices=1),
        checkpoints=CheckpointFolder(folder),
        log=TrainingLog(None, "stargan"),
    )


def test_it_learns_to_edit(tmp_path: Path) -> None:
    generator, result = train(
        tmp_path, steps=600, critic_updates=2, width=8, critic_width=16, validate_every=600
    )
    assert not generator.training
    assert set(result) == {"edited", "read", "change", "reconstruction"}
    assert result["read"] > 0.95 and result["edited"] > 0.8
    images, attributes = VALIDATION.images(slice(None)), attributes_of(VALIDATION)
    edited = edit_attribute(generator, images, attributes, 0)
    redder = ((edited - images)[:, 0] - (edited - images)[:, 2]).mean((1, 2))
    assert ((redder < 0) == attributes[:, 0].bool()).float().mean() > 0.9


@pytest.mark.parametrize("interrupted", [3, 7])
def test_a_resumed_training_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: int
) -> None:
    """Also between two turns of the generator, when Adam holds its state and it has no gradient."""
    expected, result = train(tmp_path / "a")
    calls, penalty, fit = 0, stargan.gradient_penalty, stargan.fit

    def interrupt(*arguments: Any) -> Tensor:
        nonlocal calls
        calls += 1
        if calls > interrupted:
            raise KeyboardInterrupt
        return penalty(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(stargan, "fit", lambda *a, **k: fit(*a, **(k | {"save_every_seconds": 0})))
        patch.setattr(stargan, "gradient_penalty", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "b")
    assert CheckpointFolder(tmp_path / "b").load()["step"] == interrupted  # type: ignore[index]
    generator, again = train(tmp_path / "b")
    assert again == result
    for name, value in expected.state_dict().items():
        assert generator.state_dict()[name].equal(value), name


def test_the_generator_rests_between_its_turns(tmp_path: Path) -> None:
    """Adam's momentum must not move it either."""
    states = [train(tmp_path / str(steps), steps=steps)[0].state_dict() for steps in (2, 3)]
    torch.manual_seed(0)
    fresh = StarGANGenerator(NAMES, 4, 1).state_dict()
    assert all(states[0][name].equal(fresh[name]) for name in fresh)
    assert not all(states[1][name].equal(fresh[name]) for name in fresh)
    trained = Adversaries(*small(), critic_updates=2)
    optimizer = torch.optim.Adam(trained.parameters(), fused=True)
    seen = []
    for _ in range(3):
        optimizer.zero_grad()
        trained(*batch(), draws())["loss"].backward()
        optimizer.step()
        seen.append(trained.generator.layers[0].weight.clone())  # type: ignore[operator]
    assert not seen[1].equal(seen[0]) and seen[2].equal(seen[1])


def test_the_learning_rate_falls_in_the_second_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}
    fit = stargan.fit

    def record_options(model: Any, objective: Any, optimizer: Any, **options: Any) -> Any:
        seen.update(options, betas=optimizer.defaults["betas"])
        return fit(model, objective, optimizer, **options)

    monkeypatch.setattr(stargan, "fit", record_options)
    train(tmp_path, steps=10)
    schedule: Callable[[int], float] = seen["schedule"]
    assert [schedule(step) for step in (0, 5, 6, 9)] == pytest.approx([1, 1, 0.8, 0.2])
    assert seen["betas"] == (0.5, 0.999)


@pytest.mark.parametrize("value", [True, False])
def test_an_attribute_with_one_value_only(tmp_path: Path, value: bool) -> None:
    with pytest.raises(PipelineError) as caught:
        train(tmp_path, tiles(20, 0, Left=value))
    assert str(caught.value) == (
        f"the attribute 'Left' is {str(value).lower()} in all 20 of the training images, so none "
        "differs in it: prepare more images, or others, or leave the attribute out."
    )


@pytest.mark.parametrize("name", ["Smiling", "species", "yaw", "split"])
def test_what_is_no_attribute(name: str) -> None:
    sentence = f"no attribute '{name}' that is either true or false: known are Red, Dark, Left"
    with pytest.raises(PipelineError, match=sentence):
        attribute_values(TRAIN.truth, ["Red", name], "the training images")


def test_attributes_come_in_the_order_of_their_names() -> None:
    values = attribute_values(TRAIN.truth, ["Left", "Red"], "the training images")
    assert list(values) == ["Left", "Red"] and values.equals(TRAIN.truth[["Left", "Red"]])
