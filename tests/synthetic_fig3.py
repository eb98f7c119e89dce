"""Made-up measurements and samples of Fig. 3: five layers, of which deeper ones vary more."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import paths
from pipeline.evaluation.fig3 import LayerSamples, summarise_fig3
from pipeline.figures.drawing import save_figure
from pipeline.figures.fig3 import draw_variances, load_samples
from pipeline.storage import write_json, write_npz

LAYERS = ("conv2d_4a", "mixed_6a", "mixed_7a", "avgpool_1a", "embedding")
CLASSES = ("Eyeglasses", "Male", "Smiling")
NUMBERS = ("yaw", "light_azimuth", "hair_length", "face_width", "face_length")
INPUTS, SAMPLES = 12, 10
VARIANCES = (0.001, 0.003, 0.009, 0.027, 0.081)
WRONG = (0, 0, 0, 1, 1)
"""Of ten samples, how many show another Eyeglasses than the input."""


def truth(rows: int = INPUTS) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    classes = {name: draw.random(rows) < 0.5 for name in CLASSES}
    return classes | {name: draw.normal(size=rows) for name in NUMBERS}


def layer(index: int, own: dict[str, np.ndarray]) -> LayerSamples:
    draw = np.random.default_rng(index + 1)
    spread = draw.uniform(0.9, 1.1, INPUTS)
    readings: dict[str, np.ndarray] = {}
    for name in CLASSES:
        readings[name] = np.repeat(own[name][:, None], SAMPLES, 1)
        readings[name][:, : WRONG[index]] ^= True
    wave = np.tile([1.0, -1.0], SAMPLES // 2)
    for name in NUMBERS:
        readings[name] = own[name][:, None] + 0.1 * (index + 1) * wave
    return LayerSamples(
        VARIANCES[index] * spread / spread.mean(), readings, {"faithfulness": 1 - 0.01 * index}
    )


def summary(scale: str = "laptop", **changes: Any) -> dict[str, Any]:
    """What metrics/fig3.json would hold."""
    own = truth()
    about = {"scale": scale, "seed": 7, "inputs": INPUTS, "samples": 250, "read": SAMPLES}
    quality = {name: {"accuracy": 0.99} for name in CLASSES}
    quality |= {name: {"r2": 0.95} for name in NUMBERS}
    about |= {"size": 8, "evaluator": quality}
    layers = {name: layer(index, own) for index, name in enumerate(LAYERS)}
    found = summarise_fig3(
        layers, own, truth(100), own, 0.1, classes=CLASSES, bootstrap=20, about=about | changes
    )
    return found


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
    """Everything about Fig. 3 below root that the report reads."""
    write_json(root / paths.metrics(scale, "fig3"), summary(scale))
    file = root / paths.evaluations("fig3")
    write_npz(file, **arrays())
    folder = root / paths.figures(scale, "fig3")
    save_figure(draw_variances(load_samples(file), summary(scale)), folder / "variances")
    for suffix in ("png", "pdf"):
        shutil.copy(folder / f"variances.{suffix}", folder / f"fig3.{suffix}")
