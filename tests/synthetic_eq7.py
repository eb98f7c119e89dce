"""Distances and successes of edits that are known, and images that are noise."""

from typing import Any

import numpy as np
from drawn import noise

from pipeline.experiments.eq7.summary import summarise

LAYERS, NAMES, IMAGES = ("conv2d_4a", "embedding"), ("Black_Hair", "Male", "Young"), 40
MOVED = np.array([[0.2, 0.9, 0.4], [0.1, 1.0, 0.3]])
"""Mean distances; half of the images move by a tenth more, half by a tenth less."""
BEFORE = np.array([[0, 4, 8], [2, 0, 20]])
"""Of 40 samples, those that show what is asked for before."""
FAILED = np.array([[1, 0, 5], [0, 2, 3]])
"""Of the edits of the others."""


def arrays(rows: int = 2, size: int = 8) -> dict[str, np.ndarray]:
    signs = np.where(np.arange(IMAGES) % 2, 1.1, 0.9)
    shapes = {"inputs": (), "samples": (len(LAYERS),), "edits": (len(LAYERS), len(NAMES))}
    return noise(rows, size, **shapes) | {
        "values": np.random.default_rng(1).random((rows, len(NAMES))) < 0.5,
        "distances": (MOVED[:, :, None] * signs).astype(np.float32),
        "attributes": np.array(NAMES),
        "layers": np.array(LAYERS),
    }


def summary(scale: str = "laptop", possible: np.ndarray | None = None) -> dict[str, Any]:
    rows = np.arange(IMAGES)
    before = rows < BEFORE[:, :, None]
    failed = ~before & (rows < (BEFORE + FAILED)[:, :, None])
    possible = np.ones(before.shape[1:], bool) if possible is None else possible
    about = {"scale": scale, "seed": 7, "network": "facenet", "output": "embedding"}
    return summarise(arrays(), before, ~failed, possible, about=about)
