"""Explained variance against closed forms, and the bootstrap against simulation."""

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation import explained_variance as ev


def crossed(rng, inputs, invariances, dimensions, of_z=0.0, of_v=0.0, of_both=0.0):
    """A design whose three variance components are known (per dimension)."""
    z = rng.normal(size=(inputs, 1, dimensions)) * np.sqrt(of_z)
    v = rng.normal(size=(1, invariances, dimensions)) * np.sqrt(of_v)
    both = rng.normal(size=(inputs, invariances, dimensions)) * np.sqrt(of_both)
    return z + v + both


@pytest.mark.parametrize(
    ("components", "eq20", "eq19", "first_z", "first_v"),
    [((1, 0, 0), 1, 0, 1, 0), ((0, 1, 0), 0, 1, 0, 1), ((0, 0, 1), 1, 1, 0, 0),
     ((3, 1, 0), 0.75, 0.25, 0.75, 0.25), ((1, 2, 1), 0.5, 0.75, 0.25, 0.5)],
)  # fmt: skip
def test_closed_forms(components, eq20, eq19, first_z, first_v):
    values = crossed(np.random.default_rng(0), 400, 400, 6, *components)
    parts = ev.variance_components(values)
    found = [parts.explained_by_z, parts.explained_by_v, parts.first_order_z, parts.first_order_v]
    assert found == pytest.approx([eq20, eq19, first_z, first_v], abs=0.03)


def test_shares_are_those_of_the_equations():
    values = crossed(np.random.default_rng(1), 40, 2000, 3, 1, 2, 1)
    numerator = values.var(axis=0, ddof=1).mean(axis=0).sum()
    components = ev.variance_components(values)
    assert components.z + components.interaction == pytest.approx(numerator, rel=1e-10)
    swapped = ev.variance_components(values.swapaxes(0, 1))
    assert ev.explained_by_v(values) == pytest.approx(float(swapped.explained_by_z))
    assert components.explained_by_z + components.first_order_v == pytest.approx(1)
    # Without interaction and noise the share is exact.
    x, v = np.linspace(-1, 1, 7), np.array([0.0, 2.0, 5.0])
    share = x.var(ddof=1) / (x.var(ddof=1) + v.var(ddof=1))
    exact = ev.variance_components((x[:, None] + v)[..., None])
    assert [exact.explained_by_z, exact.first_order_z] == pytest.approx([share] * 2, rel=1e-12)


def test_dimensions_are_reduced_by_traces():
    rng = np.random.default_rng(3)
    values = crossed(rng, 50, 20, 4, 1, 1, 1) * np.array([1.0, 2.0, 0.1, 1e-9])
    rotation, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    whole = float(ev.variance_components(values).explained_by_z)
    assert ev.variance_components(values @ rotation).explained_by_z == pytest.approx(whole)
    parts = [ev.variance_components(values, [k]) for k in range(4)]
    ratio = sum(p.z + p.interaction for p in parts) / sum(p.total for p in parts)
    assert whole == pytest.approx(float(ratio))
    some = float(ev.variance_components(values[..., 1:3]).explained_by_z)
    assert ev.variance_components(values, slice(1, 3)).explained_by_z == pytest.approx(some)


def test_first_order_index_is_unbiased_with_few_invariances():
    rng = np.random.default_rng(4)
    components = [ev.variance_components(crossed(rng, 60, 4, 2, 0.05, 1, 1)) for _ in range(600)]
    z = np.array([c.z for c in components])
    error = z.std() / np.sqrt(len(z))
    assert abs(z.mean() - 2 * 0.05) < 4 * error
    assert z.mean() < 2 * (0.05 + 1 / 4) / 5  # which Var_x of the mean over 4 invariances exceeds
    shares = [float(c.first_order_z) for c in components]
    assert np.mean(shares) == pytest.approx(0.05 / 2.05, abs=0.01)


def test_leading_axes_and_origin():
    rng = np.random.default_rng(5)
    values = np.stack([crossed(rng, 20, 10, 3, *c) for c in ((1, 0, 1), (0, 2, 1))])
    each = [float(ev.variance_components(one).explained_by_z) for one in values]
    assert ev.variance_components(values).explained_by_z == pytest.approx(each)
    assert ev.variance_components(values + 1e6).explained_by_z == pytest.approx(each, abs=1e-6)
    draws = ev.resample(20, 10, 30, seed=0)
    both = ev.bootstrap_components(values, draws).z
    assert both == pytest.approx(np.stack([ev.bootstrap_components(v, draws).z for v in values]))


def test_weighted_moments_equal_gathering():
    """The replicates are those of really resampled designs, before centring."""
    rng = np.random.default_rng(6)
    inputs, invariances = 12, 7
    values = crossed(rng, inputs, invariances, 3, 1, 1, 1)
    draws = ev.resample(inputs, invariances, 25, seed=1)
    found = ev.bootstrap_components(values, draws)
    for b in range(25):
        rows = np.repeat(np.arange(inputs), draws.inputs[b].astype(int))
        columns = np.repeat(np.arange(invariances), draws.invariances[b].astype(int))
        raw = ev.variance_components(values[rows][:, columns])
        keep_x, keep_v = 1 - 1 / inputs, 1 - 1 / invariances
        interaction = raw.interaction / (keep_x * keep_v)
        assert found.interaction[b] == pytest.approx(float(interaction))
        assert found.z[b] == pytest.approx(float(raw.z / keep_x - interaction / invariances))
        assert found.v[b] == pytest.approx(float(raw.v / keep_v - interaction / inputs))


def test_replicates_are_centred_on_the_observed_components():
    values = crossed(np.random.default_rng(7), 40, 6, 5, 0.01, 1, 1)
    observed = ev.variance_components(values)
    replicates = ev.bootstrap_components(values, ev.resample(40, 6, 20_000, seed=2))
    for name in ("z", "v", "interaction"):
        drawn = getattr(replicates, name)
        error = drawn.std() / np.sqrt(drawn.size)
        assert abs(drawn.mean() - getattr(observed, name)) < 5 * error


def test_bootstrap_covers():
    """95 % intervals contain the truth in about 95 % of designs, and errors are the right size."""
    rng = np.random.default_rng(8)
    truth = {"explained_by_z": 0.6 / 1.6, "first_order_z": 0.2 / 1.6}
    results = {share: [] for share in truth}
    for index in range(200):
        design = crossed(rng, 100, 25, 6, 0.2, 1.0, 0.4)
        components = ev.variance_components(design)
        replicates = ev.bootstrap_components(design, ev.resample(100, 25, 200, seed=index))
        for share, found in results.items():
            value = float(getattr(components, share))
            found.append(ev.estimate(value, getattr(replicates, share)))
    for share, found in results.items():
        hits = [result.low <= truth[share] <= result.high for result in found]
        assert np.mean(hits) >= 0.85
        error = np.mean([result.standard_error for result in found])
        assert error == pytest.approx(np.std([result.value for result in found]), rel=0.3)


def test_resampling_is_seeded_and_never_degenerate():
    draws = ev.resample(2, 2, 500, seed=3)
    assert (draws.inputs == 1).all() and (draws.invariances == 1).all()
    draws, again, other = (ev.resample(9, 5, 500, seed=seed) for seed in (3, 3, 4))
    assert (draws.inputs.sum(axis=1) == 9).all() and (draws.invariances.sum(axis=1) == 5).all()
    assert np.array_equal(draws.inputs, again.inputs)
    assert not np.array_equal(draws.inputs, other.inputs)


def test_ratio_and_correlation():
    result = ev.estimate_ratio(0.4, 0.1, [0.4, 0.44], [0.1, 0.1], floor=0.001)
    assert result.value == pytest.approx(4)
    assert 4 <= result.low <= result.high <= 4.4
    assert ev.estimate_ratio(0.4, -0.002, [0.4, 0.4], [0.0, 0.1], 0.001).value == pytest.approx(400)
    first, second = np.random.default_rng(10).normal(size=(2, 20))
    assert ev.correlation(first, second) == pytest.approx(np.corrcoef(first, second)[0, 1])
    assert ev.correlation(np.full(20, 0.1), np.arange(20)) == 0
    result = ev.estimate_correlation(second, second, second[:, None] + np.zeros(10), 0)
    assert [result.value, result.low, result.high] == pytest.approx([1, 1, 1])


@pytest.mark.parametrize(("memory", "widest", "narrowest"), [(0.0, 0.35, 0.1), (0.95, 2.0, 0.4)])
def test_the_interval_of_a_correlation_knows_that_neighbours_resemble_each_other(
    memory: float, widest: float, narrowest: float
) -> None:
    """Independent curves of 400 checkpoints: as an AR(1) process, they count as 20."""
    steps = np.random.default_rng(2).normal(size=(2, 400))
    curves = np.zeros((2, 400))
    for i in range(400):
        curves[:, i] = memory * curves[:, i - 1] + steps[:, i]
    result = ev.estimate_correlation(curves[0], curves[1], curves[0][:, None] + np.zeros(300), 0)
    assert narrowest < result.high - result.low < widest


def test_bad_designs_and_resamplings_are_refused():
    for values, message in (
        (np.zeros((3, 3)), "shape"), (np.zeros((1, 3, 2)), "at least 2 inputs"),
        (np.zeros((3, 1, 2)), "2 invariances"), (np.zeros((3, 3, 0)), "1 dimension"),
        (np.full((3, 3, 2), np.nan), "not finite"), (np.zeros((3, 3, 2)), "does not vary"),
    ):  # fmt: skip
        with pytest.raises(PipelineError, match=message):
            ev.explained_by_v(values)
    with pytest.raises(PipelineError, match="at least 2"):
        ev.resample(5, 1, 10, seed=0)
    with pytest.raises(PipelineError, match="for 5 inputs"):
        ev.bootstrap_components(np.ones((4, 5, 1)), ev.resample(5, 5, 10, seed=0))
