"""What regressions on z leave of z_bar: the least that a layer holds, whatever t says."""

from __future__ import annotations

import warnings
from math import isqrt

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional as F

from pipeline.evaluation.squared_error import squared_error
from pipeline.models.regression import LinearPrediction

__all__ = ["left_by_regressions"]

BATCH = 1000
INPUTS, HIDDEN = 1000, (256,)
"""Inputs and hidden units of the perceptron."""


def left_by_regressions(
    prediction: LinearPrediction | None,
    z_bar: Tensor,
    z: Tensor,
    train: Tensor,
    train_z: Tensor,
    images: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Squared errors (R,) of a ridge regression of z_bar on z, and of it with a perceptron.

    train (M, N) and train_z: posterior means and representations of training images. prediction:
    the regression, that of a t; without one, it is fitted here. The perceptron has one hidden layer
    and learns what a regression of the first training images leaves of them out of fold: as much as
    of new images. It is left out if it explains nothing of the tenth of them that stops its
    training.
    """
    if prediction is None:
        prediction = LinearPrediction(train_z.shape[1:], train.shape[1])
        prediction.fit(train_z, train)
    device = prediction.scale.device

    @torch.no_grad()
    def predicted(z: Tensor) -> np.ndarray:
        return torch.cat([prediction(part.to(device)).cpu() for part in z.split(BATCH)]).numpy()

    linear, some = predicted(z), train_z[:images]
    own = LinearPrediction(train_z.shape[1:], train.shape[1])
    left = (train[:images] - own.fit(some, train[:images])).numpy()
    scale = left.std() or 1.0
    perceptron = make_pipeline(
        StandardScaler(),
        MLPRegressor(
            hidden_layer_sizes=HIDDEN,
            early_stopping=True,
            n_iter_no_change=3,
            max_iter=30,
            random_state=seed,
        ),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last step is as good as any
        perceptron.fit(_pooled(some), left / scale)
    both, values = linear, z_bar.numpy()
    if perceptron[-1].best_validation_score_ > 0:
        both = linear + scale * perceptron.predict(_pooled(z)).reshape(linear.shape)
    return {"regression": squared_error(values, linear), "mlp": squared_error(values, both)}


def _pooled(z: Tensor) -> np.ndarray:
    """z (R, *shape) as (R, F), averaged over parts of the image until F is about INPUTS."""
    if z.ndim == 4:
        side = max(1, isqrt(INPUTS // z.shape[1]))
        if side < z.shape[2]:
            z = torch.cat([F.adaptive_avg_pool2d(part.float(), side) for part in z.split(BATCH)])
    return z.float().flatten(1).numpy()
