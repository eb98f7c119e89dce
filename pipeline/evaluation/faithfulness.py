"""Whether samples x_bar = D(t^-1(v | z)) still show what z represents (INV paper, Figs. 2, S4).

Samples are re-encoded, z' = Phi(x_bar), and compared by cosine similarity with the z they were
drawn for. Two references set the scale: representations of *other* images (chance) and of the
autoencoder's reconstruction D(E(x)) (the best its decoder can show). A Fréchet distance alone
would reward samples that ignore z.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import PipelineError

__all__ = ["cosine_faithfulness"]

Floats = NDArray[np.float64]

RESOLUTION = 0.001
"""Lower bound of the gain of reconstructions over other images, as a divisor."""

BLOCK = 128
"""Inputs per block in float64."""


def cosine_faithfulness(
    z_samples: ArrayLike,
    z_inputs: ArrayLike,
    z_other: ArrayLike,
    z_reconstruction: ArrayLike,
) -> dict[str, float]:
    """Cosine similarities of re-encoded samples and two references, with standard errors.

    Args:
        z_samples: (X, ...) or (X, S, ...) representations of one or S samples per input.
        z_inputs: (X, ...) representations z of the inputs the samples were drawn for; X >= 2.
        z_other: (X, ...) representations of other images, one per input, such as the inputs in
            another order. If their classes differ, information about the class counts.
        z_reconstruction: (X, ...) representations of the reconstructions D(E(x)).

    Returns:
        samples, other, reconstruction: mean cosine similarity with `z_inputs`, in [-1, 1]; 0 for
            a representation that is zero.
        faithfulness: (samples - other) / (reconstruction - other): 0 for samples that ignore z, 1
            for samples as faithful as reconstructions. The divisor is at least 0.001, for
            autoencoders that hardly learned.
        <name>_se for each of these four: standard error over inputs, whose samples are averaged
            first, since they are not independent. Not the variation between trained models.
        inputs, samples_per_input: X and S.

    Raises:
        PipelineError: shapes do not match, fewer than 2 inputs, or values are not finite.
    """
    inputs, samples = np.asarray(z_inputs), np.asarray(z_samples)
    if samples.shape == inputs.shape:
        samples = samples[:, None]
    if (
        inputs.ndim < 2
        or len(inputs) < 2
        or samples.ndim != inputs.ndim + 1
        or samples.shape[1] < 1
        or (samples.shape[0], *samples.shape[2:]) != inputs.shape
    ):
        raise PipelineError(
            f"faithfulness needs representations of at least 2 inputs and of their samples, not of "
            f"shapes {inputs.shape} and {np.shape(z_samples)}."
        )
    cosines = {"samples": _cosines(samples, inputs)}
    for name, values in (("other", z_other), ("reconstruction", z_reconstruction)):
        array = np.asarray(values)
        if array.shape != inputs.shape:
            raise PipelineError(
                f"faithfulness needs one {name} representation per input, of shape "
                f"{inputs.shape}, not {array.shape}."
            )
        cosines[name] = _cosines(array[:, None], inputs)

    result: dict[str, float] = {"inputs": len(inputs), "samples_per_input": samples.shape[1]}
    for name, one in cosines.items():
        result[name], result[f"{name}_se"] = float(one.mean()), _standard_error(one)
    span = max(result["reconstruction"] - result["other"], RESOLUTION)
    share = (result["samples"] - result["other"]) / span
    # To first order, the influence of each input on the ratio of the two means.
    gain = cosines["reconstruction"] - cosines["other"]
    result["faithfulness"] = share
    result["faithfulness_se"] = _standard_error(
        (cosines["samples"] - cosines["other"] - share * gain) / span
    )
    return result


def _cosines(several: np.ndarray, inputs: np.ndarray) -> Floats:
    """Mean over S of the cosine similarities of (X, S, ...) with (X, ...): (X,)."""
    result = np.empty(len(inputs))
    for first in range(0, len(inputs), BLOCK):
        block = slice(first, first + BLOCK)
        z = inputs[block].reshape(len(inputs[block]), -1).astype(np.float64)
        other = several[block].reshape(*several[block].shape[:2], -1).astype(np.float64)
        product = np.einsum("xf,xsf->xs", z, other)
        lengths = np.linalg.norm(z, axis=1)[:, None] * np.linalg.norm(other, axis=2)
        if not np.isfinite(lengths).all():
            raise PipelineError(
                "representations hold numbers that are not finite: check the network and its "
                "images."
            )
        cosine = np.divide(product, lengths, out=np.zeros_like(product), where=lengths > 0)
        result[block] = cosine.mean(axis=1)
    return result


def _standard_error(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))
