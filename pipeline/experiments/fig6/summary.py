"""Figs. 6 and S12: what the representations of two classifiers show, shape or texture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.evaluation.intervals import percentile_interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "KINDS",
    "NETWORKS",
    "READERS",
    "Seen",
    "inputs_in_words",
    "nearest_classes",
    "summarise",
]

NETWORKS = ("natural", "stylized")
"""The classifiers, by their training images, in the order of the experiment's layers."""
KINDS = ("natural", "stylized", "texture", "sketch")
"""The inputs, in the order of Fig. 6."""
CUES = ("shape", "texture")
READERS = ("evaluator", "embedding", "network")


@dataclass(frozen=True)
class Seen:
    """Classes recognised in X inputs through one classifier; None if not measured.

    Attributes:
        evaluator: (X, S), read by the evaluator in S samples of each.
        embedding: (X, S), whose embedding h is nearest to that of a sample.
        network: (X,), predicted by the classifier itself.
    """

    evaluator: np.ndarray | None
    embedding: np.ndarray | None
    network: np.ndarray | None


def inputs_in_words(counts: Mapping[str, int]) -> str:
    """The numbers of inputs of each kind, in words; photographs lack some kinds."""
    there = {kind: count for kind, count in counts.items() if count}
    if len(there) == len(KINDS) and len(set(there.values())) == 1:
        return f"{there[KINDS[0]]:,} inputs of each kind"
    return " and ".join(f"{count:,} {kind}" for kind, count in there.items()) + " inputs"


def nearest_classes(h: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    """The row of `embeddings` (K, D) nearest to each h (..., D): (...) whole numbers."""
    square = (embeddings**2).sum(1)
    return np.argmin(square - 2 * h @ embeddings.T, axis=-1)


def summarise(
    inputs: pd.DataFrame,
    seen: Mapping[str, Seen],
    *,
    bootstrap: int,
    seed: int,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """The numbers of `metrics/fig6.json`.

    Args:
        inputs: a row per input with its `kind`, `shape` and `texture`, the latter two empty if an
            input has none.
        seen: what was recognised through each of NETWORKS.
        bootstrap: number of replicates.
        seed: of the bootstrap.
        about: what the result repeats.

    Returns:
        `about`, and

        - `networks`: per classifier, kind of input, cue and reader (evaluator, embedding, network)
          the `share` of samples or predictions that show this cue of the input, with the 95 %
          `interval` of a bootstrap over inputs; None if nothing of the kind was measured
        - `sketch_advantage`: share of sketches recognised by shape, stylized - natural, with
          interval
        - `shape_share`: per classifier and reader, among decisions for shape or texture on
          stylized inputs, the share for shape (the shape bias of Geirhos et al.)
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
        one, other = values["natural", "sketch", "shape"], values["stylized", "sketch", "shape"]
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
    """Share of each input's readings (X, ...) that are as expected (X,); None if there are none."""
    if read is None or not rows.any() or not (expected != "").all():
        return None
    chosen = read[rows].reshape(len(expected), -1)
    return (chosen == expected[:, None]).mean(1)


def _with_interval(
    values: np.ndarray, bootstrap: int, draws: np.random.Generator
) -> dict[str, Any]:
    """Mean over inputs (X,) with the 95 % interval of a bootstrap over them."""
    again = values[draws.integers(len(values), size=(bootstrap, len(values)))].mean(1)
    return {"share": float(values.mean()), "interval": percentile_interval(again)}
