"""A linear and Gaussian world in which every t is right, if only after its recalibration."""

from functools import cache
from typing import Any

import numpy as np

from pipeline.evaluation.coverage import ranks, regions
from pipeline.evaluation.squared_error import squared_error
from pipeline.experiments.calibration.summary import summarise_calibration

# Standard deviation of z_bar given z: without z, it is 1; each z determines that of the next layer.
LAYERS = {"facenet-conv2d_4a": 0.5, "facenet-embedding": 0.8, "resnet101-fc": 0.9}
CHAINS = {
    key: ("facenet", "faces") if "face" in key else ("resnet101", "animals") for key in LAYERS
}
RANKED = {"facenet-conv2d_4a": ("yaw", "glasses"), "resnet101-fc": ("species=fox",)}
IMAGES, FEATURES, SAMPLES = 2000, 4, 99
RHO, VARIANCE = 0.6, 0.3  # of the factor smile of e
BEFORE, SHRUNK = 1.3, 0.8  # width of v before recalibration; what the regression predicts too small


@cache
def made() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    variances = np.diff([0, *np.square(list(LAYERS.values())), 1])
    parts = np.sqrt(variances)[:, None, None] * rng.normal(size=(4, IMAGES, FEATURES))
    z_bar, found = parts.sum(0), {}
    for place, (key, deviation) in enumerate(LAYERS.items(), start=1):
        mean = parts[place:].sum(0)
        v = (z_bar - mean) / deviation
        found[f"{key}_regions"] = regions(v)[None]
        found[f"{key}_regions_before"] = regions(BEFORE * v)[None]
        found[f"{key}_nats"] = -0.5 * np.square(v).sum(1)[None] - FEATURES * np.log(deviation)
        drawn = mean + deviation * rng.normal(size=(32, *mean.shape))
        within = drawn.var(0, ddof=1)
        found[f"{key}_left_by_t"] = squared_error(z_bar, drawn.mean(0), within, samples=32)
        found[f"{key}_left_by_regression"] = squared_error(z_bar, SHRUNK * mean)
        found[f"{key}_left_by_mlp"] = squared_error(z_bar, mean)
        found[f"{key}_variance"] = squared_error(z_bar, z_bar.mean(0))
        for name in RANKED.get(key, ()):
            others = mean[:400, :1] + deviation * rng.normal(size=(400, SAMPLES))
            found[f"{key}_ranks_{name}"] = ranks(z_bar[:400, 0], others, rng)
    for _, dataset in CHAINS.values():
        found[f"{dataset}_prior"] = -0.5 * np.square(z_bar).sum(1)
        found[f"{dataset}_groups"] = np.arange(IMAGES)
    classes = np.arange(IMAGES) % 50
    own = RHO**0.5 * rng.normal(size=(50, 3))[classes]
    own += (1 - RHO) ** 0.5 * rng.normal(size=(IMAGES, 3))
    found |= {
        "faces_factors": np.concatenate([z_bar, VARIANCE**0.5 * own], 1),
        "faces_concept_smile": classes,
        "faces_names": np.array(["residual", "smile"]),
        "faces_sizes": np.array([FEATURES, 3]),
        "faces_square": np.full(300, 0.75),
    }
    return found


def arrays() -> dict[str, np.ndarray]:
    return dict(made())


def summary(scale: str = "laptop", **changes: np.ndarray) -> dict[str, Any]:
    found = arrays() | changes
    numbers = summarise_calibration(found, CHAINS, samples=SAMPLES, replicates=100, seed=7)
    return numbers | {"scale": scale, "seed": 7}
