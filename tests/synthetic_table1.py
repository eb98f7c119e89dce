"""Made-up measurements of Table 1 and made-up examples of Figs. 2 and S4-S6."""

from typing import Any

import numpy as np
from drawn import noise

from pipeline.experiments.table1.summary import summarise

LAYERS = ("conv5", "fc6", "fc7", "fc8", "output")
DRAWS = {
    "conv5": (100, 102, 98), "fc6": (101, 104, 101), "fc7": (103, 102, 101),
    "fc8": (108, 104, 106), "output": (110, 112, 108),
}  # fmt: skip
DOSOVITSKIY = {"conv5": 120.0, "fc6": 125.0, "fc7": 140.0, "fc8": 300.0, "output": 360.0}
MOVED = {
    "images": {"ours": 60, "dosovitskiy": 120},
    "reference": {"ours": 40, "dosovitskiy": 50},
}
"""Standard deviations of the influence of 1000 images on a distance, independent of each other."""
FAITHFULNESS = {"conv5": 0.97, "fc6": 0.96, "fc7": 0.95, "fc8": 0.92, "output": 0.94}


def measured() -> dict[str, Any]:
    return {
        "floor_real": {"fid": 10.0, "kid": 0.01},
        "floor_reconstruction": {"fid": 95.0, "kid": 9.0},
        "reconstruction": {"l1": 0.05, "psnr": 22.1, "perceptual": 2.8},
        "accuracy": 0.99, "species_real": 0.98, "species_reconstruction": 0.97,
        "agreement_reconstruction": 0.93, "layers": {layer: _layer(layer) for layer in LAYERS},
    }  # fmt: skip


def _layer(layer: str) -> dict[str, Any]:
    share = FAITHFULNESS[layer]
    cosines = {"samples": 0.2 + 0.7 * share, "other": 0.2, "reconstruction": 0.9}
    return {
        "species_ours": 0.96, "species_dosovitskiy": 0.5,
        "agreement_ours": 0.82, "agreement_dosovitskiy": 0.26,
        "ours": [{"fid": fid, "kid": fid / 10} for fid in DRAWS[layer]],
        "dosovitskiy": {"fid": DOSOVITSKIY[layer], "kid": DOSOVITSKIY[layer] / 10},
        "influence": {
            part: {method: sd * _noise(layer, part, method) for method, sd in of.items()}
            for part, of in MOVED.items()
        },
        "faithfulness": {**cosines, "faithfulness": share, "faithfulness_se": 0.01},
    }  # fmt: skip


def _noise(*names: str) -> np.ndarray:
    values = np.random.default_rng([*"".join(names).encode()]).normal(size=1000)
    return (values - values.mean()) / values.std()


def summary(
    scale: str = "laptop", found: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    about: dict[str, Any] = {
        "scale": scale, "seed": 7, "images": 2048, "size": 64, "label": "FID-EN0",
        "preparation": "128 px, bilinear, antialiased", "steps_ours": 9000,
        "steps_dosovitskiy": 18000, "steps_inherited": 9000,
    }  # fmt: skip
    return summarise(found or measured(), about | changes)


def arrays(inputs: int = 2, samples: int = 3, size: int = 16) -> dict[str, np.ndarray]:
    names = np.array(["tiger", "snow_leopard", "cow", "lion", "fox"][:inputs])
    methods = {"ours": (samples,), "dosovitskiy": (), "mahendran": ()}
    own = {f"{layer}_{name}": stack for layer in LAYERS for name, stack in methods.items()}
    return noise(inputs, size, inputs=(), reconstructions=(), **own) | {"names": names}
