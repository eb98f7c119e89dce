"""What one layer represents and what it is invariant to (INV paper, Secs. 3.1, 3.2, 4.1, 4.2).

Samples x_bar = D(t^-1(v | z)) of test images, as in Fig. 3, and numbers that say how far to trust
them: likelihood, calibration, faithfulness, and whether they are copies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.datasets.features import Posterior
from pipeline.datasets.images import Images, ImageSet, to_pixels
from pipeline.errors import PipelineError
from pipeline.evaluation.calibration import calibrate
from pipeline.evaluation.coverage import LEVELS, regions
from pipeline.evaluation.edits import replace_factor
from pipeline.evaluation.explained_variance import (
    bootstrap_components,
    estimate,
    explained_by_v,
    resample,
)
from pipeline.evaluation.faithfulness import cosine_faithfulness
from pipeline.evaluation.likelihood import recover_invariances
from pipeline.evaluation.sampling import Decoder, crossed_samples
from pipeline.models.autoencoder import sample_posterior
from pipeline.models.inn import ConditionalINN, SemanticINN
from pipeline.networks.layers import phi

__all__ = ["InspectedLayer", "Split", "inspect_layer"]

BATCH = 250
"""Images per batch of D and the network."""
ROWS = 2000
"""Training images compared at once."""


@dataclass(frozen=True)
class InspectedLayer:
    """The models that a report is about, on one device and in evaluation mode.

    Attributes:
        network: f.
        module: path of the layer inside f.
        classes: whether f predicts classes.
        autoencoder: E and D of the data set.
        t: the conditional INN of the layer.
        e: the semantic INN of the data set.
    """

    network: nn.Module
    module: str
    classes: bool
    autoencoder: Decoder
    t: ConditionalINN
    e: SemanticINN


@dataclass(frozen=True)
class Split:
    """A split of the data set: its images, z (R, ...) of the layer, and the posterior of z_bar."""

    images: Images
    z: Tensor
    posterior: Posterior

    def __post_init__(self) -> None:
        rows = {len(self.images), len(self.z), *(len(moment) for moment in self.posterior)}
        if len(rows) > 1:
            raise PipelineError(
                f"a split has {len(self.images)} images, but {len(self.z)} representations and "
                f"{len(self.posterior[0])} posteriors: run `dvc repro`."
            )


@torch.no_grad()
def inspect_layer(
    layer: InspectedLayer,
    train: Split,
    test: Split,
    *,
    inputs: int,
    samples: int,
    rows: int,
    columns: int,
    nearest: int,
    bootstrap: int,
    seed: int,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Sample and measure one layer on X = `inputs` random test images, V = `samples` v for each.

    All inputs share the v. The figures show S = `rows` of the inputs, of as many classes as
    possible, and C = `columns` of the samples; the network re-encodes C samples of every input.
    K = `nearest`. `bootstrap`: replicates for the error bar of Eq. 19.

    Returns arrays and flat numbers. Arrays:

    - `inputs`, `reconstructions` D(E(x)), `means` over V samples: (S, H, W, 3) uint8
    - `samples`: (S, C, H, W, 3) uint8
    - `kept` (S,) and `agrees` (S, C) bool: whether the reconstruction, or each sample, gets the
      class predicted for the input
    - `variances`: (S, H, W) float32, over V samples, mean over channels, of images in [0, 1]
    - `nearest`: (S, K, H, W, 3) uint8, the training images whose z has the largest cosine with
      that of the input; `nearest_cosine`: (S, K)
    - `originals`: (S, H, W, 3) uint8, the training image whose z_bar is nearest to that of the
      first sample
    - `names` (S,), `nearest_names` (S, K): names of classes

    Numbers, None where the network has no classes:

    - `z_dimensions`, `z_bar_dimensions`
    - `faithfulness`, and the cosines `cosine_samples`, `cosine_other`, `cosine_reconstruction`
      (see `cosine_faithfulness`)
    - `explained_by_v`: Eq. 19 of z_bar
    - `nll_per_dimension`: -log p(z_bar | z) / N, in nats, of all test images (Eq. 3)
    - `v_square_mean`, `v_square_sd`: of |v|^2 / N of all test images (see `calibrate`)
    - `coverage_50`, `_80`, `_90` and `_95`: share of them in the central region of t of this many
      per cent
    - `pixel_variance`: mean of the variances over pixels and inputs (Fig. 3);
      `pixel_variance_images`: the same over test images instead of samples
    - `class_agreement`: share of samples that get the class predicted for the input;
      `class_agreement_reconstruction`, `class_agreement_other`: the same of D(E(x)), and of
      another input
    - `nearest_same_label`: share of inputs whose nearest training image by z has their label; None
      where no training image has, as of people
    - `distance_ratio`: median distance of a sample's z_bar to the nearest training image's,
      divided by that of test images; 0 for copies of training images, 1 for unseen images
    - `<name>_se` of those that are means over inputs, and of Eq. 19
    - `output_moved`: of each factor of e, the mean distance between the outputs of f for a sample
      and for the sample with this factor of the next input (Eq. 7), as a share of that between the
      outputs for the samples of two inputs

    Raises:
        PipelineError: more inputs than test images, or numbers that are not finite.
    """
    _check(len(test.images), inputs, samples, rows, columns)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(test.images), generator=generator)[:inputs]
    chosen = _varied(chosen, test.images.label[chosen], rows)
    shown = chosen[:rows]
    v = torch.randn(samples, test.posterior[0].shape[1], generator=generator)
    device = next(layer.t.parameters()).device
    z = test.z[chosen].float().to(device)
    z_bar = crossed_samples(layer.t, z, v.to(device))
    images = test.images.images(chosen)
    reconstructions = _decode(layer.autoencoder, test.posterior[0][chosen].to(device)).cpu()

    moments = [_moments(_decode(layer.autoencoder, one)) for one in z_bar]
    variances = np.stack([variance for _, variance in moments])
    read = _decode(layer.autoencoder, z_bar[:, :columns].flatten(0, 1)).cpu()
    arrays = {
        "inputs": test.images.pixels(shown),
        "reconstructions": to_pixels(reconstructions[:rows]).numpy(),
        "samples": to_pixels(read[: rows * columns]).unflatten(0, (rows, columns)).numpy(),
        "means": np.stack([mean for mean, _ in moments[:rows]]),
        "variances": variances[:rows],
        "names": _names(test.images, shown),
    }
    pixels = images.add(1).div(2)
    numbers: dict[str, Any] = {
        "z_dimensions": math.prod(test.z.shape[1:]),
        "z_bar_dimensions": v.shape[1],
        **_with_error("pixel_variance", variances.mean(axis=(1, 2))),
        "pixel_variance_images": float(pixels.var(0).mean()),
        **_eq19(z_bar.cpu().numpy(), bootstrap, seed),
        **_faithfulness(layer, z.cpu(), read, reconstructions, columns),
    }
    kept, agrees, agreement = _classes(layer, images, read, reconstructions, columns)
    arrays |= {"kept": kept[:rows], "agrees": agrees[:rows]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        numbers |= agreement | _likelihood(layer.t, test)
        drawn = sample_posterior(*(moment[chosen] for moment in test.posterior))
    more, counts = _nearest(train, test.z[chosen], test.images.label[chosen], rows, nearest, device)
    arrays |= more
    numbers |= counts
    more, counts = _originals(train, z_bar[:, :columns], drawn, rows, device)
    arrays |= more
    numbers |= counts | {"output_moved": _output_moved(layer, z_bar[:, 0])}
    return arrays, numbers


def _check(images: int, inputs: int, samples: int, rows: int, columns: int) -> None:
    if inputs > images:
        raise PipelineError(
            f"inspect.inputs is {inputs}, but there are only {images} test images: lower it."
        )
    if inputs < 2 or samples < 2 or not 1 <= rows <= inputs or not 1 <= columns <= samples:
        raise PipelineError(
            f"a layer cannot be inspected with {inputs} inputs, {samples} samples, {rows} rows and "
            f"{columns} columns: at least 2 inputs and samples, at most as many rows and columns."
        )


def _varied(chosen: Tensor, labels: Tensor, rows: int) -> Tensor:
    """The same images, reordered: the first `rows` show as many classes as possible."""
    seen: set[int] = set()
    first: list[int] = []
    for position, label in enumerate(labels.tolist()):
        if label not in seen and len(first) < rows:
            seen.add(label)
            first.append(position)
    rest = sorted(set(range(len(chosen))) - set(first))
    return chosen[[*first, *rest]]


def _names(data: Images, indices: Tensor) -> np.ndarray:
    """Names of the images' classes: the species where known, else the class's number."""
    if isinstance(data, ImageSet) and "species" in data.truth:
        species = data.truth["species"].to_numpy()[indices.numpy()]
        return np.array([str(name).replace("_", " ") for name in species.ravel()]).reshape(
            indices.shape
        )
    return np.array([f"class {label}" for label in data.label[indices].flatten()]).reshape(
        indices.shape
    )


def _decode(model: Decoder, z_bar: Tensor) -> Tensor:
    """D(z_bar): images (B, 3, H, W) in [-1, 1] for z_bar (B, N)."""
    return torch.cat([model.decode(part).float() for part in z_bar.split(BATCH)])


def _moments(images: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mean (H, W, 3) uint8 of images in [-1, 1], and variance (H, W) of the same in [0, 1]."""
    unit = images.add(1).div(2)
    mean = unit.mean(0).mul(255).round().clamp(0, 255).byte().permute(1, 2, 0)
    return mean.cpu().numpy(), unit.var(0).mean(0).cpu().numpy()


def _with_error(name: str, values: np.ndarray) -> dict[str, float | None]:
    """The mean of one value per input, with its standard error."""
    return {
        name: float(values.mean()),
        f"{name}_se": float(values.std(ddof=1) / math.sqrt(len(values))),
    }


def _eq19(z_bar: np.ndarray, replicates: int, seed: int) -> dict[str, float | None]:
    inputs, samples, _ = z_bar.shape
    parts = bootstrap_components(z_bar, resample(inputs, samples, replicates, seed))
    share = estimate(float(explained_by_v(z_bar)), parts.explained_by_v)
    return {"explained_by_v": share.value, "explained_by_v_se": share.standard_error}


def _likelihood(t: ConditionalINN, test: Split) -> dict[str, float | None]:
    device = next(t.parameters()).device
    v, loss = recover_invariances(t, test.posterior, test.z, device)
    found = calibrate(v.cpu().numpy())
    nats = loss.double().cpu().numpy() / v.shape[1] + 0.5 * math.log(2 * math.pi)
    inside = regions(v.cpu().numpy())[:, None] <= LEVELS
    shares = [
        _with_error(f"coverage_{100 * level:.0f}", within.astype(np.float64))
        for level, within in zip(LEVELS, inside.T, strict=True)
    ]
    return {
        **_with_error("nll_per_dimension", nats),
        **{name: value for share in shares for name, value in share.items()},
        "v_square_mean": found["square_mean"],
        "v_square_sd": found["square_sd"],
    }


def _read(layer: InspectedLayer, images: Tensor) -> Tensor:
    """z = Phi(images): (B, ...) on the CPU."""
    device = next(layer.network.parameters()).device
    parts = [phi(layer.network, layer.module, part.to(device)) for part in images.split(BATCH)]
    return torch.cat([part.float().cpu() for part in parts])


def _faithfulness(
    layer: InspectedLayer, z: Tensor, read: Tensor, reconstructions: Tensor, columns: int
) -> dict[str, float | None]:
    again = _read(layer, read).unflatten(0, (len(z), columns))
    found = cosine_faithfulness(
        again.numpy(), z.numpy(), z.roll(1, 0).numpy(), _read(layer, reconstructions).numpy()
    )
    result: dict[str, float | None] = {
        name: found[name] for name in ("faithfulness", "faithfulness_se")
    }
    for name in ("samples", "other", "reconstruction"):
        result[f"cosine_{name}"] = found[name]
        result[f"cosine_{name}_se"] = found[f"{name}_se"]
    return result


def _classes(
    layer: InspectedLayer, images: Tensor, read: Tensor, reconstructions: Tensor, columns: int
) -> tuple[np.ndarray, np.ndarray, dict[str, float | None]]:
    """Whether reconstructions (X,) and samples (X, C) keep the predicted class, and shares."""
    names = ("class_agreement", "class_agreement_reconstruction", "class_agreement_other")
    if not layer.classes:
        nothing = {f"{name}{end}": None for name in names for end in ("", "_se")}
        agrees = np.ones((len(images), columns), dtype=bool)
        return agrees[:, 0], agrees, dict(nothing)
    device = next(layer.network.parameters()).device

    def predict(some: Tensor) -> np.ndarray:
        scores = [layer.network(part.to(device)).argmax(1).cpu() for part in some.split(BATCH)]
        return torch.cat(scores).numpy()

    own = predict(images)
    kept = predict(reconstructions) == own
    agrees = predict(read).reshape(-1, columns) == own[:, None]
    shares = (agrees.mean(axis=1), kept, np.roll(own, 1) == own)
    numbers: dict[str, float | None] = {}
    for name, values in zip(names, shares, strict=True):
        numbers |= _with_error(name, values.astype(np.float64))
    return kept, agrees, numbers


def _output_moved(layer: InspectedLayer, z_bar: Tensor) -> dict[str, float]:
    """Eq. 7: how far f moves if a factor of a sample z_bar (X, N) becomes that of the next one."""

    def output(codes: Tensor) -> Tensor:
        images = _decode(layer.autoencoder, codes)
        parts = [layer.network(part).flatten(1) for part in images.split(BATCH)]
        return torch.cat(parts).double()

    factors = torch.cat([layer.e(part)[0] for part in z_bar.split(BATCH)])
    start = output(z_bar)
    between = (start - start.roll(1, 0)).norm(dim=1).mean().clamp_min(1e-12)
    moved = {}
    for name in layer.e.factors:
        edited = replace_factor(layer.e, factors, factors.roll(1, 0), name)
        codes = torch.cat([layer.e.inverse(part) for part in edited.split(BATCH)])
        moved[name] = float((output(codes) - start).norm(dim=1).mean() / between)
    return moved


def _nearest(
    train: Split, z: Tensor, labels: Tensor, rows: int, count: int, device: torch.device
) -> tuple[dict[str, np.ndarray], dict[str, float | None]]:
    """The training images whose z has the largest cosine with z (X, ...)."""
    directions = F.normalize(z.flatten(1).float().to(device), dim=1)
    parts = [
        directions @ F.normalize(part.flatten(1).to(device).float(), dim=1).T
        for part in train.z.split(ROWS)
    ]
    cosine, index = torch.cat(parts, dim=1).topk(min(count, len(train.z)), dim=1)
    index = index.cpu()
    same = (train.images.label[index[:, 0]] == labels).double().numpy()
    arrays = {
        "nearest": _pixels(train.images, index[:rows]),
        "nearest_cosine": cosine[:rows].cpu().numpy(),
        "nearest_names": _names(train.images, index[:rows]),
    }
    if not torch.isin(labels, train.images.label).any():
        return arrays, {"nearest_same_label": None, "nearest_same_label_se": None}
    return arrays, _with_error("nearest_same_label", same)


def _originals(
    train: Split, z_bar: Tensor, drawn: Tensor, rows: int, device: torch.device
) -> tuple[dict[str, np.ndarray], dict[str, float | None]]:
    """The training image nearest to samples z_bar (X, C, N), and to posterior draws (X, N)."""
    distance, index = _closest(train.posterior[0], z_bar.flatten(0, 1), device)
    unseen, _ = _closest(train.posterior[0], drawn, device)
    first = index.unflatten(0, z_bar.shape[:2])[:rows, 0]
    arrays = {"originals": train.images.pixels(first)}
    return arrays, {"distance_ratio": float(distance.median() / unseen.median())}


def _closest(pool: Tensor, queries: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Distance of each query (Q, N) to the nearest of `pool` (R, N), and its row."""
    best = torch.full((len(queries),), math.inf)
    which = torch.zeros(len(queries), dtype=torch.int64)
    for first in range(0, len(pool), ROWS):
        part = torch.cdist(queries.to(device), pool[first : first + ROWS].to(device))
        distance, index = (column.cpu() for column in part.min(dim=1))
        which = torch.where(distance < best, index + first, which)
        best = torch.minimum(distance, best)
    return best, which


def _pixels(data: Images, index: Tensor) -> np.ndarray:
    """Images (S, K, H, W, 3) uint8 for rows (S, K)."""
    flat = data.pixels(index.flatten())
    return flat.reshape(*index.shape, *flat.shape[1:])
