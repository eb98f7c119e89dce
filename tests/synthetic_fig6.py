"""Made-up measurements and samples of Fig. 6: one network sees textures, the other shapes."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from drawn import stand_in

from pipeline import paths
from pipeline.evaluation.fig6 import KINDS, Seen, summarise_fig6
from pipeline.storage import write_json, write_npz

SPECIES = ("lynx", "otter", "wolf", "bear")
INPUTS, SAMPLES, ROWS = 8, 10, 2
WRONG = {"natural": 1, "stylized": 2, "texture": 2, "sketch": 3}
"""Of ten samples, how many show another class than the cue which the network sees."""


def inputs() -> pd.DataFrame:
    """What the inputs of each kind are of."""
    shape = np.array(SPECIES * (INPUTS // len(SPECIES)), dtype=object)
    coat = np.roll(shape, 1)
    nothing = np.full(INPUTS, "", dtype=object)
    cues = {
        "natural": (shape, shape),
        "stylized": (shape, coat),
        "texture": (nothing, coat),
        "sketch": (shape, nothing),
    }
    return pd.concat(
        [pd.DataFrame({"kind": kind, "shape": s, "texture": t}) for kind, (s, t) in cues.items()],
        ignore_index=True,
    )


def seen(truth: pd.DataFrame) -> dict[str, Seen]:
    """What is read of samples through a network that sees one cue, or nothing where it lacks."""
    result = {}
    for name, cue in (("vanilla", "texture"), ("stylized", "shape")):
        read = np.repeat(truth[cue].to_numpy()[:, None], SAMPLES, 1)
        for row, kind in enumerate(truth["kind"]):
            read[row, : WRONG[kind]] = "fox"
        read[read == ""] = "fox"
        result[name] = Seen(read, read, read[:, -1])
    return result


def summary(scale: str = "laptop") -> dict[str, Any]:
    """What metrics/fig6.json would hold."""
    truth = inputs()
    about = {"scale": scale, "seed": 7, "samples": SAMPLES, "rows": 1, "size": 16}
    about |= {"inputs": dict.fromkeys(KINDS, INPUTS), "generated": 40, "generated_right": 0.95}
    about |= {"evaluator_right": 0.975}
    return summarise_fig6(truth, seen(truth), bootstrap=50, seed=0, about=about)


def arrays(columns: int = 3, size: int = 16) -> dict[str, np.ndarray]:
    """What data/evaluations/fig6.npz would hold: every image of a grey of its own."""
    rows = len(KINDS) * ROWS
    greys = np.arange(rows, dtype=np.uint8)[:, None, None, None]
    images = np.broadcast_to(20 + 10 * greys, (rows, size, size, 3))
    samples = np.repeat(images[:, None], columns, 1)
    return {
        "inputs": images,
        "kinds": np.repeat(KINDS, ROWS),
        "vanilla_samples": samples,
        "stylized_samples": 255 - samples,
    }


def write_fig6_results(root: Path, scale: str) -> None:
    """Write numbers, arrays and figures below `root` as the stages would."""
    write_json(root / paths.metrics(scale, "fig6"), summary(scale))
    write_npz(root / paths.evaluations("fig6"), **arrays())
    stand_in(root / paths.figures(scale, "fig6"), "fig6", "figS11", "figS12", "shares")
