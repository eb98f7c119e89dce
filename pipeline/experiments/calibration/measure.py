"""Arrays and numbers of the calibration of every t, on test images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pipeline import paths
from pipeline.config.rows import LayerRow
from pipeline.datasets.features import load_posterior, load_representations
from pipeline.datasets.groups import groups_of
from pipeline.datasets.splits import load_split
from pipeline.evaluation.attributes import predict_scores
from pipeline.evaluation.coverage import ranks, regions
from pipeline.evaluation.likelihood import cinn_loss
from pipeline.evaluation.regressions import left_by_regressions
from pipeline.evaluation.sampling import conditional_samples, decode_images
from pipeline.evaluation.squared_error import squared_error
from pipeline.experiments.calibration.summary import (
    RANKED,
    summarise_calibration,
)
from pipeline.models.cinn import load_cinn
from pipeline.models.evaluator import load_evaluator
from pipeline.models.image_autoencoder import load_autoencoder
from pipeline.models.inn import ConditionalINN, load_semantic
from pipeline.models.prior import load_prior, nothing
from pipeline.storage import read_json

if TYPE_CHECKING:
    from pipeline.experiments.calibration.report import CalibrationSettings
    from pipeline.task import Task

__all__ = ["measure"]

BATCH = 1000


def measure(
    task: Task[CalibrationSettings], device: torch.device
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Regions, log-likelihoods and ranks of test images, and `summarise_calibration` of them.

    Arrays, of each layer and all C checkpoints of its network: `<layer>_regions` (C, R) and
    `<layer>_regions_before` recalibration, `<layer>_nats` (C, R), log p(z_bar given z) up to a
    constant; and of the last checkpoint `<layer>_variance` (R,) of z_bar, what t, a linear
    regression and a perceptron leave of it, `<layer>_left_by_<model>` (R,), and
    `<layer>_ranks_<factor>` (S,). Of each data set, `<dataset>_prior` (R,), log p(z_bar) up to the
    same constant, `<dataset>_groups` (R,), of which images are not independent,
    `<dataset>_factors` (R, N) and the `<dataset>_concept_<factor>` (R,) of its images, and
    `<dataset>_square` (M,), |e|^2 / N of images that e was trained on.
    """
    settings, experiment = task.settings, task.rows.experiment
    assert experiment is not None
    arrays: dict[str, np.ndarray] = {}
    for key in experiment.layers:
        layer = task.rows.layers[key]
        z_bar, generator = _drawn(layer.dataset, task.seed)
        found = []
        for step in read_json(paths.cinn(key) / "config.json")["steps"]:
            t = load_cinn(paths.cinn(key), step).to(device)
            z = load_representations(paths.features(key), step, "test")
            found.append(_held_out(t, z_bar, z, device))
        names = ("regions_before", "regions", "nats")
        for name, part in zip(names, zip(*found, strict=True), strict=True):
            arrays[f"{key}_{name}"] = np.stack(part).astype(np.float32)
        split = read_json(paths.features(key) / "config.json")["train"]
        train_z = load_representations(paths.features(key), step, split)
        train, _ = load_posterior(paths.posteriors(layer.dataset), split)
        v = torch.randn(settings.mean_samples, *z_bar.shape, generator=generator)
        arrays[f"{key}_left_by_t"] = _left_by_t(t, z_bar, z, v)
        arrays |= {
            f"{key}_left_by_{model}": left
            for model, left in left_by_regressions(
                t.prediction, z_bar, z, train, train_z, settings.fitted_images, task.seed
            ).items()
        }
        arrays[f"{key}_variance"] = squared_error(z_bar.numpy(), z_bar.mean(0).numpy())
        if (layer.network, layer.dataset) in RANKED:
            rows = slice(settings.ranked_inputs)
            v = torch.randn(
                len(z[rows]), settings.ranked_samples, z_bar.shape[1], generator=generator
            )
            for name, place in _ranks(t, layer, z_bar[rows], z[rows], v, task.seed).items():
                arrays[f"{key}_ranks_{name}"] = place
    layers = {key: task.rows.layers[key] for key in experiment.layers}
    for dataset in dict.fromkeys(layer.dataset for layer in layers.values()):
        z_bar, _ = _drawn(dataset, task.seed)
        prior, z = load_prior(paths.prior(dataset)).to(device), nothing(len(z_bar))
        arrays[f"{dataset}_prior"] = _held_out(prior, z_bar, z, device)[2].astype(np.float32)
        arrays |= _factors(dataset, settings.fitted_images, task.seed, device)
    chains = {key: (row.network, row.dataset) for key, row in layers.items()}
    numbers = summarise_calibration(
        arrays,
        chains,
        samples=settings.ranked_samples,
        replicates=settings.bootstrap,
        seed=task.seed,
    )
    return arrays, numbers | {"scale": task.scale, "seed": task.seed}


def _drawn(dataset: str, seed: int) -> tuple[Tensor, torch.Generator]:
    """z_bar (R, N) of test images, and what drew it.

    Layers of a data set share the draws: they are compared image by image.
    """
    mean, variance = load_posterior(paths.posteriors(dataset), "test")
    generator = torch.Generator().manual_seed(seed)
    return mean + variance.sqrt() * torch.randn(mean.shape, generator=generator), generator


@torch.no_grad()
def _held_out(
    t: ConditionalINN, z_bar: Tensor, z: Tensor, device: torch.device
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Regions before and after recalibration, and log-likelihoods, of images (R,) each."""
    before, after, nats = [], [], []
    for rows in torch.arange(len(z)).split(BATCH):
        v, log_det = t(z_bar[rows].to(device), z[rows].to(device).float())
        before.append(regions(t.recalibration.inverse(v).cpu().numpy()))
        after.append(regions(v.cpu().numpy()))
        nats.append(-cinn_loss(v, log_det).cpu().numpy())
    return np.concatenate(before), np.concatenate(after), np.concatenate(nats)


def _left_by_t(t: ConditionalINN, z_bar: Tensor, z: Tensor, v: Tensor) -> np.ndarray:
    """Squared error (R,) of t's mean over samples v (S, R, N) as a prediction of z_bar (R, N)."""
    z = z.float()
    samples = torch.stack([conditional_samples(t, z, one).cpu() for one in v])
    return squared_error(z_bar.numpy(), samples.mean(0).numpy(), samples.var(0).numpy(), len(v))


@torch.no_grad()
def _factors(dataset: str, images: int, seed: int, device: torch.device) -> dict[str, np.ndarray]:
    """e of test images with their concepts, and |e|^2 / N of the first training images."""
    e = load_semantic(paths.semantic(dataset)).to(device)
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for split in ("train", "test"):
        mean, variance = load_posterior(paths.posteriors(dataset), split)
        rows = slice(images if split == "train" else None)
        mean, deviation = mean[rows], variance[rows].sqrt()
        z_bar = mean + deviation * torch.randn(mean.shape, generator=generator)
        found[split] = torch.cat([e(part.to(device))[0].cpu() for part in z_bar.split(BATCH)])
    names = [name for name in e.factors if name != "residual"]
    test = load_split(paths.prepared(dataset), "test")
    concepts = test.concepts(names)
    arrays = {f"{dataset}_groups": groups_of(test)}
    arrays |= {f"{dataset}_concept_{name}": values.numpy() for name, values in concepts.items()}
    arrays[f"{dataset}_sizes"] = np.array(list(e.factors.values()))
    arrays[f"{dataset}_names"] = np.array(list(e.factors))
    arrays[f"{dataset}_factors"] = found["test"].numpy()
    arrays[f"{dataset}_square"] = found["train"].square().mean(1).numpy()
    return arrays


def _ranks(
    t: ConditionalINN, layer: LayerRow, z_bar: Tensor, z: Tensor, v: Tensor, seed: int
) -> dict[str, np.ndarray]:
    """Ranks (R,) of what the evaluator predicts of D(z_bar) among samples with v (R, S, N)."""
    device = next(t.parameters()).device
    autoencoder = load_autoencoder(paths.autoencoder(layer.dataset)).to(device)
    evaluator = load_evaluator(paths.evaluator(layer.dataset)).to(device)
    own = predict_scores(evaluator, decode_images(autoencoder, z_bar.to(device)))
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in own}
    for one, some in zip(z.float(), v, strict=True):
        samples = _samples(t, one, some)
        for name, scores in predict_scores(evaluator, decode_images(autoencoder, samples)).items():
            drawn[name].append(scores)
    rng = np.random.default_rng(seed)
    return {name: ranks(own[name], np.stack(drawn[name]), rng) for name in own}


@torch.no_grad()
def _samples(t: ConditionalINN, z: Tensor, v: Tensor) -> Tensor:
    """Samples (S, N) of one z (...) with v (S, N)."""
    device = next(t.parameters()).device
    return t.inverse(v.to(device), z[None].to(device))
