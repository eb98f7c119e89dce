"""ResNet: torchvision's results, the shapes of Tab. S13, slimmer ones, and mistakes."""

import pytest
import torch
from splitting import psi
from torch import Tensor

from pipeline.errors import PipelineError
from pipeline.networks.layers import phi
from pipeline.networks.resnet import build_resnet
from pipeline.networks.weights import PUBLISHED
from pipeline.torchvision_compat import torchvision

MODULES = ("input", "layer3", "avgpool", "fc")


def images(size: int, count: int = 2) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("bottleneck", [True, False])
def test_it_computes_what_torchvision_does(bottleneck: bool) -> None:
    kinds = torchvision.models.resnet
    kind = kinds.Bottleneck if bottleneck else kinds.BasicBlock
    torch.manual_seed(0)
    theirs = torchvision.models.ResNet(kind, [1, 2, 1, 1], num_classes=7).eval()
    ours = build_resnet(7, blocks=(1, 2, 1, 1), bottleneck=bottleneck, size=64).eval()
    ours.load_state_dict(theirs.state_dict())
    x = images(64)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = theirs(((x + 1) / 2 - mean.view(3, 1, 1)) / std.view(3, 1, 1))
        assert torch.equal(ours(x), expected)


def test_resnet_101_has_the_shapes_of_the_paper() -> None:
    network = build_resnet(1000, size=128).eval()
    # As torchvision says of resnet101.
    assert sum(parameter.numel() for parameter in network.parameters()) == 44_549_160
    x = images(128, 1)
    shapes = [tuple(phi(network, path, x).shape[1:]) for path in MODULES]
    assert shapes == [(3, 128, 128), (1024, 8, 8), (2048, 1, 1), (1000,)]


@pytest.mark.parametrize("path", MODULES)
def test_a_layer_splits_a_slim_network(path: str) -> None:
    torch.manual_seed(0)
    network = build_resnet(
        12, blocks=(1, 1, 1, 1), bottleneck=False, width=0.25, size=64
    ).eval()  # fmt: skip
    x = images(48)  # resized to 64
    z = phi(network, path, x)
    assert z.shape[1:] == {"input": (3, 48, 48), "layer3": (64, 4, 4), "avgpool": (128, 1, 1),
                           "fc": (12,)}[path]  # fmt: skip
    with torch.no_grad():
        torch.testing.assert_close(psi(network, path, z, (3, 48, 48)), network(x))


def test_images_that_are_too_small() -> None:
    with pytest.raises(PipelineError, match="16 pixels are too small for ResNet: .* at least 32"):
        build_resnet(10, size=16)


def test_the_published_file_is_recognised_as_torchvision_does() -> None:
    weights = PUBLISHED["resnet101"]
    assert weights.file.split("-")[1].split(".")[0] == weights.sha256[:8]
