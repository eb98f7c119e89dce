"""The ridge regression on z, and what it predicts of images that it was not fitted to."""

import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor
from training import normal

from pipeline.models.regression import PENALTIES, LinearPrediction, ridge_regression


@pytest.mark.parametrize(("inputs", "noise"), [(4, 0.01), (4, 10.0), (90, 0.01), (90, 10.0)])
def test_predictions_are_those_of_fits_without_the_fold(inputs: int, noise: float) -> None:
    x = normal(63, inputs, seed=0) + 2
    y = x @ normal(inputs, 3, seed=1) + noise * normal(63, 3, seed=2)
    folds = [torch.arange(63) * 50 // 63 % 5 == fold for fold in range(5)]  # ten runs of each

    def out_of_fold(fold: Tensor, penalty: float) -> Tensor:
        model = Ridge(alpha=penalty * int((~fold).sum())).fit(x[~fold], y[~fold])
        return torch.from_numpy(model.predict(x[fold])).float()

    errors = [(out_of_fold(folds[0], some) - y[folds[0]]).square().mean() for some in PENALTIES]
    best = PENALTIES[int(torch.stack(errors).argmin())]
    assert (best == PENALTIES[0]) == (noise < 1)
    weight, bias, predicted = ridge_regression(x, y)
    for fold in folds:
        torch.testing.assert_close(predicted[fold], out_of_fold(fold, best), rtol=1e-3, atol=1e-4)
    every = Ridge(alpha=best * len(x)).fit(x, y)
    fitted = torch.from_numpy(every.predict(x)).float()
    torch.testing.assert_close(x @ weight.T + bias, fitted, rtol=1e-3, atol=1e-4)


def test_few_rows_are_predicted_by_the_mean_of_the_others() -> None:
    x, y = normal(49, 4, seed=0), normal(49, 3, seed=1)
    weight, bias, predicted = ridge_regression(x, y)
    assert not weight.any() and torch.equal(bias, y.mean(0))
    expected = torch.stack([torch.cat([y[:i], y[i + 1 :]]).mean(0) for i in range(49)])
    torch.testing.assert_close(predicted, expected)


def test_the_scale_is_that_of_new_images() -> None:
    z, noise = normal(2500, 200, seed=0), torch.tensor([0.5, 1.0])
    z_bar = 0.3 * z @ normal(200, 2, seed=1) + noise * normal(2500, 2, seed=2)
    model = LinearPrediction((200,), 2)
    predicted = model.fit(z[:500], z_bar[:500])
    torch.testing.assert_close(model.scale, (z_bar[:500] - predicted).square().mean(0).sqrt())
    seen, new = ((z_bar - model(z))[rows].square().mean(0).sqrt() for rows in
                 (slice(500), slice(500, None)))  # fmt: skip
    assert (seen < 0.85 * noise).all() and (noise < 0.95 * new).all()
    assert (0.95 * new < model.scale).all() and (model.scale < 1.2 * new).all()
