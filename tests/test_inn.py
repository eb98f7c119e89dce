import copy
import io

import pytest
import torch
from reference_inn import ReferenceINN
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.models import cpu
from pipeline.models.embedding import VectorEmbedding
from pipeline.models.inn import (
    ActNorm,
    Block,
    ConditionalINN,
    Coupling,
    InvertibleNetwork,
    SemanticINN,
    Shuffle,
)

BATCH, CONDITION = 5, 3
DOUBLE = torch.float64


class Linear(nn.Linear):
    """The smallest embedding H."""

    @property
    def features_out(self) -> int:
        return self.out_features


def randomize(module: nn.Module, scale: float = 1) -> nn.Module:
    """Parameters far from the near-identity start, as if it had been trained."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=DOUBLE)
            fan_in = parameter.shape[-2] if parameter.dim() > 1 else 10
            parameter += scale / fan_in**0.5 * noise.to(parameter.dtype)
    for norm in module.modules():
        if isinstance(norm, ActNorm):
            norm.initialized.fill_(True)
    module.load_state_dict(module.state_dict())
    return module


def network(features: int, condition: int = 0, **settings) -> InvertibleNetwork:
    sizes = {"blocks": 3, "width": 16, "depth": 2} | settings
    return InvertibleNetwork(features, **sizes, condition_features=condition)


# name -> (features, build, shape of the condition or None)
MODULES = {
    "actnorm": (6, lambda: ActNorm(6), None),
    "shuffle": (6, lambda: Shuffle(6), None),
    "coupling": (6, lambda: Coupling(6, 16, 2), None),
    "coupling-odd": (7, lambda: Coupling(7, 16, 2), None),
    "coupling-two": (2, lambda: Coupling(2, 16, 1), None),
    "coupling-condition": (7, lambda: Coupling(7, 16, 2, CONDITION), (CONDITION,)),
    "block": (7, lambda: Block(7, 16, 2, CONDITION), (CONDITION,)),
    "network": (6, lambda: network(6), None),
    "network-shallow": (7, lambda: network(7, depth=0), None),
    "network-condition": (7, lambda: network(7, CONDITION), (CONDITION,)),
    "semantic": (9, lambda: SemanticINN(9, {"digit": 3, "colour": 2}, 2, 16, 2), None),
    "conditional": (9, lambda: ConditionalINN(9, VectorEmbedding(11, 4), 2, 16, 2), (11,)),
    "texture": (268, lambda: ConditionalINN(268, Linear(8, 5), 2, 16, 2), (8,)),
}
LEARNED = [name for name in MODULES if name != "shuffle"]


def case(name: str, dtype: torch.dtype = DOUBLE) -> tuple[nn.Module, Tensor, tuple[Tensor, ...]]:
    """A module with random parameters in evaluation mode, x, and its further arguments."""
    features, build, condition = MODULES[name]
    torch.manual_seed(0)
    module = randomize(build()).to(dtype).eval()
    x = torch.randn(BATCH, features, dtype=dtype)
    return module, x, () if condition is None else (torch.randn(BATCH, *condition, dtype=dtype),)


@pytest.mark.parametrize("name", MODULES)
def test_inverse_undoes_forward(name):
    module, x, condition = case(name)
    value, log_det = module(x, *condition)
    assert value.shape == x.shape
    assert log_det.shape == (BATCH,)
    assert (module.inverse(value, *condition) - x).abs().max() <= 1e-9
    assert (module(module.inverse(x, *condition), *condition)[0] - x).abs().max() <= 1e-9
    # ... although it moves x far
    assert (value - x).abs().max() > 0.1


@pytest.mark.parametrize("name", MODULES)
def test_inverse_undoes_forward_in_single_precision(name):
    module, x, condition = case(name, torch.float32)
    value, _ = module(x, *condition)
    assert (module.inverse(value, *condition) - x).abs().max() <= 1e-4


@pytest.mark.parametrize("name", MODULES)
def test_log_det_is_that_of_the_jacobian(name):
    module, x, condition = case(name)
    _, log_det = module(x, *condition)
    for i in range(2):
        rest = [tensor[i : i + 1] for tensor in condition]
        jacobian = torch.autograd.functional.jacobian(
            lambda row, rest=rest: module(row[None], *rest)[0][0], x[i]
        )
        torch.testing.assert_close(log_det[i], jacobian.slogdet()[1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", LEARNED)
def test_gradients_reach_every_parameter_and_input(name):
    module, x, condition = case(name)
    inputs = [x, *condition]
    for tensor in inputs:
        tensor.requires_grad_()
    value, log_det = module(x, *condition)
    (value.square().sum() - log_det.sum()).backward()
    for parameter in [*module.parameters(), *inputs]:
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() > 0


@pytest.mark.parametrize("condition", [0, 2])
def test_gradients_are_right(condition):
    torch.manual_seed(0)
    model = randomize(network(3, condition, blocks=2, width=3, depth=1)).double().eval()
    names = [name for name, _ in model.named_parameters()]
    x = torch.randn(2, 3, dtype=DOUBLE, requires_grad=True)
    h = [torch.randn(2, condition, dtype=DOUBLE, requires_grad=True)] if condition else []

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        state = dict(zip(names, rest[len(h) :], strict=True))
        value, log_det = torch.func.functional_call(model, state, (x, *rest[: len(h)]))
        return value, log_det

    assert torch.autograd.gradcheck(run, (x, *h, *model.parameters()))


@pytest.mark.parametrize("name", MODULES)
def test_a_saved_state_gives_identical_outputs(name):
    module, x, condition = case(name)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    torch.manual_seed(7)
    fresh = MODULES[name][1]().double()
    assert not torch.equal(fresh.eval()(x, *condition)[0], module(x, *condition)[0])
    fresh.load_state_dict(torch.load(file, weights_only=True))
    for training in (False, True):  # in training mode too: ActNorm must not start over
        fresh.train(training)
        torch.testing.assert_close(fresh(x, *condition), module(x, *condition), rtol=0, atol=0)
        inverse = fresh.inverse(x, *condition)
        torch.testing.assert_close(inverse, module.inverse(x, *condition), rtol=0, atol=0)
    assert all(isinstance(tensor, Tensor) for tensor in module.state_dict().values())


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize(("features", "condition"), [(12, 0), (12, 6), (13, 6)])
def test_plain_reference_agrees(features, condition, dtype):
    torch.manual_seed(0)
    model = randomize(network(features, condition, width=32), 0.5).to(dtype).eval()
    reference = ReferenceINN(model)
    x = torch.randn(64, features, dtype=dtype)
    h = [torch.randn(64, condition, dtype=dtype)] if condition else []
    (value, log_det), (expected, expected_log_det) = model(x, *h), reference.forward(x, *h)
    single = dtype == torch.float32
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-5 if single else 1e-12)
    torch.testing.assert_close(log_det, expected_log_det, rtol=0, atol=2e-5 if single else 1e-12)
    expected = reference.inverse(x, *h)
    error = (model.inverse(x, *h) - expected).abs() / expected.abs().clamp_min(1)
    assert error.max() <= (1e-4 if single else 1e-12)


# ActNorm


@pytest.mark.parametrize("shape", [(64, 6), (16, 6, 5, 4)])
def test_actnorm_normalises_the_first_training_batch_only(shape):
    torch.manual_seed(0)
    x = 3 * torch.randn(shape, dtype=DOUBLE) + torch.arange(6.0).view(-1, *(1,) * (len(shape) - 2))
    norm = ActNorm(6).double()
    assert torch.equal(norm.eval().normalize(x), x)
    assert not norm.initialized
    value = norm.train().normalize(x)
    assert norm.initialized
    channels = value.transpose(0, 1).flatten(1)
    torch.testing.assert_close(channels.mean(1), torch.zeros(6, dtype=DOUBLE))
    torch.testing.assert_close(channels.square().mean(1), torch.ones(6, dtype=DOUBLE))
    before = copy.deepcopy(norm.state_dict())
    norm.normalize(5 * x)
    torch.testing.assert_close(norm.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize(("mean", "std"), [(5.0, 0.2), (10.0, 0.5)])
def test_actnorm_measures_in_single_precision(mean, std):
    """The mean of bfloat16 values, rounded to bfloat16, may be a standard deviation off."""
    torch.manual_seed(0)
    x = (mean + std * torch.randn(512, 3)).bfloat16()
    value = ActNorm(3).normalize(x)
    torch.testing.assert_close(value.float().mean(0), torch.zeros(3), atol=1e-2, rtol=0)
    torch.testing.assert_close(value.float().std(0), torch.ones(3), atol=1e-2, rtol=0)


@pytest.mark.parametrize("x", [torch.full((4, 2), 3.0), torch.tensor([[3.0, 3.0]])])
def test_actnorm_only_shifts_a_constant_channel(x):
    norm = ActNorm(2)
    assert torch.equal(norm(x)[0], torch.zeros_like(x))
    assert torch.equal(norm.log_scale, torch.zeros(2))


def test_actnorm_state_before_the_first_batch_can_be_restored():
    norm = ActNorm(2)
    start = copy.deepcopy(norm.state_dict())
    norm(torch.randn(8, 2))
    norm.load_state_dict(start)
    assert not norm.initialized
    x = 4 * torch.randn(64, 2) + 1
    torch.testing.assert_close(norm(x)[0].mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    copied = copy.deepcopy(norm)
    torch.testing.assert_close(copied(2 * x), norm(2 * x), rtol=0, atol=0)


def test_every_actnorm_of_a_network_is_initialised_in_one_pass():
    model = network(6, CONDITION)
    model(torch.randn(32, 6), torch.randn(32, CONDITION))
    assert all(block.norm.initialized for block in model.blocks)


def _normalise_share(rank: int, folder: str, x: Tensor) -> None:
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", None, 2, rank)
    norm = ActNorm(x.shape[1])
    norm(x.chunk(2)[rank])
    torch.save(norm.state_dict(), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_actnorm_starts_alike_in_all_processes(tmp_path):
    x = 3 * torch.randn(64, 6, generator=torch.Generator().manual_seed(0)) + 2
    torch.multiprocessing.spawn(_normalise_share, (str(tmp_path), x), nprocs=2)
    alone = ActNorm(6)
    alone(x)
    for rank in range(2):
        state = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(state, alone.state_dict())


# The networks


def test_a_fresh_network_only_shuffles():
    model = network(6).eval()
    x = torch.randn(BATCH, 6)
    value, log_det = model(x)
    assert torch.equal(value.sort(1).values, x.sort(1).values)
    assert torch.equal(log_det, torch.zeros(BATCH))
    assert not torch.equal(value, x)


def test_scale_lies_between_1_over_e_and_e():
    coupling = randomize(Coupling(6, 16, 2), scale=10)
    log_s, _ = coupling.nets[0](100 * torch.randn(BATCH, 3), None)
    assert log_s.abs().max() <= 1


def test_weights_start_as_those_of_linear_layers():
    nets = network(7, CONDITION, width=256, blocks=1).blocks[0].coupling.nets
    for half, features_in in zip(nets, (4, 3), strict=True):
        bound = (features_in + CONDITION) ** -0.5
        for weight in (half.first, half.first_condition, half.first_bias):
            assert 0.95 * bound < weight.abs().max() <= bound
        for weight in (*half.weights[:-1], *half.biases[:-1]):
            assert 0.95 * 256**-0.5 < weight.abs().max() <= 256**-0.5


def test_start_is_a_pure_function_of_the_seed():
    state = torch.random.get_rng_state()
    first, same, other = (network(6, CONDITION, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.testing.assert_close(first, same, rtol=0, atol=0)
    for key in ("blocks.0.coupling.nets.0.first", "blocks.0.shuffle.permutation"):
        assert not torch.equal(first[key], other[key])
    assert not torch.equal(
        first["blocks.0.shuffle.permutation"], first["blocks.1.shuffle.permutation"]
    )


@pytest.mark.parametrize("name", ["network-condition", "conditional"])
def test_the_condition_changes_both_directions(name):
    module, x, (condition,) = case(name)
    other = condition + 1
    assert (module(x, condition)[0] - module(x, other)[0]).abs().amax(1).min() > 1e-3
    assert (module.inverse(x, condition) - module.inverse(x, other)).abs().amax(1).min() > 1e-3


@pytest.mark.parametrize("name", ["network-condition", "conditional"])
def test_one_condition_holds_for_all(name):
    module, x, (condition,) = case(name)
    one, repeated = condition[:1], condition[:1].expand_as(condition)
    torch.testing.assert_close(module(x, one), module(x, repeated))
    torch.testing.assert_close(module.inverse(x, one), module.inverse(x, repeated))


def test_sampling_is_the_inverse_of_fixed_noise():
    module, _, (z,) = case("conditional")
    v = torch.randn(BATCH, 9, generator=torch.Generator().manual_seed(3), dtype=DOUBLE)
    z_bar = module.inverse(v, z)
    torch.testing.assert_close(module(z_bar, z)[0], v, rtol=0, atol=1e-9)
    again = torch.randn(BATCH, 9, generator=torch.Generator().manual_seed(3), dtype=DOUBLE)
    torch.testing.assert_close(module.inverse(again, z), z_bar, rtol=0, atol=0)
    embedded = module.network.inverse(v, module.embedding(z))
    torch.testing.assert_close(embedded, z_bar, rtol=0, atol=0)


def test_dropout_acts_on_the_condition_in_training_only():
    torch.manual_seed(0)
    model = randomize(ConditionalINN(6, Linear(8, 64), 2, 16, 1, dropout=0.5)).eval()
    x, z = torch.randn(BATCH, 6), torch.randn(BATCH, 8)
    assert torch.equal(model(x, z)[0], model(x, z)[0])
    model.train()
    assert not torch.equal(model(x, z)[0], model(x, z)[0])


def test_factors_are_named_slices_of_e():
    model = SemanticINN(9, {"digit": 3, "colour": 2}, 1, 8, 1)
    e = torch.arange(18.0).view(2, 9)
    parts = model.split(e)
    assert {name: part.shape[1] for name, part in parts.items()} == {
        "residual": 4,
        "digit": 3,
        "colour": 2,
    }
    assert list(parts) == ["residual", "digit", "colour"]
    for name, part in parts.items():
        assert torch.equal(e[:, model.indices(name)], part)
    with pytest.raises(PipelineError, match="digit"):
        model.indices("shape")


@pytest.mark.parametrize("factors", [{"a": 10}, {"a": 0}, {"a": 5, "b": -1}, {"residual": 2}])
def test_impossible_factors_are_refused(factors):
    with pytest.raises(PipelineError, match="factors"):
        SemanticINN(9, factors, 1, 8, 1)


def test_misuse_is_refused():
    x, h = torch.randn(BATCH, 6), torch.randn(BATCH, CONDITION)
    with pytest.raises(PipelineError, match="needs a condition"):
        network(6, CONDITION)(x)
    with pytest.raises(PipelineError, match="takes no condition"):
        network(6).inverse(x, h)
    with pytest.raises(PipelineError, match="2 or more features"):
        network(1)


# Process-wide settings


def test_kept_memory_changes_no_result():
    module, x, condition = case("network-condition", torch.float32)
    before = module(x, *condition)
    cpu.keep_freed_memory()
    assert all(map(torch.equal, module(x, *condition), before))
