"""FaceNet: what its layers are, the library's results, its training, and the stage."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from networks import images, make_task, write_data
from torch.nn import functional as F

from pipeline import paths
from pipeline.config.rows import NetworkRow
from pipeline.datasets.images import ImageSet
from pipeline.errors import PipelineError
from pipeline.evaluation.verification import embed, verification
from pipeline.networks import facenet
from pipeline.networks.facenet import CARD, FaceNetSettings, build_facenet
from pipeline.networks.layers import phi
from pipeline.networks.loading import load_checkpoints, load_network
from pipeline.stages.train_network import train_network
from pipeline.storage import read_json
from pipeline.training.recognition import IdentityHead

# isort: split
from facenet_pytorch import InceptionResnetV1

SETTINGS = FaceNetSettings(
    steps=40, batch_size=32, learning_rate=5e-3, checkpoints=2, width=0.0625, repeats=(1, 1, 1),
    embedding=16, size=75, dropout=0.0,
)  # fmt: skip
CPU = torch.device("cpu")


def test_what_the_layers_are() -> None:
    torch.manual_seed(0)
    network = build_facenet(width=0.25, repeats=(1, 2, 1), size=75, dropout=0).train()
    x = images(96, 6)
    for path in ("conv2d_4a", "mixed_6a", "mixed_7a"):
        assert phi(network, path, x).min() == 0, path  # after a ReLU
    pooled, mean = phi(network, "avgpool_1a", x), phi(network, "block8", x).mean((2, 3))
    assert pooled.min() < 0  # the last block has none
    torch.testing.assert_close(pooled[:, :, 0, 0], mean, rtol=1e-4, atol=1e-5)
    before, z = phi(network, "last_bn", x), phi(network, "embedding", x)
    torch.testing.assert_close(z, F.normalize(before, dim=1))


def test_the_full_network_is_the_librarys() -> None:
    network, x = build_facenet(dropout=0).train(), images(128)
    with torch.device("meta"):
        reference = InceptionResnetV1(pretrained=None, dropout_prob=0).train()
    reference.load_state_dict(network.state_dict(), strict=True, assign=True)
    pixels = (x + 1) * 127.5
    with torch.no_grad():
        expected = reference((pixels - 127.5) / 128)
        torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-5)


def test_the_head_measures_angles() -> None:
    torch.manual_seed(0)
    head = IdentityHead(8, 5, scale=10, margin=0.2)
    points, label = F.normalize(torch.randn(6, 8), dim=1), torch.tensor([0, 1, 2, 3, 4, 0])
    cosines = F.cosine_similarity(points[:, None], head.weight[None], dim=2)
    torch.testing.assert_close(head(points), 10 * cosines)
    target = F.one_hot(label, 5)  # whose margin makes the task harder
    torch.testing.assert_close(head(points, label), 10 * (cosines - 0.2 * target))


def run_stage(settings: FaceNetSettings) -> dict[str, Any]:
    """Run the stage on a data set called faces; return its metrics."""
    write_data(paths.prepared("faces"), classes=15, unseen=5)
    rows = {"facenet": NetworkRow(dataset="faces")}
    torch.manual_seed(0)
    train_network(make_task("train_network", "facenet", settings, networks=rows), CPU)
    return read_json(paths.training_metrics("laptop", "train_network", "facenet"))


def test_the_stage_trains_it(here: Path) -> None:
    """It learns identities, and verifies others, which it never saw."""
    metrics = run_stage(SETTINGS)
    metrics = metrics["verification"]
    assert metrics["accuracy"] > 0.75 and metrics["auc"] > 0.8
    assert metrics["pairs"] == 2 * 5 * (8 * 7 // 2)
    unseen = ImageSet.load(paths.prepared("faces"), "validation")
    torch.manual_seed(0)
    initial = build_facenet(**CARD.arguments(SETTINGS, 15)).last_linear.weight
    for step, network in load_checkpoints(paths.network("facenet"), CPU):  # without the head
        assert torch.equal(network.last_linear.weight, initial) == (step == 0)
    trained = load_network(paths.network("facenet"), CPU)
    assert verification(trained, unseen) == metrics
    assert not list(Path(".checkpoints").rglob("*.pt"))
    found = embed(trained, unseen, batch_size=7)
    with torch.no_grad():
        expected = trained(unseen.images(slice(None)))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_stage_takes_published_weights(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published file holds a classifier of other identities too, which is left out."""
    path = Path("weights", CARD.weights.file)
    settings = SETTINGS.model_copy(update={"weights": "weights"})
    with pytest.raises(PipelineError, match=f"{path.name} are missing: download"):
        run_stage(settings)
    assert not paths.network("facenet").exists()
    state = build_facenet(**CARD.arguments(SETTINGS, 15)).state_dict()
    path.parent.mkdir()
    torch.save(state | {"logits.bias": torch.zeros(3)}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    card = replace(CARD, weights=replace(CARD.weights, sha256=digest))
    monkeypatch.setattr(facenet, "CARD", card)
    metrics = run_stage(settings)
    assert metrics["verification"]["pairs"] == 2 * 5 * (8 * 7 // 2)
    curves = paths.training("laptop", "train_network", "facenet")  # an output of the stage
    assert read_json(curves / "metrics.json") == {}
    network = load_network(paths.network("facenet"), CPU)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
