"""Sample every layer of FaceNet and measure what Fig. 3 shows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pipeline import paths
from pipeline.datasets.features import load_posterior, load_representations
from pipeline.datasets.images import ImageSet
from pipeline.evaluation.attributes import held_out_quality, read_attributes
from pipeline.evaluation.faithfulness import cosine_faithfulness
from pipeline.evaluation.fig3 import LayerSamples, summarise_fig3
from pipeline.evaluation.sampling import crossed_samples, decode_images
from pipeline.models.inn import ConditionalINN
from pipeline.models.loading import Autoencoder, load_autoencoder, load_cinn, load_evaluator
from pipeline.networks.layers import represent_pixels
from pipeline.networks.loading import checkpoint_file, load_network
from pipeline.params import Params
from pipeline.storage import read_json, write_json, write_npz

__all__ = ["measure_fig3", "sample_moments"]

NETWORK = "facenet"
ENCODED_AGAIN = 4
"""Samples of each input that the network reads again, for their faithfulness."""


def measure_fig3(params: Params, device: torch.device) -> None:
    """Write data/evaluations/fig3.npz and metrics/fig3.json."""
    settings, dataset = params.settings.evaluate["fig3"], params.networks[NETWORK].dataset
    test = ImageSet.load(paths.prepared(dataset), "test")
    rows = torch.arange(settings.inputs)
    autoencoder = load_autoencoder(paths.autoencoder(dataset)).to(device)
    evaluator = load_evaluator(paths.evaluator(dataset)).to(device)
    network = load_network(paths.network(NETWORK), device)
    step = read_json(paths.network(NETWORK) / "config.json")["steps"][-1]
    mean, _ = load_posterior(paths.posteriors(dataset), "test")
    rebuilt = decode_images(autoencoder, mean[rows].to(device))
    inputs = test.pixels(rows)
    shown = settings.rows
    arrays = {"inputs": inputs[:shown], "reconstructions": rebuilt[:shown]}

    generator = torch.Generator().manual_seed(params.seed)
    v = torch.randn(settings.samples, mean.shape[1], generator=generator).to(device)
    layers, variances = {}, []
    for key in (name for name, layer in params.layers.items() if layer.network == NETWORK):
        layer = params.layers[key]
        config = read_json(paths.cinn(NETWORK, key) / "config.json")["model"]
        t = load_cinn(config, checkpoint_file(paths.cinn(NETWORK, key), step)).to(device)
        z = load_representations(paths.representations(NETWORK, key), step, "test")[rows].float()
        read, averages, maps = [], [], []
        for one in z:
            images, average, variance = sample_moments(autoencoder, t, one.to(device), v)
            read.append(images[: settings.read])
            averages.append(average)
            maps.append(variance)
        samples = np.stack(read)
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
            f"{layer.layer}_samples": samples[:shown, : settings.columns],
            f"{layer.layer}_mean": np.stack(averages[:shown]),
            f"{layer.layer}_variance": variance[:shown],
        }

    names = (*evaluator.classes, *evaluator.numbers)
    everyone = {name: test.truth[name].to_numpy() for name in names}
    summary = summarise_fig3(
        layers,
        {name: values[rows.numpy()] for name, values in everyone.items()},
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
        paths.evaluations("fig3"),
        layers=np.array(list(layers)),
        variances=np.stack(variances).astype(np.float32),
        **arrays,
    )
    write_json(paths.metrics(params.scale, "fig3"), summary)


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
