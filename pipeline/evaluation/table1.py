"""The numbers of Table 1: how close samples and reconstructions of each layer come to images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

from pipeline.errors import PipelineError
from pipeline.rounding import rounded

__all__ = ["PAPER", "summarise_table1"]

PAPER = {
    "conv5": {"ours": 23.6, "ours_std": 0.5, "dosovitskiy": 25.2},
    "fc6": {"ours": 24.3, "ours_std": 0.7, "dosovitskiy": 24.9},
    "fc7": {"ours": 24.9, "ours_std": 0.4, "dosovitskiy": 27.2},
    "fc8": {"ours": 26.4, "ours_std": 0.4, "dosovitskiy": 36.1},
    "output": {"ours": 27.4, "ours_std": 0.3, "dosovitskiy": 352.6},
}
"""Table 1 of the INV paper, Inception FID on Animals, the shallowest layer first."""

LAYERS = tuple(PAPER)
SHALLOWEST, DEEPEST = LAYERS[0], LAYERS[-1]


def summarise_table1(
    measured: Mapping[str, Any],
    *,
    scale: str,
    seed: int,
    images: int,
    size: int,
    label: str,
    preparation: str,
    updates_ours: int,
    updates_dosovitskiy: int,
    updates_inherited: int,
) -> dict[str, Any]:
    """Everything `reports/<scale>/metrics/table1.json` holds (Table 1, Figs. 2 and S4-S6).

    `measured` holds Fréchet distances `fid` and `kid`, KID times 1000, of sets of `images` images
    from as many reference images of the same split sizes and preparation:

    - `floor_real`, `floor_reconstruction`: `{"fid", "kid"}` of other real images, and of D(E(x)),
      which no sample that D decodes can be expected to beat
    - `reconstruction`: what `reconstruction_quality` returned for D(E(x))
    - `accuracy` of AlexNet on test images
    - `species_real`, `species_reconstruction`: share of these images and of D(E(x)) in which an
      evaluator network reads the species of the input
    - `agreement_reconstruction`: share of D(E(x)) in which AlexNet sees the class it sees in x
    - `layers`: `{layer: {"ours": [{"fid", "kid"}, ...], "dosovitskiy": {"fid", "kid"},
      "species_ours", "species_dosovitskiy", "agreement_ours", "agreement_dosovitskiy",
      "faithfulness": {...}}}` for every layer of Table 1: one entry of `ours` per sample draw, the
      same number for each, shares as above, and what `cosine_faithfulness` returned

    The result, flat numbers, which `dvc metrics show` lists:

    - the arguments, `draws`, `fid_floor_real`, `kid_floor_real` and the same for `reconstruction`
    - `reconstruction_l1`, `_psnr`, `_perceptual`, `accuracy`, `species_real` and the like,
      `agreement_reconstruction`
    - `fid_ours_<layer>` (mean over draws), `fid_dosovitskiy_<layer>`, `faithfulness_<layer>`
    - `fid_smallest_ratio`: FID D&B / FID ours, the smallest over the layers (claim T1.a);
      `fid_layers_better`, `fid_layers_better_every_draw`, `kid_layers_better`: number of layers
      where ours is below D&B's, for the means or for every single draw
    - `fid_depth_ratio_ours`, `fid_depth_ratio_dosovitskiy`: FID output / FID conv5 (claim T1.b)
    - `faithfulness_smallest`: the smallest over the layers (claim T1.c)

    Nested:

    - `intervals`: `{name: [low, high]}`, 95 %. For the two FID statistics with ours, Student's t
      over the sample draws, which vary the invariances v alone. D&B's method draws nothing, so its
      ratio has no interval. For the faithfulness, normal over inputs, the lowest low and the lowest
      high of all layers.
    - `layers`: one record per layer: `layer`, `fid_ours`, `fid_ours_std` and the same for `kid`,
      over draws; `fid_dosovitskiy`, `kid_dosovitskiy`; `faithfulness`, `faithfulness_se`, the
      cosines `samples`, `other`, `reconstruction`; `species_ours`, `species_dosovitskiy` and the
      same for `agreement`; `paper_ours`, `paper_ours_std`, `paper_dosovitskiy`

    Args:
        measured: as above.
        scale: the scale that was run.
        seed: the seed that was run.
        images: N, number of images on each side of a distance.
        size: of the images, in pixels.
        label: what the Fréchet distance in these features is called, such as FID-EN0.
        preparation: how the extractor resizes and normalises images.
        updates_ours: updates that the autoencoder's decoder got.
        updates_dosovitskiy: updates that each decoder of z got, those of its start included.
        updates_inherited: those of its start: the autoencoder's, if it begins with its decoder.

    Raises:
        PipelineError: a layer or a number is missing, is not finite or not positive where it
            must be, or layers have different numbers of draws or fewer than 2.
    """
    try:
        return _summarise(
            measured,
            {
                "scale": scale,
                "seed": int(seed),
                "images": int(images),
                "size": int(size),
                "label": label,
                "preparation": preparation,
                "updates_ours": int(updates_ours),
                "updates_dosovitskiy": int(updates_dosovitskiy),
                "updates_inherited": int(updates_inherited),
            },
        )
    except KeyError as error:
        raise PipelineError(
            f"the measurements of Table 1 lack {error}: run `dvc repro -f evaluate@table1`."
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

    for key in ("accuracy", "species_real", "species_reconstruction", "agreement_reconstruction"):
        summary[key] = rounded(_number(measured, key, "Table 1"))

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

    first, last = LAYERS.index(SHALLOWEST), LAYERS.index(DEEPEST)
    ratio = (theirs["fid"] / mean["fid"]).min()
    ratio_by_draw = (theirs["fid"][:, None] / ours["fid"]).min(axis=0)
    depth = mean["fid"][last] / mean["fid"][first]
    # Draws of two layers are independent, so pairing them in their order is one choice of many:
    # the spread of the ratio is put together from the spreads of its two terms.
    relative = np.hypot(*(spread["fid"][[last, first]] / mean["fid"][[last, first]]))
    kept = np.array([record["faithfulness"] for record in records])
    error = stats.norm.ppf(0.975) * np.array([record["faithfulness_se"] for record in records])
    values = {
        "fid_smallest_ratio": (ratio, _student(ratio, ratio_by_draw.std(ddof=1), draws)),
        "fid_depth_ratio_ours": (depth, _student(depth, depth * relative, draws)),
        "faithfulness_smallest": (kept.min(), ((kept - error).min(), (kept + error).min())),
    }
    summary["fid_depth_ratio_dosovitskiy"] = rounded(theirs["fid"][last] / theirs["fid"][first])
    summary["intervals"] = {}
    for name, (value, interval) in values.items():
        summary[name] = rounded(value)
        summary["intervals"][name] = [rounded(bound) for bound in interval]
    return summary


def _check_draws(counts: Mapping[str, int]) -> None:
    if min(counts.values()) < 2 or len(set(counts.values())) > 1:
        raise PipelineError(
            f"Table 1 needs the same number of sample draws for every layer, at least 2, not "
            f"{counts}: set evaluate.table1.draws."
        )


def _number(values: Mapping[str, Any], key: str, where: str) -> float:
    value = float(values[key])
    if not math.isfinite(value) or (key == "fid" and value <= 0):
        raise PipelineError(
            f"Table 1 got {key} = {value} for '{where}': check the images it was measured on."
        )
    return value


def _student(value: float, deviation: float, draws: int) -> tuple[float, float]:
    """95 % interval of a mean over `draws` draws with this standard deviation."""
    half = stats.t.ppf(0.975, draws - 1) * deviation / math.sqrt(draws)
    return value - half, value + half
