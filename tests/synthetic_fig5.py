"""Made-up measurements and images of Fig. 5: deep layers follow the attack."""

from pathlib import Path
from typing import Any

import numpy as np
from drawn import stand_in

from pipeline import paths
from pipeline.evaluation.fig5 import KINDS, PAPER, LayerAttack, summarise_fig5
from pipeline.storage import write_json, write_npz

SPECIES = np.array(["cat", "fox", "lynx", "wolf"])
IMAGES = 100
MISLED = 80
"""Of 100 images, so many are seen as the next species after the attack."""
FOLLOWED = {"input": 0, "conv": 20, "fc": 60, "logits": 76}
"""Of those, so many in which x_bar* shows that species."""
SURE = 30
"""Of the misled images, so many of whose new class the network is sure: the first ones."""
CONFIDENCE = np.where(np.arange(IMAGES) < SURE, 0.99, 0.6)
BY_V = {"input": 0.1, "conv": 0.05, "fc": 0.5, "logits": 0.8}
"""About the share of the variance of z_bar that v explains."""


def predictions(misled: int = MISLED) -> dict[str, np.ndarray]:
    numbers = np.arange(IMAGES) % len(SPECIES)
    after = np.where(np.arange(IMAGES) < misled, (numbers + 1) % len(SPECIES), numbers)
    return {"clean": SPECIES[numbers], "random": SPECIES[numbers], "attacked": SPECIES[after]}


def layer(name: str, seen: dict[str, np.ndarray]) -> LayerAttack:
    draw = np.random.default_rng(list(PAPER).index(name))
    z = draw.normal(size=(20, 1, 6)) * np.sqrt(1 - BY_V[name])
    v = draw.normal(size=(1, 25, 6)) * np.sqrt(BY_V[name])
    readings = {kind: seen["clean"].copy() for kind in KINDS}
    readings["attacked"][: FOLLOWED[name]] = seen["attacked"][: FOLLOWED[name]]
    return LayerAttack(readings, z + v)


def summary(scale: str = "laptop", misled: int = MISLED) -> dict[str, Any]:
    """What metrics/fig5.json would hold."""
    seen = predictions(misled)
    about = {"scale": scale, "seed": 7, "size": 8, "attack": "fgsm", "epsilon": 0.02,
             "variance_inputs": 20, "variance_samples": 25,
             "evaluator": {"accuracy": 0.99}}  # fmt: skip
    layers = {name: layer(name, seen) for name in PAPER}
    return summarise_fig5(
        layers, seen["clean"], seen, list(SPECIES), seen["clean"], CONFIDENCE, bootstrap=20,
        about=about,
    )  # fmt: skip


def arrays(rows: int = 3, size: int = 8) -> dict[str, np.ndarray]:
    """What data/evaluations/fig5.npz would hold."""
    draw, found = np.random.default_rng(3), {"layers": np.array(list(PAPER))}
    for kind, seen in predictions().items():
        found[f"{kind}_predictions"] = seen[:rows]
        for name in ("images", *PAPER):
            shape = (rows, size, size, 3)
            key = f"{kind}_images" if name == "images" else f"{name}_{kind}"
            found[key] = draw.integers(0, 256, shape, dtype=np.uint8)
    return found


def write_fig5_results(root: Path, scale: str) -> None:
    """Everything about Fig. 5 below root that the report reads."""
    write_json(root / paths.metrics(scale, "fig5"), summary(scale))
    write_npz(root / paths.evaluations("fig5"), **arrays())
    stand_in(root / paths.figures(scale, "fig5"), "fig5", "figS13", "shares")
