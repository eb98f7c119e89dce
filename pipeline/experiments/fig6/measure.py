"""Sample two classifiers for inputs without texture, or with another's texture (Fig. 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline import paths
from pipeline.datasets.carnivores import IMAGENET_CLASS, IMAGENET_CLASSES
from pipeline.datasets.categories import CATEGORIES, categories_of
from pipeline.datasets.images import ImageSet
from pipeline.evaluation.attributes import BLUR, predict_attributes
from pipeline.evaluation.sampling import conditional_samples, decode_images
from pipeline.experiments.fig6.summary import KINDS, NETWORKS, Seen, nearest_classes, summarise
from pipeline.models.cinn import load_cinn
from pipeline.models.evaluator import load_evaluator
from pipeline.models.generator import load_latent_generator
from pipeline.networks.layers import features_of_pixels
from pipeline.networks.loading import load_network
from pipeline.storage import read_json

if TYPE_CHECKING:
    from pipeline.experiments.fig6.report import Fig6Settings
    from pipeline.task import Task

__all__ = ["measure", "shown_rows"]

OUTPUT = ""
"""How torch names the whole network, whose output are the logits."""


def measure(
    task: Task[Fig6Settings], device: torch.device
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays for the figures, and the numbers of `summarise`."""
    settings, row = task.settings, task.rows.experiment
    assert row is not None
    data = paths.prepared(row.dataset)
    inputs, generated = (ImageSet.load(data, split) for split in ("inputs", "test"))
    decoder = load_latent_generator(paths.autoencoder(row.dataset)).to(device)
    classes = decoder.generator.classes
    published = classes == IMAGENET_CLASSES
    species = dict(zip(generated.truth["label"], generated.truth["species"], strict=True))
    evaluator = None
    if not published:
        evaluator = load_evaluator(paths.evaluator(row.evaluator or row.dataset)).to(device)

    def named(labels: np.ndarray) -> np.ndarray:
        """Names of the generator's or a network's classes, as in the truth of the inputs."""
        if published:
            return categories_of(labels)
        return np.vectorize(lambda label: species.get(label, ""), otypes=[object])(labels)

    truth = inputs.truth
    if published:  # photographs are labelled by species: name them as the classes
        known = {name: named(np.array([index]))[0] for name, index in IMAGENET_CLASS.items()}
        known |= {name: name for name in CATEGORIES}
        truth = truth.assign(**{cue: truth[cue].map(known) for cue in ("shape", "texture")})
        truth = truth.dropna(subset=["shape", "texture"])  # of species that ImageNet lacks
    pixels = inputs.pixels(torch.tensor(truth.index.to_numpy()))
    truth = truth.reset_index(drop=True)
    embeddings = decoder.generator.embed(torch.arange(classes, device=device)).cpu().numpy()
    noise = decoder.generator.noise
    generator = torch.Generator().manual_seed(task.seed)
    seen, shown = {}, shown_rows(truth, settings.rows + settings.more)
    arrays = {"inputs": pixels[shown], "kinds": truth["kind"].to_numpy(str)[shown]}
    v: Tensor | None = None
    for name, key in zip(NETWORKS, row.layers, strict=True):
        layer = task.rows.layers[key]
        network = load_network(paths.network(layer.network), device)
        step = read_json(paths.network(layer.network) / "config.json")["steps"][-1]
        t = load_cinn(paths.cinn(key), step).to(device)
        z = features_of_pixels(network, layer.module, pixels)
        if v is None:  # the same invariances for both
            v = torch.randn(len(z), settings.samples, t.features, generator=generator)
            v = v.flatten(0, 1)
        z_bar = conditional_samples(t, z.repeat_interleave(settings.samples, 0), v)
        codes = z_bar[:, noise:]
        with torch.no_grad():
            h = torch.cat([decoder.dequantizer.decode(part).cpu() for part in codes.split(1000)])
        grid = (len(z), settings.samples)
        read = None
        if evaluator is not None:
            parts = [  # decoded in parts: all samples at once would not fit in memory
                predict_attributes(evaluator, decode_images(decoder, part))["species"]
                for part in z_bar.split(4000)
            ]
            read = np.concatenate(parts).astype(object).reshape(grid)
        seen[name] = Seen(
            read,
            named(nearest_classes(h.numpy(), embeddings)).reshape(grid),
            named(features_of_pixels(network, OUTPUT, pixels).argmax(1).numpy()),
        )
        picked = z_bar.unflatten(0, grid)[torch.from_numpy(shown)][:, : settings.columns]
        arrays[f"{name}_samples"] = decode_images(decoder, picked)
    accuracy = evaluator_right = None
    if evaluator is not None:
        read = predict_attributes(evaluator, generated.pixels(slice(None)))["species"]
        accuracy = float(np.mean(read == generated.truth["species"].to_numpy()))
        real = (truth["kind"] == "natural").to_numpy()
        read = predict_attributes(evaluator, pixels[real], blur=BLUR * evaluator.size)["species"]
        evaluator_right = float(np.mean(read == truth["shape"].to_numpy()[real]))
    counts = truth["kind"].value_counts()
    about = {
        "scale": task.scale,
        "seed": task.seed,
        "inputs": {kind: int(counts.get(kind, 0)) for kind in KINDS},
        "samples": settings.samples,
        "rows": settings.rows,
        "size": pixels.shape[1],
        "generated_right": accuracy,
        "evaluator_right": evaluator_right,
        "generated": len(generated),
    }
    numbers = summarise(truth, seen, bootstrap=settings.bootstrap, seed=task.seed, about=about)
    return arrays, numbers


def shown_rows(truth: pd.DataFrame, count: int) -> np.ndarray:
    """Rows of the inputs that the figures show: `count` of each kind, of many classes.

    Each kind begins with other classes, so that a figure shows many animals.
    """
    chosen = []
    for place, kind in enumerate(kind for kind in KINDS if (truth["kind"] == kind).any()):
        rows = np.flatnonzero(truth["kind"] == kind)
        names = truth["shape"].where(truth["shape"] != "", truth["texture"]).to_numpy()[rows]
        firsts = [int(np.flatnonzero(names == name)[0]) for name in dict.fromkeys(names)]
        turned = firsts[place * count % len(firsts) :] + firsts[: place * count % len(firsts)]
        rest = [row for row in range(len(rows)) if row not in set(turned)]
        chosen += [int(rows[row]) for row in (turned + rest)[:count]]
    return np.array(chosen)
