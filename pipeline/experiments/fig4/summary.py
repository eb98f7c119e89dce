"""The numbers of Fig. 4: how much of each factor z explains while the network trains."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pipeline.errors import PipelineError
from pipeline.evaluation.explained_variance import (
    Components,
    Estimate,
    bootstrap_components,
    estimate,
    estimate_correlation,
    estimate_ratio,
    resample,
    variance_components,
)
from pipeline.rounding import rounded

__all__ = ["FACTORS", "SHOWN", "summarise_fig4"]

SHOWN = 5
"""Inputs that Fig. 4 shows; Fig. S7 shows `experiments.fig4.rows` others."""

FACTORS = ("digit", "foreground", "background")
"""The factors of Fig. 4, as the semantic INN names them."""

ORDER = ("background", "foreground", "digit")
"""Factors at step 0, the most relevant first (Sec. B.4)."""

RESOLUTION = 0.001
"""Smallest denominator: shares below 0.1 % cannot be distinguished from zero."""


def summarise_fig4(
    factors: ArrayLike,
    slices: Mapping[str, slice],
    steps: Sequence[int],
    accuracy: Sequence[float],
    *,
    early: int,
    late: int,
    scale: str,
    seed: int,
    reconstruction_mse: float,
    calibration: Sequence[Mapping[str, float]] | None = None,
    replicates: int = 200,
) -> dict[str, Any]:
    """Everything `reports/<scale>/metrics/fig4.json` holds (Fig. 4, Fig. S7, Secs. B.2 and B.4).

    Flat numbers, which `dvc metrics show` lists:

    - `scale`, `seed`, `inputs`, `invariances`, `replicates`, `reconstruction_mse`
    - `step_<when>`, `accuracy_<when>` for `<when>` in first, early, late, last
    - `<factor>_total_<when>` (Eq. 20) and `<factor>_first_order_<when>` for every factor
    - `digit_total_ratio`, `digit_first_order_ratio` (last / first), `background_total_ratio`,
      `background_first_order_ratio` (first / last)
    - `digit_accuracy_pearson`: Pearson correlation of Eq. 20 with the accuracy over checkpoints
    - `order_first_gap`: the smaller of background - foreground and foreground - digit, Eq. 20 at
      the first checkpoint; `order_first_share`: share of replicates in which both are positive

    Nested:

    - `intervals`: `{name: [low, high]}`, 95 %, for the ratios, the correlation and the gap
    - `curves`: a record per checkpoint, all with the same keys, which `dvc plots` needs: `step`,
      `accuracy`, for every factor and index `<factor>_total`, `..._se`, `..._low`, `..._high` and
      the same with `first_order`; if calibration is given, its numbers as `v_<name>`

    Standard errors and intervals come from one two-way bootstrap over inputs and invariances,
    drawn once for all checkpoints; that of the correlation draws blocks of checkpoints as well. A
    ratio's denominator below 0.001 counts as 0.001.

    Args:
        factors: (C, X, V, N) e(t^-1(v | Phi(x))) at C checkpoints, with the same x and v in all.
        slices: dimensions of every factor; needs digit, foreground and background.
        steps: (C,) training steps, increasing.
        accuracy: (C,) classification accuracies in [0, 1] on held-out data.
        early: index of the checkpoint reported as early (the paper's step 4k).
        late: index of the checkpoint reported as late (the paper's step 36k).
        scale: the scale that was run.
        seed: the seed that was run, which also seeds the bootstrap.
        reconstruction_mse: mean squared error of D(E(x)) on held-out images in [0, 1].
        calibration: per checkpoint a summary of v on held-out data (`calibration.calibrate`).
        replicates: number of bootstrap replicates.

    Raises:
        PipelineError: lengths that do not match, a missing factor, an index beyond the
            checkpoints, or values not finite.
    """
    array = np.asarray(factors)
    _check(array, slices, steps, accuracy, calibration)
    count, inputs, invariances, _ = array.shape
    if not (0 <= early < count and 0 <= late < count):
        raise PipelineError(
            f"the checkpoints {early} and {late} that Fig. 4 shows as early and late must be from "
            f"0 to {count - 1}: change experiments.fig4.early and late."
        )
    draws = resample(inputs, invariances, replicates, seed)

    observed: dict[str, Components] = {}
    resampled: dict[str, Components] = {}
    for name, dims in slices.items():
        # One checkpoint at a time: the whole array in float64 would be large.
        parts = [variance_components(design, dims) for design in array]
        observed[name] = _stack(parts)
        parts = [bootstrap_components(design, draws, dims) for design in array]
        resampled[name] = _stack(parts)

    indices = {"total": "explained_by_z", "first_order": "first_order_z"}
    share = {
        (name, index): np.asarray(getattr(observed[name], attribute))
        for name in slices
        for index, attribute in indices.items()
    }
    drawn = {
        (name, index): np.asarray(getattr(resampled[name], attribute))
        for name in slices
        for index, attribute in indices.items()
    }

    moments = {"first": 0, "early": early, "late": late, "last": count - 1}
    summary: dict[str, Any] = {
        "scale": scale,
        "seed": int(seed),
        "inputs": inputs,
        "invariances": invariances,
        "replicates": replicates,
        "reconstruction_mse": rounded(reconstruction_mse),
    }
    for when, position in moments.items():
        summary[f"step_{when}"] = int(steps[position])
        summary[f"accuracy_{when}"] = rounded(accuracy[position])
        for (name, index), values in share.items():
            summary[f"{name}_{index}_{when}"] = rounded(values[position])

    statistics: dict[str, Estimate] = {}
    for name, above, below in (("digit", -1, 0), ("background", 0, -1)):
        for index in indices:
            values, replicated = share[name, index], drawn[name, index]
            statistics[f"{name}_{index}_ratio"] = estimate_ratio(
                values[above], values[below], replicated[above], replicated[below], RESOLUTION
            )
    statistics["digit_accuracy_pearson"] = estimate_correlation(
        share["digit", "total"], accuracy, drawn["digit", "total"], seed
    )
    gaps = _smallest_gap([drawn[name, "total"][0] for name in ORDER])
    gap = _smallest_gap([share[name, "total"][0] for name in ORDER])
    statistics["order_first_gap"] = estimate(float(gap), gaps)
    summary["order_first_share"] = rounded(np.mean(gaps > 0))
    for statistic, result in statistics.items():
        summary[statistic] = rounded(result.value)
    summary["intervals"] = {
        statistic: [rounded(result.low), rounded(result.high)]
        for statistic, result in statistics.items()
    }

    summary["curves"] = []
    for position in range(count):
        record: dict[str, Any] = {
            "step": int(steps[position]),
            "accuracy": rounded(accuracy[position]),
        }
        for (name, index), values in share.items():
            result = estimate(values[position], drawn[name, index][position])
            record[f"{name}_{index}"] = rounded(result.value)
            record[f"{name}_{index}_se"] = rounded(result.standard_error)
            record[f"{name}_{index}_low"] = rounded(result.low)
            record[f"{name}_{index}_high"] = rounded(result.high)
        if calibration is not None:
            record |= {f"v_{key}": rounded(value) for key, value in calibration[position].items()}
        summary["curves"].append(record)
    return summary


def _check(
    factors: np.ndarray,
    slices: Mapping[str, slice],
    steps: Sequence[int],
    accuracy: Sequence[float],
    calibration: Sequence[Mapping[str, float]] | None,
) -> None:
    if factors.ndim != 4:
        raise PipelineError(
            f"Fig. 4 needs factors of shape (checkpoints, inputs, invariances, dimensions), "
            f"not {factors.shape}."
        )
    for name in FACTORS:
        if name not in slices:
            raise PipelineError(
                f"Fig. 4 needs the factor '{name}', but the semantic INN has only "
                f"{', '.join(sorted(slices))}: name its factors {', '.join(FACTORS)}."
            )
    count = factors.shape[0]
    if count < 2:
        raise PipelineError("Fig. 4 needs at least 2 checkpoints of the interpreted network.")
    for label, values in (("steps", steps), ("accuracies", accuracy), ("summaries", calibration)):
        if values is not None and len(values) != count:
            raise PipelineError(f"Fig. 4 got {count} checkpoints but {len(values)} {label}.")
    if not np.all(np.diff(np.asarray(steps)) > 0):
        raise PipelineError("the checkpoints of Fig. 4 must be in the order of training steps.")


def _stack(parts: Sequence[Components]) -> Components:
    return Components(
        z=np.stack([part.z for part in parts]),
        v=np.stack([part.v for part in parts]),
        interaction=np.stack([part.interaction for part in parts]),
    )


def _smallest_gap(shares: Sequence[np.ndarray]) -> np.ndarray:
    """Smallest step down in a sequence of shares: positive if the order is descending."""
    steps = [high - low for high, low in zip(shares, shares[1:], strict=False)]
    return np.asarray(np.min(steps, axis=0))
