"""Numbers of the calibration of every t: coverage, ranks, nats over depth, explained variance."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from pipeline.evaluation.coverage import LEVELS, central_share, coverage, worst_coverage
from pipeline.rounding import rounded

__all__ = ["RANKED", "explained_share", "summarise_calibration"]

RANKED = (("facenet", "faces"), ("resnet101", "animals"))
"""Network and data set of the layers of Figs. 3 and 5, whose factors are ranked."""

REPLICATES = 200


def explained_share(
    values: np.ndarray,
    predicted: np.ndarray,
    within: np.ndarray | None = None,
    samples: int = 1,
) -> float:
    """Share of the variance of `values` (R, N), summed over N, that `predicted` (R, N) explains.

    If `predicted` is a mean over `samples`, `within` (R, N) is their variance: the error of the
    mean, which more samples would remove, is subtracted.
    """
    error = np.square(values - predicted)
    if within is not None:
        error = error - within / samples
    return float(1 - error.mean(axis=0).sum() / values.var(axis=0).sum())


def summarise_calibration(
    arrays: Mapping[str, np.ndarray],
    chains: Mapping[str, str],
    explained: Mapping[str, Mapping[str, float]],
    *,
    samples: int,
    seed: int,
) -> dict[str, Any]:
    """What the figures, tables and claims of the calibration show.

    Args:
        arrays: those of `measure`.
        chains: network and data set of each layer; layers of one are in order of depth.
        explained: shares of the variance of z_bar explained by t's mean and by a regression.
        samples: drawn for each rank.
        seed: of the bootstrap.

    Returns:
        order: the layers, as given.
        layers: of each, `coverage` (of the last checkpoint, by level in percent), `worst` and
            `worst_before` recalibration (the largest difference from a nominal share, over
            checkpoints), `nats` and `nats_error`, `lost` and `lost_error` (against the layer
            before), `explained_by_t`, `explained_by_regression`, and, where factors were ranked,
            `ranks`: the share of images in the central 90 % of ranks, by factor.
        worst_coverage: K1. ranked_share: K2, the share of pairs with 85 to 95 %. rise: K3, the
            largest rise of nats from a layer to the next, in standard errors. margin: K4, the
            smallest advantage over the regression.
        intervals: of `worst_coverage`.
    """
    layers: dict[str, dict[str, Any]] = {}
    for key in chains:
        found, before = arrays[f"{key}_regions"], arrays[f"{key}_regions_before"]
        nats = arrays[f"{key}_nats"][-1]
        layers[key] = {
            "chain": chains[key],
            "images": found.shape[1],
            "coverage": {
                f"{100 * level:g}": rounded(share)
                for level, share in zip(LEVELS, coverage(found[-1]), strict=True)
            },
            "worst": rounded(max(worst_coverage(part) for part in found)),
            "worst_before": rounded(max(worst_coverage(part) for part in before)),
            "nats": rounded(nats.mean()),
            "nats_error": rounded(_error(nats)),
            "explained_by_t": rounded(explained[key]["t"]),
            "explained_by_regression": rounded(explained[key]["regression"]),
        }
        prefix = f"{key}_ranks_"
        named = {
            name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)
        }
        if named:
            layers[key]["ranks"] = {
                name: rounded(central_share(place, samples)) for name, place in named.items()
            }
    rises = []
    for first, second in pairwise(chains):
        if chains[first] == chains[second]:
            change = (arrays[f"{second}_nats"][-1] - arrays[f"{first}_nats"][-1]).astype(np.float64)
            layers[second]["lost"] = rounded(-change.mean())
            layers[second]["lost_error"] = rounded(_error(change))
            rises.append(change.mean() / _error(change))
    shares = [share for layer in layers.values() for share in layer.get("ranks", {}).values()]
    margins = [
        layer["explained_by_t"] - layer["explained_by_regression"] for layer in layers.values()
    ]
    worst = max(layers, key=lambda key: layers[key]["worst"])
    images = [len(place) for name, place in arrays.items() if "_ranks_" in name]
    return {
        "order": list(chains),
        "layers": layers,
        "samples": samples,
        "ranked_images": max(images, default=0),
        "worst_layer": worst,
        "worst_coverage": layers[worst]["worst"],
        "ranked_pairs": len(shares),
        "ranked_share": rounded(np.mean([0.85 <= share <= 0.95 for share in shares]))
        if shares
        else None,
        "rise": rounded(max(rises)) if rises else None,
        "margin": rounded(min(margins)),
        "intervals": {"worst_coverage": _interval(arrays[f"{worst}_regions"], seed)},
    }


def _error(values: np.ndarray) -> float:
    """Standard error of a mean over images."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _interval(found: np.ndarray, seed: int) -> list[float]:
    """95 % interval over images of the worst coverage of the checkpoints, regions (C, R)."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, found.shape[1], (REPLICATES, found.shape[1]))
    worst = [max(worst_coverage(part[some]) for part in found) for some in rows]
    return [rounded(bound) for bound in np.quantile(worst, (0.025, 0.975))]
