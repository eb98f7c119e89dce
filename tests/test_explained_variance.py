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
    [
        ((1, 0, 0), 1, 0, 1, 0),
        ((0, 1, 0), 0, 1, 0, 1),
        ((0, 0, 1), 1, 1, 0, 0),
        ((3, 1, 0), 0.75, 0.25, 0.75, 0.25),
        ((1, 2, 1), 0.5, 0.75, 0.25, 0.5),
    ],
    ids=["pure z", "pure v", "pure interaction", "additive", "all three"],
)
def test_closed_forms(components, eq20, eq19, first_z, first_v):
    rng = np.random.default_rng(0)
    values = crossed(rng, 400, 400, 6, *components)
    assert ev.explained_by_z(values) == pytest.approx(eq20, abs=0.03)
    assert ev.explained_by_v(values) == pytest.approx(eq19, abs=0.03)
    assert ev.first_order_z(values) == pytest.approx(first_z, abs=0.03)
    assert ev.first_order_v(values) == pytest.approx(first_v, abs=0.03)


def test_additive_model_is_exact():
    x, v = np.linspace(-1, 1, 7), np.array([0.0, 2.0, 5.0])
    values = (x[:, None] + v[None, :])[..., None]
    share = x.var(ddof=1) / (x.var(ddof=1) + v.var(ddof=1))
    assert ev.explained_by_z(values) == pytest.approx(share, rel=1e-12)
    assert ev.first_order_z(values) == pytest.approx(share, rel=1e-12)
    assert ev.explained_by_v(values) == pytest.approx(1 - share, rel=1e-12)


def test_equation_20_is_the_mean_over_v_of_the_variance_over_x():
    values = crossed(np.random.default_rng(1), 40, 2000, 3, 1, 2, 1)
    numerator = values.var(axis=0, ddof=1).mean(axis=0).sum()
    components = ev.variance_components(values)
    assert components.z + components.interaction == pytest.approx(numerator, rel=1e-10)
    # With many invariances and inputs the plain total variance is unbiased, too.
    values = crossed(np.random.default_rng(1), 1500, 1500, 1, 1, 2, 1)
    literal = values.var(axis=0).mean() / values.var()
    assert ev.explained_by_z(values) == pytest.approx(literal, abs=1e-3)


def test_equation_19_swaps_the_roles():
    values = crossed(np.random.default_rng(2), 30, 20, 4, 1, 2, 3)
    swapped = values.swapaxes(0, 1)
    assert ev.explained_by_v(values) == pytest.approx(float(ev.explained_by_z(swapped)))
    assert ev.explained_by_z(values) + ev.first_order_v(values) == pytest.approx(1)
    assert ev.explained_by_v(values) + ev.first_order_z(values) == pytest.approx(1)


def test_dimensions_are_reduced_by_traces():
    rng = np.random.default_rng(3)
    values = crossed(rng, 50, 20, 4, 1, 1, 1) * np.array([1.0, 2.0, 0.1, 1e-9])
    rotation, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    assert ev.explained_by_z(values @ rotation) == pytest.approx(float(ev.explained_by_z(values)))
    parts = [ev.variance_components(values, [k]) for k in range(4)]
    ratio = sum(p.z + p.interaction for p in parts) / sum(p.total for p in parts)
    assert ev.explained_by_z(values) == pytest.approx(float(ratio))
    assert ev.explained_by_z(values, slice(1, 3)) == pytest.approx(
        float(ev.explained_by_z(values[..., 1:3]))
    )


def test_first_order_index_is_unbiased_with_few_invariances():
    rng = np.random.default_rng(4)
    components = [ev.variance_components(crossed(rng, 60, 4, 2, 0.05, 1, 1)) for _ in range(600)]
    z = np.array([c.z for c in components])
    error = z.std() / np.sqrt(len(z))
    assert abs(z.mean() - 2 * 0.05) < 4 * error
    plain = 2 * (0.05 + 1 / 4)  # what Var_x of the mean over 4 invariances would be
    assert plain > 5 * z.mean()
    shares = [float(c.first_order_z) for c in components]
    assert np.mean(shares) == pytest.approx(0.05 / 2.05, abs=0.01)


def test_leading_axes_and_origin():
    rng = np.random.default_rng(5)
    values = np.stack([crossed(rng, 20, 10, 3, *c) for c in ((1, 0, 1), (0, 2, 1))])
    assert ev.explained_by_z(values).shape == (2,)
    assert ev.explained_by_z(values)[1] == pytest.approx(float(ev.explained_by_z(values[1])))
    assert ev.explained_by_z(values + 1e6) == pytest.approx(ev.explained_by_z(values), abs=1e-6)
    draws = ev.resample(20, 10, 30, seed=0)
    both = ev.bootstrap_components(values, draws)
    assert both.z.shape == (2, 30)
    assert both.z[1] == pytest.approx(ev.bootstrap_components(values[1], draws).z)


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


@pytest.mark.parametrize("share", ["explained_by_z", "first_order_z"])
def test_bootstrap_covers(share):
    """95 % intervals contain the truth in about 95 % of designs, and errors are the right size."""
    rng = np.random.default_rng(8)
    of_z, of_v, of_both = 0.2, 1.0, 0.4
    truth = {"explained_by_z": 0.6 / 1.6, "first_order_z": 0.2 / 1.6}[share]
    hits, values, errors = 0, [], []
    rounds = 200
    for index in range(rounds):
        design = crossed(rng, 100, 25, 6, of_z, of_v, of_both)
        value = float(getattr(ev.variance_components(design), share))
        replicates = ev.bootstrap_components(design, ev.resample(100, 25, 200, seed=index))
        result = ev.estimate(value, getattr(replicates, share))
        hits += result.low <= truth <= result.high
        values.append(value)
        errors.append(result.standard_error)
    assert 0.85 <= hits / rounds <= 1.0
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.3)


def test_resampling_only_v_would_be_too_confident():
    """The reason for a two-way bootstrap: inputs contribute to the error as well."""
    rng = np.random.default_rng(9)
    design = crossed(rng, 30, 200, 2, 1, 1, 0.1)
    draws = ev.resample(30, 200, 300, seed=0)
    only_v = ev.Resampling(np.ones_like(draws.inputs), draws.invariances)
    both = ev.bootstrap_components(design, draws).explained_by_z.std()
    assert both > 1.5 * ev.bootstrap_components(design, only_v).explained_by_z.std()


def test_resampling_is_seeded_and_never_degenerate():
    draws = ev.resample(2, 2, 500, seed=3)
    assert (draws.inputs == 1).all() and (draws.invariances == 1).all()
    draws = ev.resample(9, 5, 500, seed=3)
    assert (draws.inputs.sum(axis=1) == 9).all() and (draws.invariances.sum(axis=1) == 5).all()
    again = ev.resample(9, 5, 500, seed=3)
    assert np.array_equal(draws.inputs, again.inputs)
    assert not np.array_equal(draws.inputs, ev.resample(9, 5, 500, seed=4).inputs)


def test_ratio_and_floor():
    result = ev.estimate_ratio(0.4, 0.1, [0.4, 0.44], [0.1, 0.1], floor=0.001)
    assert result.value == pytest.approx(4)
    assert 4 <= result.low <= result.high <= 4.4
    assert ev.estimate_ratio(0.4, -0.002, [0.4, 0.4], [0.0, 0.1], 0.001).value == pytest.approx(400)


def test_correlation():
    rng = np.random.default_rng(10)
    first, second = rng.normal(size=(2, 20))
    assert ev.correlation(first, second) == pytest.approx(np.corrcoef(first, second)[0, 1])
    assert ev.correlation(np.full(20, 0.1), np.arange(20)) == 0
    result = ev.estimate_correlation(second, second, second[:, None] + np.zeros(10))
    assert [result.value, result.low, result.high] == pytest.approx([1, 1, 1])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 3)), "shape"),
        (np.zeros((1, 3, 2)), "at least 2 inputs"),
        (np.zeros((3, 1, 2)), "2 invariances"),
        (np.zeros((3, 3, 0)), "1 dimension"),
        (np.full((3, 3, 2), np.nan), "not finite"),
        (np.zeros((3, 3, 2)), "does not vary"),
    ],
)
def test_bad_designs_are_refused(values, message):
    with pytest.raises(PipelineError, match=message):
        ev.explained_by_z(values)


def test_bad_resamplings_are_refused():
    with pytest.raises(PipelineError, match="at least 2"):
        ev.resample(5, 1, 10, seed=0)
    with pytest.raises(PipelineError, match="drawn for 5 inputs"):
        ev.bootstrap_components(np.ones((4, 5, 1)), ev.resample(5, 5, 10, seed=0))
