"""Sample two classifiers' representations of inputs without texture, or with another's (Fig. 6)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline import paths
from pipeline.datasets.carnivores import IMAGENET_CLASS, IMAGENET_CLASSES
from pipeline.datasets.categories import CATEGORIES, categories_of
from pipeline.datasets.images import ImageSet
from pipeline.evaluation.attributes import BLUR, read_attributes
from pipeline.evaluation.fig6 import KINDS, Seen, nearest_classes, summarise_fig6
from pipeline.evaluation.sampling import conditional_samples, decode_images
from pipeline.models.generator import load_latent_generator
from pipeline.models.loading import load_cinn, load_evaluator
from pipeline.networks.layers import represent_pixels
from pipeline.networks.loading import load_network
from pipeline.params import Params
from pipeline.storage import read_json, write_json, write_npz

__all__ = ["measure_fig6", "shown_rows"]

NETWORKS = {"vanilla": "resnet50-fc", "stylized": "resnet50_stylized-fc"}
"""The layers that Fig. 6 compares: the same one of two networks."""
DATASET = "generated"


def measure_fig6(params: Params, device: torch.device) -> None:
    """Write data/evaluations/fig6.npz and metrics/fig6.json."""
    settings = params.settings.evaluate["fig6"]
    data = paths.prepared(DATASET)
    inputs, generated = (ImageSet.load(data, split) for split in ("inputs", "test"))
    decoder = load_latent_generator(paths.autoencoder(DATASET)).to(device)
    classes = decoder.generator.classes
    published = classes == IMAGENET_CLASSES
    species = dict(zip(generated.truth["label"], generated.truth["species"], strict=True))
    evaluator = None if published else load_evaluator(paths.evaluator("animals")).to(device)

    def named(labels: np.ndarray) -> np.ndarray:
        """What classes of the generator or of a network are called in the truth of the inputs."""
        if published:
            return categories_of(labels)
        return np.vectorize(lambda label: species.get(label, ""), otypes=[object])(labels)

    truth = inputs.truth
    if published:  # photographs are called by their species: named as the classes are
        known = {name: named(np.array([index]))[0] for name, index in IMAGENET_CLASS.items()}
        known |= {name: name for name in CATEGORIES}
        truth = truth.assign(**{cue: truth[cue].map(known) for cue in ("shape", "texture")})
        truth = truth.dropna(subset=["shape", "texture"])  # of species that ImageNet lacks
    pixels = inputs.pixels(torch.tensor(truth.index.to_numpy()))
    truth = truth.reset_index(drop=True)
    embeddings = decoder.generator.embed(torch.arange(classes, device=device)).cpu().numpy()
    noise = decoder.generator.noise
    generator = torch.Generator().manual_seed(params.seed)
    seen, shown = {}, shown_rows(truth, settings.rows + settings.more)
    arrays: dict[str, np.ndarray] = {}
    v: Tensor | None = None
    for name, key in NETWORKS.items():
        layer = params.layers[key]
        network_name = params.features[layer.features].network
        network = load_network(paths.network(network_name), device)
        step = read_json(paths.network(network_name) / "config.json")["steps"][-1]
        trained = paths.cinn(layer.features, key)
        config = read_json(trained / "config.json")["model"]
        t = load_cinn(config, paths.checkpoint_file(trained, step)).to(device)
        z = represent_pixels(network, layer.module, pixels)
        if v is None:  # the same invariances for both
            v = torch.randn(
                len(z), settings.samples, config["features"], generator=generator
            ).flatten(0, 1)
        z_bar = conditional_samples(t, z.repeat_interleave(settings.samples, 0), v)
        codes = z_bar[:, noise:]
        with torch.no_grad():
            h = torch.cat([decoder.dequantizer.decode(part).cpu() for part in codes.split(1000)])
        grid = (len(z), settings.samples)
        read = None
        if evaluator is not None:
            parts = [  # decoded in parts: all samples at once would fill the memory
                read_attributes(evaluator, decode_images(decoder, part))["species"]
                for part in z_bar.split(4000)
            ]
            read = np.concatenate(parts).astype(object).reshape(grid)
        seen[name] = Seen(
            read,
            named(nearest_classes(h.numpy(), embeddings)).reshape(grid),
            named(represent_pixels(network, "fc", pixels).argmax(1).numpy()),
        )
        picked = z_bar.unflatten(0, grid)[torch.from_numpy(shown)][:, : settings.columns]
        arrays[f"{name}_samples"] = decode_images(decoder, picked)
    accuracy = evaluator_right = None
    if evaluator is not None:
        read = read_attributes(evaluator, generated.pixels(slice(None)))["species"]
        accuracy = float(np.mean(read == generated.truth["species"].to_numpy()))
        real = (truth["kind"] == "natural").to_numpy()
        read = read_attributes(evaluator, pixels[real], blur=BLUR * evaluator.size)["species"]
        evaluator_right = float(np.mean(read == truth["shape"].to_numpy()[real]))
    counts = truth["kind"].value_counts()
    summary = summarise_fig6(
        truth,
        seen,
        bootstrap=settings.bootstrap,
        seed=params.seed,
        about={
            "scale": params.scale,
            "seed": params.seed,
            "inputs": {kind: int(counts.get(kind, 0)) for kind in KINDS},
            "samples": settings.samples,
            "rows": settings.rows,
            "size": pixels.shape[1],
            "generated_right": accuracy,
            "evaluator_right": evaluator_right,
            "generated": len(generated),
        },
    )
    write_npz(
        paths.evaluations("fig6"),
        inputs=pixels[shown],
        kinds=truth["kind"].to_numpy(str)[shown],
        **arrays,
    )
    write_json(paths.metrics(params.scale, "fig6"), summary)


def shown_rows(truth: pd.DataFrame, count: int) -> np.ndarray:
    """Which inputs the figures show, `count` of each kind: of as many classes as there are.

    Every kind begins with other ones, so that a figure shows many animals.
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
