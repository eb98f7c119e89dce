"""Named layers: the shape of z, Psi(Phi(x)) = f(x), and mistakes in the table."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from splitting import psi
from torch import nn

from pipeline.datasets.digits import ColorDigits
from pipeline.errors import PipelineError
from pipeline.evaluation import fig3, fig5
from pipeline.networks.layers import phi, represent
from pipeline.networks.loading import (
    build_network,
    builder_arguments,
    load_checkpoints,
    load_network,
)
from pipeline.networks.squeezenet import build_squeezenet
from pipeline.params import load_params
from pipeline.paths import checkpoint_file
from pipeline.rendering.animals import SPECIES
from pipeline.storage import write_json, write_safetensors
from pipeline.training.network import checkpoint_steps

ROOT = Path(__file__).resolve().parents[1]
PARAMS = load_params(ROOT)
LAYERS = PARAMS.layers
TRAINING = PARAMS.settings.train_network
CLASSES = {
    "squeezenet": 10, "alexnet": len(SPECIES), "facenet": 400, "resnet101": len(SPECIES),
    "resnet50": len(SPECIES), "resnet50_stylized": len(SPECIES),
}  # fmt: skip
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    name: functools.partial(build_network, name, **builder_arguments(name, TRAINING[name], classes))
    for name, classes in CLASSES.items()
}
IMAGE = {name: (3, 28, 28) if name == "squeezenet" else (3, 64, 64) for name in CLASSES}


@pytest.fixture(scope="module")
def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {name: build().eval() for name, build in NETWORKS.items()}


def images(network: str, count: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, *IMAGE[network], generator=generator) * 2 - 1


def digits(count: int) -> ColorDigits:
    generator = torch.Generator().manual_seed(2)
    strokes = torch.randint(0, 256, (count, 28, 28), generator=generator).byte()
    colours = torch.rand(2, count, 3, generator=generator)
    index = torch.arange(count)
    return ColorDigits(strokes, colours[0], colours[1], index % 10, index, index)


def shape_of(name: str) -> tuple[int, ...]:
    """The shape of z at scale laptop."""
    return PARAMS.settings.extract[LAYERS[name].features].layers[name]


def network_of(name: str) -> str:
    return PARAMS.features[LAYERS[name].features].network


def test_every_network_of_the_table_is_tested() -> None:
    assert set(PARAMS.networks) == set(NETWORKS)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_splits_its_network(name: str, networks: dict[str, nn.Module]) -> None:
    layer = LAYERS[name]
    key = network_of(name)
    network, x = networks[key], images(key)
    z = phi(network, layer.module, x)
    assert z.shape == (3, *shape_of(name)) and not z.requires_grad
    assert z.std() > 0
    assert (z.min() >= 0) == (layer.activation == "after")
    with torch.no_grad():
        expected = network(x)
    again = psi(network, layer.module, z, IMAGE[key])
    torch.testing.assert_close(again, expected, rtol=0, atol=1e-6)
    # Psi reads nothing but z.
    other = psi(network, layer.module, z * torch.rand_like(z), IMAGE[key])
    assert (other - expected).abs().max() > 1e-4
    assert torch.equal(phi(network, layer.module, x), z), "a hook was left behind"


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("path", ["features.99", "featurs.11", "classifier.0.x"])
def test_a_module_that_does_not_exist(name: str, path: str, networks: dict[str, nn.Module]) -> None:
    network = network_of(name)
    sentence = f"the network has no module '{path}': correct `module` of this layer in params.yaml."
    with pytest.raises(PipelineError) as caught:
        phi(networks[network], path, images(network))
    assert str(caught.value) == sentence


def test_representations_of_a_data_set(networks: dict[str, nn.Module]) -> None:
    layer, data = LAYERS["squeezenet-fire8"], digits(7)
    network = networks["squeezenet"]
    # The ReLU after features.0 writes into what it is given.
    layers = {"fire8": (layer.module, (512, 1, 1)), "first": ("features.0", (64, 13, 13))}
    z = {key: torch.zeros(7, *shape, dtype=torch.float16) for key, (_, shape) in layers.items()}
    represent(network, layers, data, 3, z)
    for key, (module, _) in layers.items():
        expected = phi(network, module, data.images(slice(None)))
        torch.testing.assert_close(z[key].float(), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("shape", [(512,), (256, 1, 1), (512, 2, 2)])
def test_another_shape_than_the_table_says(
    shape: tuple[int, ...], networks: dict[str, nn.Module]
) -> None:
    with pytest.raises(PipelineError) as caught:
        represent(networks["squeezenet"], {"fire8": ("features.11", shape)}, digits(2), 2, {})
    assert str(caught.value) == (
        f"the module 'features.11' gives z of shape [512, 1, 1], not {list(shape)}: correct "
        "the shape of this layer below `extract` in scales/<scale>.yaml."
    )


class Odd(nn.Module):
    """Modules that are no layers: used twice, without a tensor, too large, of another shape."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.large, self.plain = nn.ReLU(), nn.Flatten(), nn.Flatten()
        self.pair = nn.LSTM(28, 2, batch_first=True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.pair(images[:, 0])
        self.large(1e5 * images.abs())
        return self.plain(self.twice(self.twice(images)))


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        ({"twice": (3, 28, 28)}, "the network uses its module 'twice' more than once, so that"),
        ({"pair": (28, 2)}, "the module 'pair' gives a tuple, no tensor: name one that does, such"),
        ({"large": (2352,)}, "the module 'large' gives values that are not finite or above 65,504"),
        (
            {"large": (5,), "plain": (7,)},
            "the module 'large' gives z of shape [2352], not [5], the module 'plain' gives z of "
            "shape [2352], not [7]: correct the shape of these layers below `extract` in",
        ),
    ],
)
def test_modules_that_are_no_layers(layers: dict[str, tuple[int, ...]], sentence: str) -> None:
    torch.manual_seed(0)
    network = Odd()
    z = {key: torch.zeros(2, *shape, dtype=torch.float16) for key, shape in layers.items()}
    with pytest.raises(PipelineError) as caught:
        represent(network, {key: (key, shape) for key, shape in layers.items()}, digits(2), 2, z)
    assert str(caught.value).startswith(sentence)


def test_phi_of_a_module_without_a_tensor() -> None:
    with pytest.raises(PipelineError, match="the module 'pair' gives a tuple, no tensor"):
        phi(Odd(), "pair", images("squeezenet"))


@pytest.mark.parametrize(
    ("features", "names"),
    [("facenet", fig3.PAPER), ("facenet_animalfaces", fig3.PAPER), ("resnet101", fig5.PAPER)],
)
def test_layers_of_figures_are_rows_of_the_table(features: str, names: Iterable[str]) -> None:
    assert {f"{features}-{name}" for name in names} <= set(LAYERS)


# --- SqueezeNet ----------------------------------------------------------------------------------


def test_logits_may_be_negative(networks: dict[str, nn.Module]) -> None:
    with torch.no_grad():
        logits = networks["squeezenet"](images("squeezenet", 20))
    assert logits.shape == (20, 10)
    assert (logits < 0).any() and (logits > 0).any()


def test_checkpoints_are_read_in_order(tmp_path: Path) -> None:
    steps, states = [0, 4, 12], {}
    for step in steps:
        states[step] = build_squeezenet(4).state_dict()
        write_safetensors(checkpoint_file(tmp_path, step), states[step])
    write_json(
        tmp_path / "config.json",
        {"name": "squeezenet", "arguments": {"classes": 4}, "steps": steps},
    )
    found = []
    for step, network in load_checkpoints(tmp_path, torch.device("cpu")):
        found.append(step)
        assert not network.training
        for name, value in network.state_dict().items():
            assert torch.equal(value, states[step][name])
    assert found == steps
    last = load_network(tmp_path, torch.device("cpu")).state_dict()
    assert all(torch.equal(value, states[12][name]) for name, value in last.items())


def test_a_checkpoint_of_another_network_is_told(tmp_path: Path) -> None:
    write_safetensors(checkpoint_file(tmp_path, 0), build_squeezenet(4).state_dict())
    write_json(
        tmp_path / "config.json", {"name": "squeezenet", "arguments": {"classes": 5}, "steps": [0]}
    )
    with pytest.raises(PipelineError, match="step-000000.safetensors"):
        list(load_checkpoints(tmp_path, torch.device("cpu")))


@pytest.mark.parametrize("checkpoints", [1, 2, 5])
def test_checkpoints_are_even_and_end_with_the_training(checkpoints: int) -> None:
    steps = checkpoint_steps(replace(TRAINING["squeezenet"], steps=40, checkpoints=checkpoints))
    assert steps == {1: (40,), 2: (0, 40), 5: (0, 10, 20, 30, 40)}[checkpoints]
