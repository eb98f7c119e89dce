"""The image metric, the discriminator, and the two trainings that share them."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from settings import change
from test_biggan import parameters, record
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.errors import PipelineError
from pipeline.models.discriminator import PatchDiscriminator, discriminator_loss, generator_loss
from pipeline.models.inversion import InversionDecoder
from pipeline.models.perceptual import LPIPS
from pipeline.params import (
    OptimizerName,
    TrainBaselineParams,
    TrainImageAutoencoderParams,
    load_params,
)
from pipeline.training import image_autoencoder
from pipeline.training.checkpoints import CheckpointFolder
from pipeline.training.image_autoencoder import (
    autoencoder_arguments,
    inversion_arguments,
    train_image_autoencoder,
    train_inversion_decoder,
)
from pipeline.training.image_metric import (
    LARGEST_WEIGHT,
    SHARE,
    Critic,
    Decoding,
    image_distance,
)
from pipeline.training.log import TrainingLog
from pipeline.training.loop import FitResult
from pipeline.training.losses import autoencoder_loss, gaussian_kl
from pipeline.training.optimizers import make_optimizer

SETTINGS = TrainImageAutoencoderParams(
    steps=12,
    batch_size=8,
    learning_rate=2e-3,
    latent=8,
    architecture="biggan",
    encoder_blocks=(1, 1),
    encoder_width=8,
    decoder_channels=2,
    soft_classes=4,
    pixel="squared",
    perceptual=0.0,
    perceptual_weights=None,
    discriminator_start=0,
    optimizer="adam",
    validate_every=6,
)
BASELINE = TrainBaselineParams(
    optimizer="adam",
    steps=12,
    batch_size=8,
    learning_rate=2e-3,
    latent=8,
    discriminator_start=0,
    warm_start=False,
    validate_every=6,
)


class Discs:
    """Bright discs on dark ground: a few factors, as `Images` asks for."""

    def __init__(self, count: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        x, y, radius, *colour = torch.rand(6, count, 1, 1, generator=generator)
        grid = torch.linspace(0, 1, 32)
        inside = (grid - x).square() + (grid[:, None] - y).square() < (0.1 + 0.3 * radius) ** 2
        self.data = torch.where(inside[:, None], torch.stack(colour, 1), 0.0) * 2 - 1
        self.z = torch.stack([x, y, radius, *colour], 1)

    def __len__(self) -> int:
        return len(self.data)

    def images(self, indices: Tensor | slice) -> Tensor:
        return self.data[indices]


TRAIN, VALIDATION = Discs(64, 0), Discs(16, 1)


def train(folder: Path, **changes: Any) -> Any:
    torch.manual_seed(0)
    return train_image_autoencoder(
        TRAIN,  # type: ignore[arg-type]
        VALIDATION,  # type: ignore[arg-type]
        dataclasses.replace(SETTINGS, **changes),
        seed=3,
        fabric=Fabric(accelerator="cpu", devices=1),
        checkpoints=CheckpointFolder(folder),
        log=TrainingLog(None, "autoencoder"),
    )


# --- the metric ----------------------------------------------------------------------------------


def test_shapes_of_tab_s6() -> None:
    expected = {
        "layers.1": (64, 64, 64),
        "layers.4": (128, 32, 32),
        "layers.7": (256, 16, 16),
        "layers.10": (512, 8, 8),
        "layers.14": (512, 8, 8),
        "layers.16": (1, 8, 8),
    }
    with torch.device("meta"):
        discriminator, images = PatchDiscriminator(), torch.zeros(2, 3, 128, 128)
        assert record(discriminator, list(expected), images) == expected
    assert parameters(discriminator) == 6_960_961


def test_discriminator_losses_in_closed_form() -> None:
    logits = torch.tensor([0.0, 2.0])
    undecided = torch.zeros(2)
    assert discriminator_loss(undecided, undecided).item() == pytest.approx(math.log(2))
    expected = 0.5 * F.binary_cross_entropy_with_logits(logits, torch.ones(2))
    expected += 0.5 * F.binary_cross_entropy_with_logits(-logits, torch.zeros(2))
    torch.testing.assert_close(discriminator_loss(logits, -logits), expected)
    torch.testing.assert_close(generator_loss(logits), -logits.sigmoid().log().mean())


@pytest.mark.parametrize(("pixel", "expected"), [("squared", 0.25), ("absolute", 0.5)])
def test_image_distance(pixel: Any, expected: float) -> None:
    images, others = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.5)
    assert image_distance(images, others, pixel).tolist() == [expected] * 2
    with_lpips = image_distance(
        images, others, pixel, 2.0, lambda a, b: (a - b).abs().sum((1, 2, 3))
    )
    assert with_lpips.tolist() == [expected + 2 * 24] * 2


def test_the_loss_is_that_of_the_digits() -> None:
    images, others = torch.rand(2, 5, 3, 4, 4)
    mean, variance = torch.randn(5, 6), torch.rand(5, 6) + 0.1
    critic = Critic()
    nn.init.constant_(critic.log_gamma, -1.3)
    result = critic(images, others, image_distance(images, others, "squared"), torch.zeros(1))
    expected = autoencoder_loss(images, others, mean, variance, critic.log_gamma).mean()
    torch.testing.assert_close(result["loss"] + gaussian_kl(mean, variance).mean(), expected)


# --- the discriminator's part in the loss --------------------------------------------------------


class Painter(nn.Module):
    """The smallest decoder: its only layer is its last."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Conv2d(3, 3, 1)

    def forward(self, z: Tensor) -> Tensor:
        return self.output(z).tanh()


def painting(start: int) -> tuple[Decoding, Tensor, Tensor]:
    torch.manual_seed(0)
    training = Decoding(Painter(), Critic(start, 4)).train()
    return training, torch.rand(4, 3, 32, 32) * 2 - 1, torch.rand(4, 3, 32, 32)


def losses(training: Decoding, images: Tensor, z: Tensor) -> dict[str, Tensor]:
    decoded = training.model(z)
    distance = image_distance(images, decoded, "squared")
    return training.critic(images, decoded, distance, training.model.output.weight)


def gradients(module: nn.Module) -> list[Tensor]:
    return [parameter.grad.clone() for parameter in module.parameters()]  # type: ignore[union-attr]


def test_one_backward_gives_each_its_own_gradient() -> None:
    training, images, z = painting(start=1)
    losses(training, images, z)  # update 0: the discriminator rests
    result = losses(training, images, z)
    result["loss"].backward()
    painter, discriminator = training.model, training.critic.discriminator
    of_painter, of_discriminator = gradients(painter), gradients(discriminator)  # type: ignore[arg-type]

    training.zero_grad()
    with torch.no_grad():
        fixed = painter(z)
    discriminator_loss(discriminator(images), discriminator(fixed)).backward()  # type: ignore[misc]
    torch.testing.assert_close(of_discriminator, gradients(discriminator))  # type: ignore[arg-type]

    training.zero_grad()
    decoded = painter(z)
    metric = 3 * 32 * 32 * image_distance(images, decoded, "squared").mean()
    fooled = generator_loss(discriminator(decoded))  # type: ignore[misc]
    (metric + result["discriminator_weight"] * fooled).backward()
    torch.testing.assert_close(of_painter, gradients(painter), rtol=1e-3, atol=1e-3)


def test_the_discriminators_gradient_is_a_share_of_the_metrics() -> None:
    training, images, z = painting(start=1)
    losses(training, images, z)
    weight = losses(training, images, z)["discriminator_weight"]
    decoded = training.model(z)
    metric = 3 * 32 * 32 * image_distance(images, decoded, "squared").mean()
    fooled = generator_loss(training.critic.discriminator(decoded))  # type: ignore[misc]
    last = training.model.output.weight
    norms = [torch.autograd.grad(v, last, retain_graph=True)[0].norm() for v in (metric, fooled)]
    torch.testing.assert_close(weight * norms[1], SHARE * norms[0], rtol=0.05, atol=0)


def test_the_weight_is_capped() -> None:
    training, images, z = painting(start=1)
    losses(training, images, z)
    nn.init.constant_(training.critic.log_gamma, -30)
    assert losses(training, images, z)["discriminator_weight"] == LARGEST_WEIGHT


def test_the_discriminator_waits_for_its_start_and_counts_through_a_checkpoint() -> None:
    training, images, z = painting(start=3)
    values = [losses(training, images, z)["discriminator"].item() for _ in range(2)]
    copy, _, _ = painting(start=3)
    copy.load_state_dict(training.state_dict())
    with torch.no_grad():  # neither validation nor a first look counts
        losses(copy, images, z)
    values += [losses(copy, images, z)["discriminator"].item() for _ in range(3)]
    assert [value > 0 for value in values] == [False, False, False, True, True]


def test_the_discriminators_first_updates_are_no_larger_than_adams_own() -> None:
    """Zero gradients while it rests would use up the correction of Adam's averages.

    That makes updates smaller at first, and larger from a rest of about 105 updates on.
    """
    rate, start = 1e-3, 150
    training, images, z = painting(start=start)
    optimizer = make_optimizer("adam", training, training.critic.log_gamma, rate)
    assert training.critic.discriminator is not None
    weights = list(training.critic.discriminator.parameters())
    before = [weight.detach().clone() for weight in weights]
    for update in range(start + 1):
        optimizer.zero_grad()
        losses(training, images, z)["loss"].backward()
        optimizer.step()
        moved = max((now - then).abs().max() for now, then in zip(weights, before, strict=True))
        assert moved == 0 if update < start else 0 < moved <= 1.01 * rate


def test_only_its_own_passes_move_the_discriminators_averages() -> None:
    training, images, z = painting(start=1)
    losses(training, images, z)
    losses(training, images, z)
    norm = training.critic.discriminator.layers[3]  # type: ignore[union-attr]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.num_batches_tracked == 2  # real and reconstructed


@pytest.mark.parametrize("name", ["adam", "muon"])
def test_gamma_learns_faster(name: OptimizerName) -> None:
    training, _, _ = painting(start=1)
    optimizer = make_optimizer(name, training, training.critic.log_gamma, 1e-3)
    weights, gamma = optimizer.param_groups
    assert gamma["params"] == [training.critic.log_gamma]
    assert (weights["lr"], gamma["lr"]) == pytest.approx((1e-3, 1e-2))
    assert len(weights["params"]) + 1 == len(list(training.parameters()))


# --- trainings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("architecture", "steps", "share"), [("biggan", 800, 0.95), ("convolutional", 200, 0.6)]
)
def test_an_autoencoder_learns(tmp_path: Path, architecture: str, steps: int, share: float) -> None:
    changes: dict[str, Any] = {"architecture": architecture, "steps": steps}
    if architecture == "convolutional":
        changes |= {"encoder_width": 8, "decoder_channels": 6}
    changes["validate_every"] = steps
    model, result = train(tmp_path, **changes)
    assert not model.training
    assert set(result) == {"mse", "distance", "kl", "active_dimensions"}
    blank = (VALIDATION.data - TRAIN.data.mean(0)).square().mean().item()
    assert result["mse"] < share * blank
    assert result["distance"] == pytest.approx(result["mse"])
    assert result["kl"] > 1


@pytest.mark.parametrize(
    "changes", [{"discriminator_start": 5}, {"pixel": "absolute"}, {"optimizer": "muon"}]
)
def test_a_resumed_training_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    expected, result = train(tmp_path / "a", **changes)
    calls = 0
    kl = image_autoencoder.gaussian_kl

    def interrupt(mean: Tensor, variance: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 9:  # 8 updates and a validation
            raise KeyboardInterrupt
        return kl(mean, variance)

    save = CheckpointFolder.save
    fit = image_autoencoder.fit
    monkeypatch.setattr(
        image_autoencoder, "fit", lambda *a, **k: fit(*a, **(k | {"save_every_seconds": 0}))
    )
    monkeypatch.setattr(image_autoencoder, "gaussian_kl", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "b", **changes)
    monkeypatch.setattr(image_autoencoder, "gaussian_kl", kl)
    monkeypatch.setattr(CheckpointFolder, "save", save)
    model, again = train(tmp_path / "b", **changes)
    assert again == result
    for name, value in expected.state_dict().items():
        assert model.state_dict()[name].equal(value), name


def test_perceptual_distance_needs_weights(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="perceptual_weights names no folder"):
        train(tmp_path, perceptual=1.0)


def test_the_perceptual_distance_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Constant(nn.Module):
        def forward(self, images: Tensor, others: Tensor) -> Tensor:
            return torch.ones(len(images))

    monkeypatch.setattr(image_autoencoder, "load_lpips", lambda folder: Constant())
    _, result = train(tmp_path, perceptual=2.0, perceptual_weights="weights", steps=2)
    assert result["distance"] == pytest.approx(result["mse"] + 2)


def test_an_update_of_the_papers_autoencoder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ResNet-101, BigGAN's decoder, L1, LPIPS, KL and discriminator of scale paper, two images."""
    change(project, "params.yaml", "scale", "paper")
    paper = load_params().settings
    settings = paper.train_autoencoder["animals"]
    assert isinstance(settings, TrainImageAutoencoderParams) and settings.discriminator_start
    losses: dict[str, Tensor] = {}
    updated = []

    def watched(name: str, function: Any) -> Any:
        def call(*arguments: Any) -> Tensor:
            losses[name] = function(*arguments)
            losses[name].retain_grad()
            return losses[name]

        return call

    def fit(training: Any, objective: Any, optimizer: Any, **_: Any) -> FitResult:
        rows, generator = torch.arange(2), torch.Generator()
        objective(training.train(), rows, generator)  # update 0: the discriminator rests
        terms = objective(training, rows, generator)
        assert all(value.isfinite() for value in terms.values())
        assert all(terms[name] > 0 for name in ("kl", "discriminator", "discriminator_weight"))
        terms["loss"].backward()
        for name in ("kl", "distance", "lpips"):  # all are in the loss
            assert (losses[name].grad > 0).all(), name  # type: ignore[operator]
        model, discriminator = training.model, training.critic.discriminator
        for part in (
            model.encoder.stem[0],
            model.encoder.head,
            model.decoder.first,
            model.decoder.output,
            discriminator.layers[0],
            discriminator.layers[-1],
        ):
            assert part.weight.grad.abs().max() > 0
        assert all(weight.grad.isfinite().all() for weight in training.parameters())
        optimizer.step()
        assert all(weight.isfinite().all() for weight in training.parameters())
        updated.append(parameters(model))
        return FitResult([{"step": 2}], 2, 2, {})

    monkeypatch.setattr(image_autoencoder, "fit", fit)
    lpips = LPIPS()  # random weights
    monkeypatch.setattr(lpips, "forward", watched("lpips", lpips.forward))
    monkeypatch.setattr(image_autoencoder, "load_lpips", lambda _: lpips)
    monkeypatch.setattr(image_autoencoder, "image_distance", watched("distance", image_distance))
    monkeypatch.setattr(image_autoencoder, "gaussian_kl", watched("kl", gaussian_kl))
    torch.manual_seed(0)
    size = paper.prepare["animals"].size  # type: ignore[union-attr]
    images = Discs(2, 0)
    images.data = torch.rand(2, 3, size, size) * 2 - 1
    train_image_autoencoder(
        images,  # type: ignore[arg-type]
        images,  # type: ignore[arg-type]
        dataclasses.replace(settings, discriminator_start=1),
        seed=0,
        fabric=Fabric(accelerator="cpu", devices=1),
        checkpoints=CheckpointFolder(project / "checkpoints"),
        log=TrainingLog(None, "autoencoder"),
    )
    assert updated == [43_024_704 + 73_619_349]  # Tabs. S8 and S9


def invert(folder: Path, model: InversionDecoder, **changes: Any) -> dict[str, float]:
    torch.manual_seed(0)
    return train_inversion_decoder(
        model,
        TRAIN,  # type: ignore[arg-type]
        changes.pop("z", TRAIN.z),
        VALIDATION,  # type: ignore[arg-type]
        VALIDATION.z,
        dataclasses.replace(BASELINE, **changes),
        SETTINGS,
        seed=3,
        fabric=Fabric(accelerator="cpu", devices=1),
        checkpoints=CheckpointFolder(folder),
        log=TrainingLog(None, "baseline"),
    )


def test_an_inversion_learns(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = InversionDecoder(**inversion_arguments(BASELINE, SETTINGS, 32, (6, 1, 1)))
    model.standardize.fit(TRAIN.z.flatten(1))
    result = invert(tmp_path, model, steps=300, learning_rate=2e-3, validate_every=300)
    blank = (VALIDATION.data - TRAIN.data.mean(0)).square().mean().item()
    assert result["mse"] < 0.6 * blank
    assert result["distance"] == pytest.approx(result["mse"])
    assert not model.training


def test_an_inversion_has_a_discriminator_by_its_own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = []

    def critic(start: int, width: int) -> Critic:
        starts.append(start)
        return Critic(start, width)

    monkeypatch.setattr(image_autoencoder, "Critic", critic)
    model = InversionDecoder(**inversion_arguments(BASELINE, SETTINGS, 32, (6, 1, 1)))
    model.standardize.fit(TRAIN.z.flatten(1))
    invert(tmp_path, model, steps=4, discriminator_start=3)
    assert starts == [3] and SETTINGS.discriminator_start == 0


def test_representations_of_other_images_are_told(tmp_path: Path) -> None:
    model = InversionDecoder(**inversion_arguments(BASELINE, SETTINGS, 32, (6, 1, 1)))
    with pytest.raises(PipelineError, match="63 and 16 representations for 64 and 16 images"):
        invert(tmp_path, model, z=TRAIN.z[1:])


def test_full_size_follows_from_the_settings() -> None:
    paper = dataclasses.replace(SETTINGS, encoder_width=64, encoder_blocks=(3, 4, 23, 3))
    arguments = autoencoder_arguments(paper, 128)
    assert (arguments["bottleneck"], arguments["pooling"], arguments["attention"]) == (True,) * 3
    arguments = autoencoder_arguments(SETTINGS, 64)
    assert (arguments["bottleneck"], arguments["pooling"], arguments["attention"]) == (False,) * 3
