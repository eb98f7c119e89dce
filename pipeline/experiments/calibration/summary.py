"""Numbers of the calibration of every t: coverage, ranks, nats over depth, explained variance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from pipeline.evaluation.coverage import LEVELS, central_share, coverage, worst_coverage
from pipeline.evaluation.groups import draw_groups, standard_error
from pipeline.evaluation.intervals import percentile_interval
from pipeline.evaluation.pair_correlation import factor_variance, pair_correlation
from pipeline.rounding import rounded

__all__ = ["RANKED", "summarise_calibration"]

RANKED = (("facenet", "faces"), ("resnet101", "animals"))
"""Network and data set of the layers of Figs. 3 and 5, whose factors are ranked."""


def summarise_calibration(
    arrays: Mapping[str, np.ndarray],
    chains: Mapping[str, tuple[str, str]],
    *,
    samples: int,
    replicates: int,
    seed: int,
) -> dict[str, Any]:
    """What the figures, tables and claims of the calibration show.

    Args:
        arrays: those of `measure`.
        chains: network and data set of each layer; layers of one pair are in order of depth.
        samples: drawn for each rank.
        replicates: of the bootstrap over images.
        seed: of the bootstrap.

    Returns:
        order: the layers, as given.
        layers: of each, `coverage` (of the last checkpoint, by level in percent), `worst` and
            `worst_before` recalibration (the largest difference from a nominal share, over
            checkpoints), `nats` and `nats_error`, `lost` and `lost_error` (against the layer
            before), `kept` and `kept_error` (nats against log p(z_bar)), `explained_by_t`,
            `explained_by_regression` and `explained_by_mlp` (shares of the variance of z_bar),
            and, where factors were ranked,
            `ranks`: the share of images in the central 90 % of ranks, by factor.
        worst_coverage: K1. ranked_share: K2, the share of pairs with 85 to 95 %. rise: K3, the
            largest rise of nats from a layer to the next, in standard errors. margin: K4, the
            smallest advantage over the regression.
        semantic: of e of each data set, `square` (|e|^2 / N of test images), `square_train`, and
            `factors`: of each factor the `dimensions`, the `variance`, which should be 1, and the
            `correlation` of two images that share its concept, which should be rho.
        intervals: 95 % of `worst_coverage` (of the worst layer), `ranked_share` and `margin` (the
            smallest of all layers each time), by a bootstrap over groups of images.

        Standard errors take the groups of images for independent as well.
    """
    layers: dict[str, dict[str, Any]] = {}
    for key in chains:
        found, before = arrays[f"{key}_regions"], arrays[f"{key}_regions_before"]
        nats, groups = arrays[f"{key}_nats"][-1], arrays[f"{chains[key][1]}_groups"]
        kept = nats - arrays[f"{chains[key][1]}_prior"]
        layers[key] = {
            "chain": ", ".join(chains[key]),
            "images": found.shape[1],
            "coverage": {
                f"{100 * level:g}": rounded(share)
                for level, share in zip(LEVELS, coverage(found[-1]), strict=True)
            },
            "worst": rounded(max(worst_coverage(part) for part in found)),
            "worst_before": rounded(max(worst_coverage(part) for part in before)),
            "nats": rounded(nats.mean()),
            "nats_error": rounded(standard_error(nats, groups)),
            "kept": rounded(kept.mean()),
            "kept_error": rounded(standard_error(kept, groups)),
            **{
                f"explained_by_{model}": rounded(
                    1 - arrays[f"{key}_left_by_{model}"].mean() / arrays[f"{key}_variance"].mean()
                )
                for model in ("t", "regression", "mlp")
            },
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
            error = standard_error(change, arrays[f"{chains[first][1]}_groups"])
            layers[second]["lost_error"] = rounded(error)
            rises.append(change.mean() / error)
    worst = max(layers, key=lambda key: layers[key]["worst"])
    least = min(layers, key=lambda key: _margin(arrays, key))
    places = {name: place for name, place in arrays.items() if "_ranks_" in name}
    rng, intervals = np.random.default_rng(seed), {}
    drawn = [_redrawn(arrays, chains, rng) for _ in range(replicates)]
    intervals["worst_coverage"] = _interval(
        [max(worst_coverage(part[rows[worst]]) for part in arrays[f"{worst}_regions"])
         for rows in drawn]
    )  # fmt: skip
    intervals["margin"] = _interval(
        [min(_margin(arrays, key, rows[key]) for key in layers) for rows in drawn]
    )
    if places:
        shares = [
            _ranked_share(
                [_first(place, rows[name.split("_ranks_")[0]]) for name, place in places.items()],
                samples,
            )
            for rows in drawn
        ]
        intervals["ranked_share"] = _interval(shares)
    return {
        "order": list(chains),
        "layers": layers,
        "samples": samples,
        "ranked_images": max(map(len, places.values()), default=0),
        "worst_layer": worst,
        "worst_coverage": layers[worst]["worst"],
        "ranked_pairs": len(places),
        "ranked_share": rounded(_ranked_share([*places.values()], samples)) if places else None,
        "rise": rounded(max(rises)) if rises else None,
        "margin": rounded(_margin(arrays, least)),
        "margin_layer": least,
        "semantic": {
            name.removesuffix("_factors"): _semantic(arrays, name.removesuffix("_factors"))
            for name in arrays
            if name.endswith("_factors")
        },
        "intervals": intervals,
    }


def _semantic(arrays: Mapping[str, np.ndarray], dataset: str) -> dict[str, Any]:
    """How far e of a data set is what its loss demands."""
    values, names = arrays[f"{dataset}_factors"], arrays[f"{dataset}_names"].tolist()
    parts = np.split(values, np.cumsum(arrays[f"{dataset}_sizes"])[:-1], axis=1)
    factors = {}
    for name, part in zip(names, parts, strict=True):
        factors[name] = {
            "dimensions": part.shape[1],
            "variance": rounded(factor_variance(part)) if part.size else None,
        }
        classes = arrays.get(f"{dataset}_concept_{name}")
        found = float("nan") if classes is None else pair_correlation(part, classes)
        factors[name]["correlation"] = None if np.isnan(found) else rounded(found)
    return {
        "square": rounded(np.square(values, dtype=np.float64).mean()),
        "square_train": rounded(arrays[f"{dataset}_square"].mean()),
        "factors": factors,
    }


def _margin(
    arrays: Mapping[str, np.ndarray], key: str, rows: np.ndarray | slice = slice(None)
) -> float:
    """Share of the variance of z_bar that t's mean explains and the regression does not."""
    by_t, by_regression, variance = (
        float(arrays[f"{key}_{name}"][rows].mean())
        for name in ("left_by_t", "left_by_regression", "variance")
    )
    return (by_regression - by_t) / variance


def _ranked_share(places: Sequence[np.ndarray], samples: int) -> float:
    """Share of pairs of a layer and a factor with 85 to 95 % of images in the central 90 %."""
    return float(np.mean([0.85 <= central_share(place, samples) <= 0.95 for place in places]))


def _interval(replicates: Sequence[float]) -> list[float]:
    return [rounded(bound) for bound in percentile_interval(np.array(replicates))]


def _redrawn(
    arrays: Mapping[str, np.ndarray],
    chains: Mapping[str, tuple[str, str]],
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Rows of a bootstrap sample of test images, by layer; layers of a data set share theirs."""
    datasets = dict.fromkeys(dataset for _, dataset in chains.values())
    rows = {dataset: draw_groups(arrays[f"{dataset}_groups"], rng) for dataset in datasets}
    return {key: rows[dataset] for key, (_, dataset) in chains.items()}


def _first(place: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The ranks of `rows` among the first images, which alone have one."""
    return place[rows[rows < len(place)]]
