"""FaceNet: its layers and shapes, Psi(Phi(x)) = f(x), the library's results, and its training."""

import copy
import hashlib
import json
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from splitting import psi
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline import paths
from pipeline.datasets.images import ImageSet
from pipeline.errors import PipelineError
from pipeline.networks import weights
from pipeline.networks.facenet import FaceNet, build_facenet
from pipeline.networks.layers import phi
from pipeline.networks.loading import builder_arguments, load_network
from pipeline.networks.weights import PUBLISHED, published_weights
from pipeline.params import NetworkParams, TrainFaceNetParams, load_params
from pipeline.runtime import make_fabric
from pipeline.training.checkpoints import CheckpointFolder
from pipeline.training.log import TrainingLog
from pipeline.training.recognition import IdentityHead, embed, train_recogniser, verification

# isort: split
from facenet_pytorch import InceptionResnetV1

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("conv2d_4a", "mixed_6a", "mixed_7a", "avgpool_1a", "embedding")
SLIM: dict[str, Any] = {"width": 0.25, "repeats": (1, 2, 1), "embedding": 128, "size": 75}
TINY: dict[str, Any] = {"width": 0.125, "repeats": (1, 1, 1), "embedding": 16, "size": 75}
ARGUMENTS: dict[str, dict[str, Any]] = {"full": {}, "slim": SLIM, "tiny": TINY}
IMAGE = {"full": 128, "slim": 64, "tiny": 48}
SHAPES = {
    "full": [(192, 28, 28), (896, 6, 6), (1792, 2, 2), (1792, 1, 1), (512,)],  # Tab. S12
    "slim": [(48, 15, 15), (224, 3, 3), (448, 1, 1), (448, 1, 1), (128,)],
    "tiny": [(24, 15, 15), (112, 3, 3), (224, 1, 1), (224, 1, 1), (16,)],
}
CASES = [
    pytest.param(kind, path, shape, id=f"{kind}-{path}")
    for kind, shapes in SHAPES.items()
    for path, shape in zip(MODULES, shapes, strict=True)
]


def images(size: int, count: int = 3) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def trained(network: FaceNet) -> FaceNet:
    """Statistics of the batch normalisations as after a training, so that images differ in f."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(images(64, 6))
    return network.eval()


@pytest.fixture(scope="module")
def networks() -> dict[str, FaceNet]:
    torch.manual_seed(0)
    return {
        kind: trained(build_facenet(**arguments, dropout=0))
        for kind, arguments in ARGUMENTS.items()
    }


@pytest.fixture(scope="module")
def outputs(networks: dict[str, FaceNet]) -> dict[str, Tensor]:
    with torch.no_grad():
        return {kind: network(images(IMAGE[kind])) for kind, network in networks.items()}


@pytest.mark.parametrize(("kind", "path", "shape"), CASES)
def test_a_layer_splits_the_network(
    kind: str,
    path: str,
    shape: tuple[int, ...],
    networks: dict[str, FaceNet],
    outputs: dict[str, Tensor],
) -> None:
    network, size = networks[kind], IMAGE[kind]
    x = images(size)
    z = phi(network, path, x)
    assert z.shape == (3, *shape) and z.std() > 0
    expected = outputs[kind]
    assert (expected[0] - expected[1]).norm() > 0.01
    assert torch.equal(psi(network, path, z, (3, size, size)), expected)
    # Psi reads nothing but z: another image's z gives that image's output.
    other = psi(network, path, z.flip(0), (3, size, size))
    torch.testing.assert_close(other, expected.flip(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_what_the_layers_are(kind: str, networks: dict[str, FaceNet]) -> None:
    network, x = networks[kind], images(IMAGE[kind])
    z = {path: phi(network, path, x) for path in MODULES}
    for path in ("conv2d_4a", "mixed_6a", "mixed_7a"):
        assert z[path].min() == 0, path  # after a ReLU
    assert z["avgpool_1a"].min() < 0  # the last block has none
    mean = phi(network, "block8", x).mean((2, 3), keepdim=True)
    torch.testing.assert_close(z["avgpool_1a"], mean, rtol=1e-4, atol=1e-5)
    before = phi(network, "last_bn", x)
    torch.testing.assert_close(z["embedding"], F.normalize(before, dim=1))
    torch.testing.assert_close(z["embedding"].norm(dim=1), torch.ones(3))


# --- facenet-pytorch -----------------------------------------------------------------------------


def test_the_full_network_is_the_librarys(networks: dict[str, FaceNet]) -> None:
    network, x = networks["full"], images(128)
    with torch.device("meta"):
        reference = InceptionResnetV1(pretrained=None).eval()
    reference.load_state_dict(network.state_dict(), strict=True, assign=True)
    pixels = (x + 1) * 127.5
    with torch.no_grad():
        expected = reference((pixels - 127.5) / 128)
        torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(reference(network.prepare(x)), network(x), rtol=0, atol=0)


def test_every_layer_is_the_librarys_but_for_its_size() -> None:
    with torch.device("meta"):
        reference = InceptionResnetV1(pretrained=None)
    kept = {name: type(module) for name, module in reference.named_modules() if name}
    full = dict(build_facenet().named_modules())
    assert {name: type(full[name]) for name in kept} == kept
    slim = dict(build_facenet(**SLIM).named_modules())
    del slim[""], slim["embedding"]
    assert {name: type(module) for name, module in slim.items()} == {
        name: kind
        for name, kind in kept.items()
        if not any(
            name.startswith(f"{group}.{index}")
            for group, first in (("repeat_1", 1), ("repeat_2", 2), ("repeat_3", 1))
            for index in range(first, 10)
        )
    }
    for name, module in slim.items():
        theirs = reference.get_submodule(name)
        for attribute in ("kernel_size", "stride", "padding", "eps", "momentum", "scale"):
            assert getattr(module, attribute, None) == getattr(theirs, attribute, None), name
        for attribute in ("out_channels", "num_features"):
            if hasattr(module, attribute) and name != "last_bn":
                assert getattr(module, attribute) == getattr(theirs, attribute) / 4, name


def test_building_it_needs_no_network_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a connection was made"))
    monkeypatch.setattr("torch.load", lambda *_, **__: pytest.fail("weights were loaded"))
    build_facenet(**TINY)


# --- published weights ---------------------------------------------------------------------------


def test_published_weights_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, networks: dict[str, FaceNet]
) -> None:
    """The published file holds a classifier of VGGFace2's identities too, which is left out."""
    with torch.device("meta"):
        reference = InceptionResnetV1(pretrained=None, classify=True, num_classes=8631)
    state = {
        name: torch.empty_like(value, device="cpu").expand_as(value)
        for name, value in reference.state_dict().items()
        if name.startswith("logits.")
    }
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        "logits.weight": (8631, 512),
        "logits.bias": (8631,),
    }
    network = networks["full"]
    path = tmp_path / PUBLISHED["facenet"].file
    torch.save(network.state_dict() | state, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(weights.PUBLISHED, "facenet", replace(PUBLISHED["facenet"], sha256=digest))
    found = published_weights("facenet", tmp_path)
    fresh = build_facenet().eval()
    fresh.load_state_dict(found, strict=True)
    x = images(64, 1)
    with torch.no_grad():
        assert torch.equal(fresh(x), network(x))


def test_missing_weights_are_told(tmp_path: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        published_weights("facenet", tmp_path)
    assert str(caught.value) == (
        f"the weights {tmp_path}/20180402-114759-vggface2.pt are missing: download "
        "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
        "20180402-114759-vggface2.pt and put it there."
    )


# --- images of any size --------------------------------------------------------------------------


@pytest.mark.parametrize("size", [48, 64, 100])
def test_images_of_another_size_are_resized(size: int, networks: dict[str, FaceNet]) -> None:
    network, x = networks["slim"], images(size)
    assert network.prepare(x).shape == (3, 3, 75, 75)
    with torch.no_grad():
        assert network(x).shape == (3, 128)
    for value in (-1.0, 0.0, 1.0):  # a plain image stays plain
        plain = network.prepare(torch.full((1, 3, size, size), value))
        expected = ((value + 1) * 127.5 - 127.5) / 128
        torch.testing.assert_close(plain, torch.full((1, 3, 75, 75), expected))


def test_larger_images_are_averaged(networks: dict[str, FaceNet]) -> None:
    """Every second column white: seen from afar, grey."""
    stripes = torch.ones(1, 3, 225, 225)
    stripes[..., ::2] = -1
    assert networks["slim"].prepare(stripes).abs().max() < 0.3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"size": 74},
            "images of 74 pixels are too small for FaceNet: they need at least 75.",
        ),
        (
            {"width": 0.3},
            "a width of 0.3 does not divide FaceNet's channels: it must be a multiple of 1/16.",
        ),
    ],
)
def test_what_cannot_be_built_is_told(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(PipelineError) as caught:
        build_facenet(**arguments)
    assert str(caught.value) == sentence


def test_the_smallest_network() -> None:
    network = build_facenet(width=1 / 16, repeats=(1, 1, 1), embedding=4, size=75).eval()
    with torch.no_grad():
        assert network(images(32)).shape == (3, 4)


# --- training ------------------------------------------------------------------------------------


def test_the_head_measures_angles() -> None:
    torch.manual_seed(0)
    head = IdentityHead(8, 5, scale=10, margin=0.2)
    points = F.normalize(torch.randn(6, 8), dim=1)
    label = torch.tensor([0, 1, 2, 3, 4, 0])
    cosines = F.cosine_similarity(points[:, None], head.weight[None], dim=2)
    torch.testing.assert_close(head(points), 10 * cosines)
    target = F.one_hot(label, 5)
    torch.testing.assert_close(head(points, label), 10 * (cosines - 0.2 * target))
    # The margin makes the task harder, and does not change who is named.
    assert F.cross_entropy(head(points, label), label) > F.cross_entropy(head(points), label)


def people(folder: Path, identities: int, seed: int) -> Path:
    """Plain images whose colours are an identity; brightness and noise are not.

    The last quarter of the identities is the split `unseen`, numbered on.
    """
    generator = np.random.default_rng(seed)
    colours = generator.uniform(40, 215, size=(identities, 2, 3))
    seen = identities * 3 // 4
    rows = []
    for split, low, high, count in (
        ("train", 0, seen, 14),
        ("validation", 0, seen, 2),
        ("test", 0, seen, 2),
        ("unseen", seen, identities, 8),
    ):
        rows += [(split, who) for who in range(low, high) for _ in range(count)]
    truth = pd.DataFrame(rows, columns=["split", "identity"])
    truth["label"] = truth["identity"]
    pixels = np.empty((len(truth), 32, 32, 3))
    pixels[:, :16] = colours[truth["identity"], 0][:, None, None]
    pixels[:, 16:] = colours[truth["identity"], 1][:, None, None]
    pixels *= generator.uniform(0.8, 1.15, size=(len(truth), 1, 1, 1))
    pixels += generator.normal(scale=8, size=pixels.shape)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", pixels.clip(0, 255).astype(np.uint8))
    truth.to_parquet(folder / "ground_truth.parquet")
    return folder


SETTINGS = TrainFaceNetParams(
    steps=40,
    batch_size=32,
    learning_rate=5e-3,
    checkpoints=2,
    width=0.0625,
    repeats=(1, 1, 1),
    embedding=16,
    size=75,
    dropout=0,
    weight_decay=0.05,
    logit_scale=16,
    margin=0.1,
    weights=None,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A training of the smallest network on 15 identities, and what it was before."""
    folder = people(tmp_path_factory.mktemp("people"), 20, seed=0)
    torch.manual_seed(0)
    network = build_facenet(**builder_arguments("facenet", SETTINGS, 15))
    sets = {split: ImageSet.load(folder, split) for split in ("train", "validation", "unseen")}
    before = copy.deepcopy(network.state_dict())
    result = train_recogniser(
        network,
        sets["train"],
        sets["validation"],
        SETTINGS,
        seed=0,
        fabric=make_fabric("cpu"),
        checkpoints=CheckpointFolder(tmp_path_factory.mktemp("checkpoints")),
        log=TrainingLog(None, "facenet"),
    )
    return {"network": network.eval(), "before": before, "result": result, "sets": sets}


def test_it_learns_identities(run: dict[str, Any]) -> None:
    history = run["result"].history
    assert history[-1]["train/loss"] < history[0]["train/loss"] - 1
    assert history[-1]["validation/accuracy"] > 0.5  # of 15


def test_identities_it_never_saw_are_verified(run: dict[str, Any]) -> None:
    found = verification(run["network"], run["sets"]["unseen"])
    assert found["verification_accuracy"] > 0.75 and found["verification_auc"] > 0.8
    assert found["verification_pairs"] == 2 * 5 * (8 * 7 // 2)
    assert 0 < found["verification_threshold"] < 2


def test_snapshots_are_states_of_the_network_alone(run: dict[str, Any]) -> None:
    snapshots, before = run["result"].snapshots, run["before"]
    assert list(snapshots) == [0, 40]
    for state in snapshots.values():
        assert list(state) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in snapshots[0].items())
    now = run["network"].state_dict()
    assert all(torch.equal(value, now[name]) for name, value in snapshots[40].items())
    assert not torch.equal(now["last_linear.weight"], before["last_linear.weight"])


def test_embeddings_of_a_data_set(run: dict[str, Any]) -> None:
    network, data = run["network"], run["sets"]["unseen"]
    found = embed(network, data, batch_size=7)
    with torch.no_grad():
        expected = network(data.images(slice(None)))
    assert found.shape == (len(data), 16) and found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


# --- the stage -----------------------------------------------------------------------------------


def run_stage(settings: TrainFaceNetParams, folder: Path) -> dict[str, float]:
    """Run the stage in `folder`, on a data set called faces; return its metrics."""
    people(folder / "data/prepared/faces", 20, seed=0)
    params = load_params(ROOT)
    params = replace(
        params,
        networks={"facenet": NetworkParams("faces")},
        settings=replace(params.settings, train_network={"facenet": settings}),
    )
    stage = runpy.run_module("pipeline.stages.train_network")
    stage["train_network"](params, "facenet", torch.device("cpu"))
    return json.loads((folder / "reports/laptop/metrics/train_network-facenet.json").read_text())


def test_the_stage_trains_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    metrics = run_stage(replace(SETTINGS, steps=4, checkpoints=1), tmp_path)
    assert metrics["verification_pairs"] == 2 * 5 * (8 * 7 // 2)  # of the split `unseen`
    assert 0.3 < metrics["verification_accuracy"] <= 1
    network = load_network(paths.network("facenet"), torch.device("cpu"))
    data = ImageSet.load(tmp_path / "data/prepared/faces", "unseen")
    assert verification(network, data) == metrics
    assert not list((tmp_path / ".checkpoints").rglob("*.pt"))


def test_the_stage_takes_published_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    published = build_facenet(**builder_arguments("facenet", SETTINGS, 15))
    path = tmp_path / "weights" / PUBLISHED["facenet"].file
    settings = replace(SETTINGS, weights=str(path.parent))
    with pytest.raises(PipelineError, match=f"the weights .*{path.name} are missing: download"):
        run_stage(settings, tmp_path)
    assert not paths.network("facenet").exists()
    path.parent.mkdir()
    torch.save(published.state_dict() | {"logits.bias": torch.zeros(3)}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(weights.PUBLISHED, "facenet", replace(PUBLISHED["facenet"], sha256=digest))
    metrics = run_stage(settings, tmp_path)
    assert metrics["verification_pairs"] == 2 * 14  # of the split `test`: nobody was trained on
    curves = paths.training("laptop", "train_network", "facenet")  # an output of the stage
    assert json.loads((curves / "metrics.json").read_text()) == {}
    network = load_network(paths.network("facenet"), torch.device("cpu"))
    for name, value in network.state_dict().items():
        assert torch.equal(value, published.state_dict()[name]), name
