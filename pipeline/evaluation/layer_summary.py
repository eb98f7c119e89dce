"""How much, and what, varies in samples of a network's layers: the numbers of Figs. 3 and S10."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from pipeline.errors import PipelineError
from pipeline.evaluation.factors import COLOUR, IDENTITY
from pipeline.evaluation.intervals import percentile_interval

__all__ = ["LayerSamples", "summarise_layers"]

Readings = Mapping[str, np.ndarray]

STATISTICS = (
    "spearman",
    "log_r2",
    "variance_ratio",
    "yaw_ratio",
    "glasses_kept",
    "species_kept",
    "colour_kept",
)


@dataclass(frozen=True)
class LayerSamples:
    """Measurements on the samples of X inputs for one layer.

    Attributes:
        variance: (X,) variance of each input's samples, mean over pixels and channels of images in
            [0, 1].
        readings: factor to (X, S), predicted by the evaluator from S samples of each input.
        faithfulness: as `cosine_faithfulness` returns it.
    """

    variance: np.ndarray
    readings: Readings
    faithfulness: Mapping[str, float]


def summarise_layers(
    layers: Mapping[str, LayerSamples],
    truth: Readings,
    spread: Readings,
    reconstructions: Readings,
    variance_images: float,
    *,
    classes: Sequence[str],
    bootstrap: int,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything `reports/<scale>/metrics/fig3.json`, or figs10.json, holds (Figs. 3 and S10).

    Args:
        layers: in the network's order.
        truth: factor to (X,), the inputs' own.
        spread: factor to (R,), predicted from all test images, as blurred as D's output.
        reconstructions: factor to (X,), predicted from D(E(x)).
        variance_images: variance over test images instead of samples.
        classes: factors that are classes; the others are numbers.
        bootstrap: replicates over inputs.
        about: copied into the result; needs `seed`.

    Returns:
        `about`, and

        - `order`: the layers' names
        - `variance_images`
        - `layers`: per layer
            - `variance` and `variance_sd` over inputs
            - `factors`: what varies. Of a number, the variance of its predictions within an input's
              samples as a share of the variance of its predictions over test images, so that a
              factor the evaluator hardly recognises does not pass for one that is kept; None where
              all predictions are equal. Of a class, the share of samples that show another one
              than the input
            - `identity`: mean over the features of the face, or None
            - `kept`: of a class, the share of samples that show the input's
            - `correlation`: of a number in samples with the input's own, or None
            - `faithfulness`
        - `reconstruction_kept`, `reconstruction_correlation`: the same of reconstructions, which
          no sample can be expected to beat
        - `spearman`, `log_r2`, `variance_ratio` (last / first layer), `yaw_ratio`, `glasses_kept`
          (smallest of the layers; claims F3.a to F3.d), `species_kept` and `colour_kept` (share of
          samples with the input's species, correlation of their colour with the input's; smallest
          of all layers but the last; claim S10.a): None of an unknown factor, or if nothing varies
        - `intervals`: 95 % intervals of these, from the bootstrap

    Raises:
        PipelineError: fewer than 3 layers.
    """
    if len(layers) < 3:
        raise PipelineError(
            f"growth over layers cannot be measured on {len(layers)} of them: name at least 3 in "
            "the experiment's row of params.yaml."
        )
    numbers = [name for name in truth if name not in classes]
    summary: dict[str, Any] = {**about, "order": list(layers), "layers": {}}
    summary["variance_images"] = float(variance_images)
    for name, layer in layers.items():
        kept = {key: float(_agrees(layer, truth, key).mean()) for key in classes}
        factors = {key: _share(_within(layer, key), spread[key]) for key in numbers}
        traits = (share for key, share in factors.items() if key.startswith(IDENTITY))
        own = [share for share in traits if share is not None]
        summary["layers"][name] = {
            "variance": float(layer.variance.mean()),
            "variance_sd": float(layer.variance.std(ddof=1)),
            "factors": {**factors, **{key: 1 - share for key, share in kept.items()}},
            "identity": float(np.mean(own)) if own else None,
            "kept": kept,
            "correlation": {key: _correlation(layer.readings[key], truth[key]) for key in numbers},
            "faithfulness": {key: float(value) for key, value in layer.faithfulness.items()},
        }
    summary["reconstruction_kept"] = {
        key: float(np.mean(reconstructions[key] == truth[key])) for key in classes
    }
    summary["reconstruction_correlation"] = {
        key: _correlation(reconstructions[key][:, None], truth[key]) for key in numbers
    }
    return summary | _statistics(layers, truth, bootstrap, int(about["seed"]))


def _agrees(layer: LayerSamples, truth: Readings, name: str) -> np.ndarray:
    """Share of each input's samples that show the input's class: (X,)."""
    return (layer.readings[name] == truth[name][:, None]).mean(1)


def _within(layer: LayerSamples, name: str) -> np.ndarray:
    """Variance of a number over each input's samples: (X,)."""
    return layer.readings[name].astype(np.float64).var(1, ddof=1)


def _share(within: np.ndarray, spread: np.ndarray) -> float | None:
    """Mean variance within inputs (X,), as a share of the variance of readings (R,), or None."""
    over = float(spread.astype(np.float64).var())
    return float(within.mean()) / over if over > 0 else None


def _correlation(read: np.ndarray, own: np.ndarray) -> float | None:
    """Correlation of a number in samples (X, S) with that of their inputs (X,), or None."""
    own = np.broadcast_to(own[:, None], read.shape)
    if np.ptp(read) == 0 or np.ptp(own) == 0:
        return None
    return float(np.corrcoef(read.astype(np.float64).ravel(), own.ravel())[0, 1])


def _statistics(
    layers: Mapping[str, LayerSamples], truth: Readings, bootstrap: int, seed: int
) -> dict[str, Any]:
    variance = np.stack([layer.variance for layer in layers.values()])
    inputs = variance.shape[1]
    parts: dict[str, np.ndarray] = {}
    if "yaw" in truth:
        parts["yaw"] = np.stack([_within(layer, "yaw") for layer in layers.values()])
    if "Eyeglasses" in truth:
        kept = [_agrees(layer, truth, "Eyeglasses") for layer in layers.values()]
        parts["glasses"] = np.stack(kept)
    shallower = list(layers.values())[:-1]
    if "species" in truth:
        parts["species"] = np.stack([_agrees(layer, truth, "species") for layer in shallower])

    def of(rows: np.ndarray) -> dict[str, float]:
        means = variance[:, rows].mean(1)
        index = np.arange(len(means))
        found = dict.fromkeys(("spearman", "log_r2", "variance_ratio"), math.nan)
        if means.min() > 0 and np.ptp(means) > 0:
            # Equal orders have a correlation of 1 up to the last digit.
            found["spearman"] = round(float(stats.spearmanr(index, means).statistic), 12)
            found["log_r2"] = float(stats.pearsonr(index, np.log(means)).statistic ** 2)
            found["variance_ratio"] = float(means[-1] / means[0])
        if "yaw" in parts:
            yaw = parts["yaw"][:, rows].mean(1)
            found["yaw_ratio"] = float(yaw[-1] / yaw[0]) if yaw[0] > 0 else math.nan
        if "glasses" in parts:
            found["glasses_kept"] = float(parts["glasses"][:, rows].mean(1).min())
        if "species" in parts:
            found["species_kept"] = float(parts["species"][:, rows].mean(1).min())
        if COLOUR in truth:
            own = truth[COLOUR][rows]
            colour = [_correlation(layer.readings[COLOUR][rows], own) for layer in shallower]
            # One layer without a correlation leaves the smallest unknown.
            known = [one for one in colour if one is not None]
            found["colour_kept"] = min(known) if len(known) == len(colour) else math.nan
        return found

    values = of(np.arange(inputs))
    generator = np.random.default_rng(seed)
    replicates = [of(generator.integers(0, inputs, size=(inputs,))) for _ in range(bootstrap)]
    result: dict[str, Any] = {"intervals": {}}
    for name in STATISTICS:
        drawn = np.array([replicate.get(name, math.nan) for replicate in replicates])
        known = name in values and math.isfinite(values[name]) and np.isfinite(drawn).all()
        result[name] = values[name] if known else None
        result["intervals"][name] = percentile_interval(drawn) if known else None
    return result
