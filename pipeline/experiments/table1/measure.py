"""Sample the layers of a network and compare t with decoders of z (Table 1, Figs. 2, S4-S6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline import paths
from pipeline.config.rows import layer_name
from pipeline.datasets.features import load_representations
from pipeline.datasets.images import ImageSet, to_pixels
from pipeline.evaluation.accuracy import accuracy, known_images
from pipeline.evaluation.attributes import predict_attributes
from pipeline.evaluation.encoding import encode_in_batches
from pipeline.evaluation.examples import varied_rows
from pipeline.evaluation.faithfulness import cosine_faithfulness
from pipeline.evaluation.image_distances import ImageDistances
from pipeline.evaluation.mahendran_vedaldi import invert_representation
from pipeline.evaluation.perceptual_features import load_extractor
from pipeline.evaluation.reconstruction import reconstruction_quality
from pipeline.evaluation.sampling import conditional_samples, decode_images
from pipeline.experiments.table1.summary import summarise
from pipeline.models.cinn import load_cinn
from pipeline.models.evaluator import load_evaluator
from pipeline.models.image_autoencoder import load_autoencoder
from pipeline.models.inversion import load_baseline
from pipeline.networks.layers import features_of_pixels
from pipeline.networks.loading import load_network
from pipeline.storage import read_json

if TYPE_CHECKING:
    from pipeline.experiments.table1.report import Table1Settings
    from pipeline.task import Task

__all__ = ["measure"]

BATCH = 256
"""Representations per batch of a decoder."""


def measure(
    task: Task[Table1Settings], device: torch.device
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays for the figures, and the numbers of `summarise`."""
    settings, row = task.settings, task.rows.experiment
    assert row is not None
    modules = {key: task.rows.layers[key].module for key in row.layers}
    decoders = {task.rows.baselines[name].layer: name for name in row.baselines}
    network_name = task.rows.layers[row.layers[-1]].network
    extractor = load_extractor(settings.extractor, settings.extractor_weights, device)
    autoencoder = load_autoencoder(paths.autoencoder(row.dataset)).to(device)
    network = load_network(paths.network(network_name), device)
    step = read_json(paths.network(network_name) / "config.json")["steps"][-1]
    test, real = (ImageSet.load(paths.prepared(row.dataset), s) for s in ("test", "reference"))
    setting = "experiments.table1.inputs"
    rows = test.first(settings.inputs, setting)
    inputs = test.pixels(rows)
    truth = test.truth[: settings.inputs]
    shown = torch.from_numpy(varied_rows(truth, ["species"], settings.examples))
    distances = ImageDistances(extractor, real.pixels(real.first(settings.inputs, setting)))

    evaluator = load_evaluator(paths.evaluator(row.evaluator)).to(device)
    species = test.truth["species"].to_numpy(str)[rows]

    def shows_its_species(images: np.ndarray) -> float:
        """Share of images (R, H, W, 3) uint8 in which the evaluator reads the input's species."""
        return float(np.mean(predict_attributes(evaluator, images)["species"] == species))

    def predicted(images: np.ndarray) -> np.ndarray:
        """The network's classes (R,) for images (R, H, W, 3) uint8, by its last layer."""
        return features_of_pixels(network, modules[row.layers[-1]], images).argmax(1).numpy()

    seen = predicted(inputs)

    def agreement(images: np.ndarray) -> float:
        """Share of images that the network gives the class of their input."""
        return float(np.mean(predicted(images) == seen))

    # The posterior's mean, not a draw: the best D can show, hence the stricter floor.
    mean = encode_in_batches(autoencoder, test)[0][rows]
    rebuilt = decode_images(autoencoder, mean.to(device))
    known = known_images(paths.network(network_name), test)
    measured: dict[str, Any] = {
        "floor_real": distances(inputs),
        "floor_reconstruction": distances(rebuilt),
        "reconstruction": reconstruction_quality(inputs, rebuilt, device),
        "species_real": shows_its_species(inputs),
        "species_reconstruction": shows_its_species(rebuilt),
        "agreement_reconstruction": agreement(rebuilt),
        "accuracy": known and accuracy(network, known),
        "layers": {},
    }
    arrays = {
        "inputs": inputs[shown],
        "reconstructions": rebuilt[shown],
        "names": test.truth["species"].to_numpy(str)[shown],
    }
    generator = torch.Generator().manual_seed(task.seed)
    trained = []
    for key in row.layers:
        name = layer_name(key)
        z = load_representations(paths.features(key), step, "test")[rows].float()
        t = load_cinn(paths.cinn(key), step).to(device)
        v = torch.randn(settings.draws, len(z), t.features, generator=generator)
        drawn = [decode_images(autoencoder, conditional_samples(t, z, one)) for one in v]
        ours = [distances.with_influence(images) for images in drawn]
        v = torch.randn(len(shown), settings.samples, t.features, generator=generator)
        shown_z = z[shown].repeat_interleave(settings.samples, 0)
        z_bar = conditional_samples(t, shown_z, v.flatten(0, 1)).unflatten(0, v.shape[:2])
        decoder = load_baseline(paths.baseline(decoders[key])).to(device)
        decoded = _decode(decoder, z, device)
        theirs, influence = distances.with_influence(decoded)
        inverted = invert_representation(
            network,
            modules[key],
            z[shown].to(device),
            (3, *inputs.shape[1:3]),
            steps=settings.mahendran_steps,
            seed=task.seed,
        )
        arrays |= {
            f"{name}_ours": decode_images(autoencoder, z_bar),
            f"{name}_dosovitskiy": decoded[shown],
            f"{name}_mahendran": to_pixels(inverted).cpu().numpy(),
        }
        again = [features_of_pixels(network, modules[key], images) for images in (*drawn, rebuilt)]
        measured["layers"][name] = {
            "ours": [found for found, _ in ours],
            "dosovitskiy": theirs,
            "influence": {
                part: {
                    "ours": np.mean([getattr(one, part) for _, one in ours], axis=0),
                    "dosovitskiy": getattr(influence, part),
                }
                for part in ("images", "reference")
            },
            "species_ours": float(np.mean([shows_its_species(images) for images in drawn])),
            "species_dosovitskiy": shows_its_species(decoded),
            "agreement_ours": float(np.mean([agreement(images) for images in drawn])),
            "agreement_dosovitskiy": agreement(decoded),
            # Test images come in random order: the next one serves as another image.
            "faithfulness": cosine_faithfulness(
                np.stack(again[:-1], 1), z, z.roll(1, 0), again[-1]
            ),
        }
        trained.append(read_json(paths.baseline(decoders[key]) / "training.json"))

    about = {
        "scale": task.scale,
        "seed": task.seed,
        "images": len(inputs),
        "size": inputs.shape[1],
        "label": extractor.label,
        "preparation": extractor.preparation,
        "steps_ours": read_json(paths.autoencoder(row.dataset) / "training.json")["steps"],
        "steps_dosovitskiy": min(one["steps"] for one in trained),
        "steps_inherited": min(one["inherited"] for one in trained),
    }
    return arrays, summarise(measured, about)


@torch.no_grad()
def _decode(decoder: nn.Module, z: Tensor, device: torch.device) -> np.ndarray:
    """Images (R, H, W, 3) uint8 that a decoder of z (R, ...) makes."""
    parts = [to_pixels(decoder(part.to(device))).cpu() for part in z.split(BATCH)]
    return torch.cat(parts).numpy()
