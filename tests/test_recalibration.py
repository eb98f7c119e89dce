"""Recalibration of v: an exact change of variables, and coverage of new draws."""

import numpy as np
import pytest
import torch
from torch import Tensor
from training import normal

from pipeline.errors import PipelineError
from pipeline.evaluation.coverage import regions, worst_coverage
from pipeline.models.recalibration import Recalibration

FEATURES = 16


def draws(count: int, seed: int = 0) -> Tensor:
    """v (count, FEATURES) of an overconfident t: wider, in some dimensions with heavier tails."""
    freedom = [4] * 4 + [1e6] * (FEATURES - 4)
    v = np.random.default_rng(seed).standard_t(freedom, (count, FEATURES))
    return 0.2 + 1.3 * torch.from_numpy(v).float()


def fitted(count: int) -> Recalibration:
    (recalibration := Recalibration(FEATURES)).fit(draws(count))
    return recalibration


def test_the_identity_before_it_is_fitted() -> None:
    v, recalibration = torch.cat([draws(50), 1e-3 * draws(50)]), Recalibration(FEATURES)
    torch.testing.assert_close(recalibration(v), (v, torch.zeros(100)))
    torch.testing.assert_close(recalibration.inverse(v), v)
    recalibration.load_state_dict(fitted(100).state_dict())
    assert all(map(torch.equal, recalibration(v), fitted(100)(v)))
    assert not list(recalibration.parameters()) and not torch.equal(recalibration(v)[0], v)


@pytest.mark.parametrize("count", [2, 15, 300])
def test_inverse_and_density_are_exact(count: int) -> None:
    recalibration = fitted(count).double()
    v = draws(30, seed=1).double() * torch.tensor([0.01, 1.0, 9.0]).repeat(10)[:, None]
    mapped, log_det = recalibration(v)
    torch.testing.assert_close(recalibration.inverse(mapped), v, rtol=1e-9, atol=1e-9)
    for one, expected in zip(v, log_det, strict=True):
        jacobian = torch.func.jacrev(lambda x: recalibration(x[None])[0][0])(one)
        torch.testing.assert_close(jacobian.slogdet().logabsdet, expected)


@pytest.mark.parametrize(("count", "most"), [(4000, 0.03), (500, 0.06), (15, 0.4)])
def test_new_draws_are_covered(count: int, most: float) -> None:
    new = draws(10_000, seed=1)
    v, _ = fitted(count)(new)
    assert worst_coverage(regions(v.numpy())) < most < 0.45 < worst_coverage(regions(new.numpy()))


@pytest.mark.parametrize("v", [normal(1, 3), normal(9, 3) / 0, normal(9, 3) * torch.nan])
def test_what_cannot_be_fitted(v: Tensor) -> None:
    with pytest.raises(PipelineError, match=f"v of {len(v)} held-out images cannot be"):
        Recalibration(3).fit(v)
