"""Figs. 7, S8 and S9: what edits of one factor change, and what they leave alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.evaluation.concepts import EFFECTS
from pipeline.evaluation.groups import draw_groups, multiplier_bootstrap
from pipeline.evaluation.intervals import percentile_interval, wilson
from pipeline.evaluation.quality import attribute_quality
from pipeline.rounding import rounded

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.evaluation.fid import FrechetInfluence

__all__ = ["GREY", "PAPER", "SHOWN", "Measured", "pair_distances", "summarise"]

SHOWN = 5
"""Inputs that Fig. 7 shows; `experiments.fig7.rows` further ones are for Figs. S8 and S9."""

PAPER: dict[str, dict[str, Any]] = {
    "Black_Hair": {"distance": [0.872, 0.048], "fid": {"ours": 16.24, "stargan": 20.94}},
    "Eyeglasses": {"distance": [1.000, 0.046], "fid": {"ours": 24.97, "stargan": 41.27}},
    "Male": {"distance": [1.061, 0.030], "fid": {"ours": 15.17, "stargan": 20.04}},
    "No_Beard": {"distance": [0.803, 0.041], "fid": {"ours": 12.84, "stargan": 19.88}},
    "Young": {"distance": [0.874, 0.053], "fid": {"ours": 13.21, "stargan": 21.77}},
    "Smiling": {"distance": [0.833, 0.034], "fid": {"ours": 12.96, "stargan": 14.47}},
}
"""The last rows of Figs. 7 (mean, standard deviation) and S9 of the INV paper, in its order."""

GREY = 0.3
"""Share of grey from which hair counts as grey."""

REPLICATES = 200
"""Resamplings of the images for an interval."""

BLOCK = 1000  # rows of a matrix of distances at once

Bools = NDArray[np.bool_]
Rows = NDArray[np.intp] | slice


@dataclass(frozen=True)
class Measured:
    """What was measured of a set of images: the inputs, their reconstructions, or edits.

    Attributes:
        readings: the evaluator's predictions per factor (R,), classes or numbers.
        embeddings: (R, D), by the interpreted network.
        distances: `fid` and `kid` (times 1000) from reference images.
        influence: of images and reference images on `fid`, of edits alone.
    """

    readings: Mapping[str, np.ndarray]
    embeddings: np.ndarray
    distances: Mapping[str, float]
    influence: FrechetInfluence | None = None


def summarise(
    truth: pd.DataFrame,
    inputs: Measured,
    reconstructions: Measured,
    ours: Mapping[str, Measured],
    stargan: Mapping[str, Measured],
    *,
    dimensions: Mapping[str, int],
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """The numbers of `metrics/fig7.json`.

    Args:
        truth: ground truth of the R inputs, with the columns `identity` and the attributes.
        inputs: what was measured of the inputs.
        reconstructions: the same of D(E(x)).
        ours: of edits by e, per attribute.
        stargan: of edits by StarGAN, per attribute.
        dimensions: the size in e of each attribute's factor.
        about: what the result repeats.

    Returns:
        `about`, `images` = R, and

        - `floors`: distances of the inputs (`real`) and of D(E(x)) (`reconstruction`)
        - `evaluator`: accuracy for each attribute, and R2 for hair_length and hair_grey, on the
          inputs; `reconstruction`: accuracy on D(E(x)), by attribute
        - `pairs`: distances between embeddings of two inputs of the `same` person and of
          `different` ones; `reconstruction_distance`: ||f(x) - f(D(E(x)))||
        - `factors`: per attribute `edits`, `dimensions`, the paper's numbers, and for both methods
          the entries of `_method`
        - `coherence`: for both methods, whether edits follow the causes in the data (Sec. B.5)
        - `least_success` and `least_kept`: the smallest `success` and `unrelated_kept` of edits by
          e (claims F7.a and F7.b)
        - `sensitive_ratio`: the smaller distance of gender and glasses, divided by the largest of
          the others (claim F7.c)
        - `fid_smallest_ratio`: FID of StarGAN's edits / FID of ours, smallest of the attributes
          (claim S9.a)
        - `intervals` of these four: by a bootstrap over people, of the last by the influence of
          images and reference images

        Standard deviations are over images, intervals are 95 % (Wilson for other shares). None
        marks what cannot be measured: hair and face if the evaluator does not read them,
        coherence if an attribute is missing, the paper's numbers of other attributes.

    Raises:
        PipelineError: no two inputs show the same person, or no two show different ones.
    """
    attributes = list(dimensions)
    numbers = tuple(n for n, values in inputs.readings.items() if values.dtype.kind == "f")
    quality = attribute_quality(inputs.readings, truth, numbers)
    correct = {name: reconstructions.readings[name] == truth[name] for name in attributes}
    before = {"ours": reconstructions, "stargan": inputs}
    edited = {"ours": ours, "stargan": stargan}
    result: dict[str, Any] = {**about, "images": len(truth)}
    result["floors"] = {
        name: {key: rounded(measured.distances[key]) for key in ("fid", "kid")}
        for name, measured in (("real", inputs), ("reconstruction", reconstructions))
    }
    result["evaluator"] = {name: quality[name]["accuracy"] for name in attributes}
    for name in ("hair_length", "hair_grey"):
        result["evaluator"][name] = quality[name]["r2"] if name in numbers else None
    result["reconstruction"] = {name: _share(values) for name, values in correct.items()}
    result["pairs"] = pair_distances(inputs.embeddings, truth["identity"].to_numpy())
    result["reconstruction_distance"] = _distance(inputs, reconstructions)
    result["factors"] = {}
    for name in attributes:
        entry: dict[str, Any] = {"edits": len(truth), "dimensions": int(dimensions[name])}
        paper = PAPER.get(name, {})
        entry |= {f"paper_{key}": paper.get(key) for key in ("distance", "fid")}
        for method in edited:
            entry[method] = _method(
                name, truth[attributes], inputs, before[method], edited[method][name], numbers
            )
        # StarGAN edits the image itself, not a reconstruction.
        entry["ours"]["distance_from_reconstruction"] = _distance(reconstructions, ours[name])
        entry["stargan"]["distance_from_reconstruction"] = None
        result["factors"][name] = entry
    people = truth["identity"].to_numpy()
    result |= _smallest(truth[attributes], before["ours"], inputs, ours, people, about["seed"])
    ratio, interval = _advantage(ours, stargan, people, about["seed"])
    result["fid_smallest_ratio"] = ratio
    result["intervals"]["fid_smallest_ratio"] = interval
    error = quality.get("hair_length", {}).get("mean_absolute_error")
    result["coherence"] = {
        method: _coherence(truth, before[method].readings, edited[method], error)
        for method in edited
    }
    return result


def _method(
    name: str,
    truth: pd.DataFrame,
    inputs: Measured,
    before: Measured,
    after: Measured,
    numbers: tuple[str, ...],
) -> dict[str, Any]:
    """What edits of the attribute `name` change, compared with the unedited images `before`.

    - `distance` between embeddings of inputs and edits, mean and standard deviation (Fig. 7)
    - `success`: share of edits in which the evaluator reads the other value, with its interval; for
      No_Beard of men only, since a beard on a woman would contradict the causes in the data
    - `changed`: for each other attribute, the share of edits in which its reading changes
    - `unrelated_kept`: mean share unchanged, over attributes that this one does not cause
    - `traits_kept`: mean correlation of the readings of a face (face_*) before and after
    - `fid`, `kid` (Fig. S9)
    """
    reached = _reached(name, truth, after)
    reached = reached[~np.isnan(reached)]
    changed = {
        other: _share(after.readings[other] != before.readings[other])
        for other in truth
        if other != name
    }
    kept = _kept(name, truth, before, after)
    traits = [
        _correlation(before.readings[trait], after.readings[trait])
        for trait in numbers
        if trait.startswith("face_")
    ]
    return {
        "distance": _distance(inputs, after),
        "success": _share(reached),
        "success_interval": wilson(reached == 1),
        "changed": changed,
        "unrelated_kept": None if kept is None else rounded(kept.mean()),
        "traits_kept": rounded(np.mean(traits)) if traits else None,
        **{key: rounded(after.distances[key]) for key in ("fid", "kid")},
    }


def _coherence(
    truth: pd.DataFrame,
    before: Mapping[str, np.ndarray],
    edits: Mapping[str, Measured],
    error: float | None,
) -> dict[str, Any]:
    """How often edits follow the causes in the data: gender, beard and age (Sec. B.5).

    - `gender_moves_hair`: share of edits of gender that move the length of hair towards the new
      gender's by more than `error`, the evaluator's mean absolute error
    - `women_stay_beardless`: share of edits of No_Beard of women that are read as No_Beard
    - `older_turns_grey`: share of edits from young to old whose hair is read as grey
    """
    found: dict[str, Bools] = {}
    if "Male" in edits and error is not None:
        longer = edits["Male"].readings["hair_length"] - before["hair_length"]
        moved = np.where(truth["Male"].to_numpy(bool), longer, -longer)
        found["gender_moves_hair"] = moved > error
    if "No_Beard" in edits and "Male" in truth:
        women = ~truth["Male"].to_numpy(bool)
        found["women_stay_beardless"] = edits["No_Beard"].readings["No_Beard"][women]
    if "Young" in edits and "hair_grey" in before:
        young = truth["Young"].to_numpy(bool)
        found["older_turns_grey"] = edits["Young"].readings["hair_grey"][young] >= GREY
    result: dict[str, Any] = {}
    for name in ("gender_moves_hair", "women_stay_beardless", "older_turns_grey"):
        values = found.get(name, np.empty(0, bool))
        result |= {name: _share(values), f"{name}_interval": wilson(values)}
    return result


def pair_distances(
    embeddings: NDArray[np.floating], identities: NDArray[np.integer]
) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of the distances of all pairs: of one person, of different ones.

    embeddings: (R, D); identities: (R,). Raises PipelineError unless there are pairs of both kinds.
    """
    points = embeddings.astype(np.float64)
    squares = np.square(points).sum(1)
    sums = {True: np.zeros(3), False: np.zeros(3)}
    for first in range(0, len(points), BLOCK):
        block = slice(first, first + BLOCK)
        square = squares[block, None] + squares - 2 * points[block] @ points.T
        distance = np.sqrt(np.maximum(square, 0))
        same = identities[block, None] == identities
        later = np.arange(len(points)) > np.arange(len(points))[block, None]  # each pair once
        for kind, chosen in ((True, same & later), (False, ~same & later)):
            found = distance[chosen]
            sums[kind] += len(found), found.sum(), np.square(found).sum()
    if not all(count for count, _, _ in sums.values()):
        raise PipelineError(
            f"among {len(points)} test images there are no two of the same person, or no two of "
            "different ones: raise experiments.fig7.inputs."
        )
    result = {}
    for name, (count, total, square_sum) in (("same", sums[True]), ("different", sums[False])):
        mean = total / count
        spread = np.sqrt(max(square_sum / count - mean**2, 0))
        result[name] = {"mean": rounded(mean), "std": rounded(spread)}
    return result


def _reached(name: str, truth: pd.DataFrame, after: Measured) -> NDArray[np.float64]:
    """Whether an edit is read as asked, (R,); NaN for a beard of a woman."""
    reached = (after.readings[name] != truth[name].to_numpy()).astype(np.float64)
    if name == "No_Beard" and "Male" in truth:
        reached[~truth["Male"].to_numpy(bool)] = np.nan
    return reached


def _kept(
    name: str, truth: pd.DataFrame, before: Measured, after: Measured
) -> NDArray[np.float64] | None:
    """Share of the attributes that `name` does not cause whose reading stays: (R,), or None."""
    unrelated = [other for other in truth if other != name and other not in EFFECTS.get(name, ())]
    kept = [after.readings[other] == before.readings[other] for other in unrelated]
    return np.mean(kept, axis=0) if kept else None


def _smallest(
    truth: pd.DataFrame,
    before: Measured,
    inputs: Measured,
    edits: Mapping[str, Measured],
    people: NDArray[np.integer],
    seed: int,
) -> dict[str, Any]:
    """`least_success`, `least_kept`, `sensitive_ratio` and their intervals; None if not known."""
    reached = np.stack([_reached(name, truth, after) for name, after in edits.items()])
    kept = [_kept(name, truth, before, after) for name, after in edits.items()]
    moved = {name: _distances(inputs, edited) for name, edited in edits.items()}
    statistics: dict[str, Callable[[Rows], float]] = {}
    if not np.isnan(reached).all(axis=1).any():
        statistics["least_success"] = lambda rows: _least_share(reached[:, rows])
    if all(one is not None for one in kept):
        shares = np.array(kept)
        statistics["least_kept"] = lambda rows: shares[:, rows].mean(1).min()
    if {"Male", "Eyeglasses"} < moved.keys():
        first = np.stack([moved.pop("Male"), moved.pop("Eyeglasses")])
        others = np.stack(list(moved.values()))
        statistics["sensitive_ratio"] = lambda rows: (
            first[:, rows].mean(1).min() / others[:, rows].mean(1).max()
        )
    rng = np.random.default_rng(seed)
    drawn = [draw_groups(people, rng) for _ in range(REPLICATES)]
    result: dict[str, Any] = {"intervals": {}}
    for name in ("least_success", "least_kept", "sensitive_ratio"):
        result[name] = result["intervals"][name] = None
        if statistic := statistics.get(name):
            result[name] = rounded(statistic(slice(None)))
            found = np.array([statistic(rows) for rows in drawn])
            result["intervals"][name] = [rounded(bound) for bound in percentile_interval(found)]
    return result


def _least_share(reached: NDArray[np.float64]) -> float:
    """The smallest share of successes (K, R) of one of K edits; NaN does not count.

    In a draw without men, nobody is given a beard.
    """
    counts = (~np.isnan(reached)).sum(axis=1)
    return float((np.nansum(reached, axis=1)[counts > 0] / counts[counts > 0]).min())


def _advantage(
    ours: Mapping[str, Measured],
    stargan: Mapping[str, Measured],
    people: NDArray[np.integer],
    seed: int,
) -> tuple[float, list[float] | None]:
    """The smallest ratio of FIDs, StarGAN to ours, with its interval."""
    pairs = [(ours[name], stargan[name]) for name in ours]
    ratios = np.array([theirs.distances["fid"] / own.distances["fid"] for own, theirs in pairs])
    if any(one.influence is None for pair in pairs for one in pair):
        return rounded(ratios.min()), None
    rng, moved = np.random.default_rng(seed), np.zeros((REPLICATES, len(pairs)))
    for part in ("images", "reference"):
        influence = np.stack(
            [_relative(theirs, part) - _relative(own, part) for own, theirs in pairs]
        )
        groups = people if part == "images" else np.arange(influence.shape[1])
        moved += multiplier_bootstrap(influence, groups, REPLICATES, rng)
    found = (ratios * np.exp(moved)).min(axis=1)
    return rounded(ratios.min()), [rounded(bound) for bound in percentile_interval(found)]


def _relative(measured: Measured, part: str) -> NDArray[np.float64]:
    """Influences on the logarithm of a FID, (R,)."""
    return getattr(measured.influence, part) / measured.distances["fid"]


def _distance(first: Measured, second: Measured) -> dict[str, float]:
    """Mean and standard deviation of ||f - f'||, image by image."""
    distance = _distances(first, second)
    return {"mean": rounded(distance.mean()), "std": rounded(distance.std())}


def _distances(first: Measured, second: Measured) -> NDArray[np.floating]:
    """||f - f'||, (R,)."""
    return np.linalg.norm(first.embeddings.astype(np.float64) - second.embeddings, axis=1)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation; 0 if one of the two does not vary."""
    first, second = (x.astype(np.float64) - x.mean(dtype=np.float64) for x in (first, second))
    norm = np.sqrt((first @ first) * (second @ second))
    return float(first @ second / norm) if norm > 0 else 0.0


def _share(values: Any) -> Any:
    """Share of true values; None if there are none."""
    return rounded(np.mean(values)) if len(values) else None
