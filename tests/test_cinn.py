"""The conditional INN: its start from e, what it learns of a known density, and its samples."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import Tensor
from training import normal, run_in

from pipeline.config.settings import TrainCinnSettings
from pipeline.errors import PipelineError
from pipeline.evaluation.likelihood import recover_invariances
from pipeline.evaluation.sampling import crossed_factors, crossed_samples, decode_images
from pipeline.models.autoencoder import DigitsAutoencoder
from pipeline.models.cinn import build_cinn
from pipeline.models.inn import SemanticINN
from pipeline.training.cinn import start_conditional_inn, train_conditional_inn
from pipeline.training.run import TrainingRun

SIZE = {"blocks": 3, "width": 16, "depth": 1}


def randomised(model: Any, seed: int = 0) -> Any:
    """The model with weights as after a training, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


@pytest.fixture(scope="module")
def e() -> SemanticINN:
    model = SemanticINN(6, {"thing": 2}, **SIZE, seed=1).train()
    model(2 + 3 * normal(50, 6, seed=0))  # as in training, the first batch initialises ActNorm
    return randomised(model)


@pytest.mark.parametrize("shape", [(5,), (5, 1, 1), (3, 4, 4)])
def test_t_starts_as_e_in_another_order_whatever_z_is(
    e: SemanticINN, shape: tuple[int, ...]
) -> None:
    t: Any = build_cinn(6, shape, 8, blocks=2, width=16, depth=1, base=SIZE, dropout=0.5).eval()
    t.base.load_state_dict(e.network.state_dict())
    assert not any(parameter.requires_grad for parameter in t.base.parameters())
    z_bar = normal(20, 6, seed=0)
    expected, log_det = e(z_bar)
    for seed in (1, 2):
        v, found_log_det = t(z_bar, 3 * normal(20, *shape, seed=seed))
        torch.testing.assert_close(v.sort(1).values, expected.sort(1).values)
        torch.testing.assert_close(found_log_det, log_det)


def started(
    start: str, e: SemanticINN, z: Tensor, z_bar: Tensor
) -> tuple[Any, tuple[Tensor, Tensor]]:
    """An untrained t, in evaluation mode, and what its regressions tell of the images."""
    settings = SETTINGS.model_copy(update={"start": start, "blocks": 2, "width": 16})
    posterior = z_bar, torch.zeros_like(z_bar)
    t, config, regressed = start_conditional_inn(posterior, z, e, SIZE, settings, seed=0)
    build_cinn(**config).load_state_dict(t.state_dict())
    return t.eval(), regressed


@pytest.mark.parametrize("shape", [(5,), (2, 1, 1), (3, 7, 9)])
@pytest.mark.parametrize("start", ["residual", "regression"])
def test_a_regression_changes_no_likelihood_rule(
    e: SemanticINN, start: str, shape: tuple[int, ...]
) -> None:
    z, z_bar = normal(60, *shape, seed=0), 3 * normal(60, 6, seed=1) + 2
    t, _ = started(start, e, z, z_bar)
    t = randomised(t, seed=3)
    t.recalibration.fit(1.5 * normal(60, 6, seed=2))
    t = t.double()
    z, z_bar = z.double(), z_bar.double()
    v, log_det = t(z_bar, z)
    torch.testing.assert_close(t.inverse(v, z), z_bar, rtol=0, atol=1e-8)
    jacobian = torch.func.jacrev(lambda x: t(x[None], z[:1])[0][0])(z_bar[0])
    torch.testing.assert_close(log_det[0], jacobian.slogdet().logabsdet)
    assert (t(z_bar, z.flip(0))[0] - v).abs().max() > 1e-3
    guess, expected = t.regress(z)
    torch.testing.assert_close(t(z_bar, z, (guess, expected)), (v, log_det))
    for other in ((guess + 1, expected), (guess, expected + 1)):
        assert (t(z_bar, z, other)[0] - v).abs().max() > 1e-3


@pytest.mark.parametrize("start", ["residual", "regression"])
def test_t_begins_with_what_a_regression_leaves(e: SemanticINN, start: str) -> None:
    z = normal(500, 3, 6, 6, seed=0)
    positions = torch.nn.functional.adaptive_avg_pool2d(z, 5).flatten(1)
    noise = torch.tensor([0.1, 0.5, 1.0, 2.0, 0.2, 3.0])
    z_bar = positions @ normal(75, 6, seed=1) + 4 + noise * normal(500, 6, seed=2)
    t, regressed = started(start, e, z, z_bar)
    torch.testing.assert_close(t.prediction.scale, 1.1 * noise, rtol=0.15, atol=0.05)
    # ActNorm has seen no batch yet, and fresh blocks only shuffle.
    v, log_det = t(z_bar, z, regressed)
    known, log_det_of_e = e(z_bar) if start == "regression" else (z_bar, 0.0)
    scale = (t.expectation or t.prediction).scale
    left = (known - regressed[1]) / scale
    torch.testing.assert_close(v.sort(1).values, left.sort(1).values)
    torch.testing.assert_close(log_det, (log_det_of_e - scale.log().sum()).expand(500))
    torch.testing.assert_close(left.std(0), torch.ones(6), rtol=0, atol=0.05)
    assert not any(p.requires_grad for p in t.prediction.parameters())
    if start == "regression":  # knows more than what e makes of the prediction
        first, both = ((known - one).square().mean() for one in regressed)
        assert both < first


SETTINGS = TrainCinnSettings(
    steps=500, batch_size=256, learning_rate=1e-2, blocks=4, width=24, depth=1, embedding=16,
    validate_every=100,
)  # fmt: skip


def moments(z: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of z_bar given z (R, 1): (R, 2) each."""
    mean = torch.cat([2 * z.sin(), z], 1)
    deviation = torch.cat([torch.full_like(z, 0.5), (0.5 * z).exp()], 1)
    return mean, deviation


def gaussian(count: int, seed: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Posteriors of z_bar (R, 2), part of whose variance is the posterior's, and z (R, 1)."""
    z = normal(count, 1, seed=seed).clamp(-2, 2)
    mean, deviation = moments(z)
    z_bar = mean + 0.9**0.5 * deviation * normal(count, 2, seed=seed + 1)
    return (z_bar, 0.1 * deviation.square()), z


def train(run: TrainingRun, rows: int = 600, **changes: Any) -> Any:
    settings = SETTINGS.model_copy(update=changes)
    size = {name: getattr(settings, name) for name in ("embedding", "blocks", "width", "depth")}
    model = build_cinn(2, (1,), **size, dropout=settings.dropout, seed=run.seed).to(run.device)
    posterior, z = gaussian(rows, seed=0)
    model.embedding.standardize.fit(z)
    held_out = gaussian(rows // 8, seed=10)
    return model, train_conditional_inn(model, posterior, z, *held_out, settings, run)


@pytest.mark.parametrize(("train", "held_out"), [(30, 20), (40, 10)])
def test_representations_of_other_images(train: int, held_out: int, tmp_path: Path) -> None:
    model = build_cinn(2, (1,), 8, blocks=1, width=8, depth=0)
    (posterior, z), (validation, held_out_z) = gaussian(40, seed=0), gaussian(20, seed=1)
    data = posterior, z[:train], validation, held_out_z[:held_out]
    with pytest.raises(PipelineError, match=f"{train} and {held_out} representations for 40 and 2"):
        train_conditional_inn(model, *data, SETTINGS, run_in(tmp_path))


def test_invariances_of_new_data_are_standard_normal_and_samples_those_of_the_density(
    tmp_path: Path,
) -> None:
    model, result = train(run_in(tmp_path, seed=0), 8000)
    assert 0 < result.best_step <= SETTINGS.steps
    torch.manual_seed(0)
    posterior, z = gaussian(4000, seed=20)
    with torch.no_grad():
        v, loss = recover_invariances(model, posterior, z, "cpu")
        _, shuffled = recover_invariances(model, posterior, z.roll(1, 0), "cpu")
    for values in v.numpy().T:
        assert abs(values.mean()) < 0.1 and abs(values.std() - 1) < 0.1
        assert kstest(values, "norm").statistic < 0.05
    assert abs(np.corrcoef(v.numpy().T)[0, 1]) < 0.1
    # The likelihood of held-out data is that of the density itself: 0.5 v^2 + log deviation.
    best = float((1 + moments(z)[1].log().sum(1)).mean())
    assert best - 0.1 < float(loss.mean()) < best + 0.15
    assert shuffled.mean() > loss.mean() + 0.5  # without its condition, t explains less
    for one in torch.tensor([[[-1.5]], [[0.0]], [[1.0]]]):
        mean, deviation = moments(one)
        samples = crossed_samples(model, one, normal(4000, 2, seed=5))[0]
        standard = (samples - mean) / deviation
        torch.testing.assert_close(standard.mean(0), torch.zeros(2), atol=0.2, rtol=0)
        torch.testing.assert_close(standard.std(0), torch.ones(2), atol=0.2, rtol=0)


def test_crossed_samples_and_their_factors(e: SemanticINN) -> None:
    t = randomised(build_cinn(6, (5,), 8, **SIZE), seed=2)
    z, v = normal(4, 5, seed=0), normal(3, 6, seed=1)
    samples, factors = crossed_samples(t, z, v), crossed_factors(e, t, z, v)
    assert not samples.requires_grad and factors.dtype == np.float32
    expected = torch.stack([t.inverse(v, z[i : i + 1].expand(3, -1)) for i in range(4)])
    torch.testing.assert_close(samples, expected.detach())
    expected = e(samples.flatten(0, 1))[0].view(4, 3, 6).detach()
    torch.testing.assert_close(torch.from_numpy(factors), expected, rtol=1e-4, atol=1e-5)


def test_decoded_images() -> None:
    model = DigitsAutoencoder(latent=6, widths=(8, 8)).eval()
    z_bar = normal(2, 3, 6, seed=0)
    images = decode_images(model, z_bar)
    assert images.dtype == np.uint8
    expected = model.decode(z_bar.flatten(0, 1)).detach().unflatten(0, (2, 3))
    shown = torch.from_numpy(images).movedim(-1, 2) / 127.5 - 1
    torch.testing.assert_close(shown, expected, atol=0.51 / 127.5, rtol=0)
