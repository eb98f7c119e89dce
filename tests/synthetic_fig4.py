"""A made-up Fig. 4 whose numbers are known, small enough for unit tests."""

from pathlib import Path
from typing import Any

import numpy as np
import synthetic_fig3
import synthetic_fig5
import synthetic_fig6
import synthetic_fig7
import synthetic_table1
from drawn import stand_in

from pipeline import paths
from pipeline.evaluation.calibration import calibrate
from pipeline.evaluation.fig4 import summarise_fig4
from pipeline.reporting.claims import decide_claims
from pipeline.storage import write_json

SLICES = {
    "residual": slice(0, 4),
    "digit": slice(4, 10),
    "foreground": slice(10, 13),
    "background": slice(13, 16),
}
STEPS = [0, 100, 200, 300, 400, 500]
ACCURACY = [0.1, 0.12, 0.4, 0.8, 0.9, 0.92]

# Variance components (z, v, interaction) of each factor before and after training.
BEFORE = {
    "residual": (0.2, 0.7, 0.1),
    "digit": (0.02, 0.9, 0.08),
    "foreground": (0.2, 0.7, 0.1),
    "background": (0.4, 0.5, 0.1),
}
AFTER = {
    "residual": (0.1, 0.8, 0.1),
    "digit": (0.4, 0.52, 0.08),
    "foreground": (0.01, 0.94, 0.05),
    "background": (0.0, 0.95, 0.05),
}


def factors(inputs: int = 120, invariances: int = 60) -> np.ndarray:
    """(6, X, V, 16): the components move from BEFORE to AFTER as the accuracy rises."""
    rng = np.random.default_rng(0)
    designs = []
    for accuracy in ACCURACY:
        trained = (accuracy - ACCURACY[0]) / (ACCURACY[-1] - ACCURACY[0])
        parts = []
        for name, dims in SLICES.items():
            mixed = zip(BEFORE[name], AFTER[name], strict=True)
            scales = [np.sqrt((1 - trained) * a + trained * b) for a, b in mixed]
            n = dims.stop - dims.start
            shapes = [(inputs, 1, n), (1, invariances, n), (inputs, invariances, n)]
            terms = zip(scales, shapes, strict=True)
            parts.append(sum(scale * rng.normal(size=shape) for scale, shape in terms))
        designs.append(np.concatenate(parts, axis=-1))
    return np.stack(designs)


def summary(scale: str = "laptop", **changes: Any) -> dict[str, Any]:
    """What metrics/fig4.json would hold."""
    rng = np.random.default_rng(1)
    options: dict[str, Any] = {
        "early": 1,
        "late": 4,
        "scale": scale,
        "seed": 7,
        "reconstruction_mse": 0.0123456,
        "calibration": [calibrate(rng.normal(size=(50, 4))) for _ in STEPS],
        "replicates": 60,
    }
    return summarise_fig4(factors(), SLICES, STEPS, ACCURACY, **(options | changes))


def grids(rows: int = 6, columns: int = 9) -> dict[str, dict[str, Any]]:
    """Random pixels in the format of the sample grids."""
    rng = np.random.default_rng(2)
    return {
        moment: {
            "step": STEPS[position],
            "inputs": rng.integers(0, 256, (rows, 28, 28, 3), dtype=np.uint8),
            "samples": rng.integers(0, 256, (rows, columns, 28, 28, 3), dtype=np.uint8),
        }
        for moment, position in (("early", 1), ("late", 4))
    }


def write_results(root: Path, scale: str) -> None:
    """Everything the report of a scale is written from."""
    numbers = summary(scale)
    concepts = ("digit", "foreground", "background")
    semantic = {
        "sizes": {name: dims.stop - dims.start for name, dims in SLICES.items()},
        "probes": {f"{c}_from_{f}": 0.5 for c in concepts for f in SLICES},
    }
    cost = {"seconds": 12.5, "peak_rss_mib": 1234, "threads": 2, "device": "cpu"}
    gpu = {**cost, "device": "a <fast> GPU", "peak_gpu_mib": 4321}
    write_json(root / paths.metrics(scale, "fig4"), numbers)
    write_json(root / paths.metrics(scale, "train_semantic-digits"), semantic)
    metrics = {
        "fig3": synthetic_fig3.summary(scale),
        "fig4": numbers,
        "fig5": synthetic_fig5.summary(scale),
        "fig6": synthetic_fig6.summary(scale),
        "fig7": synthetic_fig7.summary(scale),
        "figs10": synthetic_fig3.summary(scale, "figs10"),
        "table1": synthetic_table1.summary(scale),
    }
    write_json(root / paths.claims(scale), decide_claims(scale, metrics))
    synthetic_fig3.write_fig3_results(root, scale)
    synthetic_fig5.write_fig5_results(root, scale)
    synthetic_table1.write_table1_results(root, scale)
    synthetic_fig6.write_fig6_results(root, scale)
    synthetic_fig7.write_fig7_results(root, scale)
    write_json(root / paths.costs(scale), {"prepare@digits": cost, "evaluate@fig4": gpu})
    stand_in(root / paths.figures(scale, "fig4"), "fig4", "figS7")
