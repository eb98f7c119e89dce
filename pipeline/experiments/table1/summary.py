"""Table 1: how close samples and reconstructions from each layer come to real images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.evaluation.groups import multiplier_bootstrap
from pipeline.evaluation.intervals import percentile_interval
from pipeline.rounding import rounded

__all__ = ["PAPER", "summarise"]

PAPER = {
    "conv5": {"ours": 23.6, "ours_std": 0.5, "dosovitskiy": 25.2},
    "fc6": {"ours": 24.3, "ours_std": 0.7, "dosovitskiy": 24.9},
    "fc7": {"ours": 24.9, "ours_std": 0.4, "dosovitskiy": 27.2},
    "fc8": {"ours": 26.4, "ours_std": 0.4, "dosovitskiy": 36.1},
    "output": {"ours": 27.4, "ours_std": 0.3, "dosovitskiy": 352.6},
}
"""Table 1 of the INV paper, Inception FID on Animals, shallowest layer first."""

LAYERS = tuple(PAPER)
REPLICATES = 2000


def summarise(measured: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of `metrics/table1.json`.

    Args:
        measured: distances `{"fid", "kid"}` (KID times 1000) of sets of images from as many
            reference images, and shares in [0, 1]:

            - `floor_real`, `floor_reconstruction`: distances of other real images, and of D(E(x)),
              which samples decoded by D cannot be expected to beat
            - `reconstruction`: result of `reconstruction_quality` for D(E(x))
            - `accuracy` of the network on test images, or None if it has other classes
            - `species_real`, `species_reconstruction`: share of these images and of D(E(x)) in
              which the evaluator reads the input's species
            - `agreement_reconstruction`: share of D(E(x)) that the network gives the input's class
            - `layers`: for each layer `ours`, the distances of every sample draw, `dosovitskiy`,
              D&B's distances, `influence` of the `images` and of the `reference` on the mean FID
              of both, the shares `species_*` and `agreement_*` of both, and `faithfulness`, the
              result of `cosine_faithfulness`
        about: what the result repeats: scale, seed, number and size of images, the extractor's
            label and preparation, and the training `steps_*` of the decoders.

    Returns:
        Flat numbers, which `dvc metrics show` lists:

        - `about`, `draws`, the floors, reconstruction and shares as above
        - `fid_ours_<layer>` (mean over draws), `fid_dosovitskiy_<layer>`, `faithfulness_<layer>`
        - `fid_smallest_ratio`: FID D&B / FID ours, smallest of the layers (claim T1.a);
          `fid_layers_better`, `fid_layers_better_every_draw`, `kid_layers_better`: number of
          layers where ours is below D&B's, for the means or for every draw
        - `fid_depth_ratio_ours`, `fid_depth_ratio_dosovitskiy`: FID output / conv5 (claim T1.b)
        - `faithfulness_smallest`: smallest of the layers (claim T1.c)

        Nested:

        - `intervals`: `{name: [low, high]}`, 95 %. For ratios of FIDs, by the influence of images
          and reference images on their logarithms, which are taken for normal. For the
          faithfulness, normal over inputs, the lowest low and lowest high of all layers.
        - `layers`: a record per layer, with standard deviations over draws and the paper's numbers

    Raises:
        PipelineError: a layer or number is missing, not finite or not positive where it must be,
            or layers have different numbers of draws or fewer than 2.
    """
    try:
        return _summarise(measured, about)
    except KeyError as error:
        raise PipelineError(
            f"the measurements of Table 1 lack {error}: run `dvc repro -f measure-table1`."
        ) from error


def _summarise(measured: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    layers = measured["layers"]
    _check_draws({name: len(layers[name]["ours"]) for name in LAYERS})
    ours = {
        metric: np.array(
            [[_number(draw, metric, name) for draw in layers[name]["ours"]] for name in LAYERS]
        )
        for metric in ("fid", "kid")
    }
    theirs = {
        metric: np.array([_number(layers[name]["dosovitskiy"], metric, name) for name in LAYERS])
        for metric in ("fid", "kid")
    }
    draws = ours["fid"].shape[1]
    mean = {metric: values.mean(axis=1) for metric, values in ours.items()}
    spread = {metric: values.std(axis=1, ddof=1) for metric, values in ours.items()}

    summary: dict[str, Any] = {**about, "draws": draws}
    for floor in ("real", "reconstruction"):
        for metric in ("fid", "kid"):
            value = _number(measured[f"floor_{floor}"], metric, f"floor_{floor}")
            summary[f"{metric}_floor_{floor}"] = rounded(value)

    for key in ("l1", "psnr", "perceptual"):
        value = _number(measured["reconstruction"], key, "reconstruction")
        summary[f"reconstruction_{key}"] = rounded(value)

    for key in ("species_real", "species_reconstruction", "agreement_reconstruction"):
        summary[key] = rounded(_number(measured, key, "Table 1"))
    # Published weights may know none of the data's classes.
    known = measured["accuracy"] is not None
    summary["accuracy"] = rounded(_number(measured, "accuracy", "Table 1")) if known else None

    records = []
    for i, name in enumerate(LAYERS):
        faith, paper = layers[name]["faithfulness"], PAPER[name]
        record: dict[str, Any] = {"layer": name}
        for metric in ("fid", "kid"):
            record[f"{metric}_ours"] = rounded(mean[metric][i])
            record[f"{metric}_ours_std"] = rounded(spread[metric][i])
            record[f"{metric}_dosovitskiy"] = rounded(theirs[metric][i])
        for key in ("faithfulness", "faithfulness_se", "samples", "other", "reconstruction"):
            record[key] = rounded(_number(faith, key, name))
        for key in ("species", "agreement"):
            for method in ("ours", "dosovitskiy"):
                share = f"{key}_{method}"
                record[share] = rounded(_number(layers[name], share, name))
        record |= {f"paper_{key}": value for key, value in paper.items()}
        records.append(record)
        for key in ("fid_ours", "fid_dosovitskiy", "faithfulness"):
            summary[f"{key}_{name}"] = record[key]
    summary["layers"] = records

    better = theirs["fid"][:, None] > ours["fid"]
    summary["fid_layers_better"] = int((theirs["fid"] > mean["fid"]).sum())
    summary["fid_layers_better_every_draw"] = int(better.all(axis=1).sum())
    summary["kid_layers_better"] = int((theirs["kid"] > mean["kid"]).sum())

    first, last = 0, -1
    logs = {"ours": np.log(mean["fid"]), "dosovitskiy": np.log(theirs["fid"])}
    moved = _moved(layers, {"ours": mean["fid"], "dosovitskiy": theirs["fid"]}, about["seed"])
    varied = {method: logs[method] + moved[method] for method in logs}

    def smallest(values: Mapping[str, NDArray]) -> NDArray:
        return np.exp(values["dosovitskiy"] - values["ours"]).min(axis=-1)

    def depth(values: NDArray) -> NDArray:
        return np.exp(values[..., last] - values[..., first])

    kept = np.array([record["faithfulness"] for record in records])
    error = 1.96 * np.array([record["faithfulness_se"] for record in records])
    values = {
        "fid_smallest_ratio": (smallest(logs), percentile_interval(smallest(varied))),
        **{
            f"fid_depth_ratio_{method}": (
                depth(logs[method]),
                percentile_interval(depth(varied[method])),
            )
            for method in logs
        },
        "faithfulness_smallest": (kept.min(), ((kept - error).min(), (kept + error).min())),
    }
    summary["intervals"] = {}
    for name, (value, interval) in values.items():
        summary[name] = rounded(value)
        summary["intervals"][name] = [rounded(bound) for bound in interval]
    return summary


def _check_draws(counts: Mapping[str, int]) -> None:
    if min(counts.values()) < 2 or len(set(counts.values())) > 1:
        raise PipelineError(
            f"Table 1 needs the same number of sample draws for every layer, at least 2, not "
            f"{counts}: set experiments.table1.draws."
        )


def _number(values: Mapping[str, Any], key: str, where: str) -> float:
    value = float(values[key])
    if not math.isfinite(value) or (key == "fid" and value <= 0):
        raise PipelineError(
            f"Table 1 got {key} = {value} for '{where}': check the images it was measured on."
        )
    return value


def _moved(
    layers: Mapping[str, Any], fids: Mapping[str, NDArray[np.floating]], seed: int
) -> dict[str, NDArray[np.float64]]:
    """What other images and reference images do to the log FIDs of both methods: (B, layers)."""
    rng, count = np.random.default_rng(seed), len(LAYERS)
    moved = np.zeros((REPLICATES, len(fids) * count))
    for part in ("images", "reference"):
        influence = np.stack(
            [
                layers[name]["influence"][part][method] / fids[method][i]
                for method in fids
                for i, name in enumerate(LAYERS)
            ]
        )
        groups = np.arange(influence.shape[1])
        moved += multiplier_bootstrap(influence, groups, REPLICATES, rng)
    return dict(zip(fids, np.split(moved, len(fids), axis=1), strict=True))
