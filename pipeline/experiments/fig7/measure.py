"""Edit the test images of faces and measure what changes (Figs. 7, S8 and S9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pipeline import paths
from pipeline.datasets.attributes import attribute_values
from pipeline.datasets.features import load_posterior
from pipeline.datasets.images import ImageSet
from pipeline.evaluation.attributes import predict_attributes
from pipeline.evaluation.counterfactual_edits import counterfactual_edits
from pipeline.evaluation.edits import (
    check_reads,
    draw_donors,
    factors_of_codes,
    images_of_factors,
    negate_with_stargan,
    replace_factor,
)
from pipeline.evaluation.examples import varied_rows
from pipeline.evaluation.image_distances import ImageDistances
from pipeline.evaluation.perceptual_features import load_extractor
from pipeline.evaluation.sampling import decode_images
from pipeline.evaluation.verification import verification
from pipeline.experiments.fig7.summary import SHOWN, Measured, summarise
from pipeline.models.evaluator import load_evaluator
from pipeline.models.image_autoencoder import load_autoencoder
from pipeline.models.inn import load_semantic
from pipeline.models.stargan import load_stargan
from pipeline.networks.layers import features_of_pixels
from pipeline.networks.loading import load_network
from pipeline.storage import read_json

if TYPE_CHECKING:
    from pipeline.experiments.fig7.report import Fig7Settings
    from pipeline.task import Task

__all__ = ["measure"]


def measure(
    task: Task[Fig7Settings], device: torch.device
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays for the figures, and the numbers of `summarise`.

    Both methods edit every test image once for each factor of e.

    Raises:
        PipelineError: the data set lacks an attribute, or a network was not trained on it.
    """
    settings, row = task.settings, task.rows.experiment
    assert row is not None
    dataset, (key,) = row.dataset, row.layers
    layer = task.rows.layers[key]
    test, real = (ImageSet.load(paths.prepared(dataset), split) for split in ("test", "reference"))
    e = load_semantic(paths.semantic(dataset)).to(device)
    attributes = tuple(name for name in e.factors if name != "residual")
    everyone = attribute_values(test.truth, attributes, f"the test images of {dataset}")
    reader = row.evaluator
    evaluator = load_evaluator(paths.evaluator(reader)).to(device)
    check_reads(evaluator, attributes, reader)
    setting = "experiments.fig7.inputs"
    rows = test.first(settings.inputs, setting)
    values, truth = everyone[: settings.inputs], test.truth[: settings.inputs]

    extractor = load_extractor(settings.extractor, settings.extractor_weights, device)
    distances = ImageDistances(extractor, real.pixels(real.first(settings.inputs, setting)))
    network = load_network(paths.network(layer.network), device)

    def embed(images: np.ndarray) -> np.ndarray:
        return features_of_pixels(network, layer.module, images).numpy()

    def measured(images: np.ndarray) -> Measured:
        distance = distances.with_influence(images)
        return Measured(predict_attributes(evaluator, images), embed(images), *distance)

    autoencoder = load_autoencoder(paths.autoencoder(dataset)).to(device)
    stargan = load_stargan(paths.stargan(dataset)).to(device)
    inputs = test.pixels(rows)
    z_bar, _ = load_posterior(paths.posteriors(dataset), "test")
    factors = factors_of_codes(e, z_bar)
    rebuilt = decode_images(autoencoder, z_bar[rows].to(device))
    generator = np.random.default_rng(task.seed)
    count = min(SHOWN + settings.rows, settings.inputs)
    shown = torch.from_numpy(varied_rows(values, attributes, count))
    grids: dict[str, list[np.ndarray]] = {"donors": [], "ours": [], "stargan": []}
    edits: dict[str, dict[str, Measured]] = {"ours": {}, "stargan": {}}
    for name in attributes:
        chosen = draw_donors(everyone[name].to_numpy(), name, generator)[: settings.inputs]
        donors = torch.from_numpy(chosen)
        swapped = replace_factor(e, factors[rows], factors[donors], name)
        images = {
            "ours": images_of_factors(e, autoencoder, swapped),
            "stargan": negate_with_stargan(stargan, inputs, values, name),
        }
        grids["donors"].append(test.pixels(donors[shown]))
        for method, pixels in images.items():
            edits[method][name] = measured(pixels)
            grids[method].append(pixels[shown])

    about = {
        "scale": task.scale,
        "seed": task.seed,
        "size": inputs.shape[1],
        "label": extractor.label,
        "preparation": extractor.preparation,
        "counterfactual_edits": counterfactual_edits(
            truth, attributes, embed, inputs.shape[1], task.threads
        ),
        "verification": verification(network, test),
        "training": {
            "ours_steps": read_json(paths.autoencoder(dataset) / "training.json")["steps"],
            "stargan": read_json(paths.stargan(dataset) / "training.json"),
        },
    }
    numbers = summarise(
        truth,
        measured(inputs),
        measured(rebuilt),
        **edits,
        dimensions={name: e.factors[name] for name in attributes},
        about=about,
    )
    arrays = {
        "inputs": inputs[shown],
        "reconstructions": rebuilt[shown],
        "attributes": np.array(attributes),
        "values": values.to_numpy(bool)[shown],
        **{name: np.stack(images, 1) for name, images in grids.items()},
    }
    return arrays, numbers
