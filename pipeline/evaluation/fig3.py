"""Numbers of Figs. 3 and S10: how much, and what, varies in samples of a network's layers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from pipeline.errors import PipelineError
from pipeline.evaluation.intervals import percentile_interval

__all__ = ["IDENTITY", "NAMES", "PAPER", "LayerSamples", "summarise_fig3"]

Readings = Mapping[str, np.ndarray]

PAPER = ("conv2d_4a", "mixed_6a", "mixed_7a", "avgpool_1a", "embedding")
"""The layers of Figs. 3 and S10, the shallowest first; others of the network are not about them."""
IDENTITY = "face_"
"""What columns of the ground truth begin with that tell people apart."""
COLOUR = "coat_hue"
"""The number that tells the colour of an animal."""
NAMES = {
    "yaw": "yaw",
    "light_azimuth": "light",
    "hair_length": "length of hair",
    "Smiling": "smile",
    "Eyeglasses": "glasses",
    "Male": "gender",
    "Young": "age",
    "Black_Hair": "hair",
    "species": "species",
    COLOUR: "colour of the coat",
}
"""What factors are called in figures and tables, in the order of the tables."""

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
    """What was measured on the samples of X inputs for one layer.

    Attributes:
        variance: (X,) variance of the samples of an input, mean over pixels and channels of images
            in [0, 1].
        readings: (X, S) what the evaluator reads from S samples of each input, per factor.
        faithfulness: what `cosine_faithfulness` returned.
    """

    variance: np.ndarray
    readings: Readings
    faithfulness: Mapping[str, float]


def summarise_fig3(
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
    """Everything `reports/<scale>/metrics/fig3.json`, or figs10.json, holds.

    `layers` come in the network's order, `truth` (X,) are the inputs' own factors; `spread` (R,) is
    what is read from all test images, as blurred as D's are, and `reconstructions` (X,) from
    D(E(x)). `classes` are the factors with classes, the others are numbers. The result has `about`,
    and

    - `order`: the layers' names, in order
    - `variance_images`: variance over test images instead of samples
    - `layers`: per layer `variance` and `variance_sd` over inputs; `factors`: for a number the
      variance of what is read from an input's samples as a share of the variance of what is read
      from test images, at least 0, so that a factor that is read badly is not taken for one that is
      kept, and None of one that is not read at all; for a class the share of samples read otherwise
      than the input's; `identity`: the mean over the features of the face; `kept`: for a class the
      share read as the input's; `correlation`: of what is read of a number with the input's own;
      `faithfulness`
    - `reconstruction_kept`, `reconstruction_correlation`: the same of reconstructions, which no
      sample can be expected to beat
    - `spearman`, `log_r2`, `variance_ratio` (last / first), `yaw_ratio`, `glasses_kept` (smallest
      of the layers; claims F3.a to F3.d), `species_kept` and `colour_kept` (smallest of the layers
      but the last: the share of samples of the input's species, the correlation of their colour
      with the input's; claim S10.a), and `intervals`: 95 % of a bootstrap over inputs. Of a factor
      that is not known, and where nothing varies, the number is None.

    Raises:
        PipelineError: fewer than 3 layers.
    """
    if len(layers) < 3:
        raise PipelineError(
            f"Fig. 3 compares the layers of a network, but there are {len(layers)}: name at least "
            "3 of them in params.yaml."
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
    """Share of each input's samples that are read as the input's class: (X,)."""
    return (layer.readings[name] == truth[name][:, None]).mean(1)


def _within(layer: LayerSamples, name: str) -> np.ndarray:
    """Variance of a number over each input's samples: (X,)."""
    return layer.readings[name].astype(np.float64).var(1, ddof=1)


def _share(within: np.ndarray, spread: np.ndarray) -> float | None:
    """Variances within inputs (X,) as a share of that of readings (R,); None of equal readings."""
    over = float(spread.astype(np.float64).var())
    return float(within.mean()) / over if over > 0 else None


def _correlation(read: np.ndarray, own: np.ndarray) -> float | None:
    """Correlation of a number read from samples (X, S) with that of their inputs (X,), or None."""
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
            # Rounded: the correlation of equal orders is 1 but for the last digit.
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
            # Of a layer without any colour nothing is known: nor is the smallest of all.
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
