"""Invertible networks: inverses, log-determinants, gradients and state, against plain formulas."""

import copy

import pytest
import torch
from torch import Tensor, nn
from training import assert_equal

from pipeline.errors import PipelineError
from pipeline.models.embedding import VectorEmbedding
from pipeline.models.inn import (
    Block,
    ConditionalINN,
    Coupling,
    InvertibleNetwork,
    SemanticINN,
    Shuffle,
)
from pipeline.models.norm import ActNorm

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


def case(name: str, dtype: torch.dtype = DOUBLE) -> tuple[nn.Module, Tensor, tuple[Tensor, ...]]:
    """A module with random parameters in evaluation mode, x, and its further arguments."""
    features, build, condition = MODULES[name]
    torch.manual_seed(0)
    module = randomize(build()).to(dtype).eval()
    x = torch.randn(BATCH, features, dtype=dtype)
    return module, x, () if condition is None else (torch.randn(BATCH, *condition, dtype=dtype),)


@pytest.mark.parametrize("name", MODULES)
def test_inverse_log_det_and_gradients(name):
    module, x, condition = case(name)
    inputs = [tensor.requires_grad_() for tensor in (x, *condition)]
    value, log_det = module(*inputs)
    assert (module.inverse(value, *condition) - x).abs().max() <= 1e-9
    assert (module(module.inverse(*inputs), *condition)[0] - x).abs().max() <= 1e-9
    assert (value - x).abs().max() > 0.1  # although it moves x far
    for i in range(2):
        rest = [tensor[i : i + 1] for tensor in condition]
        jacobian = torch.autograd.functional.jacobian(
            lambda row, rest=rest: module(row[None], *rest)[0][0], x[i]
        )
        torch.testing.assert_close(log_det[i], jacobian.slogdet()[1], rtol=1e-9, atol=1e-9)
    (value.square().sum() - log_det.sum()).backward()
    for tensor in [*module.parameters(), *inputs]:
        assert tensor.grad.abs().max() > 0
    single, x, condition = case(name, torch.float32)
    assert (single.inverse(single(x, *condition)[0], *condition) - x).abs().max() <= 1e-4


def reference(network: nn.Module, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """Eqs. 14-18 of the paper, with separate nets s and t, and loops where they are plainer."""

    def net(nets: nn.Module, which: int, x: Tensor) -> Tensor:
        columns = slice(which * nets.width, (which + 1) * nets.width)
        first = nets.first[:, columns]
        if h.shape[1]:
            first = torch.cat([first, nets.first_condition[:, columns]], dim=0)
        x = torch.cat([x, h], dim=1) @ first + nets.first_bias[columns]
        for weight, bias in zip(nets.weights, nets.biases, strict=True):
            x = nn.functional.leaky_relu(x, 0.01) @ weight[which] + bias[which, 0]
        return x

    log_det = torch.zeros(len(x), dtype=x.dtype)
    for block in network.blocks:
        scale, (one, two) = block.norm.log_scale.exp(), block.coupling.nets
        x = scale * x + block.norm.shift
        x_1, x_2 = x[:, : x.shape[1] // 2], x[:, x.shape[1] // 2 :]
        scale_1 = torch.exp(torch.tanh(net(one, 0, x_2)))
        x_1 = x_1 * scale_1 + net(one, 1, x_2)
        scale_2 = torch.exp(torch.tanh(net(two, 0, x_1)))
        x_2 = x_2 * scale_2 + net(two, 1, x_1)
        x = torch.cat([x_1, x_2], dim=1)
        x = torch.stack([x[:, source] for source in block.shuffle.permutation.tolist()], dim=1)
        log_det = log_det + (scale_1.prod(1) * scale_2.prod(1) * scale.prod()).log()
    return x, log_det


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize(("features", "condition"), [(12, 0), (12, 6), (13, 6)])
def test_plain_reference_agrees(features, condition, dtype):
    torch.manual_seed(0)
    model = randomize(network(features, condition, width=32), 0.5).to(dtype).eval()
    x, h = torch.randn(64, features, dtype=dtype), torch.randn(64, condition, dtype=dtype)
    found, expected = model(x, h if condition else None), reference(model, x, h)
    atol = 2e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)
    slopes = [
        torch.autograd.grad(value.square().mean() - log_det.mean(), model.parameters())
        for value, log_det in (found, expected)
    ]
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=atol)


@pytest.mark.parametrize("shape", [(64, 6), (16, 6, 5, 4)])
def test_actnorm_normalises_the_first_training_batch_only(shape):
    torch.manual_seed(0)
    x = 3 * torch.randn(shape, dtype=DOUBLE) + torch.arange(6.0).view(-1, *(1,) * (len(shape) - 2))
    norm = ActNorm(6).double()
    start = copy.deepcopy(norm.state_dict())
    assert torch.equal(norm.eval().normalize(x), x) and not norm.initialized
    channels = norm.train().normalize(x).transpose(0, 1).flatten(1)
    assert norm.initialized
    torch.testing.assert_close(channels.mean(1), torch.zeros(6, dtype=DOUBLE))
    torch.testing.assert_close(channels.square().mean(1), torch.ones(6, dtype=DOUBLE))
    after = copy.deepcopy(norm.state_dict())
    loaded = ActNorm(6).double()
    loaded.load_state_dict(after)
    for some in (norm, copy.deepcopy(norm), loaded):
        some.normalize(5 * x)
        assert_equal(some.state_dict(), after)
    norm.load_state_dict(start)  # the state before the first batch can be restored
    norm.normalize(x)
    assert_equal(norm.state_dict(), after)


@pytest.mark.parametrize(("mean", "std"), [(5.0, 0.2), (10.0, 0.5), (3.0, 0.0)])
def test_actnorm_of_narrow_and_constant_channels(mean, std):
    """The mean of bfloat16 values, rounded to bfloat16, may be a standard deviation off."""
    torch.manual_seed(0)
    norm = ActNorm(3)
    value = norm.normalize((mean + std * torch.randn(512, 3)).bfloat16()).float()
    torch.testing.assert_close(value.mean(0), torch.zeros(3), atol=1e-2, rtol=0)
    expected = torch.ones(3) if std else torch.zeros(3)
    torch.testing.assert_close(value.std(0), expected, atol=1e-2, rtol=0)
    assert std or torch.equal(norm.log_scale, torch.zeros(3))  # a constant channel is only shifted


def test_a_fresh_network_only_shuffles_until_its_first_batch():
    model, x = network(6).eval(), torch.randn(BATCH, 6)
    value, log_det = model(x)
    assert torch.equal(value.sort(1).values, x.sort(1).values) and not torch.equal(value, x)
    assert torch.equal(log_det, torch.zeros(BATCH))
    model.train()(x)
    assert all(block.norm.initialized for block in model.blocks)


def test_weights_start_as_those_of_linear_layers_and_scales_are_bounded():
    coupling = randomize(Coupling(6, 16, 2), scale=10)
    log_s, _ = coupling.nets[0](100 * torch.randn(BATCH, 3), None)
    assert log_s.abs().max() <= 1  # scales lie between 1/e and e
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
    assert_equal(first, same)
    shuffle, weights = "blocks.0.shuffle.permutation", "blocks.0.coupling.nets.0.first"
    for key in (weights, shuffle):
        assert not torch.equal(first[key], other[key])
    assert not torch.equal(first[shuffle], first["blocks.1.shuffle.permutation"])


@pytest.mark.parametrize("name", ["network-condition", "conditional"])
def test_the_condition_changes_both_directions_and_may_be_shared(name):
    module, x, (condition,) = case(name)
    other = condition + 1
    assert (module(x, condition)[0] - module(x, other)[0]).abs().amax(1).min() > 1e-3
    assert (module.inverse(x, condition) - module.inverse(x, other)).abs().amax(1).min() > 1e-3
    one, repeated = condition[:1], condition[:1].expand_as(condition)
    torch.testing.assert_close(module(x, one), module(x, repeated))
    torch.testing.assert_close(module.inverse(x, one), module.inverse(x, repeated))
    if name == "conditional":
        h = module.embedding(condition)
        assert_equal(module.network.inverse(x, h), module.inverse(x, condition))


def test_dropout_acts_on_the_condition_in_training_only():
    torch.manual_seed(0)
    model = randomize(ConditionalINN(6, Linear(8, 64), 2, 16, 1, dropout=0.5))
    x, z = torch.randn(BATCH, 6), torch.randn(BATCH, 8)
    for training in (False, True):
        model.train(training)
        assert torch.equal(model(x, z)[0], model(x, z)[0]) != training


def test_factors_are_named_slices_of_e():
    model = SemanticINN(9, {"digit": 3, "colour": 2}, 1, 8, 1)
    e = torch.arange(18.0).view(2, 9)
    parts = model.split(e)
    sizes = [(name, part.shape[1]) for name, part in parts.items()]
    assert sizes == [("residual", 4), ("digit", 3), ("colour", 2)]
    for name, part in parts.items():
        assert torch.equal(e[:, model.indices(name)], part)
    with pytest.raises(PipelineError, match="digit"):
        model.indices("shape")


def test_misuse_is_refused():
    for factors in ({"a": 10}, {"a": 0}, {"a": 5, "b": -1}, {"residual": 2}):
        with pytest.raises(PipelineError, match="factors"):
            SemanticINN(9, factors, 1, 8, 1)
    x, h = torch.randn(BATCH, 6), torch.randn(BATCH, CONDITION)
    with pytest.raises(PipelineError, match="needs a condition"):
        network(6, CONDITION)(x)
    with pytest.raises(PipelineError, match="takes no condition"):
        network(6).inverse(x, h)
    with pytest.raises(PipelineError, match="2 or more features"):
        network(1)
