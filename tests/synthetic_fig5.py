"""Made-up measurements and images of Fig. 5: deep layers follow the attack."""

from typing import Any

import numpy as np
from drawn import noise

from pipeline.experiments.fig5.summary import KINDS, PAPER, LayerAttack, summarise

SPECIES = np.array(["cat", "fox", "lynx", "wolf"])
IMAGES = 100
MISLED = 80  # of them are seen as the next species after the attack
SURE = 30  # of those, the first ones, of whose new class the network is sure
FOLLOWED = {"input": 0, "conv": 20, "fc": 60, "logits": 76}  # in which x_bar* shows that species
LEFT = 0.9  # what regressions leave of z_bar, as a multiple of v's share
BY_V = {"input": 0.1, "conv": 0.05, "fc": 0.5, "logits": 0.8}  # about the share explained by v


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
    left = dict.fromkeys(("regression", "mlp"), np.full(IMAGES, 6 * LEFT * BY_V[name]))
    return LayerAttack(readings, z + v, left)


def summary(
    scale: str = "laptop", misled: int = MISLED, known: list[str] | None = None
) -> dict[str, Any]:
    seen = predictions(misled)
    about = {"scale": scale, "seed": 7, "size": 8, "attack": "fgsm", "epsilon": 0.02,
             "variance_inputs": 20, "variance_samples": 25, "variance": 6.0,
             "evaluator": {"accuracy": 0.99}}  # fmt: skip
    layers, own = {name: layer(name, seen) for name in PAPER}, seen["clean"]
    others = (seen, known or list(SPECIES), own, np.where(np.arange(IMAGES) < SURE, 0.99, 0.6))
    return summarise(layers, own, *others, bootstrap=20, about=about)


def arrays(rows: int = 3, size: int = 8) -> dict[str, np.ndarray]:
    shown = [f"{kind}_images" for kind in KINDS]
    shown += [f"{layer}_{kind}" for layer in PAPER for kind in KINDS]
    found = {f"{kind}_predictions": seen[:rows] for kind, seen in predictions().items()}
    return found | {"layers": np.array(list(PAPER))} | noise(rows, size, **dict.fromkeys(shown, ()))
