"""Faithfulness of samples to the representation they were drawn for."""

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
    for name, values in (
        ("samples", samples),
        ("other", z["z_other"]),
        ("reconstruction", z["z_reconstruction"]),
    ):
        assert found[name] == pytest.approx(naive(values, z["z_inputs"]), rel=1e-12)
    ratio = (found["samples"] - found["other"]) / (found["reconstruction"] - found["other"])
    assert found["faithfulness"] == pytest.approx(ratio)
    assert found["inputs"] == 300 and found["samples_per_input"] == 1


def test_the_ends_of_the_scale() -> None:
    """Samples like the reconstructions score 1, samples like other images 0, both exactly."""
    z = world()
    best = cosine_faithfulness(z["z_reconstruction"], **z)
    worst = cosine_faithfulness(z["z_other"], **z)
    assert best["faithfulness"] == pytest.approx(1, abs=1e-12)
    assert worst["faithfulness"] == pytest.approx(0, abs=1e-12)
    assert best["faithfulness_se"] == pytest.approx(0, abs=1e-12)
    assert worst["faithfulness_se"] == pytest.approx(0, abs=1e-12)


def test_the_length_of_a_representation_does_not_matter() -> None:
    z = world()
    scale = np.random.default_rng(3).uniform(0.1, 9, size=(300, 1, 1, 1))
    scaled = {name: values * scale for name, values in z.items()}
    first, second = (
        cosine_faithfulness(values["z_reconstruction"], **values) for values in (z, scaled)
    )
    assert second == pytest.approx(first)


def test_several_samples_are_averaged_per_input() -> None:
    z = world(50, (6,))
    rng = np.random.default_rng(2)
    samples = z["z_inputs"][:, None] + rng.normal(size=(50, 4, 6))
    found = cosine_faithfulness(samples, **z)
    each = [cosine_faithfulness(samples[:, i], **z) for i in range(4)]
    assert found["samples"] == pytest.approx(np.mean([one["samples"] for one in each]))
    assert found["samples_per_input"] == 4
    # The same sample four times tells no more than once.
    repeated = cosine_faithfulness(np.repeat(samples[:, :1], 4, axis=1), **z)
    assert repeated["samples_se"] == pytest.approx(each[0]["samples_se"])
    assert repeated["faithfulness_se"] == pytest.approx(each[0]["faithfulness_se"])


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


def test_the_type_and_the_block_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    z = {name: values.astype(np.float32) for name, values in world(130).items()}
    whole = cosine_faithfulness(z["z_reconstruction"], **z)
    monkeypatch.setattr("pipeline.evaluation.faithfulness.BLOCK", 7)
    assert cosine_faithfulness(z["z_reconstruction"], **z) == pytest.approx(whole, rel=1e-12)


def test_zero_representations_and_useless_reconstructions_give_finite_numbers() -> None:
    z = world(20, (5,))
    z["z_inputs"][3] = 0
    z["z_reconstruction"] = z["z_other"]
    found = cosine_faithfulness(z["z_inputs"], **z)
    assert all(np.isfinite(value) for value in found.values())
    assert found["samples"] == pytest.approx(19 / 20)
    assert found["faithfulness"] == pytest.approx((found["samples"] - found["other"]) / RESOLUTION)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda z: z | {"z_samples": z["z_samples"][1:]}, "inputs and of their samples"),
        (lambda z: z | {"z_samples": z["z_samples"][:, None, None]}, "of their samples"),
        (lambda z: z | {"z_samples": z["z_samples"][:, None][:, :0]}, "of their samples"),
        (lambda z: {name: values[:1] for name, values in z.items()}, "at least 2 inputs"),
        (lambda z: z | {"z_other": z["z_other"][:, :2]}, "one other representation per input"),
        (lambda z: z | {"z_reconstruction": z["z_samples"].T}, "one reconstruction represent"),
        (lambda z: z | {"z_samples": z["z_samples"] * np.nan}, "not finite"),
        (lambda z: z | {"z_inputs": z["z_inputs"] + np.inf}, "not finite"),
    ],
)
def test_bad_input_is_told(change: object, text: str) -> None:
    z = world(10, (5,))
    with pytest.raises(PipelineError, match=text):
        cosine_faithfulness(**change(z | {"z_samples": z["z_reconstruction"]}))  # type: ignore[operator]
