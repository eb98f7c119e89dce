"""Face verification: whether two images show one identity, from their embeddings' distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from pipeline.datasets.images import Images
from pipeline.errors import PipelineError

__all__ = ["Verification", "embed", "verification", "verification_accuracy"]

PAIRS_SEED = 0  # the same pairs for every seed, so that runs are comparable
PAIRS = 6000  # as many as the benchmark Labeled Faces in the Wild has


@dataclass(frozen=True)
class Verification:
    """How well distances between embeddings separate identities."""

    accuracy: float
    """Accuracy on the second half of the pairs of the threshold chosen on the first."""
    roc_auc: float
    """Probability that a pair of one identity is closer than a pair of two, over all pairs."""
    threshold: float
    """The distance below which two images count as one identity."""
    pairs: int
    """Number of pairs, half of them of the same identity."""


@torch.no_grad()
def embed(network: nn.Module, data: Images, batch_size: int = 500) -> Tensor:
    """Embeddings (R, D) float32, on the CPU, of every image of `data`."""
    device = next(network.parameters()).device
    batches = range(0, len(data), batch_size)
    return torch.cat(
        [network(data.images(slice(i, i + batch_size)).to(device)).float().cpu() for i in batches]
    )


def verification(network: nn.Module, data: Images) -> dict[str, float]:
    """Verification by embeddings of `data`: the fields of `Verification`, rounded."""
    found = verification_accuracy(embed(network, data).numpy(), data.label.numpy(), PAIRS_SEED)
    return {
        "accuracy": round(found.accuracy, 4),
        "auc": round(found.roc_auc, 4),
        "threshold": round(found.threshold, 4),
        "pairs": found.pairs,
    }


def verification_accuracy(
    embeddings: NDArray[np.floating],
    identities: NDArray[np.integer],
    seed: int,
    pairs: int = PAIRS,
) -> Verification:
    """Verify pairs of images by the Euclidean distance of their embeddings.

    embeddings: (R, D); identities: (R,). The seed draws as many pairs of one identity as of two, at
    most `pairs` in all and none twice. The threshold maximises the accuracy on half of them; the
    accuracy returned is that on the other half.

    Raises PipelineError if there are fewer than two pairs of either kind.
    """
    count, generator = 0, np.random.default_rng(seed)
    if len(identities):
        drawn = [_draw(identities, same, pairs // 2, generator) for same in (True, False)]
        count = min(map(len, drawn)) // 2 * 2
    if count < 2:
        raise PipelineError(
            "verification needs two pairs of images of the same identity and two of different "
            "ones: prepare more images of each identity."
        )
    # Both halves hold as many pairs of either kind.
    first, second = np.concatenate([kind[:count] for kind in drawn]).T
    same = np.repeat([True, False], count)
    half = np.arange(2 * count) % 2 == 0
    distance = np.linalg.norm(
        embeddings[first].astype(np.float64) - embeddings[second].astype(np.float64), axis=1
    )
    threshold = _best_threshold(distance[half], same[half])
    accuracy = np.mean((distance[~half] < threshold) == same[~half])
    return Verification(
        accuracy=float(accuracy),
        roc_auc=float(roc_auc_score(same, -distance)),
        threshold=threshold,
        pairs=2 * count,
    )


def _draw(
    identities: NDArray[np.integer], same: bool, most: int, generator: np.random.Generator
) -> NDArray[np.intp]:
    """At most `most` distinct pairs (P, 2) of the same or of different identities, shuffled."""
    if same:
        groups = [np.flatnonzero(identities == identity) for identity in np.unique(identities)]
        pairs = np.concatenate([rows[np.argwhere(np.tri(len(rows), k=-1))] for rows in groups])
    else:  # too many to list: draw more than needed
        pairs = np.sort(generator.integers(len(identities), size=(4 * most + 100, 2)), axis=1)
        pairs = pairs[identities[pairs[:, 0]] != identities[pairs[:, 1]]]
        pairs = np.unique(pairs, axis=0)
    return generator.permutation(pairs)[:most]


def _best_threshold(distance: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """The distance that separates best, midway between two distances that occur."""
    order = np.argsort(distance, kind="stable")
    ordered = distance[order]
    edges = np.concatenate([ordered[:1] - 1, (ordered[1:] + ordered[:-1]) / 2, ordered[-1:] + 1])
    # Correct: pairs of one identity below the edge, and of two above it.
    below = np.concatenate([[0], np.cumsum(same[order])])
    above = np.concatenate([[0], np.cumsum(~same[order])])
    correct = below + above[-1] - above
    # Between equal distances there is no edge.
    split = np.concatenate([[True], ordered[1:] > ordered[:-1], [True]])
    return float(edges[np.argmax(np.where(split, correct, -1))])
