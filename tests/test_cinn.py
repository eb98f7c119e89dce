"""The conditional INN: its start from e, what it learns of a known density, and its samples."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import Tensor

from pipeline.errors import PipelineError
from pipeline.evaluation.sampling import crossed_factors, crossed_samples, decode_images
from pipeline.models.autoencoder import DigitsAutoencoder
from pipeline.models.inn import ConditionalINN, SemanticINN
from pipeline.models.loading import build_cinn
from pipeline.params import load_params
from pipeline.runtime import make_fabric
from pipeline.training.checkpoints import CheckpointFolder
from pipeline.training.cinn import recover_invariances, train_conditional_inn
from pipeline.training.log import TrainingLog
from pipeline.training.losses import cinn_loss

SIZE = {"blocks": 3, "width": 16, "depth": 1}


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


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


@pytest.fixture(scope="module")
def t() -> ConditionalINN:
    return randomised(build_cinn(6, (5,), 8, **SIZE), seed=2)


# --- start ---------------------------------------------------------------------------------------


def starting_from(e: SemanticINN, shape: tuple[int, ...]) -> ConditionalINN:
    t = build_cinn(6, shape, 8, blocks=2, width=16, depth=1, base=SIZE, dropout=0.5)
    assert t.base is not None
    t.base.load_state_dict(e.network.state_dict())
    return t


@pytest.mark.parametrize("shape", [(5,), (5, 1, 1), (3, 4, 4)])
def test_t_starts_as_e_in_another_order_whatever_z_is(
    e: SemanticINN, shape: tuple[int, ...]
) -> None:
    t = starting_from(e, shape).eval()
    z_bar = normal(20, 6, seed=0)
    expected, log_det = e(z_bar)
    for seed in (1, 2):
        v, found_log_det = t(z_bar, 3 * normal(20, *shape, seed=seed))
        torch.testing.assert_close(v.sort(1).values, expected.sort(1).values)
        torch.testing.assert_close(found_log_det, log_det)


@pytest.mark.parametrize("shape", [(5,), (2, 1, 1), (3, 7, 9)])
@pytest.mark.parametrize("base", [None, SIZE])
def test_a_prediction_changes_no_likelihood_rule(
    shape: tuple[int, ...], base: dict[str, int] | None
) -> None:
    """Round trip, and log_det against autograd's Jacobian, in float64."""
    z, z_bar = normal(40, *shape, seed=0), 3 * normal(40, 6, seed=1) + 2
    t = build_cinn(6, shape, 8, 2, 16, 1, base=base, predict=True, z=z, z_bar=z_bar)
    t = randomised(t, seed=3).double().eval()
    z, z_bar = z.double(), z_bar.double()
    v, log_det = t(z_bar, z)
    torch.testing.assert_close(t.inverse(v, z), z_bar, rtol=0, atol=1e-9)
    jacobian = torch.func.jacrev(lambda x: t(x[None], z[:1])[0][0])(z_bar[0])
    torch.testing.assert_close(log_det[0], jacobian.slogdet().logabsdet)
    other, _ = t(z_bar, z.flip(0))
    assert (other - v).abs().max() > 1e-3, "t does not read z"


def test_t_begins_with_what_a_regression_leaves() -> None:
    z = normal(500, 3, 6, 6, seed=0)
    positions = torch.nn.functional.adaptive_avg_pool2d(z, 5).flatten(1)
    noise = torch.tensor([0.1, 0.5, 1.0, 2.0, 0.2, 3.0])
    z_bar = positions @ normal(75, 6, seed=1) + 4 + noise * normal(500, 6, seed=2)
    t = build_cinn(6, (3, 6, 6), 8, 2, 16, 1, predict=True, z=z, z_bar=z_bar).eval()
    assert t.prediction is not None
    torch.testing.assert_close(t.prediction.scale, noise, rtol=0.15, atol=0.05)
    _, log_det = t(z_bar, z)
    # ActNorm has seen no batch yet, and fresh blocks only shuffle.
    torch.testing.assert_close(log_det, -t.prediction.scale.log().sum().expand(500))
    left = (z_bar - t.prediction(z)) / t.prediction.scale
    torch.testing.assert_close(left.std(0), torch.ones(6), rtol=0, atol=0.02)
    assert not any(p.requires_grad for p in t.prediction.parameters())


def test_the_blocks_of_e_stay_fixed_while_t_learns_what_z_adds(e: SemanticINN) -> None:
    t = starting_from(e, (5,))
    before = {name: value.clone() for name, value in t.base.state_dict().items()}
    trained = [parameter for parameter in t.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=1e-2)
    z_bar, z = normal(20, 6, seed=0), normal(20, 5, seed=1)
    for _ in range(2):  # the first step only moves the zero output layers
        v, log_det = t(z_bar, z)
        cinn_loss(v, log_det).mean().backward()
        optimizer.step()
    torch.testing.assert_close(t.base.state_dict(), before, rtol=0, atol=0)
    t.eval()
    with torch.no_grad():
        assert (t(z_bar, z)[0] - t(z_bar, z.roll(1, 0))[0]).abs().max() > 1e-4
        torch.testing.assert_close(t.inverse(t(z_bar, z)[0], z), z_bar, rtol=1e-4, atol=1e-4)


# --- a density that is known ---------------------------------------------------------------------

SETTINGS = dataclasses.replace(
    load_params(Path(__file__).resolve().parents[1]).settings.train_cinn["squeezenet-fire8"],
    start="random",
    steps=500,
    batch_size=256,
    learning_rate=1e-2,
    blocks=4,
    width=24,
    depth=1,
    embedding=16,
    dropout=0.0,
    weight_decay=0.0,
    validate_every=100,
    patience=10,
)


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


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[ConditionalINN, Any]:
    config = {name: getattr(SETTINGS, name) for name in ("embedding", "blocks", "width", "depth")}
    model = build_cinn(2, (1,), **config)
    posterior, z = gaussian(8000, seed=0)
    model.embedding.standardize.fit(z)
    result = train_conditional_inn(
        model,
        posterior,
        z,
        *gaussian(1000, seed=10),
        SETTINGS,
        seed=0,
        fabric=make_fabric("cpu"),
        checkpoints=CheckpointFolder(tmp_path_factory.mktemp("checkpoints")),
        log=TrainingLog(None, "t"),
    )
    return model, result


@pytest.mark.parametrize(("train", "held_out"), [(30, 20), (40, 10)])
def test_representations_of_other_images(train: int, held_out: int) -> None:
    posterior, _ = gaussian(40, seed=0)
    validation, _ = gaussian(20, seed=1)
    with pytest.raises(PipelineError) as caught:
        train_conditional_inn(
            build_cinn(2, (1,), 8, blocks=1, width=8, depth=0),
            posterior,
            gaussian(train, seed=0)[1],
            validation,
            gaussian(held_out, seed=1)[1],
            SETTINGS,
            seed=0,
            fabric=make_fabric("cpu"),
            checkpoints=CheckpointFolder(Path("nowhere")),
            log=TrainingLog(None, "t"),
        )
    assert str(caught.value) == (
        f"{train} and {held_out} representations for 40 and 20 images: extract them again."
    )


@pytest.mark.parametrize("z", [-1.5, 0.0, 1.0])
def test_samples_have_the_conditional_moments(trained: Any, z: float) -> None:
    one = torch.tensor([[z]])
    samples = crossed_samples(trained[0], one, normal(4000, 2, seed=5))[0]
    mean, deviation = moments(one)
    torch.testing.assert_close(
        samples.mean(0) / deviation[0], mean[0] / deviation[0], atol=0.2, rtol=0
    )
    torch.testing.assert_close(samples.std(0) / deviation[0], torch.ones(2), atol=0.2, rtol=0)


def test_invariances_of_new_data_are_standard_normal(trained: Any) -> None:
    model, result = trained
    torch.manual_seed(0)
    with torch.no_grad():
        v, loss = recover_invariances(model, *gaussian(4000, seed=20), "cpu")
    assert v.shape == (4000, 2) and loss.shape == (4000,)
    for values in v.numpy().T:
        assert abs(values.mean()) < 0.1 and abs(values.std() - 1) < 0.1
        assert kstest(values, "norm").statistic < 0.05
    assert abs(np.corrcoef(v.numpy().T)[0, 1]) < 0.1
    # The likelihood of held-out data is that of the density itself: 0.5 v^2 + log deviation.
    _, z = gaussian(4000, seed=20)
    best = float((1 + moments(z)[1].log().sum(1)).mean())
    assert best - 0.1 < float(loss.mean()) < best + 0.15
    assert 0 < result.best_step <= SETTINGS.steps


def test_without_its_condition_t_explains_less(trained: Any) -> None:
    posterior, z = gaussian(4000, seed=20)
    torch.manual_seed(0)
    _, loss = recover_invariances(trained[0], posterior, z, "cpu")
    _, shuffled = recover_invariances(trained[0], posterior, z.roll(1, 0), "cpu")
    assert shuffled.mean() > loss.mean() + 0.5


def test_training_follows_from_its_seed(tmp_path: Path) -> None:
    def train(seed: int, name: str) -> dict[str, Tensor]:
        model = build_cinn(2, (1,), 16, blocks=2, width=8, depth=1, seed=seed)
        posterior, z = gaussian(600, seed=0)
        train_conditional_inn(
            model,
            posterior,
            z,
            *gaussian(100, seed=10),
            dataclasses.replace(SETTINGS, steps=5, validate_every=5, dropout=0.2),
            seed=seed,
            fabric=make_fabric("cpu"),
            checkpoints=CheckpointFolder(tmp_path / name),
            log=TrainingLog(None, "t"),
        )
        return model.state_dict()

    first, again, other = train(0, "a"), train(0, "b"), train(1, "c")
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert any(not torch.equal(value, other[name]) for name, value in first.items())


# --- samples -------------------------------------------------------------------------------------


def test_crossed_samples_invert_each_pair(t: ConditionalINN) -> None:
    z, v = normal(4, 5, seed=0), normal(3, 6, seed=1)
    samples = crossed_samples(t, z, v)
    assert samples.shape == (4, 3, 6) and not samples.requires_grad
    for i in range(4):
        for j in range(3):
            one = t.inverse(v[j : j + 1], z[i : i + 1])[0]
            torch.testing.assert_close(samples[i, j], one)
            again = t(one[None], z[i : i + 1])[0][0]
            torch.testing.assert_close(again, v[j], rtol=1e-4, atol=1e-4)


def test_crossed_factors_are_e_of_the_samples(t: ConditionalINN, e: SemanticINN) -> None:
    z, v = normal(4, 5, seed=0), normal(3, 6, seed=1)
    factors = crossed_factors(e, t, z, v)
    assert factors.shape == (4, 3, 6) and factors.dtype == np.float32
    samples = crossed_samples(t, z, v)
    for i in range(4):
        expected = e(samples[i])[0].detach()
        torch.testing.assert_close(torch.from_numpy(factors[i]), expected, rtol=1e-4, atol=1e-5)


def test_decoded_images() -> None:
    model = DigitsAutoencoder(latent=6, widths=(8, 8)).eval()
    z_bar = normal(2, 3, 6, seed=0)
    images = decode_images(model, z_bar)
    assert images.shape == (2, 3, 28, 28, 3) and images.dtype == np.uint8
    with torch.no_grad():
        one = model.decode(z_bar[1, 2:3])[0]
    shown = torch.from_numpy(images[1, 2]).permute(2, 0, 1) / 127.5 - 1
    torch.testing.assert_close(shown, one, atol=0.51 / 127.5, rtol=0)
