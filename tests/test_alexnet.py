"""AlexNet: its layers and their shapes, Psi(Phi(x)) = f(x), and torchvision's results."""

from typing import get_type_hints

import pytest
import torch
from splitting import psi
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.errors import PipelineError
from pipeline.networks.alexnet import AlexNet, build_alexnet
from pipeline.networks.layers import phi
from pipeline.params import TrainAlexNetParams
from pipeline.torchvision_compat import torchvision

MODULES = {
    "conv5": "features.11",
    "fc6": "classifier.2",
    "fc7": "classifier.5",
    "fc8": "classifier.6",
    "output": "output",
}
ARGUMENTS = {
    "full": {"classes": 1000},
    "slim": {"classes": 12, "width": 0.25, "size": 64},
    "tiny": {"classes": 12, "width": 0.05, "hidden": 20, "size": 32},
}
IMAGE = {"full": 128, "slim": 64, "tiny": 32}
SHAPES = {
    "full": [(256, 13, 13), (4096,), (4096,), (1000,), (1000,)],
    "slim": [(64, 7, 7), (1024,), (1024,), (12,), (12,)],
    "tiny": [(13, 3, 3), (20,), (20,), (12,), (12,)],
}
CASES = [
    pytest.param(kind, MODULES[layer], shape, id=f"{kind}-{layer}")
    for kind, shapes in SHAPES.items()
    for layer, shape in zip(MODULES, shapes, strict=True)
]


def sharpened(network: AlexNet) -> AlexNet:
    """Untrained networks hardly tell images apart: spread the logits as training does."""
    with torch.no_grad():
        network.classifier[6].weight.mul_(200)
    return network.eval()


@pytest.fixture(scope="module")
def networks() -> dict[str, AlexNet]:
    torch.manual_seed(0)
    return {kind: sharpened(build_alexnet(**ARGUMENTS[kind])) for kind in ARGUMENTS}


def images(size: int, count: int = 3) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize(("kind", "path", "shape"), CASES)
def test_a_layer_splits_the_network(
    kind: str, path: str, shape: tuple[int, ...], networks: dict[str, AlexNet]
) -> None:
    network, size = networks[kind], IMAGE[kind]
    x = images(size)
    z = phi(network, path, x)
    assert z.shape == (3, *shape) and z.std() > 0
    with torch.no_grad():
        expected = network(x)
    assert (expected[0] - expected[1]).abs().max() > 0.1
    assert torch.equal(psi(network, path, z, (3, size, size)), expected)
    # Psi reads nothing but z: another image's z gives that image's output.
    other = psi(network, path, z.flip(0), (3, size, size))
    torch.testing.assert_close(other, expected.flip(0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_what_the_layers_are(kind: str, networks: dict[str, AlexNet]) -> None:
    network, x = networks[kind], images(IMAGE[kind])
    z = {layer: phi(network, path, x) for layer, path in MODULES.items()}
    for layer, before in (
        ("conv5", "features.10"),
        ("fc6", "classifier.1"),
        ("fc7", "classifier.4"),
    ):
        assert torch.equal(z[layer], phi(network, before, x).relu()), layer
    torch.testing.assert_close(z["output"], z["fc8"].softmax(1))
    with torch.no_grad():
        torch.testing.assert_close(network(x), z["fc8"].log_softmax(1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_what_was_read_before_a_relu_stays(kind: str, networks: dict[str, AlexNet]) -> None:
    network, x, kept = networks[kind], images(IMAGE[kind]), {}
    before = ("features.10", "classifier.1", "classifier.4")
    hooks = [
        network.get_submodule(path).register_forward_hook(
            lambda _module, _inputs, output, path=path: kept.update({path: output})
        )
        for path in before
    ]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    assert all(kept[path].min() < 0 for path in before)


# --- torchvision ---------------------------------------------------------------------------------


def test_the_full_network_is_torchvisions(networks: dict[str, AlexNet]) -> None:
    network, x = networks["full"], images(128)
    with torch.device("meta"):
        reference = torchvision.models.alexnet(weights=None).eval()
    reference.load_state_dict(network.state_dict(), strict=True, assign=True)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    resized = F.interpolate(x, (227, 227), mode="bilinear", align_corners=False)
    prepared = (resized.add(1).div(2) - mean) / std
    with torch.no_grad():
        logits = reference(prepared)
        assert torch.equal(phi(network, "classifier.6", x), logits)
        torch.testing.assert_close(network(x), logits.log_softmax(1), rtol=1e-4, atol=1e-4)
        assert torch.equal(network(x).argmax(1), logits.argmax(1))


def test_every_layer_is_torchvisions_but_for_its_size() -> None:
    with torch.device("meta"):
        reference = torchvision.models.alexnet(weights=None, num_classes=12)
    slim = build_alexnet(12, width=0.25, size=64)
    for part in ("features", "classifier"):
        ours, theirs = slim.get_submodule(part), reference.get_submodule(part)
        assert [type(module) for module in ours] == [type(module) for module in theirs]
    assert list(slim.state_dict()) == list(reference.state_dict())


# --- images of any size --------------------------------------------------------------------------


@pytest.mark.parametrize("size", [48, 64, 100])
def test_images_of_another_size_are_resized(size: int, networks: dict[str, AlexNet]) -> None:
    network, x = networks["slim"], images(size)
    prepared = network.prepare(x)
    assert prepared.shape == (3, 3, 64, 64)
    with torch.no_grad():
        assert network(x).shape == (3, 12)
    # A plain image stays plain, and white is white.
    mean, std = network.mean, network.std
    white = network.prepare(torch.ones(1, 3, size, size))
    torch.testing.assert_close(white, ((1 - mean) / std).expand(1, 3, 64, 64))
    black = network.prepare(-torch.ones(1, 3, size, size))
    torch.testing.assert_close(black, (-mean / std).expand(1, 3, 64, 64))


def test_larger_images_are_averaged(networks: dict[str, AlexNet]) -> None:
    """Every second column white: seen from afar, grey."""
    stripes = torch.ones(1, 3, 192, 192)  # every pixel seen lies on the middle of a stripe
    stripes[..., ::2] = -1
    network = networks["slim"]
    grey = network.prepare(torch.zeros(1, 3, 64, 64))
    torch.testing.assert_close(network.prepare(stripes), grey, rtol=0, atol=0.6)
    assert (stripes / 2 / network.std).abs().min() > 2  # what a single stripe would give


def test_the_smallest_images() -> None:
    """The settings allow what the builder takes."""
    (rule,) = get_type_hints(TrainAlexNetParams, include_extras=True)["size"].__metadata__
    assert rule.test(29) and not rule.test(28) and rule.text == "a whole number of at least 29"
    network = build_alexnet(4, width=0.05, size=29).eval()
    with torch.no_grad():
        assert network(images(29)).shape == (3, 4)
    with pytest.raises(PipelineError) as caught:
        build_alexnet(4, width=0.05, size=28)
    assert str(caught.value) == (
        "images of 28 pixels are too small for AlexNet: they need at least 29."
    )


# --- training ------------------------------------------------------------------------------------


def test_cross_entropy_is_that_of_the_logits(networks: dict[str, AlexNet]) -> None:
    network, x = networks["slim"], images(64)
    label = torch.tensor([0, 5, 11])
    kept: list[Tensor] = []
    hook = network.classifier[6].register_forward_hook(lambda *args: kept.append(args[2]))
    loss = F.cross_entropy(network(x), label)
    hook.remove()
    expected = F.cross_entropy(kept[0], label)
    torch.testing.assert_close(loss, expected)
    weights = [module.weight for module in network.modules() if isinstance(module, nn.Linear)]
    ours = torch.autograd.grad(loss, weights, retain_graph=True)
    theirs = torch.autograd.grad(expected, weights)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_a_class_of_probability_zero_has_a_finite_logarithm(networks: dict[str, AlexNet]) -> None:
    z = torch.zeros(1, 12)
    z[0, 3] = 1
    found = psi(networks["slim"], "output", z, (3, 64, 64))
    assert found.isfinite().all() and found.argmax() == 3


def test_a_hopeless_image_still_has_a_gradient() -> None:
    """Its probability is zero in single precision: the logarithm is taken of the logits."""
    network = build_alexnet(4, width=0.05, size=32, dropout=0).train()
    with torch.no_grad():
        network.classifier[6].bias.copy_(torch.tensor([300.0, 0, 0, 0]))
    loss = F.cross_entropy(network(images(32)), torch.tensor([1, 1, 1]))
    loss.backward()
    assert 299 < loss < 301
    gradient = network.classifier[6].bias.grad
    torch.testing.assert_close(gradient, torch.tensor([1.0, -1, 0, 0]))


@pytest.mark.parametrize("kind", ["slim", "tiny"])
def test_training_and_evaluation_give_the_same_function(
    kind: str, networks: dict[str, AlexNet]
) -> None:
    network = build_alexnet(**ARGUMENTS[kind], dropout=0)
    network.load_state_dict(networks[kind].state_dict())
    x = images(IMAGE[kind])
    with torch.no_grad():
        training = network.train()(x)
        torch.testing.assert_close(network.eval()(x), training, rtol=1e-4, atol=1e-4)


def test_a_slim_network_learns() -> None:
    """Four kinds of stripes in random colours, from 200 images."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(240) % 4
    wave = torch.arange(64) / 64 * 2 * torch.pi
    rows, columns = wave[:, None].expand(64, 64), wave[None, :].expand(64, 64)
    kinds = torch.stack([rows * 3, columns * 3, rows * 9, columns * 9])
    phase = torch.rand(240, 1, 1, generator=generator) * 6
    colour = torch.rand(240, 3, 1, 1, generator=generator) * 2 - 1
    x = (kinds[label] + phase).sin()[:, None] * colour
    network = build_alexnet(4, width=0.1, size=64)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for step in range(100):
        chosen = torch.arange(step * 40, step * 40 + 40) % 200
        optimizer.zero_grad()
        F.cross_entropy(network(x[chosen]), label[chosen]).backward()
        optimizer.step()
    network.eval()
    with torch.no_grad():
        assert (network(x[200:]).argmax(1) == label[200:]).float().mean() > 0.9
