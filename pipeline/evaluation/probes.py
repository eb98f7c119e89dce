"""What a factor of e represents, according to linear probes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.datasets.features import Posterior
from pipeline.datasets.images import Images
from pipeline.evaluation.encoding import factors_of
from pipeline.models.inn import SemanticINN

__all__ = ["probe_class", "probe_factors", "probe_table", "probe_values"]

PROBED = 5000
"""Training images for the probes, evenly spaced; at most twice as many."""


def probe_factors(
    e: SemanticINN, posteriors: Mapping[str, Posterior], images: Mapping[str, Images]
) -> dict[str, float]:
    """`probe_table` of the factors of e, for one z_bar drawn from each posterior.

    Probes are trained on the split `train` and scored on `validation`.
    """
    mean, variance = posteriors["train"]
    rows = slice(None, None, max(1, len(mean) // PROBED))

    def factors(posterior: Posterior) -> dict[str, np.ndarray]:
        return {name: values.numpy() for name, values in e.split(factors_of(e, posterior)).items()}

    return probe_table(
        factors((mean[rows], variance[rows])),
        factors(posteriors["validation"]),
        {name: values[rows] for name, values in images["train"].known().items()},
        images["validation"].known(),
    )


def probe_class(
    train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray
) -> float:
    """Accuracy in [0, 1] of a linear classifier from features (R, N) to classes (R,)."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    return float(probe.fit(train, train_labels).score(test, test_labels))


def probe_values(
    train: np.ndarray, train_values: np.ndarray, test: np.ndarray, test_values: np.ndarray
) -> float:
    """R^2 (at most 1) of a linear regression from features (R, N) to values (R, K)."""
    probe = make_pipeline(StandardScaler(), Ridge())
    return float(probe.fit(train, train_values).score(test, test_values))


def probe_table(
    train: Mapping[str, np.ndarray],
    test: Mapping[str, np.ndarray],
    train_truth: Mapping[str, np.ndarray],
    test_truth: Mapping[str, np.ndarray],
) -> dict[str, float]:
    """Every concept predicted from every factor: `<concept>_from_<factor>`.

    The score is the accuracy of concepts with integer ground truth (R,), and R^2 of the others.
    """
    table = {}
    for concept, truth in train_truth.items():
        probe = probe_class if truth.dtype.kind == "i" else probe_values
        for factor, features in train.items():
            table[f"{concept}_from_{factor}"] = round(
                probe(features, truth, test[factor], test_truth[concept]), 4
            )
    return table
