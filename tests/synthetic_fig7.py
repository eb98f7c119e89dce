"""Readings of Figs. 7, S8 and S9 whose statistics are known, and edits of random pixels."""

from typing import Any

import numpy as np
import pandas as pd
from drawn import noise

from pipeline.experiments.fig7.summary import PAPER, Measured, summarise

NAMES = tuple(PAPER)
COUNT = 40
ROWS = np.arange(COUNT)
TRUTH = pd.DataFrame(
    {
        "identity": ROWS // 2, "Black_Hair": ROWS % 2 == 0, "Eyeglasses": ROWS % 4 == 0,
        "Male": ROWS < 20, "No_Beard": (ROWS >= 20) | (ROWS % 2 == 0), "Young": ROWS % 5 > 1,
        "Smiling": ROWS % 3 == 0, "hair_length": np.where(ROWS < 20, 0.1, 0.8),
        "hair_grey": np.where(ROWS % 5 > 1, 0.0, 0.7), "face_width": np.linspace(-1, 1, COUNT),
        "face_length": np.cos(ROWS),
    }
)  # fmt: skip
OPPOSITE = {name: ~TRUTH[name].to_numpy() for name in NAMES}
DISTANCES = dict(zip(NAMES, (0.61, 0.93, 1.12, 0.58, 0.84, 0.43), strict=True))
OURS = {
    "Male": {"hair_length": np.where(ROWS < 20, 0.8, 0.1)},
    "No_Beard": {"No_Beard": OPPOSITE["No_Beard"] | (ROWS >= 20)},
    "Young": {"hair_grey": np.full(COUNT, 0.7), "Smiling": OPPOSITE["Smiling"] ^ (ROWS > 1)},
    "Smiling": {"Smiling": OPPOSITE["Smiling"] ^ (ROWS < 1)},
}
"""Edits that follow the causes; two of age change a smile, and one of a smile fails."""
STARGAN = {name: {name: OPPOSITE[name] ^ (2 * i + 2 > ROWS)} for i, name in enumerate(NAMES)}
STARGAN["Male"] |= {"Smiling": OPPOSITE["Smiling"], "face_width": np.zeros(COUNT)}
"""Edits of which 2, 4, ... of 40 fail; those of gender change every smile and half of a face."""
TRAINING = {
    "step": 2000,
    "train": {"loss": 3.866, "distance": 2.656, "penalty": 0.0179, "classification": 0.63,
              "edits_score": -1.31, "edits_classification": 0.82, "reconstruction": 0.134},
    "validation": {"change": 0.2505, "edited": 0.787, "read": 0.9647, "reconstruction": 0.1256},
}  # fmt: skip


def measured(
    changes: dict[str, Any] | None = None, shift: float = 0.0, fid: float = 1.0
) -> Measured:
    """Readings of the inputs, but for some factors, and embeddings moved by `shift`."""
    readings = {name: TRUTH[name].to_numpy() for name in TRUTH.columns[1:]} | (changes or {})
    embeddings = np.stack([np.cos(ROWS), np.sin(ROWS), np.full(COUNT, shift)], 1)
    return Measured(readings, embeddings, {"fid": fid, "kid": fid / 10})


def edits(fid: float = 2.0, **changes: dict[str, Any]) -> dict[str, Measured]:
    """Edits that are all read as asked, but for `changes` per attribute."""
    return {
        name: measured({name: OPPOSITE[name]} | changes.get(name, {}), DISTANCES[name], fid + i)
        for i, name in enumerate(NAMES)
    }


def summary(scale: str = "laptop", **changes: Any) -> dict[str, Any]:
    """What metrics/fig7.json would hold, with every claim true."""
    about = {
        "scale": scale, "seed": 7, "size": 64, "label": "FID-EN0",
        "preparation": "128 px, bilinear, antialiased",
        "verification": {"accuracy": 0.97, "auc": 0.9961, "pairs": 6000, "threshold": 1.18},
        "training": {"ours_steps": 11000, "stargan": TRAINING},
        "counterfactual_edits": {
            name: {"mean": 0.512 + 0.1 * i, "std": 0.1, "images": 500}
            for i, name in enumerate(NAMES)
        },
    }  # fmt: skip
    sets: dict[str, Any] = {
        "truth": TRUTH, "inputs": measured(), "reconstructions": measured(shift=0.5, fid=1.5),
        "ours": edits(100, **OURS), "stargan": edits(150, **STARGAN),
    }  # fmt: skip
    sizes = {name: 3 + i for i, name in enumerate(NAMES)}
    return summarise(**(sets | changes), dimensions=sizes, about=about)


def arrays(rows: int = 10, size: int = 8) -> dict[str, np.ndarray]:
    edited = dict.fromkeys(("ours", "stargan", "donors"), (len(NAMES),))
    values = np.random.default_rng(5).random((rows, len(NAMES))) < 0.5
    images = noise(rows, size, inputs=(), reconstructions=(), **edited)
    return images | {"attributes": np.array(NAMES), "values": values}
