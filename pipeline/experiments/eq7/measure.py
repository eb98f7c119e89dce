"""Edit samples of every layer of a network, and probe the network with the result (Eq. 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pipeline import paths
from pipeline.config.rows import layer_name
from pipeline.datasets.attributes import attribute_values
from pipeline.datasets.features import load_posterior, load_representations
from pipeline.datasets.images import ImageSet
from pipeline.evaluation.attributes import predict_attributes
from pipeline.evaluation.edits import (
    check_reads,
    draw_donors,
    editable,
    factors_of_codes,
    images_of_factors,
    replace_factor,
)
from pipeline.evaluation.examples import varied_rows
from pipeline.evaluation.sampling import conditional_samples, decode_images
from pipeline.experiments.eq7.summary import summarise
from pipeline.models.cinn import load_cinn
from pipeline.models.evaluator import load_evaluator
from pipeline.models.image_autoencoder import load_autoencoder
from pipeline.models.inn import load_semantic
from pipeline.networks.layers import features_of_pixels
from pipeline.networks.loading import load_network
from pipeline.storage import read_json

if TYPE_CHECKING:
    from pipeline.experiments.eq7.report import Eq7Settings
    from pipeline.task import Task

__all__ = ["measure"]


def measure(
    task: Task[Eq7Settings], device: torch.device
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays for the figures, and the numbers of `summarise`.

    Of each test image and layer, z_bar = t^-1(v | z) is sampled once; layers share v. One factor of
    e(z_bar) is replaced by that of a test image with the other value of its attribute, and the
    network f = Psi o Phi sees D(z_bar) and D(z_bar*). Arrays, with S inputs shown, L layers, A
    attributes and R inputs: `inputs` (S, H, W, 3), `samples` (S, L, H, W, 3), `edits`
    (S, L, A, H, W, 3), `values` (S, A) of the donors, `distances` (L, A, R) between outputs of f,
    `attributes` and `layers`.

    Raises:
        PipelineError: the data set or the evaluator lacks an attribute.
    """
    settings, row = task.settings, task.rows.experiment
    assert row is not None
    test = ImageSet.load(paths.prepared(row.dataset), "test")
    e = load_semantic(paths.semantic(row.dataset)).to(device)
    evaluator = load_evaluator(paths.evaluator(row.evaluator)).to(device)
    attributes = tuple(name for name in e.factors if name != "residual")
    check_reads(evaluator, attributes, row.evaluator)
    rows = test.first(settings.inputs, f"experiments.{task.item}.inputs")
    truth = attribute_values(test.truth, attributes, f"the test images of {row.dataset}")
    generator = np.random.default_rng(task.seed)
    donors = {
        name: torch.from_numpy(
            draw_donors(truth[name].to_numpy(), name, generator)[: settings.inputs]
        )
        for name in attributes
    }
    people = truth[: settings.inputs]
    possible = np.stack([editable(name, people) for name in attributes])
    asked = np.stack([~truth[name].to_numpy(bool)[: settings.inputs] for name in attributes])
    shown = varied_rows(truth[: settings.inputs], attributes, settings.rows)

    layers = {key: task.rows.layers[key] for key in row.layers}
    last = layers[row.layers[-1]]
    network = load_network(paths.network(last.network), device)
    step = read_json(paths.network(last.network) / "config.json")["steps"][-1]
    autoencoder = load_autoencoder(paths.autoencoder(row.dataset)).to(device)
    mean, _ = load_posterior(paths.posteriors(row.dataset), "test")
    factors = factors_of_codes(e, mean)
    v = torch.randn(len(rows), mean.shape[1], generator=torch.Generator().manual_seed(task.seed))

    def output(pixels: np.ndarray) -> np.ndarray:
        return features_of_pixels(network, last.module, pixels).flatten(1).double().numpy()

    samples, edits, distances, before, after = [], [], [], [], []
    for key in layers:
        t = load_cinn(paths.cinn(key), step).to(device)
        z = load_representations(paths.features(key), step, "test")[rows].float()
        z_bar = conditional_samples(t, z, v)
        pixels, own = decode_images(autoencoder, z_bar), factors_of_codes(e, z_bar.cpu())
        start, read = output(pixels), predict_attributes(evaluator, pixels)
        changed, moved, reached = [], [], []
        for name in attributes:
            swapped = replace_factor(e, own, factors[donors[name]], name)
            edited = images_of_factors(e, autoencoder, swapped)
            changed.append(edited[shown])
            moved.append(np.linalg.norm(output(edited) - start, axis=1))
            reached.append(predict_attributes(evaluator, edited)[name])
        samples.append(pixels[shown])
        edits.append(np.stack(changed, 1))
        distances.append(np.stack(moved))
        before.append(np.stack([read[name] for name in attributes]) == asked)
        after.append(np.stack(reached) == asked)
    arrays = {
        "inputs": test.pixels(rows)[shown],
        "samples": np.stack(samples, 1),
        "edits": np.stack(edits, 1),
        "values": asked.T[shown],
        "distances": np.stack(distances).astype(np.float32),
        "attributes": np.array(attributes),
        "layers": np.array([layer_name(key) for key in layers]),
    }
    about = {
        "scale": task.scale,
        "seed": task.seed,
        "network": last.network,
        "output": layer_name(row.layers[-1]),
    }
    return arrays, summarise(arrays, np.stack(before), np.stack(after), possible, about=about)
