"""Sample every layer of a network, and measure how much and what varies (Figs. 3 and S10)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pipeline import paths
from pipeline.config.rows import layer_name
from pipeline.datasets.features import load_posterior, load_representations
from pipeline.datasets.images import ImageSet
from pipeline.evaluation.attributes import BLUR, held_out_quality, predict_attributes
from pipeline.evaluation.examples import varied_rows
from pipeline.evaluation.faithfulness import cosine_faithfulness
from pipeline.evaluation.layer_summary import LayerSamples, summarise_layers
from pipeline.evaluation.sampling import crossed_samples, decode_images
from pipeline.models.cinn import load_cinn
from pipeline.models.evaluator import load_evaluator
from pipeline.models.image_autoencoder import load_autoencoder
from pipeline.networks.layers import features_of_pixels
from pipeline.networks.loading import load_network
from pipeline.runtime.parallel import run_in_threads
from pipeline.storage import read_json

if TYPE_CHECKING:
    from pipeline.evaluation.layer_settings import LayerSettings
    from pipeline.models.autoencoder import Autoencoder
    from pipeline.models.inn import ConditionalINN
    from pipeline.task import Task

__all__ = ["measure_layers", "sample_moments"]

REENCODED = 4
"""Samples of each input that the network encodes again, for their faithfulness."""

Moments = tuple[np.ndarray, np.ndarray, np.ndarray]


def measure_layers(
    task: Task[LayerSettings], device: torch.device
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Samples of the layers of the experiment's row, and `summarise_layers` of them.

    Returns the arrays that `pipeline.drawing.layer_samples` draws, and the numbers.
    """
    settings, experiment = task.settings, task.rows.experiment
    assert experiment is not None
    dataset = experiment.dataset
    layers = {key: task.rows.layers[key] for key in experiment.layers}
    test = ImageSet.load(paths.prepared(dataset), "test")
    rows = test.first(settings.inputs, f"experiments.{task.item}.inputs")
    autoencoder = load_autoencoder(paths.autoencoder(dataset)).to(device)
    evaluator = load_evaluator(paths.evaluator(experiment.evaluator)).to(device)
    names = dict.fromkeys(row.network for row in layers.values())
    networks = {name: load_network(paths.network(name), device) for name in names}
    mean, _ = load_posterior(paths.posteriors(dataset), "test")
    rebuilt = decode_images(autoencoder, mean[rows].to(device))
    inputs = test.pixels(rows)
    shown = varied_rows(test.truth[: settings.inputs], evaluator.classes, settings.rows)
    arrays = {"inputs": inputs[shown], "reconstructions": rebuilt[shown]}

    generator = torch.Generator().manual_seed(task.seed)
    # Every input has its own v, so that means over inputs are also means over their v. Layers share
    # them: what differs between layers is not the draw.
    v = torch.randn(len(rows), settings.samples, mean.shape[1], generator=generator).to(device)
    measured, variances = {}, []
    for key, row in layers.items():
        step = read_json(paths.network(row.network) / "config.json")["steps"][-1]
        t = load_cinn(paths.cinn(key), step).to(device)
        z = load_representations(paths.features(key), step, "test")[rows].float()
        sampled = _sample_inputs(autoencoder, t, z, v, settings.evaluated_samples)
        samples, averages, maps = (np.stack(part) for part in zip(*sampled, strict=True))
        flat = samples.reshape(-1, *samples.shape[2:])
        readings = {
            factor: values.reshape(samples.shape[:2])
            for factor, values in predict_attributes(evaluator, flat).items()
        }
        count = min(REENCODED, settings.evaluated_samples)
        some = samples[:, :count].reshape(-1, *samples.shape[2:])
        phi = partial(features_of_pixels, networks[row.network], row.module)
        again = phi(some).unflatten(0, (len(z), count))
        faithfulness = cosine_faithfulness(again, z, z.roll(1, 0), phi(rebuilt))
        name = layer_name(key)
        measured[name] = LayerSamples(maps.mean((1, 2)), readings, faithfulness)
        variances.append(maps.mean((1, 2)))
        arrays |= {
            f"{name}_samples": samples[shown][:, : settings.columns],
            f"{name}_mean": averages[shown],
            f"{name}_variance": maps[shown],
        }

    factors = (*evaluator.classes, *evaluator.numbers)
    truth = {name: test.truth[name].to_numpy()[: settings.inputs] for name in factors}
    # As blurred as samples are: the evaluator recognises a factor better in sharp images.
    everyone = predict_attributes(evaluator, test.pixels(slice(None)), blur=BLUR * evaluator.size)
    numbers = summarise_layers(
        measured,
        truth,
        everyone,
        predict_attributes(evaluator, rebuilt),
        float((inputs / 255).var(0).mean()),
        classes=list(evaluator.classes),
        bootstrap=settings.bootstrap,
        about={
            "scale": task.scale,
            "seed": task.seed,
            "inputs": len(inputs),
            "samples": settings.samples,
            "evaluated_samples": settings.evaluated_samples,
            "size": inputs.shape[1],
            "evaluator": held_out_quality(evaluator, test)["blurred"],
        },
    )
    stacked = np.stack(variances).astype(np.float32)
    return {"layers": np.array(list(measured)), "variances": stacked, **arrays}, numbers


def _sample_inputs(
    autoencoder: Autoencoder, t: ConditionalINN, z: Tensor, v: Tensor, kept: int
) -> Sequence[Moments]:
    """`sample_moments` of each row of z (X, ...) and v (X, V, N), with `kept` of the samples."""
    sampled: dict[int, Moments] = {}

    def sample(row: int) -> None:
        images, average, variance = sample_moments(autoencoder, t, z[row].to(v.device), v[row])
        sampled[row] = images[:kept].copy(), average, variance  # a view would keep all of them

    run_in_threads(sample, range(len(z)))
    return [sampled[row] for row in range(len(z))]


@torch.no_grad()
def sample_moments(autoencoder: Autoencoder, t: ConditionalINN, z: Tensor, v: Tensor) -> Moments:
    """Samples x_bar = D(t^-1(v | z)) of one z (...) for all v (V, N), and their moments (Fig. 3).

    Returns the images (V, H, W, 3) uint8, their mean (H, W, 3) uint8 and their variance (H, W)
    float32, the mean over the channels of images in [0, 1].
    """
    images = decode_images(autoencoder, crossed_samples(t, z[None], v)[0])
    unit = images.astype(np.float32) / 255
    average = np.rint(255 * unit.mean(0)).astype(np.uint8)
    return images, average, unit.var(0, ddof=1).mean(-1)
