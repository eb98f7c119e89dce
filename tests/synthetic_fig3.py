"""Made-up measurements and samples of Figs. 3 and S10: five layers, deeper ones vary more."""

from typing import Any

import numpy as np
from drawn import noise

from pipeline.evaluation.layer_summary import LayerSamples, summarise_layers

LAYERS = ("conv2d_4a", "mixed_6a", "mixed_7a", "avgpool_1a", "embedding")
CLASSES = ("Eyeglasses", "Male", "Smiling")
NUMBERS = ("yaw", "light_azimuth", "hair_length", "face_width", "face_length")
SPECIES = ("lynx", "otter", "wolf")
KNOWN = {
    "fig3": (CLASSES, NUMBERS),
    "figs10": (("species",), ("yaw", "light_azimuth", "coat_hue")),
}
"""The classes and numbers that are known of people, and of animals."""
INPUTS, SAMPLES = 12, 10
VARIANCES = (0.001, 0.003, 0.009, 0.027, 0.081)
WRONG = (0, 0, 0, 1, 1)
"""Samples of ten that show another class than the input."""


def truth(rows: int = INPUTS, figure: str = "fig3") -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    classes, numbers = KNOWN[figure]
    found = {
        name: draw.choice(SPECIES, rows) if name == "species" else draw.random(rows) < 0.5
        for name in classes
    }
    return found | {name: draw.normal(size=rows) for name in numbers}


def layer(index: int, own: dict[str, np.ndarray]) -> LayerSamples:
    draw = np.random.default_rng(index + 1)
    spread = draw.uniform(0.9, 1.1, INPUTS)
    wave = np.tile([1.0, -1.0], SAMPLES // 2)
    readings: dict[str, np.ndarray] = {}
    for name, values in own.items():
        if values.dtype == float:
            readings[name] = values[:, None] + 0.1 * (index + 1) * wave
            continue
        readings[name] = np.repeat(values[:, None], SAMPLES, 1)
        some = readings[name][:, : WRONG[index]]
        some[:] = "cat" if name == "species" else ~some
    return LayerSamples(
        VARIANCES[index] * spread / spread.mean(), readings, {"faithfulness": 1 - 0.01 * index}
    )


def layers(own: dict[str, np.ndarray]) -> dict[str, LayerSamples]:
    return {name: layer(index, own) for index, name in enumerate(LAYERS)}


def summary(scale: str = "laptop", figure: str = "fig3", **changes: Any) -> dict[str, Any]:
    own, (classes, numbers) = truth(figure=figure), KNOWN[figure]
    about = {"scale": scale, "seed": 7, "inputs": INPUTS, "samples": 250, "size": 8}
    quality: dict[str, dict[str, float]] = {name: {"accuracy": 0.99} for name in classes}
    quality |= {name: {"r2": 0.95} for name in numbers}
    about |= {"evaluated_samples": SAMPLES, "evaluator": quality}
    everyone = truth(100, figure)
    return summarise_layers(
        layers(own), own, everyone, own, 0.1, classes=classes, bootstrap=20, about=about | changes
    )


def arrays(size: int = 8) -> dict[str, np.ndarray]:
    """What data/evaluations/fig3.npz would hold: two inputs, three samples."""
    images = {f"{name}_samples": (3,) for name in LAYERS} | {f"{name}_mean": () for name in LAYERS}
    draw = np.random.default_rng(3)
    maps = {
        f"{name}_variance": level * draw.random((2, size, size), dtype=np.float32)
        for name, level in zip(LAYERS, VARIANCES, strict=True)
    }
    variances = np.stack([one.variance for one in layers(truth()).values()]).astype(np.float32)
    own = {"layers": np.array(LAYERS), "variances": variances}
    return own | maps | noise(2, size, inputs=(), reconstructions=(), **images)
