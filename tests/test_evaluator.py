"""The evaluator: what it predicts, how it is judged, and that it learns."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from training import run_in

from pipeline.config.settings import TrainEvaluatorSettings
from pipeline.datasets.attributes import Attributes, class_values
from pipeline.datasets.blur import gaussian_blur
from pipeline.datasets.images import ImageSet
from pipeline.errors import PipelineError
from pipeline.evaluation.attributes import held_out_quality, predict_attributes
from pipeline.evaluation.quality import attribute_quality
from pipeline.models.evaluator import Evaluator
from pipeline.training.evaluator import build_evaluator, degrade, train_evaluator
from pipeline.training.run import TrainingRun

SETTINGS = TrainEvaluatorSettings(
    classes=("shape", "bright"), numbers=("x", "warmth"), steps=150, batch_size=40,
    learning_rate=1e-2, weight_decay=0.01, width=8, validate_every=75,
)  # fmt: skip
CLASSES = [("shape", ["bar", "disc"]), ("bright", [False, True])]


def shapes(count: int, seed: int) -> ImageSet:
    """Bars and discs at x, dark or bright, in colours from blue to red, 16 px large."""
    draw = np.random.default_rng(seed)
    truth = pd.DataFrame({"split": "train", "label": draw.integers(0, 2, count)})
    truth["x"], truth["warmth"] = draw.uniform(-6, 6, count), draw.uniform(100, 200, count)
    truth["bright"] = draw.integers(0, 2, count).astype(bool)
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


def train(run: TrainingRun, **changes: Any) -> tuple[Evaluator, Any]:
    settings = SETTINGS.model_copy(update=changes)
    torch.manual_seed(0)
    model = build_evaluator(TRAIN, settings)
    return model, train_evaluator(model, TRAIN, TEST, settings, run)


def tiny(size: int = 16, **changes: Any) -> Evaluator:
    torch.manual_seed(1)
    arguments = {"classes": CLASSES, "numbers": ["x", "warmth"]} | changes
    return Evaluator(size, 4, **arguments).eval()


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
    ("classes", "numbers", "problem"),
    [
        (["kind", "glasses"], [], "'glasses' for train_evaluator .* kind, yaw, gap, hole"),
        (["kind"], ["yaw", "split"], "no column 'split'"),
        (["yaw"], [], "'yaw' .* no classes"),
        (["gap"], [], "'gap' .* no classes"),
        ([], ["kind"], "'kind' .* not a finite number"),
        ([], ["hole"], "'hole' .* not a finite number"),
    ],
)
def test_a_column_that_cannot_be_used(classes: Any, numbers: Any, problem: str) -> None:
    columns = {"split": "train", "kind": ["a", "b"], "yaw": [0.5, 1.0], "gap": ["a", None]}
    truth = pd.DataFrame(columns | {"hole": [1.0, np.nan]})
    with pytest.raises(PipelineError, match=problem):
        class_values(truth, classes, numbers)


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
    flat = torch.full((1, 3, 16, 16), 0.7)  # kept up to its border
    torch.testing.assert_close(gaussian_blur(flat, torch.tensor([3.0])), flat)


def test_degraded_images() -> None:
    images = TRAIN.images(slice(0, 20))

    def make(blur: float, noise: float, seed: int = 0) -> torch.Tensor:
        return degrade(images, blur, noise, torch.Generator().manual_seed(seed))

    assert torch.equal(make(0.0, 0.0), images)
    assert torch.equal(make(0.1, 0.2), make(0.1, 0.2))
    assert not torch.equal(make(0.1, 0.2), make(0.1, 0.2, seed=1))
    noise = (make(0.0, 0.2) - images).flatten(1).std(1)
    assert noise.min() < 0.05 < 0.15 < noise.max() < 0.23  # not the same for all
    assert make(0.1, 0.0).diff(dim=-1).abs().mean() < images.diff(dim=-1).abs().mean()


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_shapes(size: int) -> None:
    for classes, numbers in ((CLASSES, ["x", "warmth"]), (CLASSES, []), ([], ["x", "warmth"])):
        model = tiny(size, classes=classes, numbers=numbers)
        logits, values = model(torch.zeros(3, 3, size, size))
        assert [(name, *part.shape) for name, part in logits.items()] == [
            (name, 3, 2) for name, _ in classes
        ]
        assert values.shape == (3, len(numbers))
    assert model.layers(torch.zeros(1, 3, size, size)).shape[2:] == (4, 4)
    for wrong in (8, 48, 100):
        with pytest.raises(PipelineError, match=f"{wrong} px"):
            tiny(wrong)


def test_predictions_have_names_types_and_units() -> None:
    model, images = tiny(numbers=["x", "constant"]), TEST.images(slice(0, 5))
    model.fit_scale(torch.tensor([[10.0, 4.0], [14.0, 4.0]]))
    unit, middle = torch.tensor([2, 1]), torch.tensor([12, 4])
    torch.testing.assert_close(model.read(images)[1], unit * model(images)[1] + middle)
    model, pixels = tiny().train(), TEST.pixels(slice(0, 20))
    read = predict_attributes(model, pixels)
    assert model.training  # as it was
    assert set(read) == {"shape", "bright", "x", "warmth"}
    assert set(read["shape"]) <= {"bar", "disc"} and read["bright"].dtype == bool
    assert read["x"].dtype == np.float32 and all(len(values) == 20 for values in read.values())
    one_by_one = predict_attributes(model, pixels, batch_size=1)
    for name in ("x", "warmth"):
        np.testing.assert_allclose(one_by_one[name], read[name], rtol=1e-4, atol=1e-5)
    assert all(values.shape == (0,) for values in predict_attributes(model, pixels[:0]).values())
    blurred = predict_attributes(model, pixels, blur=2.0)
    assert not np.allclose(blurred["x"], read["x"], atol=1e-4)
    for other in (pixels / 255, pixels.transpose(0, 3, 1, 2), pixels[0]):
        with pytest.raises(PipelineError, match=f"{other.dtype} of shape"):
            predict_attributes(model, other)


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


def test_it_learns_to_read_what_it_has_not_seen(tmp_path: Path) -> None:
    model, result = train(run_in(tmp_path))
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
    unknown = replace(TEST, truth=TEST.truth.assign(shape="star"))  # a class never seen in training
    assert held_out_quality(model, unknown)["sharp"]["shape"]["accuracy"] == 0
    for absent in ("classes", "numbers"):  # factors of one kind are enough
        few, _ = train(run_in(tmp_path / absent), steps=4, validate_every=4, **{absent: ()})
        assert len(predict_attributes(few, TEST.pixels(slice(0, 5)))) == 2
