"""Made-up numbers of Figs. 7, S8 and S9, and edits of rendered people."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
from drawn import stand_in

from pipeline import paths
from pipeline.rendering.people import ATTRIBUTES, edit, render_people, sample_people
from pipeline.reporting.tables import edits_table, fid_table, write_table
from pipeline.storage import write_json

EFFECTS = {"Male": ("No_Beard",)}
DISTANCES = {
    "Black_Hair": 0.61, "Eyeglasses": 0.93, "Male": 1.12, "No_Beard": 0.58, "Young": 0.84,
    "Smiling": 0.43,
}  # fmt: skip
PAPER = {
    "Black_Hair": ((0.872, 0.048), 16.24, 20.94),
    "Eyeglasses": ((1.000, 0.046), 24.97, 41.27),
    "Male": ((1.061, 0.030), 15.17, 20.04),
    "No_Beard": ((0.803, 0.041), 12.84, 19.88),
    "Young": ((0.874, 0.053), 13.21, 21.77),
    "Smiling": ((0.833, 0.034), 12.96, 14.47),
}
STARGAN = {"change": 0.2505, "edited": 0.787, "read": 0.9647, "reconstruction": 0.1256}
LOSSES = {
    "loss": 3.866,
    "distance": 2.656,
    "penalty": 0.0179,
    "classification": 0.63,
    "edits_score": -1.31,
    "edits_classification": 0.82,
    "way_back": 0.134,
}


def _method(position: int, name: str, ours: bool) -> dict[str, Any]:
    others = [other for other in ATTRIBUTES if other != name]
    changed = {
        other: (0.31 if ours else 0.12) if other in EFFECTS.get(name, ()) else 0.01 * (1 + i)
        for i, other in enumerate(others)
    }
    unrelated = [1 - share for o, share in changed.items() if o not in EFFECTS.get(name, ())]
    distance = DISTANCES[name] * (1 if ours else 0.9)
    success = (0.99 if ours else 0.93) - 0.01 * position
    return {
        "distance": {"mean": distance, "std": 0.051},
        "distance_from_reconstruction": {"mean": distance - 0.1, "std": 0.062} if ours else None,
        "success": success,
        "success_interval": [success - 0.01, success + 0.005],
        "changed": changed,
        "unrelated_kept": float(np.mean(unrelated)),
        "traits_kept": 0.91 if ours else 0.97,
        "fid": (100.0 if ours else 150.0) + position,
        "kid": (10.0 if ours else 14.0) + position,
    }


def _coherence(share: float) -> dict[str, Any]:
    names = ("gender_moves_hair", "women_stay_beardless", "older_turns_grey")
    result: dict[str, Any] = {}
    for name in names:
        result |= {name: share, f"{name}_interval": [share - 0.02, share + 0.02]}
    return result


def summary(scale: str = "laptop") -> dict[str, Any]:
    """What metrics/fig7.json would hold, with every claim true."""
    return {
        "scale": scale,
        "seed": 7,
        "images": 2048,
        "size": 64,
        "label": "FID-EN0",
        "preparation": "128 px, bilinear, antialiased",
        "floors": {
            "real": {"fid": 11.0, "kid": 0.02},
            "reconstruction": {"fid": 93.0, "kid": 8.5},
        },
        "evaluator": {name: 0.9995 - 0.005 * i for i, name in enumerate(ATTRIBUTES)}
        | {"hair_length": 0.958, "hair_grey": 0.987},
        "reconstruction": {name: 0.99 - 0.005 * i for i, name in enumerate(ATTRIBUTES)},
        "verification": {"accuracy": 0.97, "auc": 0.9961, "pairs": 6000, "threshold": 1.18},
        "pairs": {"same": {"mean": 0.62, "std": 0.17}, "different": {"mean": 1.37, "std": 0.14}},
        "reconstruction_distance": {"mean": 0.41, "std": 0.11},
        "factors": {
            name: {
                "edits": 2048,
                "dimensions": 3 + i,
                "paper_distance": list(PAPER[name][0]),
                "paper_fid": {"ours": PAPER[name][1], "stargan": PAPER[name][2]},
                "ours": _method(i, name, True),
                "stargan": _method(i, name, False),
            }
            for i, name in enumerate(ATTRIBUTES)
        },
        "true_edits": {
            name: {"mean": 0.512 + 0.1 * i, "std": 0.1, "images": 500}
            for i, name in enumerate(ATTRIBUTES)
        },
        "coherence": {"ours": _coherence(0.93), "stargan": _coherence(0.35)},
        "training": {"ours_updates": 11000, "stargan": dict(STARGAN)},
    }


def without(numbers: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A copy of nested numbers that lacks the last of `keys`."""
    changed = copy.deepcopy(numbers)
    inner = changed
    for key in keys[:-1]:
        inner = inner[key]
    del inner[keys[-1]]
    return changed


def replaced(numbers: dict[str, Any], value: Any, *keys: str) -> dict[str, Any]:
    """A copy of nested numbers with another value."""
    changed = copy.deepcopy(numbers)
    inner = changed
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return changed


def edits(rows: int = 10, size: int = 16) -> dict[str, Any]:
    """Rendered people with true edits; "StarGAN" leaves half of the original, and specks."""
    people = sample_people(rows, seed=3)
    inputs = render_people(people, size)
    noise = np.random.default_rng(5)
    ours, stargan = [], []
    for name in ATTRIBUTES:
        values = people[name].to_numpy(bool)
        both = [render_people(edit(people, name, value), size) for value in (False, True)]
        edited = np.where(values[:, None, None, None], *both)
        ours.append(edited)
        mixed = 0.5 * edited + 0.5 * inputs + noise.normal(0, 12, inputs.shape)
        stargan.append(mixed.clip(0, 255).astype(np.uint8))
    return {
        "inputs": inputs,
        "reconstructions": (inputs // 2 + 40).astype(np.uint8),
        "ours": np.stack(ours, 1),
        "stargan": np.stack(stargan, 1),
        "donors": np.stack(ours, 1)[::-1],
        "attributes": np.array(ATTRIBUTES),
        "values": people[list(ATTRIBUTES)].to_numpy(bool),
    }


def write_fig7_results(root: Path, scale: str) -> None:
    """Everything that the report of a scale says about Figs. 7, S8 and S9 is made from."""
    numbers = summary(scale)
    write_json(root / paths.metrics(scale, "fig7"), numbers)
    facenet = paths.training(scale, "train_network", "facenet")
    write_json(root / facenet / "metrics.json", {"validation": {"accuracy": 0.913}})
    curves = root / paths.training(scale, "train_stargan", "faces")
    write_json(curves / "metrics.json", {"train": LOSSES, "validation": STARGAN, "step": 2000})
    folder = root / paths.figures(scale, "fig7")
    stand_in(folder, "fig7", "figS8", "figS9", "changes")
    write_table(edits_table(numbers), folder / "edits")
    write_table(fid_table(numbers), folder / "fid")
