"""Fig. 7 measured with untrained models on a few rendered people, from files to files."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline import paths
from pipeline.datasets.faces import prepare_faces
from pipeline.datasets.features import save_posterior
from pipeline.datasets.images import ImageSet
from pipeline.errors import PipelineError
from pipeline.evaluation.encoding import encode_in_batches
from pipeline.evaluation.examples import varied_rows
from pipeline.evaluation.fig7 import SHOWN
from pipeline.evaluation.measure_fig7 import measure_fig7
from pipeline.models.evaluator import Evaluator
from pipeline.models.image_autoencoder import ImageAutoencoder
from pipeline.models.inn import SemanticINN
from pipeline.models.stargan import StarGANGenerator
from pipeline.networks.facenet import build_facenet
from pipeline.params import Params, load_params
from pipeline.rendering.people import ATTRIBUTES
from pipeline.storage import (
    read_arrays,
    read_json,
    read_parquet,
    write_json,
    write_parquet,
    write_safetensors,
)

SIZE, LATENT, INPUTS, ROWS = 16, 14, 24, 3
NUMBERS = ("hair_length", "hair_grey", "face_width")
CPU = torch.device("cpu")
TRUTH = paths.prepared("faces") / "ground_truth.parquet"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A folder with people and untrained models, at scale smoke."""
    folder = tmp_path_factory.mktemp("fig7")
    text = (repository / "params.yaml").read_text().replace("scale: laptop", "scale: smoke")
    (folder / "params.yaml").write_text(text)
    (folder / "scales").symlink_to(repository / "scales")
    settings = dataclasses.replace(
        load_params(folder).settings.prepare["faces"],
        size=SIZE,
        train=10,
        validation=4,
        test=INPUTS,
        reference=INPUTS,
    )
    data = folder / paths.prepared("faces")
    data.mkdir(parents=True)
    write_parquet(folder / TRUTH, prepare_faces(settings, 0, data / "images.npy", 1))

    torch.manual_seed(0)
    autoencoder = ImageAutoencoder(SIZE, LATENT, [1], 4, 4, 4, architecture="convolutional")
    e = SemanticINN(LATENT, dict.fromkeys(ATTRIBUTES, 2), 2, 8, 1)
    described = {"features": LATENT, "factors": [[name, 2] for name in ATTRIBUTES]}
    classes = [(name, [False, True]) for name in ATTRIBUTES]
    evaluator = Evaluator(SIZE, 4, classes, NUMBERS)
    stargan = StarGANGenerator(ATTRIBUTES, 4, 1)
    for place, model, config in (
        (paths.autoencoder, autoencoder, autoencoder.arguments),
        (paths.semantic, e, {**described, "blocks": 2, "width": 8, "depth": 1}),
        (paths.evaluator, evaluator, evaluator.arguments),
        (paths.stargan, stargan, stargan.arguments),
    ):
        write_safetensors(folder / place("faces") / "model.safetensors", model.state_dict())
        write_json(folder / place("faces") / "config.json", config)
    write_json(folder / paths.autoencoder("faces") / "training.json", {"updates": 5})
    write_json(folder / paths.stargan("faces") / "training.json", {"edited": 0.5})
    test = ImageSet.load(data, "test")
    posterior = encode_in_batches(autoencoder.eval(), test)
    save_posterior(folder / paths.posteriors("faces"), "test", posterior)
    arguments = {"width": 0.0625, "repeats": [1, 1, 1], "embedding": 8, "size": 75, "dropout": 0}
    network = folder / paths.network("facenet")
    write_safetensors(paths.checkpoint_file(network, 2), build_facenet(**arguments).state_dict())
    write_json(network / "config.json", {"name": "facenet", "arguments": arguments, "steps": [2]})
    verification = {"verification_accuracy": 0.9, "verification_auc": 0.95}
    write_json(folder / paths.metrics("smoke", "train_network-facenet"), verification)
    return folder


@pytest.fixture
def params(made: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    monkeypatch.chdir(made)
    found = load_params()
    settings = dataclasses.replace(found.settings.evaluate["fig7"], inputs=INPUTS, rows=ROWS)
    found.settings.evaluate["fig7"] = settings
    return found


def test_what_is_written(params: Params) -> None:
    measure_fig7(params, CPU)
    numbers = read_json(paths.metrics("smoke", "fig7"))
    assert set(numbers) == {
        "scale", "seed", "images", "size", "label", "preparation", "floors", "evaluator",
        "reconstruction", "verification", "pairs", "reconstruction_distance", "factors",
        "coherence", "training", "true_edits",
    }  # fmt: skip
    assert (numbers["images"], numbers["size"], numbers["label"]) == (INPUTS, SIZE, "FID-EN0")
    assert numbers["verification"] == {"accuracy": 0.9, "auc": 0.95}
    assert numbers["training"] == {"ours_updates": 5, "stargan": {"edited": 0.5}}
    assert set(numbers["factors"]) == set(numbers["true_edits"]) == set(ATTRIBUTES)
    for entry in numbers["factors"].values():
        assert (entry["edits"], entry["dimensions"]) == (INPUTS, 2)
        assert entry["ours"]["distance"]["mean"] > 0
        assert entry["ours"]["fid"] > 0 and entry["stargan"]["fid"] > 0
    arrays = read_arrays(paths.evaluations("fig7"))
    assert arrays["attributes"].tolist() == list(ATTRIBUTES)
    shapes = {name: array.shape for name, array in arrays.items() if array.dtype == np.uint8}
    shown = SHOWN + ROWS
    image, edits = (shown, SIZE, SIZE, 3), (shown, 6, SIZE, SIZE, 3)
    assert shapes == {
        "inputs": image, "reconstructions": image, "donors": edits, "ours": edits,
        "stargan": edits,
    }  # fmt: skip
    truth = read_parquet(TRUTH)
    test = truth[truth["split"] == "test"]
    own = test[list(ATTRIBUTES)].to_numpy()
    chosen = varied_rows(test, ATTRIBUTES, shown)
    assert np.array_equal(arrays["values"], own[chosen])
    # Donors are test images that differ in what they are donors of.
    pixels = np.load(paths.prepared("faces") / "images.npy")[test.index]
    for row in range(shown):
        for column in range(6):
            same = (pixels == arrays["donors"][row, column]).all(axis=(1, 2, 3))
            assert own[same.argmax(), column] == (not own[chosen[row], column]) and same.any()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"drop": "Smiling"}, "test images of faces have no attribute 'Smiling' that is either"),
        ({"alike": "Eyeglasses"}, "'Eyeglasses' is true in all 24 of the test images of faces"),
    ],
)
def test_data_without_an_attribute(
    params: Params, change: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as the faces of animals; told before anything is computed."""
    truth: pd.DataFrame = read_parquet(TRUTH)
    if "drop" in change:
        changed = truth.drop(columns=change["drop"])
    else:
        changed = truth.assign(**{change["alike"]: True})
    monkeypatch.setattr("pipeline.evaluation.measure_fig7.load_extractor", None)
    write_parquet(TRUTH, changed)
    try:
        with pytest.raises(PipelineError, match=sentence):
            measure_fig7(params, CPU)
    finally:
        write_parquet(TRUTH, truth)


def test_an_evaluator_that_lacks_an_attribute(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.evaluation.measure_fig7.load_extractor", None)
    file = paths.evaluator("faces") / "config.json"
    config = json.loads(file.read_text())
    config["classes"][-1][0] = "Smile"
    before = file.read_bytes()
    write_json(file, config)
    try:
        with pytest.raises(PipelineError, match="does not read the attribute 'Smiling'"):
            measure_fig7(params, CPU)
    finally:
        file.write_bytes(before)
