"""The numbers of Fig. 5: how far an attack's content shows in each layer of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.evaluation.explained_variance import (
    bootstrap_components,
    estimate,
    explained_by_v,
    resample,
)
from pipeline.evaluation.intervals import percentile_interval, wilson

__all__ = ["KINDS", "PAPER", "LayerAttack", "attack_in_words", "summarise_fig5"]

KINDS = ("clean", "random", "attacked")
PAPER = {
    "input": (0.1182, 0.0052),
    "conv": (0.0722, 0.0016),
    "fc": (0.4959, 0.0200),
    "logits": (0.8477, 0.0577),
}
"""Eq. 19 and its standard error in Fig. 5 of the INV paper."""
SURE = 0.9
"""Probability of a class above which a network is called sure of it."""


@dataclass(frozen=True)
class LayerAttack:
    """What was measured for one layer.

    Attributes:
        readings: for each of KINDS the classes (R,) that the evaluator reads from
            x_bar* = D(t^-1(v | z*)), with v of the unchanged image and z* of the changed one.
        z_bar: samples t^-1(v | z) (X, V, N) of a crossed design, for Eq. 19.
    """

    readings: Mapping[str, np.ndarray]
    z_bar: np.ndarray


def attack_in_words(numbers: Mapping[str, Any]) -> str:
    """What an attack is called, with the number of its steps if it takes several."""
    steps = numbers.get("attack_steps")
    return numbers["attack"].upper() + (f" ({steps} steps)" if steps else "")


def summarise_fig5(
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
    """Everything `reports/<scale>/metrics/fig5.json` holds.

    `layers` come in the network's order; `truth` (R,) are the classes of the test images,
    `predictions` for each of KINDS those that the network sees, `reconstructions` (R,) those that
    the evaluator reads from D(E(x)), `confidence` (R,) the probability that the network gives the
    class it predicts for the attacked image. The attack's target of an image is the class that the
    network sees after it; it has one if this is another than before, and the evaluator, which tells
    `known` classes apart, can read it. The result has `about`, and

    - `accuracy` of the network for each of KINDS, `success`: share of the images whose predicted
      class the attack changes, and `random_success`; `targets`: number of images with a target;
      `sure`: of these with a confidence above SURE
    - `layers`: for each `explained_by_v` (Eq. 19 of z_bar), its `explained_by_v_se` and
      `explained_by_v_interval`; `target`: for each of KINDS the share of images, of those with a
      target, whose x_bar* is read as the target, with `target_intervals`; `target_sure`: the same
      of the attacked images of which the network is sure; `kept`: the share read as the class
      predicted before the attack; `paper`: Eq. 19 and its standard error there
    - `order_gap` (smaller of logits - fc and fc - max(conv, input), Eq. 19), `target_logits`,
      `target_input` and `random_largest` (largest of the layers), with `intervals` (claims F5.a to
      F5.c). Without targets these are None.

    Raises:
        PipelineError: layers of other names than those of Fig. 5.
    """
    if list(layers) != list(PAPER):
        raise PipelineError(
            f"Fig. 5 is about the layers {', '.join(PAPER)}, not {', '.join(layers)}: correct the "
            "rows of layers in params.yaml."
        )
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
