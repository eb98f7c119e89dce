"""A made-up Fig. 4 whose numbers are known, small enough for unit tests."""

from typing import Any

import numpy as np
from drawn import noise

from pipeline.evaluation.calibration import calibrate
from pipeline.experiments.fig4.summary import FACTORS, summarise_fig4

SLICES = {"residual": slice(0, 4), "digit": slice(4, 10), "foreground": slice(10, 13),
          "background": slice(13, 16)}  # fmt: skip
STEPS = [0, 100, 200, 300, 400, 500]
ACCURACY = [0.1, 0.2, 0.4, 0.6, 0.8, 0.92]
# Variance components (z, v, interaction) of each factor before and after training.
BEFORE = {"residual": (0.2, 0.7, 0.1), "digit": (0.02, 0.9, 0.08), "foreground": (0.2, 0.7, 0.1),
          "background": (0.4, 0.5, 0.1)}  # fmt: skip
AFTER = {"residual": (0.1, 0.8, 0.1), "digit": (0.4, 0.52, 0.08), "foreground": (0.01, 0.94, 0.05),
         "background": (0.0, 0.95, 0.05)}  # fmt: skip


def factors(inputs: int = 120, invariances: int = 60) -> np.ndarray:
    """(6, X, V, 16): the components move from BEFORE to AFTER as the accuracy rises."""
    rng, designs = np.random.default_rng(0), []
    for accuracy in ACCURACY:
        trained = (accuracy - ACCURACY[0]) / (ACCURACY[-1] - ACCURACY[0])
        parts = []
        for name, dims in SLICES.items():
            n = dims.stop - dims.start
            scales = np.sqrt([(1 - trained), trained] @ np.array([BEFORE[name], AFTER[name]]))
            shapes = ((inputs, 1, n), (1, invariances, n), (inputs, invariances, n))
            terms = zip(scales, shapes, strict=True)
            parts.append(sum(scale * rng.normal(size=shape) for scale, shape in terms))
        designs.append(np.concatenate(parts, axis=-1))
    return np.stack(designs)


def summary(scale: str = "laptop", **changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    options: dict[str, Any] = {
        "early": 1, "late": 4, "scale": scale, "seed": 7, "reconstruction_mse": 0.0123456,
        "calibration": [calibrate(rng.normal(size=(50, 4))) for _ in STEPS], "replicates": 60,
    }  # fmt: skip
    found = summarise_fig4(factors(), SLICES, STEPS, ACCURACY, **(options | changes))
    sizes = {name: dims.stop - dims.start for name, dims in SLICES.items()}
    probes = {f"{concept}_from_{factor}": 0.5 for concept in FACTORS for factor in SLICES}
    return found | {"semantic": {"sizes": sizes, "probes": probes}}


def arrays(rows: int = 6, columns: int = 9) -> dict[str, np.ndarray]:
    inputs = dict.fromkeys(("early_inputs", "late_inputs"), ())
    samples = dict.fromkeys(("early_samples", "late_samples"), (columns,))
    steps = {"early_step": np.array(STEPS[1]), "late_step": np.array(STEPS[4])}
    return noise(rows, 28, **inputs, **samples) | steps
