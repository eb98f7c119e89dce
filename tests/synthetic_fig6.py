"""Made-up measurements and samples of Fig. 6: one network sees textures, the other shapes."""

from typing import Any

import numpy as np
import pandas as pd
from drawn import noise

from pipeline.experiments.fig6.summary import KINDS, Seen, summarise

SPECIES = ("lynx", "otter", "wolf", "bear")
INPUTS, SAMPLES, ROWS = 8, 10, 2
WRONG = {"natural": 1, "stylized": 2, "texture": 2, "sketch": 3}
"""Samples of ten that show another class than the cue which the network sees."""


def inputs() -> pd.DataFrame:
    shape = np.array(SPECIES * (INPUTS // len(SPECIES)), dtype=object)
    coat, nothing = np.roll(shape, 1), np.full(INPUTS, "", dtype=object)
    return pd.DataFrame(
        {
            "kind": np.repeat(KINDS, INPUTS),
            "shape": np.concatenate([shape, shape, nothing, shape]),
            "texture": np.concatenate([shape, coat, coat, nothing]),
        }
    )


def seen(truth: pd.DataFrame) -> dict[str, Seen]:
    """What is read of samples through a network that sees one cue, or nothing if it lacks."""
    result = {}
    for name, cue in (("natural", "texture"), ("stylized", "shape")):
        read = np.repeat(truth[cue].to_numpy()[:, None], SAMPLES, 1)
        for row, kind in enumerate(truth["kind"]):
            read[row, : WRONG[kind]] = "fox"
        read[read == ""] = "fox"
        result[name] = Seen(read, read, read[:, -1])
    return result


def summary(scale: str = "laptop") -> dict[str, Any]:
    truth = inputs()
    about = {"scale": scale, "seed": 7, "samples": SAMPLES, "rows": 1, "size": 16,
             "inputs": dict.fromkeys(KINDS, INPUTS), "generated": 40, "generated_right": 0.95,
             "evaluator_right": 0.975}  # fmt: skip
    return summarise(truth, seen(truth), bootstrap=50, seed=0, about=about)


def arrays(columns: int = 3, size: int = 8) -> dict[str, np.ndarray]:
    samples = dict.fromkeys(("natural_samples", "stylized_samples"), (columns,))
    images = noise(len(KINDS) * ROWS, size, inputs=(), **samples)
    return images | {"kinds": np.repeat(KINDS, ROWS)}
