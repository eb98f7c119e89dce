"""Figs. 5 and S13: how far the content of an attack shows in each layer of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.evaluation.explained_variance import (
    bootstrap_components,
    estimate,
    explained_by_v,
    resample,
)
from pipeline.evaluation.intervals import percentile_interval, wilson

__all__ = ["KINDS", "PAPER", "LayerAttack", "attack_in_words", "summarise"]

KINDS = ("clean", "random", "attacked")
PAPER = {
    "input": (0.1182, 0.0052),
    "conv": (0.0722, 0.0016),
    "fc": (0.4959, 0.0200),
    "logits": (0.8477, 0.0577),
}
"""Eq. 19 and its standard error in Fig. 5 of the INV paper."""
SURE = 0.9
"""Probability above which a network counts as sure of a class."""


@dataclass(frozen=True)
class LayerAttack:
    """Measurements of one layer.

    Attributes:
        readings: for each of KINDS, the classes (R,) that the evaluator predicts for
            x_bar* = D(t^-1(v | z*)), with v of the unchanged image and z* of the changed one.
        z_bar: samples t^-1(v | z) (X, V, N) of a crossed design, for Eq. 19.
        left: what regressions on z leave of z_bar, summed over its dimensions: by name, (R,).
    """

    readings: Mapping[str, np.ndarray]
    z_bar: np.ndarray
    left: Mapping[str, np.ndarray]


def attack_in_words(numbers: Mapping[str, Any]) -> str:
    """The name of an attack, with its number of steps if it takes several."""
    steps = numbers.get("attack_steps")
    return numbers["attack"].upper() + (f" ({steps} steps)" if steps else "")


def summarise(
    layers: Mapping[str, LayerAttack],
    truth: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    known: Sequence[str],
    reconstructions: np.ndarray,
    confidence: np.ndarray,
    *,
    bootstrap: int,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """The numbers of `metrics/fig5.json`.

    The target of an attack is the class that the network predicts after it. An image has a target
    if this differs from the class predicted before, and the evaluator knows it.

    Args:
        layers: those of PAPER, in its order.
        truth: (R,), classes of the test images.
        predictions: for each of KINDS, the classes (R,) that the network predicts.
        known: classes that the evaluator knows.
        reconstructions: (R,), classes that the evaluator predicts for D(E(x)).
        confidence: (R,), probability of the class predicted for the attacked image.
        bootstrap: number of replicates.
        about: what the result repeats; its `seed` seeds the bootstrap.

    Returns:
        `about`, and

        - `accuracy` of the network for each of KINDS; `success` and `random_success`: share of
          images whose predicted class changes; `targets`: number of images with a target; `sure`:
          of these, with a confidence above SURE; `variance` of z_bar, summed over its dimensions
        - `layers`: for each, `explained_by_v` (Eq. 19 of z_bar) with `_se` and `_interval`;
          `target`: for each of KINDS, the share of x_bar* of images with a target that show it,
          with `target_intervals`; `target_sure`: the same of attacked images of which the network
          is sure; `kept`: share that shows the class predicted before; `left_by_regression` and
          `left_by_mlp`: shares of the variance of z_bar that regressions on z leave; `paper`:
          Eq. 19 and its standard error there
        - `order_gap` (smaller of logits - fc and fc - max(conv, input), Eq. 19), `target_logits`,
          `target_input` and `random_largest` (of the layers), with `intervals` (claims F5.a to
          F5.c). None without targets.
    """
    changed = predictions["attacked"] != predictions["clean"]
    chosen = changed & np.isin(predictions["attacked"], known)
    target = predictions["attacked"][chosen]
    sure = confidence[chosen] > SURE
    before = predictions["clean"][chosen]
    result: dict[str, Any] = {**about, "images": len(truth), "order": list(layers)}
    result["accuracy"] = {kind: float(np.mean(predictions[kind] == truth)) for kind in KINDS}
    result["success"] = float(changed.mean())
    result["random_success"] = float(np.mean(predictions["random"] != predictions["clean"]))
    result["targets"] = int(chosen.sum())
    result["sure"] = int(sure.sum())
    result["reconstruction_kept"] = float(np.mean(reconstructions == truth))
    result["layers"], replicates = {}, {}
    for name, layer in layers.items():
        inputs, invariances, _ = layer.z_bar.shape
        draws = resample(inputs, invariances, bootstrap, int(about["seed"]))
        parts = bootstrap_components(layer.z_bar, draws).explained_by_v
        share = estimate(float(explained_by_v(layer.z_bar)), parts)
        replicates[name] = np.concatenate([[share.value], parts])
        hits = {kind: layer.readings[kind][chosen] == target for kind in KINDS}
        result["layers"][name] = {
            "explained_by_v": share.value,
            "explained_by_v_se": share.standard_error,
            "explained_by_v_interval": [share.low, share.high],
            "target": {kind: _share(values) for kind, values in hits.items()},
            "target_intervals": {kind: wilson(values) for kind, values in hits.items()},
            "target_sure": _share(hits["attacked"][sure]),
            "kept": {kind: _share(layer.readings[kind][chosen] == before) for kind in KINDS},
            **{
                f"left_by_{model}": float(left.mean() / about["variance"])
                for model, left in layer.left.items()
            },
            "paper": list(PAPER[name]),
        }
    gap = np.minimum(
        replicates["logits"] - replicates["fc"],
        replicates["fc"] - np.maximum(replicates["conv"], replicates["input"]),
    )
    found = result["layers"]
    largest = max(found, key=lambda name: found[name]["target"]["random"] or 0.0)
    result["order_gap"] = float(gap[0])
    result["intervals"] = {"order_gap": percentile_interval(gap[1:])}
    for key, layer_name, kind in (
        ("target_logits", "logits", "attacked"),
        ("target_input", "input", "attacked"),
        ("random_largest", largest, "random"),
    ):
        result[key] = found[layer_name]["target"][kind]
        result["intervals"][key] = found[layer_name]["target_intervals"][kind]
    return result


def _share(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
