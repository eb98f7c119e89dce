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
    rng = np.random.default_rng(1)
    scales = np.array([1.0, 2.0, 0.5, 1.0])
    values = 0.3 + scales * rng.normal(size=(50_000, 4))
    found = calibrate(values)
    assert found["mean_rms"] == pytest.approx(0.3, abs=0.02)
    assert found["variance_mean"] == pytest.approx(np.mean(scales**2), rel=0.02)
    assert found["variance_min"] == pytest.approx(0.25, rel=0.03)
    assert found["variance_max"] == pytest.approx(4, rel=0.03)
    assert found["square_mean"] == pytest.approx(np.mean(scales**2) + 0.09, rel=0.02)


def test_dependence_between_dimensions_shows() -> None:
    shared = np.random.default_rng(2).normal(size=(5_000, 1))
    other = np.random.default_rng(3).normal(size=(5_000, 2))
    found = calibrate(np.sqrt(0.8) * shared + np.sqrt(0.2) * other)
    assert found["correlation_rms"] == pytest.approx(0.8, abs=0.02)
    assert calibrate(shared)["correlation_rms"] == 0


def test_a_constant_dimension_is_no_error() -> None:
    values = np.random.default_rng(4).normal(size=(100, 3))
    values[:, 1] = 0
    found = calibrate(values)
    assert found["variance_min"] == 0
    assert all(np.isfinite(value) for value in found.values())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(5), "shape"),
        (np.zeros((1, 5)), "at least 2"),
        (np.full((5, 2), np.inf), "not finite"),
    ],
)
def test_bad_values_are_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        calibrate(values)
