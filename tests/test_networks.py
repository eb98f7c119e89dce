"""Every network: its card, the shapes of z, Psi(Phi(x)) = f(x), and its stored states."""

import functools
from pathlib import Path
from typing import Any

import pytest
import torch
from networks import images, psi
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.errors import PipelineError
from pipeline.networks import alexnet, facenet, resnet
from pipeline.networks.alexnet import build_alexnet
from pipeline.networks.card import NetworkSettings, load_card
from pipeline.networks.inputs import IMAGENET_MEAN, IMAGENET_STD, normalise, resize
from pipeline.networks.layers import phi
from pipeline.networks.loading import load_checkpoints, load_network, save_checkpoints
from pipeline.training.network import checkpoint_steps
from pipeline.validation.loading import load_run

RUN = load_run(Path(__file__).resolve().parents[1])
CPU = torch.device("cpu")
ALEXNET = ("features.11", "classifier.2", "classifier.5", "classifier.6", "output")
FACENET = ("conv2d_4a", "mixed_6a", "mixed_7a", "avgpool_1a", "embedding")
RESNET = ("input", "layer3", "avgpool", "fc")
TINY = {
    "alexnet": {"width": 0.05, "hidden": 20, "size": 32},
    "facenet": {"width": 0.125, "repeats": (1, 1, 1), "embedding": 16, "size": 75},
} | dict.fromkeys(
    ("resnet101", "resnet50", "resnet50_stylized"),
    {"blocks": (1, 1, 1, 1), "bottleneck": False, "width": 0.25, "size": 64},
)
# The card, its settings, the size of images, layers, and their shapes of z.
LAYOUTS: list[tuple[str, dict[str, Any], int, tuple[str, ...], list[tuple[int, ...]]]] = [
    ("squeezenet", {}, 28, ("features.0", "features.11"), [(64, 13, 13), (512, 1, 1)]),
    ("alexnet", {}, 128, ALEXNET, [(256, 13, 13), (4096,), (4096,), (12,), (12,)]),  # Tab. S16
    ("alexnet", TINY["alexnet"], 48, ALEXNET, [(13, 3, 3), (20,), (20,), (12,), (12,)]),
    ("facenet", {}, 128, FACENET,  # Tab. S12
     [(192, 28, 28), (896, 6, 6), (1792, 2, 2), (1792, 1, 1), (512,)]),
    ("facenet", TINY["facenet"], 48, FACENET,
     [(24, 15, 15), (112, 3, 3), (224, 1, 1), (224, 1, 1), (16,)]),
    ("resnet101", {"size": 128}, 128, RESNET,  # Tab. S13
     [(3, 128, 128), (1024, 8, 8), (2048, 1, 1), (12,)]),
    ("resnet101", TINY["resnet101"], 48, RESNET, [(3, 48, 48), (64, 4, 4), (128, 1, 1), (12,)]),
    ("torchvision:resnet18", {"size": 64}, 48, ("bn1", "layer4", "layer4.0", "fc"),
     [(64, 32, 32), (512, 2, 2), (512, 2, 2), (12,)]),
    ("torchvision:squeezenet1_1", {"size": 32}, 32, ("features.3.squeeze",), [(16, 7, 7)]),
    ("torchvision:mobilenet_v3_small", {"size": 64}, 64, ("features.12",), [(576, 2, 2)]),
]  # fmt: skip


@functools.cache
def built(name: str, **settings: Any) -> nn.Module:
    """The network, with the statistics of its batch normalisations as after a training."""
    torch.manual_seed(0)
    card = load_card(name)
    network = card.build(**card.arguments(card.settings(steps=1, **settings), 12))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(images(64, 6))
    return network.eval()


def shapes(network: nn.Module, paths: tuple[str, ...], x: Tensor) -> list[tuple[int, ...]]:
    """Of z of each layer, after checking that f reads nothing of x but z."""
    found = []
    with torch.no_grad():
        expected = network(x)
    assert (expected - expected.flip(0)).abs().max() > 1e-3
    for path in paths:
        z = phi(network, path, x)
        assert torch.equal(psi(network, path, z, x), expected), path
        torch.testing.assert_close(
            psi(network, path, z.flip(0), x), expected.flip(0), rtol=1e-4, atol=1e-5
        )
        assert torch.equal(phi(network, path, x), z), "a hook was left behind"
        assert not z.requires_grad and z.std() > 0
        found.append(tuple(z.shape[1:]))
    return found


@pytest.mark.parametrize(("name", "settings", "size", "paths", "expected"), LAYOUTS)
def test_layers_split_their_network(
    name: str, settings: dict[str, Any], size: int, paths: tuple[str, ...], expected: list[Any]
) -> None:
    network, x = built(name, **settings), images(size, 2)
    if size < 128:
        assert shapes(network, paths, x) == expected
    else:  # the full networks, which are split as their slim ones are
        assert [tuple(phi(network, path, x).shape[1:]) for path in paths] == expected


@pytest.mark.parametrize("key", RUN.layers)
def test_a_row_of_layers_splits_its_network(key: str) -> None:
    layer = RUN.layers[key]
    build = RUN.networks[layer.network].build or layer.network
    x = images(28 if layer.dataset == "digits" else 64, 2)
    shapes(built(build, **TINY.get(layer.network, {})), (layer.module,), x)


def test_a_module_that_does_not_exist() -> None:
    network = built("squeezenet")
    with pytest.raises(PipelineError, match=r"no module 'classifier\.0\.x': .* params\.yaml"):
        phi(network, "classifier.0.x", images(28))
    assert network(images(28)).min() < 0  # its logits are no output of a ReLU


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet5", "resnet50"),  # did you mean
        ("resnet18", "torchvision:resnet18"),
        ("card", "alexnet"),  # a module of the package without a card: choose from ...
        ("os.path", "alexnet"),
        ("torchvision:resnet181", "resnet18"),
        ("torchvision:fasterrcnn_resnet50_fpn", "resnet50"),  # no classifier
    ],
)
def test_a_network_that_is_not_known(name: str, hint: str) -> None:
    with pytest.raises(PipelineError, match=f"{name.removeprefix('torchvision:')!r}.*{hint}"):
        load_card(name)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("alexnet", {"size": alexnet.MIN_SIZE - 1}),
        ("facenet", {"size": facenet.MIN_SIZE - 1}),
        ("facenet", {"width": 0.3}),
        ("resnet50", {"size": resnet.MIN_SIZE - 1}),
        ("torchvision:squeezenet1_1", {"size": 16}),
        ("torchvision:vit_b_32", {"size": 100}),
    ],
)
def test_what_cannot_be_built(name: str, wrong: dict[str, Any]) -> None:
    card = load_card(name)
    with pytest.raises(PipelineError, match=str(*wrong.values())):
        card.build(**{**card.arguments(card.settings(steps=1), 4), **wrong})
    if not name.startswith("torchvision:"):  # whose settings are the same for all networks
        with pytest.raises(ValidationError):
            card.settings(steps=1, **wrong)
        if "size" in wrong:
            smallest = wrong["size"] + 1
            network = built(name, **{**TINY[name], "size": smallest})
            assert len(network(images(smallest))) == 3


def test_images_of_any_size() -> None:
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    for size in (48, 64, 100):
        for value in (-1.0, 0.0, 1.0):  # plain images stay plain
            found = normalise(torch.full((1, 3, size, size), value), 64, mean, std)
            expected = (((value + 1) / 2 - mean) / std).expand(1, 3, 64, 64)
            torch.testing.assert_close(found, expected)
    stripes = torch.ones(1, 3, 192, 192)  # every sampled pixel lies on the middle of a stripe
    stripes[..., ::2] = -1
    assert resize(stripes, 64).abs().max() < 0.3  # larger images are averaged


def test_checkpoints_are_read_in_order(tmp_path: Path) -> None:
    build = load_card("squeezenet").build
    states = {step: build(4).state_dict() for step in (0, 4, 12)}
    config = {"name": "mine", "build": "squeezenet", "arguments": {"classes": 4}}
    save_checkpoints(tmp_path / "network", states, config)
    found = []
    for step, network in load_checkpoints(tmp_path / "network", CPU):
        found.append(step)
        assert not network.training
        assert all(torch.equal(v, states[step][name]) for name, v in network.state_dict().items())
    assert found == [0, 4, 12]
    last = load_network(tmp_path / "network", CPU).state_dict()
    assert all(torch.equal(value, states[12][name]) for name, value in last.items())
    save_checkpoints(tmp_path / "other", states, config | {"arguments": {"classes": 5}})
    with pytest.raises(PipelineError, match="step-000000.safetensors belongs to another"):
        load_network(tmp_path / "other", CPU)
    # They are even, and end with the training.
    for count, expected in {1: (40,), 2: (0, 40), 5: (0, 10, 20, 30, 40)}.items():
        assert checkpoint_steps(NetworkSettings(steps=40, checkpoints=count)) == expected


@pytest.mark.parametrize("size", [32, 128])  # with either first convolution
def test_what_the_layers_of_alexnet_are(size: int) -> None:
    torch.manual_seed(0)
    network, x = build_alexnet(12, width=0.05, size=size, dropout=0), images(size)
    z: dict[str, Tensor] = {}
    for path, module in network.named_modules():
        module.register_forward_hook(lambda *args, path=path: z.update({path: args[2]}))
    with torch.no_grad():
        training, f = network.train()(x), network.eval()(x)
    # No ReLU overwrites what was read before it.
    for part, before, after in (("features", 10, 11), ("classifier", 1, 2), ("classifier", 4, 5)):
        assert z[f"{part}.{before}"].min() < 0
        assert torch.equal(z[f"{part}.{after}"], z[f"{part}.{before}"].relu())
    torch.testing.assert_close(z["output"], z["classifier.6"].softmax(1))
    torch.testing.assert_close(f, z["classifier.6"].log_softmax(1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(training, f, rtol=1e-4, atol=1e-4)
    # The logarithm of a probability of zero is finite.
    found = psi(network, "output", F.one_hot(torch.tensor([3]), 12).float(), x[:1])
    assert found.isfinite().all() and found.argmax() == 3


def test_a_hopeless_image_still_has_a_gradient() -> None:
    """Its probability is zero in single precision: the logarithm is taken of the logits."""
    network = build_alexnet(4, width=0.05, size=32, dropout=0).train()
    with torch.no_grad():
        network.classifier[6].bias.copy_(torch.tensor([300.0, 0, 0, 0]))
    loss = F.cross_entropy(network(images(32)), torch.tensor([1, 1, 1]))
    loss.backward()
    assert 299 < loss < 301
    torch.testing.assert_close(network.classifier[6].bias.grad, torch.tensor([1.0, -1, 0, 0]))
