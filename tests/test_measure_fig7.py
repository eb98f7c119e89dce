"""Fig. 7 measured with untrained models on a few rendered people, from files to files."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pipeline import paths
from pipeline.config.rows import ExperimentRow, LayerRow, Rows
from pipeline.datasets.faces import Settings, prepare
from pipeline.datasets.features import save_posterior
from pipeline.datasets.images import ImageSet
from pipeline.errors import PipelineError
from pipeline.evaluation.encoding import encode_in_batches
from pipeline.evaluation.examples import varied_rows
from pipeline.experiments.fig7 import measure as module
from pipeline.experiments.fig7.report import Fig7Settings
from pipeline.experiments.fig7.summary import SHOWN
from pipeline.models.evaluator import Evaluator
from pipeline.models.image_autoencoder import ImageAutoencoder
from pipeline.models.inn import SemanticINN
from pipeline.models.stargan import StarGANGenerator
from pipeline.networks.facenet import build_facenet
from pipeline.networks.loading import save_checkpoints
from pipeline.rendering.people import ATTRIBUTES
from pipeline.storage import read_parquet, write_json, write_safetensors
from pipeline.task import Task

SIZE, LATENT, INPUTS, ROWS = 16, 14, 24, 3
STARGAN = {"step": 3, "train": {"penalty": 0.1}, "validation": {"edited": 0.5}}
TRUTH = paths.prepared("people") / "ground_truth.parquet"


def write(place: Callable[[str], Path], model: nn.Module, config: Any) -> None:
    write_safetensors(place("people") / "model.safetensors", model.state_dict())
    write_json(place("people") / "config.json", config)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder with people, untrained models and what their training left, as the current one."""
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("fig7"))
        TRUTH.parent.mkdir(parents=True)
        counts = {"train": 10, "validation": 4, "test": INPUTS, "reference": INPUTS, "unseen": 0}
        prepare(Settings(size=SIZE, **counts), 0, TRUTH.parent, 1, "prepare.people")
        autoencoder = ImageAutoencoder(SIZE, LATENT, [1], 4, 4, 4, architecture="convolutional")
        write(paths.autoencoder, autoencoder.eval(), autoencoder.arguments)
        test = ImageSet.load(TRUTH.parent, "test")
        save_posterior(paths.posteriors("people"), "test", encode_in_batches(autoencoder, test))
        e = SemanticINN(LATENT, dict.fromkeys(ATTRIBUTES, 2), 2, 8, 1)
        sizes = {"features": LATENT, "factors": [[name, 2] for name in ATTRIBUTES]}
        write(paths.semantic, e, {**sizes, "blocks": 2, "width": 8, "depth": 1})
        evaluator, stargan = reader(ATTRIBUTES), StarGANGenerator(ATTRIBUTES, 4, 1)
        write(paths.evaluator, evaluator, evaluator.arguments)
        write(paths.stargan, stargan, stargan.arguments)
        write_json(paths.autoencoder("people") / "training.json", {"steps": 5})
        write_json(paths.stargan("people") / "training.json", STARGAN)
        small = {"width": 0.0625, "repeats": [1, 1, 1], "embedding": 8, "size": 75, "dropout": 0}
        states = {2: build_facenet(**small).state_dict()}
        save_checkpoints(paths.network("net"), states, {"build": "facenet", "arguments": small})
        metrics = {"verification_accuracy": 0.9, "validation_accuracy": 0.8}
        write_json(paths.training_metrics("smoke", "train_network", "net"), metrics)
        yield


def reader(attributes: Sequence[str]) -> Evaluator:
    classes = [(name, [False, True]) for name in attributes]
    return Evaluator(SIZE, 4, classes, ("hair_length", "hair_grey", "face_width"))


def measure() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    settings = Fig7Settings(inputs=INPUTS, rows=ROWS)
    rows = Rows(
        layers={"net-e": LayerRow(network="net", dataset="people", module="embedding")},
        experiment=ExperimentRow(dataset="people", layers=("net-e",)),
    )
    task = Task("measure", "fig7", "smoke", 0, 1, settings, rows, {}, "")
    return module.measure(task, torch.device("cpu"))


def test_arrays_and_numbers(made: None) -> None:
    arrays, numbers = measure()
    json.dumps(numbers, allow_nan=False)
    expected = {
        "images": INPUTS, "size": SIZE, "label": "FID-EN0", "validation_accuracy": 0.8,
        "verification": {"accuracy": 0.9}, "training": {"ours_steps": 5, "stargan": STARGAN},
    }  # fmt: skip
    assert {key: numbers[key] for key in expected} == expected
    assert set(numbers["factors"]) == set(numbers["counterfactual_edits"]) == set(ATTRIBUTES)
    for entry in numbers["factors"].values():
        assert (entry["edits"], entry["dimensions"]) == (INPUTS, 2)
        assert entry["ours"]["distance"]["mean"] > 0
        assert entry["ours"]["fid"] > 0 and entry["stargan"]["fid"] > 0
    assert arrays["attributes"].tolist() == list(ATTRIBUTES)
    image, edits = (SHOWN + ROWS, SIZE, SIZE, 3), (SHOWN + ROWS, 6, SIZE, SIZE, 3)
    shapes = dict.fromkeys(("inputs", "reconstructions"), image)
    shapes |= dict.fromkeys(("donors", "ours", "stargan"), edits)
    assert {k: array.shape for k, array in arrays.items() if array.dtype == np.uint8} == shapes
    truth = read_parquet(TRUTH)
    test = truth[truth["split"] == "test"]
    own = test[list(ATTRIBUTES)].to_numpy()
    chosen = varied_rows(test, ATTRIBUTES, SHOWN + ROWS)
    assert np.array_equal(arrays["values"], own[chosen])
    # Donors are test images that differ in the attribute they are donors of.
    pixels = np.load(TRUTH.with_name("images.npy"))[test.index]
    for row, column in np.ndindex(SHOWN + ROWS, 6):
        same = (pixels == arrays["donors"][row, column]).all(axis=(1, 2, 3))
        assert own[same.argmax(), column] == (not own[chosen[row], column]) and same.any()


@pytest.mark.parametrize(
    ("change", "attributes", "words"),
    [
        ({"Smiling": None}, ATTRIBUTES, "test images of people.*'Smiling'"),
        ({"Eyeglasses": True}, ATTRIBUTES, "'Eyeglasses' is true in all 24"),
        ({}, ATTRIBUTES[:-1], "people does not read the attribute 'Smiling'"),
    ],
)
def test_what_lacks_an_attribute(
    made: None, monkeypatch: pytest.MonkeyPatch, change: Any, attributes: Any, words: str
) -> None:
    """Such as the faces of animals; reported before anything is computed."""
    truth = read_parquet(TRUTH).assign(**change).dropna(axis="columns", how="all")
    monkeypatch.setattr(module, "load_extractor", None)
    monkeypatch.setattr(module, "load_evaluator", lambda _: reader(attributes))
    monkeypatch.setattr("pipeline.datasets.images.read_parquet", lambda *_, **__: truth)
    with pytest.raises(PipelineError, match=words):
        measure()
