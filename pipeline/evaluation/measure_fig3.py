"""Sample every layer of a network and measure what Figs. 3 and S10 show."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from pipeline import paths
from pipeline.datasets.features import load_posterior, load_representations
from pipeline.datasets.images import ImageSet
from pipeline.evaluation.attributes import BLUR, held_out_quality, read_attributes
from pipeline.evaluation.examples import varied_rows
from pipeline.evaluation.faithfulness import cosine_faithfulness
from pipeline.evaluation.fig3 import PAPER, LayerSamples, summarise_fig3
from pipeline.evaluation.sampling import crossed_samples, decode_images
from pipeline.models.autoencoder import Autoencoder
from pipeline.models.inn import ConditionalINN
from pipeline.models.loading import load_autoencoder, load_cinn, load_evaluator
from pipeline.networks.layers import represent_pixels
from pipeline.networks.loading import load_network
from pipeline.parallel import run_in_threads
from pipeline.params import Params
from pipeline.storage import read_json, write_json, write_npz

__all__ = ["measure_fig3", "measure_figs10", "sample_moments"]

ENCODED_AGAIN = 4
"""Samples of each input that the network reads again, for their faithfulness."""


def measure_fig3(params: Params, device: torch.device) -> None:
    """People through FaceNet: write data/evaluations/fig3.npz and metrics/fig3.json."""
    _measure(params, device, "fig3", "facenet", "faces")


def measure_figs10(params: Params, device: torch.device) -> None:
    """Animals through FaceNet: write data/evaluations/figs10.npz and metrics/figs10.json."""
    _measure(params, device, "figs10", "facenet_animalfaces", "animals")


def _measure(
    params: Params, device: torch.device, figure: str, features: str, evaluator_of: str
) -> None:
    """Measure `figure`: the layers of `features`, read by the evaluator of a data set."""
    settings, read = params.settings.evaluate[figure], params.features[features]
    dataset = read.dataset
    test = ImageSet.load(paths.prepared(dataset), "test")
    rows = torch.arange(settings.inputs)
    autoencoder = load_autoencoder(paths.autoencoder(dataset)).to(device)
    evaluator = load_evaluator(paths.evaluator(evaluator_of)).to(device)
    network = load_network(paths.network(read.network), device)
    step = read_json(paths.network(read.network) / "config.json")["steps"][-1]
    mean, _ = load_posterior(paths.posteriors(dataset), "test")
    rebuilt = decode_images(autoencoder, mean[rows].to(device))
    inputs = test.pixels(rows)
    shown = varied_rows(test.truth[: settings.inputs], evaluator.classes, settings.rows)
    arrays = {"inputs": inputs[shown], "reconstructions": rebuilt[shown]}

    generator = torch.Generator().manual_seed(params.seed)
    # Every input has its own v, so that means over inputs are also means over their v. Layers share
    # them: what differs between layers is not the draw.
    v = torch.randn(len(rows), settings.samples, mean.shape[1], generator=generator).to(device)
    layers, variances = {}, []
    for key in (f"{features}-{name}" for name in PAPER if f"{features}-{name}" in params.layers):
        layer = params.layers[key]
        config = read_json(paths.cinn(features, key) / "config.json")["model"]
        t = load_cinn(config, paths.checkpoint_file(paths.cinn(features, key), step)).to(device)
        z = load_representations(paths.representations(features, key), step, "test")[rows].float()
        sampled: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        run_in_threads(
            partial(_sample, sampled, autoencoder, t, z, v, settings.read), range(len(z))
        )
        seen, averages, maps = zip(*(sampled[row] for row in range(len(z))), strict=True)
        samples = np.stack(seen)
        flat = samples.reshape(-1, *samples.shape[2:])
        readings = {
            name: values.reshape(samples.shape[:2])
            for name, values in read_attributes(evaluator, flat).items()
        }
        count = min(ENCODED_AGAIN, settings.read)
        some = samples[:, :count].reshape(-1, *samples.shape[2:])
        again = represent_pixels(network, layer.module, some).unflatten(0, (len(z), count))
        faithfulness = cosine_faithfulness(
            again, z, z.roll(1, 0), represent_pixels(network, layer.module, rebuilt)
        )
        variance = np.stack(maps)
        layers[layer.layer] = LayerSamples(variance.mean((1, 2)), readings, faithfulness)
        variances.append(variance.mean((1, 2)))
        arrays |= {
            f"{layer.layer}_samples": samples[shown][:, : settings.columns],
            f"{layer.layer}_mean": np.stack(averages)[shown],
            f"{layer.layer}_variance": variance[shown],
        }

    names = (*evaluator.classes, *evaluator.numbers)
    truth = {name: test.truth[name].to_numpy()[: settings.inputs] for name in names}
    # As blurred as samples are: a factor is read from sharp images more surely.
    everyone = read_attributes(evaluator, test.pixels(slice(None)), blur=BLUR * evaluator.size)
    summary = summarise_fig3(
        layers,
        truth,
        everyone,
        read_attributes(evaluator, rebuilt),
        float((inputs / 255).var(0).mean()),
        classes=list(evaluator.classes),
        bootstrap=settings.bootstrap,
        about={
            "scale": params.scale,
            "seed": params.seed,
            "inputs": len(inputs),
            "samples": settings.samples,
            "read": settings.read,
            "size": inputs.shape[1],
            "evaluator": held_out_quality(evaluator, test)["blurred"],
        },
    )
    write_npz(
        paths.evaluations(figure),
        layers=np.array(list(layers)),
        variances=np.stack(variances).astype(np.float32),
        **arrays,
    )
    write_json(paths.metrics(params.scale, figure), summary)


def _sample(
    sampled: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]],
    autoencoder: Autoencoder,
    t: ConditionalINN,
    z: Tensor,
    v: Tensor,
    kept: int,
    row: int,
) -> None:
    """Put into `sampled` what `sample_moments` returns of a row of z and v, with `kept` samples."""
    images, average, variance = sample_moments(autoencoder, t, z[row].to(v.device), v[row])
    sampled[row] = images[:kept].copy(), average, variance  # no view: it would keep all of them


@torch.no_grad()
def sample_moments(
    autoencoder: Autoencoder, t: ConditionalINN, z: Tensor, v: Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples x_bar = D(t^-1(v | z)) of one z (...) for all v (V, N), and their moments (Fig. 3).

    Returns the images (V, H, W, 3) uint8, their mean (H, W, 3) uint8 and their variance (H, W)
    float32, the mean over the channels of images in [0, 1].
    """
    images = decode_images(autoencoder, crossed_samples(t, z[None], v)[0])
    unit = images.astype(np.float32) / 255
    average = np.rint(255 * unit.mean(0)).astype(np.uint8)
    return images, average, unit.var(0, ddof=1).mean(-1)
