"""Build and load the conditional INN t with its embedding H (INV paper, Secs. 3.1 and A.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from pipeline import paths
from pipeline.models.embedding import build_embedding
from pipeline.models.inn import ConditionalINN, InvertibleNetwork
from pipeline.models.loading import with_weights
from pipeline.models.regression import LinearPrediction
from pipeline.storage import read_json

__all__ = ["build_cinn", "load_cinn"]


def build_cinn(
    features: int,
    shape: Sequence[int],
    embedding: int,
    blocks: int,
    width: int,
    depth: int,
    base: Mapping[str, int] | None = None,
    predict: bool = False,
    expect: bool = False,
    dropout: float = 0.0,
    seed: int = 0,
) -> ConditionalINN:
    """Build t for z_bar of `features` dimensions and representations z of `shape`.

    `embedding` is the width of H(z); `base` has blocks, width and depth of unconditional blocks
    applied first, whose weights the caller loads. With `predict` and `expect`, t has the prediction
    and the expectation of `ConditionalINN`. All other weights are a pure function of `seed`. H's
    standardisation and the regressions are not fitted yet.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # H draws its weights from the global random state
        h = build_embedding(shape, embedding)
    prediction = LinearPrediction(shape, features) if predict else None
    expectation = LinearPrediction(shape, features, more=features) if expect else None
    fixed = None if base is None else InvertibleNetwork(features, **base)
    return ConditionalINN(
        features,
        h,
        blocks,
        width,
        depth,
        dropout,
        seed,
        base=fixed,
        prediction=prediction,
        expectation=expectation,
    )


def load_cinn(folder: Path, step: int) -> ConditionalINN:
    """Load t of the network's state at a training step, in evaluation mode."""
    model = build_cinn(**read_json(folder / "config.json")["model"])
    return with_weights(model, paths.checkpoint_file(folder, step))
