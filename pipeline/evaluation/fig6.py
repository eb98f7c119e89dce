"""The numbers of Fig. 6: what two classifiers' representations show, with and without texture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.evaluation.intervals import percentile_interval

__all__ = ["KINDS", "Seen", "inputs_in_words", "nearest_classes", "summarise_fig6"]

KINDS = ("natural", "stylized", "texture", "sketch")
"""The inputs, in the order of Fig. 6."""
CUES = ("shape", "texture")
READERS = ("evaluator", "embedding", "network")


@dataclass(frozen=True)
class Seen:
    """What is recognised of X inputs through one classifier; what was not measured is None.

    Attributes:
        evaluator: (X, S) what the evaluator reads in S samples of each.
        embedding: (X, S) the class whose embedding h is nearest to that of a sample.
        network: (X,) what the classifier itself predicts for the input.
    """

    evaluator: np.ndarray | None
    embedding: np.ndarray | None
    network: np.ndarray | None


def inputs_in_words(counts: Mapping[str, int]) -> str:
    """How many inputs of each kind there are, in words; of photographs not every kind is there."""
    there = {kind: count for kind, count in counts.items() if count}
    if len(there) == len(KINDS) and len(set(there.values())) == 1:
        return f"{there[KINDS[0]]:,} inputs of each kind"
    return " and ".join(f"{count:,} {kind}" for kind, count in there.items()) + " inputs"


def nearest_classes(h: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    """The row of `embeddings` (K, D) nearest to each h (..., D): (...) whole numbers."""
    square = (embeddings**2).sum(1)
    return np.argmin(square - 2 * h @ embeddings.T, axis=-1)


def summarise_fig6(
    inputs: pd.DataFrame,
    seen: Mapping[str, Seen],
    *,
    bootstrap: int,
    seed: int,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything `reports/<scale>/metrics/fig6.json` holds.

    `inputs` has a row for each of the X inputs: `kind`, and `shape` and `texture`, empty where an
    input has none. `seen` maps the two classifiers, `vanilla` and `stylized`, to what was seen
    through them. The result has `about`, and

    - `networks`: per classifier, kind of input and cue, for each reader (evaluator, embedding,
      network) the share of samples or predictions that show this cue of the input, and its 95 %
      `interval` of a bootstrap over inputs. None where nothing of the kind was measured.
    - `sketch_advantage`: share of sketches read by their shape, stylized - vanilla, with interval
    - `shape_share`: per classifier, of decisions for shape or texture on the stylized inputs, the
      share for shape (the shape bias of Geirhos et al.), by reader
    """
    draws = np.random.default_rng(seed)
    networks: dict[str, Any] = {}
    shapes: dict[str, Any] = {}
    values: dict[tuple[str, str, str], np.ndarray] = {}
    for name, found in seen.items():
        networks[name], shapes[name] = {}, {}
        for kind in KINDS:
            rows = (inputs["kind"] == kind).to_numpy()
            networks[name][kind] = {
                cue: _shares(inputs[cue].to_numpy()[rows], rows, found, bootstrap, draws)
                for cue in CUES
            }
        for reader in READERS:
            pair = [networks[name]["stylized"][cue][reader] for cue in CUES]
            decided = None if None in pair else sum(share["share"] for share in pair)
            shapes[name][reader] = pair[0]["share"] / decided if decided else None
        rows = (inputs["kind"] == "sketch").to_numpy()
        agreed = _agreement(inputs["shape"].to_numpy()[rows], rows, found.evaluator)
        if agreed is not None:
            values[name, "sketch", "shape"] = agreed
    result = {**about, "networks": networks, "shape_share": shapes, "sketch_advantage": None}
    if len(values) == 2:
        one, other = values["vanilla", "sketch", "shape"], values["stylized", "sketch", "shape"]
        result["sketch_advantage"] = _with_interval(other - one, bootstrap, draws)
    return result


def _shares(
    expected: np.ndarray,
    rows: np.ndarray,
    seen: Seen,
    bootstrap: int,
    draws: np.random.Generator,
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for reader in READERS:
        agreed = _agreement(expected, rows, getattr(seen, reader))
        result[reader] = None if agreed is None else _with_interval(agreed, bootstrap, draws)
    return result


def _agreement(
    expected: np.ndarray, rows: np.ndarray, read: np.ndarray | None
) -> np.ndarray | None:
    """For each input the share of its readings (X, ...) that are as expected (X,); None if none."""
    if read is None or not rows.any() or not (expected != "").all():
        return None
    chosen = read[rows].reshape(len(expected), -1)
    return (chosen == expected[:, None]).mean(1)


def _with_interval(
    values: np.ndarray, bootstrap: int, draws: np.random.Generator
) -> dict[str, Any]:
    """Mean over inputs (X,), and its 95 % interval of a bootstrap over them."""
    again = values[draws.integers(len(values), size=(bootstrap, len(values)))].mean(1)
    return {"share": float(values.mean()), "interval": percentile_interval(again)}
