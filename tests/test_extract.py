"""Extraction: z of every image of a data set, in files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from networks import make_task, write_data
from torch import nn

from pipeline import paths
from pipeline.config.rows import LayerRow
from pipeline.config.settings import ExtractSettings
from pipeline.datasets.features import load_representations
from pipeline.datasets.images import ImageSet
from pipeline.datasets.splits import SPLITS
from pipeline.errors import PipelineError
from pipeline.networks.card import load_card
from pipeline.networks.layers import (
    extract_features,
    features_of_images,
    features_of_pixels,
    layer_shape,
    phi,
    stopping_at,
)
from pipeline.networks.loading import load_checkpoints, save_checkpoints
from pipeline.stages.extract import extract
from pipeline.storage import read_json, read_parquet, write_parquet

CPU = torch.device("cpu")
PATHS = ("features.0", "features.3.squeeze", "features.11")  # before ReLUs in place, and at the end


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return ImageSet.load(write_data(tmp_path_factory.mktemp("data"), 2), "train")


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return load_card("squeezenet").build(2).eval()


def extracted(network: nn.Module, path: str, data: ImageSet, batch_size: int) -> torch.Tensor:
    z = torch.zeros(len(data), *layer_shape(network, path, data), dtype=torch.float16)
    extract_features(network, path, data, batch_size, z)
    return z


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("batch_size", [5, 100])
def test_extraction_equals_hooking(
    path: str, batch_size: int, data: ImageSet, network: nn.Module, unchanged_torch: None
) -> None:
    outputs = []
    handle = network.get_submodule(path).register_forward_hook(
        lambda _module, _inputs, output: outputs.append(output.clone())
    )
    with torch.no_grad():
        for first in range(0, len(data), batch_size):
            network(data.images(slice(first, first + batch_size)))
    handle.remove()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        assert torch.equal(extracted(network, path, data, batch_size), torch.cat(outputs).half())
    images = data.images(slice(None))
    expected = phi(network, path, images)
    torch.testing.assert_close(torch.cat(outputs), expected, rtol=1e-4, atol=1e-5)
    for found in (
        features_of_images(network, path, images, batch_size),
        features_of_pixels(network, path, data.pixels(slice(None)), batch_size),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_rest_of_the_network_does_not_run(data: ImageSet, network: nn.Module) -> None:
    later: list[object] = []
    handle = network.get_submodule("features.12").register_forward_hook(lambda *_: later.append(1))
    images = data.images(slice(0, 2)).requires_grad_()
    with stopping_at(network, "features.11") as run:
        run(images).sum().backward()
    features_of_images(network, "features.11", images.detach())
    handle.remove()
    assert not later
    assert images.grad is not None and images.grad.abs().sum() > 0


class Odd(nn.Module):
    """Modules that are no layers."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.large, self.plain = nn.ReLU(), nn.Flatten(), nn.Flatten()
        self.unused, self.merged, self.tokens = nn.ReLU(), nn.Flatten(0, 1), nn.Flatten(2)
        self.pair = nn.LSTM(32, 2, batch_first=True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.pair(images[:, 0])
        self.large(1e5 * images.abs())
        self.merged(images)
        self.tokens(images)
        return self.plain(self.twice(self.twice(images)))


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("twice", "more than once"),
        ("pair", "a tuple, not a tensor"),
        ("unused", "does not use"),
        ("merged", r"\[6, 32, 32\] for 2 images"),
        ("tokens", r"\[2, 3, 1024\] for 2 images"),
        ("absent", "has no module"),
        ("large", "not finite or above"),  # in float16
    ],
)
def test_modules_that_are_no_layers(path: str, sentence: str, data: ImageSet) -> None:
    with pytest.raises(PipelineError, match=sentence) as caught:
        extracted(Odd(), path, data, 10)
    assert f"'{path}'" in str(caught.value)
    if path in ("pair", "unused", "absent"):
        with pytest.raises(PipelineError, match=f"'{path}'"):
            phi(Odd(), path, data.images(slice(0, 2)))


@pytest.mark.parametrize("split_of_t", ["train", "train_t"])
def test_the_stage(split_of_t: str, here: Path) -> None:
    folder = write_data(paths.prepared("mine"), 2)
    if split_of_t != "train":  # some images are kept for t
        file = folder / "learning" / "ground_truth.parquet"
        truth = read_parquet(file)
        truth.loc[4:9, "split"] = split_of_t
        write_parquet(file, truth)
    card, config = load_card("squeezenet"), {"build": "squeezenet", "arguments": {"classes": 2}}
    states = {step: card.build(2).state_dict() for step in (0, 30)}
    save_checkpoints(paths.network("net"), states, config)
    rows = {"net-fire8": LayerRow(network="net", dataset="mine", module="features.11")}
    extract(make_task("extract", "net-fire8", ExtractSettings(batch_size=7), layers=rows), CPU)
    found = paths.features("net-fire8")
    made = {"steps": [0, 30], "shape": [512, 1, 1], "train": split_of_t}
    assert read_json(found / "config.json") == made
    for step, network in load_checkpoints(paths.network("net"), CPU):
        for split in (split_of_t, *SPLITS[1:]):
            z = load_representations(found, step, split)
            expected = phi(network, "features.11", ImageSet.load(folder, split).images(slice(None)))
            torch.testing.assert_close(z.float(), expected, rtol=1e-3, atol=1e-5)
            assert z.numpy().dtype == np.float16
