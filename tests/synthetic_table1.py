"""Made-up measurements of Table 1 and made-up examples of Figs. 2 and S4-S6."""

from pathlib import Path
from typing import Any

import numpy as np
from drawn import stand_in

from pipeline import paths
from pipeline.evaluation.table1 import PAPER, summarise_table1
from pipeline.reporting.tables import faithfulness_table, table1, write_table
from pipeline.storage import write_json

LAYERS = ("conv5", "fc6", "fc7", "fc8", "output")
DRAWS = {
    "conv5": (100.0, 102.0, 98.0),
    "fc6": (101.0, 104.0, 101.0),
    "fc7": (103.0, 102.0, 101.0),
    "fc8": (108.0, 104.0, 106.0),
    "output": (110.0, 112.0, 108.0),
}
DOSOVITSKIY = {"conv5": 120.0, "fc6": 125.0, "fc7": 140.0, "fc8": 300.0, "output": 360.0}
FAITHFULNESS = {"conv5": 0.97, "fc6": 0.96, "fc7": 0.95, "fc8": 0.92, "output": 0.94}


def measured() -> dict[str, Any]:
    """Distances and cosines, the reconstructions as close as the best samples."""
    return {
        "floor_real": {"fid": 10.0, "kid": 0.01},
        "floor_reconstruction": {"fid": 95.0, "kid": 9.0},
        "reconstruction": {"l1": 0.05, "psnr": 22.1, "perceptual": 2.8},
        "accuracy": 0.99,
        "species_real": 0.98,
        "species_reconstruction": 0.97,
        "agreement_reconstruction": 0.93,
        "layers": {
            layer: {
                "species_ours": 0.96,
                "species_dosovitskiy": 0.5,
                "agreement_ours": 0.82,
                "agreement_dosovitskiy": 0.26,
                "ours": [{"fid": fid, "kid": fid / 10} for fid in DRAWS[layer]],
                "dosovitskiy": {"fid": DOSOVITSKIY[layer], "kid": DOSOVITSKIY[layer] / 10},
                "faithfulness": {
                    "samples": 0.2 + 0.7 * FAITHFULNESS[layer],
                    "other": 0.2,
                    "reconstruction": 0.9,
                    "faithfulness": FAITHFULNESS[layer],
                    "faithfulness_se": 0.01,
                },
            }
            for layer in LAYERS
        },
    }


def summary(scale: str = "laptop", **changes: Any) -> dict[str, Any]:
    """What metrics/table1.json would hold."""
    about: dict[str, Any] = {
        "scale": scale,
        "seed": 7,
        "images": 2048,
        "size": 64,
        "label": "FID-EN0",
        "preparation": "128 px, bilinear, antialiased",
        "updates_ours": 9000,
        "updates_dosovitskiy": 9000,
        "updates_inherited": 8000,
    }
    return summarise_table1(**({"measured": measured()} | about | changes))


def examples(inputs: int = 4, samples: int = 6, size: int = 16) -> dict[str, Any]:
    """Random pixels in the format of the figures."""
    rng = np.random.default_rng(3)

    def random(*shape: int) -> np.ndarray:
        return rng.integers(0, 256, (*shape, size, size, 3), dtype=np.uint8)

    return {
        "inputs": random(inputs),
        "reconstructions": random(inputs),
        "names": np.array(["tiger", "snow_leopard", "cow", "lion", "fox"][:inputs]),
        "layers": {
            layer: {
                "ours": random(inputs, samples),
                "dosovitskiy": random(inputs),
                "mahendran": random(inputs),
            }
            for layer in PAPER
        },
    }


def write_table1_results(root: Path, scale: str) -> None:
    """Everything that the report of a scale says about Table 1 is made from."""
    numbers = summary(scale)
    write_json(root / paths.metrics(scale, "table1"), numbers)
    folder = root / paths.figures(scale, "table1")
    stand_in(folder, "fig2", "figS4", "figS5", "figS6")
    write_table(table1(numbers), folder / "table1")
    write_table(faithfulness_table(numbers), folder / "table1_faithfulness")
