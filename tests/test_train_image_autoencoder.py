"""The image metric, the discriminator, and the two trainings that share them."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from settings import change
from torch import Tensor, nn
from training import gradients, parameters, run_in

from pipeline.config.settings import TrainAutoencoderSettings, TrainBaselineSettings
from pipeline.errors import PipelineError
from pipeline.models.discriminator import discriminator_loss, generator_loss
from pipeline.models.inversion import InversionDecoder
from pipeline.models.perceptual import LPIPS
from pipeline.training import image_autoencoder as trainers
from pipeline.training.image_metric import MAX_WEIGHT, SHARE, Critic, Decoding, image_distance
from pipeline.training.loop import FitResult
from pipeline.training.losses import autoencoder_loss, gaussian_kl
from pipeline.training.optimizers import make_optimizer
from pipeline.training.run import TrainingRun
from pipeline.validation.loading import load_config

SETTINGS = TrainAutoencoderSettings(
    steps=12, batch_size=8, learning_rate=2e-3, latent=8, encoder_blocks=(1, 1), encoder_width=8,
    decoder_channels=2, soft_classes=4, pixel="squared", validate_every=6,
)  # fmt: skip
BASELINE = TrainBaselineSettings(
    steps=12, batch_size=8, learning_rate=2e-3, latent=8, warm_start=False, validate_every=6
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


TRAIN: Any = Discs(64, 0)
VALIDATION: Any = Discs(16, 1)
BLANK = (VALIDATION.data - TRAIN.data.mean(0)).square().mean().item()
"""Mean squared error of the mean image."""


def train(run: TrainingRun, **changes: Any) -> Any:
    torch.manual_seed(0)
    settings = SETTINGS.model_copy(update=changes)
    return trainers.train_image_autoencoder(TRAIN, VALIDATION, settings, run)


def test_discriminator_losses_in_closed_form() -> None:
    real, fake = torch.randn(2, 5)
    expected = -0.5 * (real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean())
    torch.testing.assert_close(discriminator_loss(real, fake), expected)
    torch.testing.assert_close(generator_loss(fake), -fake.sigmoid().log().mean())


def test_the_metric_and_the_loss_in_closed_form() -> None:
    images, others = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.5)
    assert image_distance(images, others, "squared").tolist() == [0.25] * 2
    assert image_distance(images, others, "absolute").tolist() == [0.5] * 2
    plus = image_distance(images, others, "squared", 2.0, lambda a, b: (b - a).sum((1, 2, 3)))
    assert plus.tolist() == [0.25 + 2 * 24] * 2
    mean, variance = torch.randn(2, 6), torch.rand(2, 6) + 0.1
    critic = Critic()
    nn.init.constant_(critic.log_gamma, -1.3)
    result = critic(images, others, image_distance(images, others, "squared"), torch.zeros(1))
    expected = autoencoder_loss(images, others, mean, variance, critic.log_gamma).mean()
    torch.testing.assert_close(result["loss"] + gaussian_kl(mean, variance).mean(), expected)


class Painter(nn.Module):
    """The smallest decoder: its only layer is its last."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Conv2d(3, 3, 1)

    def forward(self, z: Tensor) -> Tensor:
        return self.output(z).tanh()


def painting(start: int) -> tuple[Any, Tensor, Tensor]:
    torch.manual_seed(0)
    training = Decoding(Painter(), Critic(start, 4)).train()
    return training, torch.rand(4, 3, 32, 32) * 2 - 1, torch.rand(4, 3, 32, 32)


def losses(training: Any, images: Tensor, z: Tensor) -> dict[str, Tensor]:
    decoded = training.model(z)
    distance = image_distance(images, decoded, "squared")
    return training.critic(images, decoded, distance, training.model.output.weight)


def test_one_backward_gives_each_its_own_gradient() -> None:
    training, images, z = painting(start=1)
    painter, discriminator = training.model, training.critic.discriminator
    losses(training, images, z)  # step 0: the discriminator rests
    result = losses(training, images, z)
    result["loss"].backward()
    of_painter, of_discriminator = gradients(painter), gradients(discriminator)
    # Only its own passes, of real and of reconstructed images, move its averages.
    assert discriminator.layers[3].num_batches_tracked == 2

    training.zero_grad()
    decoded = painter(z)
    discriminator_loss(discriminator(images), discriminator(decoded.detach())).backward()
    torch.testing.assert_close(of_discriminator, gradients(discriminator))

    metric = 3 * 32 * 32 * image_distance(images, decoded, "squared").mean()
    adversarial, weight = generator_loss(discriminator(decoded)), result["discriminator_weight"]
    last = painter.output.weight
    norms = [
        torch.autograd.grad(part, last, retain_graph=True)[0].norm()
        for part in (metric, adversarial)
    ]  # the discriminator's is a share of the metric's
    torch.testing.assert_close(weight * norms[1], SHARE * norms[0], rtol=0.05, atol=0)
    (metric + weight * adversarial).backward()
    torch.testing.assert_close(of_painter, gradients(painter), rtol=1e-3, atol=1e-3)

    nn.init.constant_(training.critic.log_gamma, -30)
    assert losses(training, images, z)["discriminator_weight"] == MAX_WEIGHT


def test_the_discriminator_waits_for_its_start_and_counts_through_a_checkpoint() -> None:
    """Without a gradient: zero gradients would use up Adam's bias correction."""
    training, images, z = painting(start=3)
    losses(training, images, z)
    copy, _, _ = painting(start=3)
    copy.load_state_dict(training.state_dict())
    with torch.no_grad():  # neither validation nor a first look counts
        losses(copy, images, z)
    for learns in (False, False, True, True):
        copy.zero_grad()
        result = losses(copy, images, z)
        result["loss"].backward()
        assert (result["discriminator"] > 0) == learns
        assert {g is not None for g in gradients(copy.critic.discriminator)} == {learns}


def test_gamma_learns_faster() -> None:
    training, _, _ = painting(start=1)
    for name in ("adam", "muon"):
        optimizer = make_optimizer(name, training, training.critic.log_gamma, 1e-3)
        weights, gamma = optimizer.param_groups
        assert gamma["params"] == [training.critic.log_gamma]
        assert (weights["lr"], gamma["lr"]) == pytest.approx((1e-3, 1e-2))
        assert len(weights["params"]) + 1 == len(list(training.parameters()))


SMALL = {"architecture": "convolutional", "decoder_channels": 6}


@pytest.mark.parametrize(("steps", "share", "changes"), [(800, 0.95, {}), (200, 0.6, SMALL)])
def test_an_autoencoder_learns(
    tmp_path: Path, steps: int, share: float, changes: dict[str, Any]
) -> None:
    model, result = train(run_in(tmp_path), steps=steps, validate_every=steps, **changes)
    assert not model.training
    assert set(result) == {"mse", "distance", "kl", "active_dimensions"}
    assert result["distance"] == pytest.approx(result["mse"]) and result["mse"] < share * BLANK
    assert result["kl"] > 1


def test_the_perceptual_distance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PipelineError, match="perceptual_weights"):
        train(run_in(tmp_path), perceptual=1.0)
    constant = nn.Module()
    constant.forward = lambda images, others: torch.ones(len(images))  # type: ignore[method-assign]
    monkeypatch.setattr(trainers, "load_lpips", lambda folder: constant)
    _, result = train(run_in(tmp_path), perceptual=2.0, perceptual_weights="weights", steps=2)
    assert result["distance"] == pytest.approx(result["mse"] + 2)


def test_a_step_of_the_papers_autoencoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    """ResNet-101, BigGAN's decoder, L1, LPIPS, KL and discriminator of scale paper, two images."""
    change(project, "params.yaml", "scale", "paper")
    paper = load_config()
    settings = paper.settings("train_autoencoder", "animals")
    assert settings.discriminator_start
    losses: dict[str, Tensor] = {}
    trained = []

    def watch(place: Any, name: str) -> None:
        function = getattr(place, name)

        def call(*arguments: Any) -> Tensor:
            losses[name] = function(*arguments)
            losses[name].retain_grad()
            return losses[name]

        monkeypatch.setattr(place, name, call)

    def fit(training: Any, objective: Any, optimizer: Any, **_: Any) -> FitResult:
        rows, generator = torch.arange(2), torch.Generator()
        objective(training.train(), rows, generator)  # step 0: the discriminator rests
        terms = objective(training, rows, generator)
        assert all(terms[name] > 0 for name in ("kl", "discriminator", "discriminator_weight"))
        terms["loss"].backward()
        assert len(losses) == 3 and all((part.grad > 0).all() for part in losses.values())
        encoder, decoder = training.model.encoder, training.model.decoder
        discriminator = training.critic.discriminator.layers
        ends = encoder.stem[0], encoder.head, decoder.first, decoder.output
        for part in (*ends, discriminator[0], discriminator[-1]):
            assert part.weight.grad.abs().max() > 0
        optimizer.step()
        assert all(weight.isfinite().all() for weight in training.parameters())
        trained.append(parameters(training.model))
        return FitResult([{"step": 2}], 2, 2, {})

    monkeypatch.setattr(trainers, "fit", fit)
    lpips = LPIPS()  # random weights
    monkeypatch.setattr(trainers, "load_lpips", lambda _: lpips)
    watch(lpips, "forward")
    watch(trainers, "image_distance")
    watch(trainers, "gaussian_kl")
    torch.manual_seed(0)
    size = paper.settings("prepare", "animals").size
    images: Any = Discs(2, 0)
    images.data = torch.rand(2, 3, size, size) * 2 - 1
    settings = settings.model_copy(update={"discriminator_start": 1})
    trainers.train_image_autoencoder(images, images, settings, run_in(tmp_path))
    assert trained == [43_024_704 + 73_619_349]  # Tabs. S8 and S9


def invert(run: TrainingRun, z: Tensor = TRAIN.z, **changes: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = InversionDecoder(**trainers.inversion_arguments(BASELINE, SETTINGS, 32, (6, 1, 1)))
    model.standardize.fit(z.flatten(1))
    settings = BASELINE.model_copy(update=changes)
    torch.manual_seed(0)
    return model, trainers.train_inversion_decoder(
        model, TRAIN, z, VALIDATION, VALIDATION.z, settings, SETTINGS, run
    )


def test_an_inversion_learns_with_a_discriminator_by_its_own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"steps": 300, "learning_rate": 2e-3, "validate_every": 300}
    model, result = invert(run_in(tmp_path / "learns"), **changes)
    assert result["distance"] == pytest.approx(result["mse"]) and result["mse"] < 0.6 * BLANK
    assert not model.training
    with pytest.raises(PipelineError, match="63 and 16 representations for 64 and 16 images"):
        invert(run_in(tmp_path), TRAIN.z[1:])
    critic = Mock(wraps=Critic)
    monkeypatch.setattr(trainers, "Critic", critic)
    invert(run_in(tmp_path), steps=4, discriminator_start=3)
    assert critic.call_args.args[0] == 3 and SETTINGS.discriminator_start == 0


def test_full_size_follows_from_the_settings() -> None:
    paper = SETTINGS.model_copy(update={"encoder_width": 64, "encoder_blocks": (3, 4, 23, 3)})
    for settings, size, full in ((paper, 128, True), (SETTINGS, 64, False)):
        arguments = trainers.autoencoder_arguments(settings, size)
        assert {arguments[name] for name in ("bottleneck", "pooling", "attention")} == {full}
