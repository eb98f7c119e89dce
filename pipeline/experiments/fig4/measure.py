"""How much of each factor z explains while its network trains (Fig. 4, Eq. 20), and samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline import paths
from pipeline.datasets.color_digits import ColorDigits
from pipeline.datasets.features import load_posterior, load_representations
from pipeline.evaluation.accuracy import accuracy
from pipeline.evaluation.encoding import reconstruction_error
from pipeline.evaluation.sampling import crossed_factors, crossed_samples, decode_images
from pipeline.experiments.fig4.summary import SHOWN, summarise_fig4
from pipeline.models.cinn import load_cinn
from pipeline.models.image_autoencoder import load_autoencoder
from pipeline.models.inn import load_semantic
from pipeline.networks.loading import load_checkpoints
from pipeline.storage import read_json

if TYPE_CHECKING:
    from pipeline.experiments.fig4.report import Fig4Settings
    from pipeline.task import Task

__all__ = ["different_digits", "measure"]


def measure(
    task: Task[Fig4Settings], device: torch.device
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Grids of samples at two checkpoints, and `summarise_fig4` of all of them.

    The numbers also have `semantic`: sizes and probes of the factors of e.
    """
    settings, experiment = task.settings, task.rows.experiment
    assert experiment is not None
    (key,), dataset = experiment.layers, experiment.dataset
    autoencoder = load_autoencoder(paths.autoencoder(dataset)).to(device)
    e = load_semantic(paths.semantic(dataset)).to(device)
    config = read_json(paths.cinn(key) / "config.json")
    test = ColorDigits.load(paths.prepared(dataset), "test")

    generator = torch.Generator().manual_seed(task.seed)
    chosen = different_digits(test, generator)[: settings.inputs]
    v = torch.randn(settings.invariances, config["model"]["features"], generator=generator)
    v = v.to(device)
    shown, columns = chosen[: SHOWN + settings.rows], v[: settings.columns]
    moments = {settings.early: "early", settings.late: "late"}
    factors, arrays = [], {}
    for position, step in enumerate(config["steps"]):
        t = load_cinn(paths.cinn(key), step).to(device)
        z = load_representations(paths.features(key), step, "test").float().to(device)
        factors.append(crossed_factors(e, t, z[chosen], v))
        if moment := moments.get(position):
            samples = crossed_samples(t, z[shown], columns)
            arrays[f"{moment}_step"] = np.array(step)
            arrays[f"{moment}_inputs"] = test.pixels(shown)
            arrays[f"{moment}_samples"] = decode_images(autoencoder, samples)

    mean, _ = load_posterior(paths.posteriors(dataset), "test")
    name = task.rows.layers[key].network
    semantic = read_json(paths.training_metrics(task.scale, "train_semantic", dataset))
    numbers = summarise_fig4(
        np.stack(factors),
        {name: e.indices(name) for name in e.factors},
        config["steps"],
        [accuracy(network, test) for _, network in load_checkpoints(paths.network(name), device)],
        early=settings.early,
        late=settings.late,
        scale=task.scale,
        seed=task.seed,
        reconstruction_mse=reconstruction_error(autoencoder, mean, test) / 4,  # images in [0, 1]
        calibration=read_json(paths.cinn(key) / "calibration.json"),
        replicates=settings.bootstrap,
    )
    return arrays, numbers | {"semantic": {name: semantic[name] for name in ("sizes", "probes")}}


def different_digits(data: ColorDigits, generator: torch.Generator) -> Tensor:
    """All rows in random order, an image of every digit before a second colouring of any.

    Errors come from a bootstrap over inputs, which takes these for independent.
    """
    order = torch.randperm(len(data), generator=generator)
    _, digits = np.unique(data.strokes[order].flatten(1).numpy(), axis=0, return_inverse=True)
    colouring = pd.Series(digits).groupby(digits).cumcount()
    return order[torch.from_numpy(np.argsort(colouring.to_numpy(), kind="stable"))]
