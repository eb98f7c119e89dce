"""The summary of v against Gaussians whose moments are known."""

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation.calibration import calibrate


def test_standard_normal_is_calibrated() -> None:
    found = calibrate(np.random.default_rng(0).normal(size=(20_000, 16)))
    assert found["mean_rms"] == pytest.approx(0, abs=3 / np.sqrt(20_000))
    assert found["variance_mean"] == pytest.approx(1, abs=0.01)
    assert 0.94 < found["variance_min"] < 1 < found["variance_max"] < 1.06
    assert found["square_mean"] == pytest.approx(1, abs=0.01)
    assert found["square_sd"] == pytest.approx(np.sqrt(2 / 16), rel=0.03)
    assert found["correlation_rms"] == pytest.approx(1 / np.sqrt(20_000), rel=0.2)


def test_another_gaussian_shows() -> None:
    scales = np.array([1.0, 2.0, 0.5, 1.0])
    found = calibrate(0.3 + scales * np.random.default_rng(1).normal(size=(50_000, 4)))
    variance = np.mean(scales**2)
    expected = {"variance_mean": variance, "variance_min": 0.25, "variance_max": 4,
                "mean_rms": 0.3, "square_mean": variance + 0.09}  # fmt: skip
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=0.03)


def test_dependence_between_dimensions_shows() -> None:
    shared = np.random.default_rng(2).normal(size=(5_000, 1))
    other = np.random.default_rng(3).normal(size=(5_000, 2))
    found = calibrate(np.sqrt(0.8) * shared + np.sqrt(0.2) * other)
    assert found["correlation_rms"] == pytest.approx(0.8, abs=0.02)
    assert calibrate(shared)["correlation_rms"] == 0


def test_a_constant_dimension_is_no_error_but_bad_values_are() -> None:
    found = calibrate(np.random.default_rng(4).normal(size=(100, 3)) * [1, 0, 1])
    assert found["variance_min"] == 0 and np.isfinite(list(found.values())).all()
    for values, message in ((np.zeros(5), "shape"), (np.zeros((1, 5)), "at least 2"),
                            (np.full((5, 2), np.inf), "not finite")):  # fmt: skip
        with pytest.raises(PipelineError, match=message):
            calibrate(values)
