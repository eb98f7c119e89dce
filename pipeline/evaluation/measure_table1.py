"""Sample and measure what Tab. 1 and Figs. 2 and S4-S6 show: t against decoders of z, by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline import paths
from pipeline.datasets.features import load_representations
from pipeline.datasets.images import ImageSet, to_pixels
from pipeline.evaluation.attributes import read_attributes
from pipeline.evaluation.encoding import encode_in_batches
from pipeline.evaluation.examples import varied_rows
from pipeline.evaluation.faithfulness import cosine_faithfulness
from pipeline.evaluation.fid import FrechetReference, KernelReference, feature_statistics
from pipeline.evaluation.mahendran_vedaldi import invert_representation
from pipeline.evaluation.perceptual_features import load_extractor
from pipeline.evaluation.reconstruction import reconstruction_quality
from pipeline.evaluation.sampling import conditional_samples, decode_images
from pipeline.evaluation.table1 import summarise_table1
from pipeline.models.loading import load_autoencoder, load_baseline, load_cinn, load_evaluator
from pipeline.networks.layers import represent_pixels
from pipeline.networks.loading import load_network
from pipeline.params import Params
from pipeline.storage import read_json, write_json, write_npz

__all__ = ["measure_table1"]

NETWORK = "alexnet"
OUTPUT = "output"
"""Its module that gives a number per class."""
BATCH = 256
"""Representations that a decoder sees at once."""


def measure_table1(params: Params, device: torch.device) -> None:
    """Write data/evaluations/table1.npz and metrics/table1.json."""
    settings, dataset = params.settings.evaluate["table1"], params.networks[NETWORK].dataset
    weights = settings.extractor_weights
    extractor = load_extractor(settings.extractor, weights and Path(weights), device)
    autoencoder = load_autoencoder(paths.autoencoder(dataset)).to(device)
    network = load_network(paths.network(NETWORK), device)
    step = read_json(paths.network(NETWORK) / "config.json")["steps"][-1]
    test, real = (ImageSet.load(paths.prepared(dataset), s) for s in ("test", "reference"))
    rows = torch.arange(settings.inputs)
    inputs = test.pixels(rows)
    truth = test.truth[: settings.inputs]
    shown = torch.from_numpy(varied_rows(truth, ["species"], settings.examples))

    reference = extractor.extract(real.pixels(rows))
    frechet = FrechetReference(feature_statistics(reference))
    kernel = KernelReference(reference, seed=params.seed)

    def distances(images: np.ndarray) -> dict[str, float]:
        features = extractor.extract(images)
        fid = frechet.distance(feature_statistics(features))
        return {"fid": fid, "kid": 1000 * kernel.distance(features).value}

    evaluator = load_evaluator(paths.evaluator(dataset)).to(device)
    species = test.truth["species"].to_numpy(str)[rows]

    def shows_its_species(images: np.ndarray) -> float:
        """Share of images (R, H, W, 3) uint8 that the evaluator reads as their input's species."""
        return float(np.mean(read_attributes(evaluator, images)["species"] == species))

    def predicted(images: np.ndarray) -> np.ndarray:
        """The classes (R,) that the network sees in images (R, H, W, 3) uint8."""
        return represent_pixels(network, OUTPUT, images).argmax(1).numpy()

    seen = predicted(inputs)

    def agreement(images: np.ndarray) -> float:
        """Share of images in which the network sees the class that it sees in their input."""
        return float(np.mean(predicted(images) == seen))

    # The posterior's mean, not a draw: the best that D can show, so the stricter floor.
    mean = encode_in_batches(autoencoder, test)[0][rows]
    rebuilt = decode_images(autoencoder, mean.to(device))
    measured: dict[str, Any] = {
        "floor_real": distances(inputs),
        "floor_reconstruction": distances(rebuilt),
        "reconstruction": reconstruction_quality(inputs, rebuilt, device),
        "species_real": shows_its_species(inputs),
        "species_reconstruction": shows_its_species(rebuilt),
        "agreement_reconstruction": agreement(rebuilt),
        "accuracy": read_json(paths.metrics(params.scale, f"train_network-{NETWORK}"))[
            "test_accuracy"
        ],
        "layers": {},
    }
    arrays = {
        "inputs": inputs[shown],
        "reconstructions": rebuilt[shown],
        "names": test.truth["species"].to_numpy(str)[shown],
    }
    generator = torch.Generator().manual_seed(params.seed)
    updates = []
    for name, baseline in params.baselines.items():
        layer = params.layers[baseline.layer]
        z = load_representations(paths.representations(NETWORK, baseline.layer), step, "test")[rows]
        z = z.float()
        config = read_json(paths.cinn(NETWORK, baseline.layer) / "config.json")["model"]
        t = load_cinn(config, paths.checkpoint_file(paths.cinn(NETWORK, baseline.layer), step))
        t = t.to(device)
        v = torch.randn(settings.draws, len(z), config["features"], generator=generator)
        drawn = [decode_images(autoencoder, conditional_samples(t, z, one)) for one in v]
        v = torch.randn(len(shown), settings.samples, config["features"], generator=generator)
        shown_z = z[shown].repeat_interleave(settings.samples, 0)
        z_bar = conditional_samples(t, shown_z, v.flatten(0, 1)).unflatten(0, v.shape[:2])
        decoder = load_baseline(paths.baseline(NETWORK, name)).to(device)
        decoded = _decode(decoder, z, device)
        inverted = invert_representation(
            network,
            layer.module,
            z[shown].to(device),
            (3, *inputs.shape[1:3]),
            steps=settings.mahendran_steps,
            seed=params.seed,
        )
        arrays |= {
            f"{layer.layer}_ours": decode_images(autoencoder, z_bar),
            f"{layer.layer}_dosovitskiy": decoded[shown],
            f"{layer.layer}_mahendran": to_pixels(inverted).cpu().numpy(),
        }
        again = [represent_pixels(network, layer.module, images) for images in (*drawn, rebuilt)]
        measured["layers"][layer.layer] = {
            "ours": [distances(images) for images in drawn],
            "dosovitskiy": distances(decoded),
            "species_ours": float(np.mean([shows_its_species(images) for images in drawn])),
            "species_dosovitskiy": shows_its_species(decoded),
            "agreement_ours": float(np.mean([agreement(images) for images in drawn])),
            "agreement_dosovitskiy": agreement(decoded),
            # Test images come in random order, so that the next one is another image.
            "faithfulness": cosine_faithfulness(
                np.stack(again[:-1], 1), z, z.roll(1, 0), again[-1]
            ),
        }
        updates.append(read_json(paths.baseline(NETWORK, name) / "training.json"))

    summary = summarise_table1(
        measured,
        scale=params.scale,
        seed=params.seed,
        images=len(inputs),
        size=inputs.shape[1],
        label=extractor.label,
        preparation=extractor.preparation,
        updates_ours=read_json(paths.autoencoder(dataset) / "training.json")["updates"],
        updates_dosovitskiy=min(row["updates"] for row in updates),
        updates_inherited=min(row["inherited"] for row in updates),
    )
    write_npz(paths.evaluations("table1"), **arrays)
    write_json(paths.metrics(params.scale, "table1"), summary)


@torch.no_grad()
def _decode(decoder: nn.Module, z: Tensor, device: torch.device) -> np.ndarray:
    """Images (R, H, W, 3) uint8 that a decoder of z (R, ...) makes."""
    parts = [to_pixels(decoder(part.to(device))).cpu() for part in z.split(BATCH)]
    return torch.cat(parts).numpy()
