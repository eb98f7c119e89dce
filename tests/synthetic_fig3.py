"""Made-up measurements and samples of Figs. 3 and S10: five layers, deeper ones vary more."""

from pathlib import Path
from typing import Any

import numpy as np
from drawn import stand_in

from pipeline import paths
from pipeline.evaluation.fig3 import LayerSamples, summarise_fig3
from pipeline.storage import write_json, write_npz

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
"""Of ten samples, how many show another class than the input."""


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


def summary(scale: str = "laptop", figure: str = "fig3", **changes: Any) -> dict[str, Any]:
    """What metrics/fig3.json, or figs10.json, would hold."""
    own, (classes, numbers) = truth(figure=figure), KNOWN[figure]
    about = {"scale": scale, "seed": 7, "inputs": INPUTS, "samples": 250, "read": SAMPLES}
    quality: dict[str, dict[str, float]] = {name: {"accuracy": 0.99} for name in classes}
    quality |= {name: {"r2": 0.95} for name in numbers}
    about |= {"size": 8, "evaluator": quality}
    layers = {name: layer(index, own) for index, name in enumerate(LAYERS)}
    everyone = truth(100, figure)
    return summarise_fig3(
        layers, own, everyone, own, 0.1, classes=classes, bootstrap=20, about=about | changes
    )


def arrays(size: int = 8) -> dict[str, np.ndarray]:
    """What data/evaluations/fig3.npz would hold: two inputs, three samples."""
    draw = np.random.default_rng(3)

    def pictures(*shape: int) -> np.ndarray:
        return draw.integers(0, 256, (*shape, size, size, 3), dtype=np.uint8)

    own = truth()
    result = {"layers": np.array(LAYERS), "inputs": pictures(2), "reconstructions": pictures(2)}
    variances = [layer(index, own).variance for index in range(len(LAYERS))]
    result["variances"] = np.stack(variances).astype(np.float32)
    for index, name in enumerate(LAYERS):
        result[f"{name}_samples"] = pictures(2, 3)
        result[f"{name}_mean"] = pictures(2)
        shape = (2, size, size)
        result[f"{name}_variance"] = VARIANCES[index] * draw.random(shape, dtype=np.float32)
    return result


def write_fig3_results(root: Path, scale: str) -> None:
    """Everything about Figs. 3 and S10 below root that the report reads."""
    for figure, main in (("fig3", "fig3"), ("figs10", "figS10")):
        numbers = summary(scale, figure)
        write_json(root / paths.metrics(scale, figure), numbers)
        file = root / paths.evaluations(figure)
        write_npz(file, **arrays())
        stand_in(root / paths.figures(scale, figure), main, "variances")
