"""The evaluator: what it reads from images, how it is judged, and that it learns and resumes."""

import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning_fabric import Fabric

from pipeline.datasets.attributes import Attributes, class_values
from pipeline.datasets.blur import gaussian_blur
from pipeline.datasets.images import ImageSet
from pipeline.errors import PipelineError
from pipeline.evaluation.attributes import attribute_quality, held_out_quality, read_attributes
from pipeline.models.evaluator import Evaluator
from pipeline.models.loading import load_evaluator
from pipeline.params import TrainEvaluatorParams
from pipeline.storage import write_json, write_safetensors
from pipeline.training import evaluator as training
from pipeline.training.checkpoints import CheckpointFolder
from pipeline.training.evaluator import build_evaluator, degrade, fit_evaluator
from pipeline.training.log import TrainingLog

SETTINGS = TrainEvaluatorParams(
    classes=("shape", "bright"),
    numbers=("x", "warmth"),
    steps=150,
    batch_size=40,
    learning_rate=1e-2,
    weight_decay=0.01,
    width=8,
    blur=0.03,
    noise=0.1,
    validate_every=75,
)
CLASSES = [("shape", ["bar", "disc"]), ("bright", [False, True])]


def shapes(count: int, seed: int) -> ImageSet:
    """Bars and discs at x, dark or bright, in colours from blue to red, 16 px large."""
    draw = np.random.default_rng(seed)
    truth = pd.DataFrame(
        {
            "split": "train",
            "label": draw.integers(0, 2, count),
            "x": draw.uniform(-6, 6, count),
            "warmth": draw.uniform(100, 200, count),
            "bright": draw.integers(0, 2, count).astype(bool),
        }
    )
    truth["shape"] = np.array(["disc", "bar"])[truth["label"]]
    grid = (np.arange(16) + 0.5) / 8 - 1
    across = grid - truth["x"].to_numpy()[:, None, None] / 8
    down = np.broadcast_to(grid[:, None], (count, 16, 16))
    disc = across**2 + down**2 < 0.2
    inside = np.where((truth["shape"] == "disc").to_numpy()[:, None, None], disc, abs(across) < 0.2)
    warmth = (truth["warmth"].to_numpy() - 100) / 100
    colour = np.stack([warmth, np.full(count, 0.5), 1 - warmth], -1)[:, None, None]
    light = np.where(truth["bright"], 1.0, 0.5)[:, None, None, None]
    pixels = np.where(inside[..., None], colour, 0.2) * light
    label = torch.tensor(truth["label"].to_numpy())
    return ImageSet((pixels * 255).astype(np.uint8), np.arange(count), truth, label)


TRAIN, TEST = shapes(400, 0), shapes(100, 1)


def train(folder: Path, **changes: Any) -> tuple[Evaluator, Any]:
    settings = dataclasses.replace(SETTINGS, **changes)
    torch.manual_seed(0)
    model = build_evaluator(TRAIN, settings)
    result = fit_evaluator(
        model,
        TRAIN,
        TEST,
        settings,
        seed=3,
        fabric=Fabric(accelerator="cpu", devices=1),
        checkpoints=CheckpointFolder(folder),
        log=TrainingLog(None, "evaluator"),
    )
    return model, result


def tiny(size: int = 16, **changes: Any) -> Evaluator:
    torch.manual_seed(1)
    arguments = {"classes": CLASSES, "numbers": ["x", "warmth"]} | changes
    return Evaluator(size, 4, **arguments).eval()


# --- the ground truth ----------------------------------------------------------------------------


def test_attributes_of_a_ground_truth() -> None:
    truth = pd.DataFrame({"kind": ["b", "a", "c"], "on": [True, False, True], "yaw": [1.0, 2, 3]})
    classes = class_values(truth[:2], ["kind", "on"], ["yaw"])
    assert classes == {"kind": ["a", "b"], "on": [False, True]}
    attributes = Attributes.of(truth, classes, ["yaw"])
    assert attributes.classes["kind"].tolist() == [1, 0, -1]  # c is not among the known ones
    assert attributes.classes["on"].tolist() == [1, 0, 1]
    assert attributes.numbers.tolist() == [[1.0], [2.0], [3.0]]
    assert Attributes.of(truth, {}, []).numbers.shape == (3, 0)


@pytest.mark.parametrize(
    ("classes", "numbers", "sentence"),
    [
        (["kind", "glasses"], [], "no column 'glasses' for train_evaluator to read: use some of "),
        (["kind"], ["yaw", "split"], "no column 'split' for train_evaluator to read"),
        (["yaw"], [], "the column 'yaw' of the ground truth has no classes"),
        (["gap"], [], "the column 'gap' of the ground truth has no classes"),
        ([], ["kind"], "the column 'kind' of the ground truth is not a finite number in every row"),
        ([], ["hole"], "the column 'hole' of the ground truth is not a finite number"),
    ],
)
def test_a_column_that_cannot_be_read(classes: Any, numbers: Any, sentence: str) -> None:
    columns = {"split": "train", "kind": ["a", "b"], "yaw": [0.5, 1.0], "gap": ["a", None]}
    truth = pd.DataFrame(columns | {"hole": [1.0, np.nan]})
    with pytest.raises(PipelineError) as caught:
        class_values(truth, classes, numbers)
    text = str(caught.value)
    assert sentence in text and text.endswith(".") and "\n" not in text
    assert "no column" not in text or text.endswith("kind, yaw, gap, hole.")


# --- blur ----------------------------------------------------------------------------------------


def test_an_impulse_gets_the_variance_asked_for() -> None:
    images = torch.zeros(3, 2, 33, 41)
    images[:, :, 16, 20] = 1
    sigma = torch.tensor([0.0, 1.0, 2.5])
    blurred = gaussian_blur(images, sigma)
    assert torch.equal(blurred[0], images[0])
    torch.testing.assert_close(blurred.sum((2, 3)), torch.ones(3, 2))
    for axis, middle in ((2, 16), (3, 20)):
        profile = blurred.sum(5 - axis)[1:, 0]
        distance = torch.arange(profile.shape[1]) - middle
        variance = (profile * distance.square()).sum(1)
        torch.testing.assert_close(variance, sigma[1:].square(), rtol=1e-3, atol=0)


def test_blur_keeps_a_flat_image_up_to_its_border() -> None:
    flat = torch.full((1, 3, 16, 16), 0.7)
    torch.testing.assert_close(gaussian_blur(flat, torch.tensor([3.0])), flat)


def test_degraded_images() -> None:
    images = TRAIN.images(slice(0, 20))

    def make(blur: float, noise: float, seed: int = 0) -> torch.Tensor:
        return degrade(images, blur, noise, torch.Generator().manual_seed(seed))

    assert torch.equal(make(0.0, 0.0), images)
    assert torch.equal(make(0.1, 0.2), make(0.1, 0.2))
    assert not torch.equal(make(0.1, 0.2), make(0.1, 0.2, seed=1))
    noise = (make(0.0, 0.2) - images).flatten(1).std(1)
    assert noise.max() < 0.23 and noise.min() < 0.05 < 0.15 < noise.max()  # not the same for all
    roughness = [part.diff(dim=-1).abs().mean() for part in (images, make(0.1, 0.0))]
    assert roughness[1] < roughness[0]


# --- the network ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [16, 32, 64, 128])
@pytest.mark.parametrize(
    ("classes", "numbers"), [(CLASSES, ["x", "warmth"]), (CLASSES, []), ([], ["x", "warmth"])]
)
def test_shapes(size: int, classes: Any, numbers: list[str]) -> None:
    model = tiny(size, classes=classes, numbers=numbers)
    logits, values = model(torch.zeros(3, 3, size, size))
    assert {name: tuple(part.shape) for name, part in logits.items()} == {
        name: (3, 2) for name, _ in classes
    }
    assert values.shape == (3, len(numbers))
    assert model.layers[-1](model.layers(torch.zeros(1, 3, size, size))).shape[2:] == (4, 4)


@pytest.mark.parametrize("size", [8, 48, 100])
def test_a_size_there_is_no_evaluator_for(size: int) -> None:
    with pytest.raises(PipelineError, match=f"no evaluator for images of {size} px: use 16, 32,"):
        tiny(size)


def test_numbers_are_read_in_their_own_unit() -> None:
    model = tiny(numbers=["x", "constant"])
    values = torch.tensor([[10.0, 4.0], [14.0, 4.0]])
    model.fit_scale(values)
    assert model.standardise(values).tolist() == [[-1, 0], [1, 0]]
    images = TEST.images(slice(0, 5))
    _, read = model.read(images)
    torch.testing.assert_close(model.standardise(read), model(images)[1])


def test_it_is_read_back_as_it_was(tmp_path: Path) -> None:
    model = tiny()
    model.fit_scale(torch.randn(9, 2))
    write_safetensors(tmp_path / "model.safetensors", model.state_dict())
    write_json(tmp_path / "config.json", model.arguments)
    again = load_evaluator(tmp_path)
    assert not again.training and again.arguments == model.arguments
    pixels = TEST.pixels(slice(0, 9))
    first, second = (read_attributes(one, pixels) for one in (model, again))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    write_json(tmp_path / "config.json", model.arguments | {"numbers": ["x"]})
    with pytest.raises(PipelineError, match="belongs to another model than config.json"):
        load_evaluator(tmp_path)


# --- reading and judging -------------------------------------------------------------------------


def test_what_is_read_has_names_and_types() -> None:
    model, pixels = tiny().train(), TEST.pixels(slice(0, 20))
    read = read_attributes(model, pixels)
    assert model.training  # as it was
    assert set(read) == {"shape", "bright", "x", "warmth"}
    assert set(read["shape"]) <= {"bar", "disc"} and read["bright"].dtype == bool
    assert read["x"].dtype == np.float32 and all(len(values) == 20 for values in read.values())
    one_by_one = read_attributes(model, pixels, batch_size=1)
    for name in ("x", "warmth"):
        np.testing.assert_allclose(one_by_one[name], read[name], rtol=1e-4, atol=1e-5)
    assert all(values.shape == (0,) for values in read_attributes(model, pixels[:0]).values())
    blurred = read_attributes(model, pixels, blur=2.0)
    assert not np.allclose(blurred["x"], read["x"], atol=1e-4)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((2, 16, 16, 3)), np.zeros((2, 3, 16, 16), np.uint8), np.zeros((16, 16, 3), np.uint8)],
    ids=["fractions", "channels first", "one image"],
)
def test_images_it_cannot_read(pixels: np.ndarray) -> None:
    with pytest.raises(PipelineError, match="give images of the size it was trained on"):
        read_attributes(tiny(), pixels)


def test_quality_in_closed_form() -> None:
    truth = pd.DataFrame({"kind": ["a", "b", "b", "a"], "on": [True, False, True, True]})
    truth["yaw"], truth["mean"], truth["flat"] = [1.0, 2, 3, 4], [1.0, 2, 3, 4], [5.0] * 4
    readings = {
        "kind": np.array(["a", "b", "a", "a"]),
        "on": np.array([True, False, True, True]),
        "yaw": np.array([1.5, 2.5, 2.5, 4.5], np.float32),
        "mean": np.full(4, 2.5, np.float32),
        "flat": np.full(4, 5.0, np.float32),
    }
    assert attribute_quality(readings, truth, ("yaw", "mean", "flat")) == {
        "kind": {"accuracy": 0.75},
        "on": {"accuracy": 1.0},
        "yaw": {"r2": 0.8, "mean_absolute_error": 0.5},
        "mean": {"r2": 0.0, "mean_absolute_error": 1.0},
        "flat": {"r2": 0.0, "mean_absolute_error": 0.0},
    }


# --- training ------------------------------------------------------------------------------------


def test_it_learns_to_read_what_it_has_not_seen(tmp_path: Path) -> None:
    model, result = train(tmp_path)
    quality = held_out_quality(model, TEST)
    assert quality["images"] == 100 and quality["blur_pixels"] == pytest.approx(0.32)
    for kind in ("sharp", "blurred"):
        for name in ("shape", "bright"):
            assert quality[kind][name]["accuracy"] > 0.95
        for name in ("x", "warmth"):
            assert quality[kind][name]["r2"] > 0.8
    assert quality["sharp"]["x"]["mean_absolute_error"] < 1.5
    last = result.history[-1]
    assert last["validation/accuracy_shape"] == quality["sharp"]["shape"]["accuracy"]
    assert last["validation/r2_x"] == quality["sharp"]["x"]["r2"]


@pytest.mark.parametrize("absent", ["classes", "numbers"])
def test_factors_of_one_kind_are_enough(tmp_path: Path, absent: str) -> None:
    model, result = train(tmp_path, steps=4, validate_every=4, **{absent: ()})
    read = read_attributes(model, TEST.pixels(slice(None)))
    assert set(read) == set(SETTINGS.classes + SETTINGS.numbers) - set(getattr(SETTINGS, absent))
    assert np.isfinite(result.history[-1]["train/loss"])


def test_a_class_that_only_held_out_images_have_counts_as_wrong() -> None:
    truth = TEST.truth.assign(shape="star")
    quality = held_out_quality(tiny(), dataclasses.replace(TEST, truth=truth))
    assert quality["sharp"]["shape"]["accuracy"] == 0


def test_interrupted_it_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, whole = train(tmp_path / "whole", steps=12, validate_every=5)
    calls = 0

    def interrupting(*arguments: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return degrade(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training, "degrade", interrupting)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "parts", steps=12, validate_every=5)
    model, result = train(tmp_path / "parts", steps=12, validate_every=5)
    assert result.history == whole.history
    for name, value in expected.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
