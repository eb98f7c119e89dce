"""Faithfulness of samples to the representation they were drawn for."""

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.evaluation.faithfulness import RESOLUTION, cosine_faithfulness


def world(inputs: int = 300, shape: tuple[int, ...] = (4, 3, 3), seed: int = 0) -> dict:
    """Representations: other images share nothing, reconstructions are close."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(inputs, *shape))
    return {
        "z_inputs": z,
        "z_other": np.roll(z, 1, axis=0),
        "z_reconstruction": z + 0.5 * rng.normal(size=z.shape),
    }


def naive(a: np.ndarray, b: np.ndarray) -> float:
    pairs = [(x.ravel(), y.ravel()) for x, y in zip(a, b, strict=True)]
    return float(np.mean([x @ y / np.sqrt((x @ x) * (y @ y)) for x, y in pairs]))


def test_the_three_similarities_and_their_ratio() -> None:
    z = world()
    samples = z["z_inputs"] + np.random.default_rng(1).normal(size=z["z_inputs"].shape)
    found = cosine_faithfulness(samples, **z)
    for name, values in (("samples", samples), *((key[2:], z[key]) for key in list(z)[1:])):
        assert found[name] == pytest.approx(naive(values, z["z_inputs"]), rel=1e-12)
    ratio = (found["samples"] - found["other"]) / (found["reconstruction"] - found["other"])
    assert found["faithfulness"] == pytest.approx(ratio)
    assert found["inputs"] == 300 and found["samples_per_input"] == 1


def test_the_ends_of_the_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples like the reconstructions score 1, samples like other images 0, both exactly."""
    z = world(130)
    best = cosine_faithfulness(z["z_reconstruction"], **z)
    worst = cosine_faithfulness(z["z_other"], **z)
    for found, share in ((best, 1), (worst, 0)):
        assert found["faithfulness"] == pytest.approx(share, abs=1e-12)
        assert found["faithfulness_se"] == pytest.approx(0, abs=1e-12)
    scale = np.random.default_rng(3).uniform(0.1, 9, size=(130, 1, 1, 1))
    monkeypatch.setattr("pipeline.evaluation.faithfulness.BLOCK", 7)
    for change, precise in ((lambda x: x, 1e-12), (lambda x: x * scale, 1e-12),
                            (np.float32, 1e-6)):  # fmt: skip
        again = {name: change(values) for name, values in z.items()}
        found = cosine_faithfulness(again["z_reconstruction"], **again)
        assert found == pytest.approx(best, rel=precise, abs=1e-12)


def test_several_samples_are_averaged_per_input() -> None:
    z, rng = world(50, (6,)), np.random.default_rng(2)
    samples = z["z_inputs"][:, None] + rng.normal(size=(50, 4, 6))
    found = cosine_faithfulness(samples, **z)
    each = [cosine_faithfulness(samples[:, i], **z) for i in range(4)]
    assert found["samples"] == pytest.approx(np.mean([one["samples"] for one in each]))
    assert found["samples_per_input"] == 4
    # Four copies of a sample are worth one.
    repeated = cosine_faithfulness(np.repeat(samples[:, :1], 4, axis=1), **z)
    for error in ("samples_se", "faithfulness_se"):
        assert repeated[error] == pytest.approx(each[0][error])


def test_standard_errors_are_those_of_repeated_measurements() -> None:
    values: dict[str, list[float]] = {}
    for seed in range(300):
        z = world(60, (8,), seed)
        noise = np.random.default_rng(1000 + seed).normal(size=z["z_inputs"].shape)
        for name, value in cosine_faithfulness(z["z_inputs"] + noise, **z).items():
            values.setdefault(name, []).append(value)
    for name in ("samples", "reconstruction", "faithfulness"):
        # Drawn anew for each measurement; `other` is left out: its pairs share images.
        assert np.mean(values[f"{name}_se"]) == pytest.approx(np.std(values[name]), rel=0.15)


def test_zero_representations_and_useless_reconstructions_give_finite_numbers() -> None:
    z = world(20, (5,))
    z["z_inputs"][3] = 0
    z["z_reconstruction"] = z["z_other"]
    found = cosine_faithfulness(z["z_inputs"], **z)
    assert all(np.isfinite(value) for value in found.values())
    assert found["samples"] == pytest.approx(19 / 20)
    assert found["faithfulness"] == pytest.approx((found["samples"] - found["other"]) / RESOLUTION)


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("z_samples", lambda z: z[1:], "inputs and of their samples"),
        ("z_samples", lambda z: z[:, None, None], "of their samples"),
        ("z_samples", lambda z: z[:, None][:, :0], "of their samples"),
        ("", lambda z: z[:1], "at least 2 inputs"),
        ("z_other", lambda z: z[:, :2], "one other representation per input"),
        ("z_reconstruction", lambda z: z.T, "one reconstruction represent"),
        ("z_samples", lambda z: z * np.nan, "not finite"),
    ],
)
def test_bad_input(name: str, change: Callable[[np.ndarray], np.ndarray], text: str) -> None:
    z = world(10, (5,))
    z["z_samples"] = z["z_reconstruction"]
    wrong = {key: change(value) if name in key else value for key, value in z.items()}
    with pytest.raises(PipelineError, match=text):
        cosine_faithfulness(**wrong)
