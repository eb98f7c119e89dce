"""Sample and measure what Fig. 4 shows: z of each factor while its network trains (Eq. 20)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline import paths
from pipeline.datasets.digits import ColorDigits
from pipeline.datasets.features import load_posterior, load_representations
from pipeline.evaluation.encoding import reconstruction_error
from pipeline.evaluation.fig4 import SHOWN, summarise_fig4
from pipeline.evaluation.sampling import crossed_factors, crossed_samples, decode_images
from pipeline.models.loading import load_autoencoder, load_cinn, load_semantic
from pipeline.params import Params
from pipeline.storage import read_json, write_json, write_npz

__all__ = ["different_digits", "measure_fig4"]

NETWORK = "squeezenet"
LAYER = "squeezenet-fire8"


def measure_fig4(params: Params, device: torch.device) -> None:
    """Write data/evaluations/fig4.npz and metrics/fig4.json."""
    settings = params.settings.evaluate["fig4"]
    dataset = params.networks[NETWORK].dataset
    autoencoder = load_autoencoder(paths.autoencoder(dataset)).to(device)
    e = load_semantic(paths.semantic(dataset)).to(device)
    config = read_json(paths.cinn(NETWORK, LAYER) / "config.json")
    steps = config["steps"]
    test = ColorDigits.load(paths.prepared(dataset), "test")

    generator = torch.Generator().manual_seed(params.seed)
    chosen = different_digits(test, generator)[: settings.inputs]
    v = torch.randn(settings.invariances, config["model"]["features"], generator=generator)
    v = v.to(device)
    shown, columns = chosen[: SHOWN + settings.rows], v[: settings.columns]
    moments = {settings.early: "early", settings.late: "late"}
    factors, arrays = [], {}
    for position, step in enumerate(steps):
        file = paths.checkpoint_file(paths.cinn(NETWORK, LAYER), step)
        t = load_cinn(config["model"], file).to(device)
        z = (
            load_representations(paths.representations(NETWORK, LAYER), step, "test")
            .float()
            .to(device)
        )
        factors.append(crossed_factors(e, t, z[chosen], v))
        if moment := moments.get(position):
            arrays[f"{moment}_step"] = np.array(step)
            arrays[f"{moment}_inputs"] = test.pixels(shown)
            samples = crossed_samples(t, z[shown], columns)
            arrays[f"{moment}_samples"] = decode_images(autoencoder, samples)

    error = reconstruction_error(
        autoencoder, load_posterior(paths.posteriors(dataset), "test")[0], test
    )
    accuracy = read_json(paths.metrics(params.scale, f"train_network-{NETWORK}"))
    calibration = read_json(paths.cinn(NETWORK, LAYER) / "calibration.json")
    summary = summarise_fig4(
        np.stack(factors),
        {name: e.indices(name) for name in e.factors},
        steps,
        [accuracy["accuracy_by_step"][str(step)] for step in steps],
        early=settings.early,
        late=settings.late,
        scale=params.scale,
        seed=params.seed,
        reconstruction_mse=error / 4,  # of images in [0, 1]
        calibration=calibration,
        replicates=settings.bootstrap,
    )
    write_npz(paths.evaluations("fig4"), **arrays)
    write_json(paths.metrics(params.scale, "fig4"), summary)


def different_digits(data: ColorDigits, generator: torch.Generator) -> Tensor:
    """All rows in random order, an image of every digit before a second colouring of any.

    Errors come from a bootstrap over inputs, which takes these for independent.
    """
    order = torch.randperm(len(data), generator=generator)
    _, digits = np.unique(data.strokes[order].flatten(1).numpy(), axis=0, return_inverse=True)
    colouring = pd.Series(digits).groupby(digits).cumcount()
    return order[torch.from_numpy(np.argsort(colouring.to_numpy(), kind="stable"))]
