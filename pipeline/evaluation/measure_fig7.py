"""Edit the test images of faces and measure what Figs. 7, S8 and S9 show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline import paths
from pipeline.datasets.attributes import attribute_values
from pipeline.datasets.features import load_posterior
from pipeline.datasets.images import ImageSet
from pipeline.errors import PipelineError
from pipeline.evaluation.attributes import read_attributes
from pipeline.evaluation.edits import (
    draw_donors,
    factors_of_codes,
    images_of_factors,
    negate_with_stargan,
    replace_factor,
)
from pipeline.evaluation.examples import varied_rows
from pipeline.evaluation.fid import FrechetReference, KernelReference, feature_statistics
from pipeline.evaluation.fig7 import SHOWN, Measured, summarise_fig7
from pipeline.evaluation.perceptual_features import load_extractor
from pipeline.evaluation.sampling import decode_images
from pipeline.evaluation.true_edits import true_edit_distances
from pipeline.models.loading import (
    load_autoencoder,
    load_evaluator,
    load_semantic,
    load_stargan,
)
from pipeline.networks.layers import represent_pixels
from pipeline.networks.loading import load_network
from pipeline.params import Params
from pipeline.storage import read_json, write_json, write_npz

__all__ = ["measure_fig7"]

NETWORK = "facenet"
LAYER = "facenet-embedding"


def measure_fig7(params: Params, device: torch.device) -> None:
    """Write data/evaluations/fig7.npz and metrics/fig7.json.

    Every test image is edited once for each factor of e, by both methods. Raises PipelineError for
    a data set without these attributes, or networks that were not trained on them.
    """
    settings, dataset = params.settings.evaluate["fig7"], params.networks[NETWORK].dataset
    data = paths.prepared(dataset)
    test, real = (ImageSet.load(data, split) for split in ("test", "reference"))
    e = load_semantic(paths.semantic(dataset)).to(device)
    attributes = tuple(name for name in e.factors if name != "residual")
    everyone = attribute_values(test.truth, attributes, f"the test images of {dataset}")
    evaluator = load_evaluator(paths.evaluator(dataset)).to(device)
    for name in attributes:
        if name not in evaluator.classes:
            raise PipelineError(
                f"the evaluator of {dataset} does not read the attribute '{name}': name it in "
                f"train_evaluator.{dataset}.classes."
            )
    trained = _trained(params.scale, dataset)
    rows = torch.arange(settings.inputs)
    values, truth = everyone[: settings.inputs], test.truth[: settings.inputs]

    weights = settings.extractor_weights
    extractor = load_extractor(settings.extractor, weights and Path(weights), device)
    reference = extractor.extract(real.pixels(rows))
    frechet = FrechetReference(feature_statistics(reference))
    kernel = KernelReference(reference, seed=params.seed)
    network = load_network(paths.network(NETWORK), device)
    module = params.layers[LAYER].module

    def measured(images: np.ndarray) -> Measured:
        features = extractor.extract(images)
        fid = frechet.distance(feature_statistics(features))
        return Measured(
            read_attributes(evaluator, images),
            represent_pixels(network, module, images).numpy(),
            {"fid": fid, "kid": 1000 * kernel.distance(features).value},
        )

    autoencoder = load_autoencoder(paths.autoencoder(dataset)).to(device)
    stargan = load_stargan(paths.stargan(dataset)).to(device)
    inputs = test.pixels(rows)
    z_bar, _ = load_posterior(paths.posteriors(dataset), "test")
    factors = factors_of_codes(e, z_bar)
    rebuilt = decode_images(autoencoder, z_bar[rows].to(device))
    generator = np.random.default_rng(params.seed)
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

    summary = summarise_fig7(
        truth,
        measured(inputs),
        measured(rebuilt),
        **edits,
        dimensions={name: e.factors[name] for name in attributes},
        about={
            "scale": params.scale,
            "seed": params.seed,
            "size": inputs.shape[1],
            "label": extractor.label,
            "preparation": extractor.preparation,
            "true_edits": true_edit_distances(
                truth,
                attributes,
                lambda images: represent_pixels(network, module, images).numpy(),
                inputs.shape[1],
                params.threads,
            ),
            **trained,
        },
    )
    write_npz(
        paths.evaluations("fig7"),
        inputs=inputs[shown],
        reconstructions=rebuilt[shown],
        attributes=np.array(attributes),
        values=values.to_numpy(bool)[shown],
        **{name: np.stack(images, 1) for name, images in grids.items()},
    )
    write_json(paths.metrics(params.scale, "fig7"), summary)


def _trained(scale: str, dataset: str) -> dict[str, Any]:
    """`verification`: how well f tells strangers apart; `training` of what makes the edits."""
    metrics = read_json(paths.metrics(scale, f"train_network-{NETWORK}"))
    updates = read_json(paths.autoencoder(dataset) / "training.json")["updates"]
    stargan = read_json(paths.stargan(dataset) / "training.json")
    return {
        "verification": {n.removeprefix("verification_"): value for n, value in metrics.items()},
        "training": {"ours_updates": updates, "stargan": stargan},
    }
