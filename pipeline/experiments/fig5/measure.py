"""Attack a network and measure, layer by layer, what the attack changes (Figs. 5 and S13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline import paths
from pipeline.config.rows import layer_name
from pipeline.datasets.carnivores import IMAGENET_CLASS, IMAGENET_CLASSES
from pipeline.datasets.features import load_posterior, load_representations
from pipeline.datasets.images import ImageSet, to_pixels
from pipeline.errors import PipelineError
from pipeline.evaluation.attacks import attack, random_signs
from pipeline.evaluation.attributes import held_out_quality, predict_attributes
from pipeline.evaluation.regressions import left_by_regressions
from pipeline.evaluation.sampling import crossed_samples, decode_images
from pipeline.evaluation.squared_error import squared_error
from pipeline.experiments.fig5.summary import KINDS, LayerAttack, summarise
from pipeline.models.cinn import load_cinn
from pipeline.models.evaluator import load_evaluator
from pipeline.models.image_autoencoder import load_autoencoder
from pipeline.models.inn import ConditionalINN
from pipeline.networks.layers import features_of_images
from pipeline.networks.loading import load_network
from pipeline.runtime.parallel import run_in_threads
from pipeline.storage import read_json
from pipeline.torchvision_compat import torchvision

if TYPE_CHECKING:
    from pipeline.experiments.fig5.report import Fig5Settings
    from pipeline.task import Task

__all__ = ["measure"]

BATCH = 128


def measure(
    task: Task[Fig5Settings], device: torch.device
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays for the figures, and the numbers of `summarise`.

    For an image x and its changed version x*, v = t(E(x) | Phi(x)) is kept and z* = Phi(x*):
    x_bar* = D(t^-1(v | z*)) shows what the change did to the layer. Only test images of classes
    that the network knows are attacked.

    Raises:
        PipelineError: there is no such image.
    """
    settings, row = task.settings, task.rows.experiment
    assert row is not None
    layer_rows = {key: task.rows.layers[key] for key in row.layers}
    output = layer_rows[row.layers[-1]]
    test = ImageSet.load(paths.prepared(row.dataset), "test")
    network = load_network(paths.network(output.network), device)
    config = read_json(paths.network(output.network) / "config.json")
    names = _class_names(test, config["arguments"]["classes"])
    species = test.truth["species"].to_numpy(str)
    # Of ImageNet's classes, those in the data set.
    published = config["arguments"]["classes"] == IMAGENET_CLASSES
    known = np.flatnonzero(np.isin(species, list(IMAGENET_CLASS) if published else names))
    if not len(known):
        raise PipelineError(
            f"no test image of {row.dataset} shows a class that {output.network} knows: train the "
            "network on this data set, or name another one in params.yaml, experiments.fig5."
        )
    rows = torch.from_numpy(known[: settings.inputs])
    autoencoder = load_autoencoder(paths.autoencoder(row.dataset)).to(device)
    evaluator = load_evaluator(paths.evaluator(row.evaluator)).to(device)
    truth = species[rows.numpy()]

    clean = test.images(rows)
    generator = torch.Generator().manual_seed(task.seed)
    images = {
        "clean": clean,
        "random": random_signs(clean, settings.epsilon, generator),
        "attacked": _attacked(
            network, clean, settings.epsilon, settings.attack, settings.attack_steps
        ),
    }
    logits = {
        kind: features_of_images(network, output.module, some) for kind, some in images.items()
    }
    predictions = {kind: names[some.argmax(1).numpy()] for kind, some in logits.items()}
    posterior, _ = load_posterior(paths.posteriors(row.dataset), "test")
    z_bar = posterior[rows]
    rebuilt = decode_images(autoencoder, z_bar.to(device))
    changed = predictions["attacked"] != predictions["clean"]
    misled = changed & (predictions["clean"] == truth)
    shown = np.argsort(~misled, kind="stable")[: settings.rows]  # misled ones first
    arrays = {f"{kind}_images": to_pixels(some[shown]).numpy() for kind, some in images.items()}
    arrays |= {f"{kind}_predictions": names_of[shown] for kind, names_of in predictions.items()}

    v = torch.randn(settings.variance_samples, z_bar.shape[1], generator=generator).to(device)
    layers, step = {}, config["steps"][-1]
    for key, layer in layer_rows.items():
        name = layer_name(key)
        t = load_cinn(paths.cinn(key), step).to(device)
        z = {kind: features_of_images(network, layer.module, some) for kind, some in images.items()}
        readings = {}
        for kind in KINDS:
            moved = _with_representation(t, z_bar, z["clean"], z[kind])
            pixels = decode_images(autoencoder, moved.to(device))
            readings[kind] = predict_attributes(evaluator, pixels)["species"]
            arrays[f"{name}_{kind}"] = pixels[shown]
        some = z["clean"][: settings.variance_inputs].to(device)
        split = read_json(paths.features(key) / "config.json")["train"]
        train, _ = load_posterior(paths.posteriors(row.dataset), split)
        train_z = load_representations(paths.features(key), step, split)
        left = left_by_regressions(
            t.prediction, z_bar, z["clean"], train, train_z, settings.fitted_images, task.seed
        )
        samples = crossed_samples(t, some, v).cpu().numpy()
        layers[name] = LayerAttack(readings, samples, left)

    variance = float(squared_error(z_bar.numpy(), z_bar.mean(0).numpy()).mean())
    arrays["layers"] = np.array(list(layers))
    about = {
        "scale": task.scale,
        "seed": task.seed,
        "size": rebuilt.shape[1],
        "attack": settings.attack,
        **({"attack_steps": settings.attack_steps} if settings.attack == "pgd" else {}),
        "epsilon": settings.epsilon,
        "variance_inputs": min(settings.variance_inputs, len(rows)),
        "variance_samples": settings.variance_samples,
        "variance": variance,
        "evaluator": held_out_quality(evaluator, test)["blurred"]["species"],
    }
    numbers = summarise(
        layers,
        truth,
        predictions,
        [str(species) for species in evaluator.classes["species"]],
        predict_attributes(evaluator, rebuilt)["species"],
        logits["attacked"].float().softmax(1).amax(1).numpy(),
        bootstrap=settings.bootstrap,
        about=about,
    )
    return arrays, numbers


def _class_names(test: ImageSet, classes: int) -> np.ndarray:
    """The species of each of the network's outputs, or ImageNet's name of another class.

    Names are unique: ImageNet has a dog and a garment named cardigan.
    """
    if classes == IMAGENET_CLASSES:
        weights = torchvision.models.ResNet101_Weights.IMAGENET1K_V2
        categories = [name.lower() for name in weights.meta["categories"]]
        for output, name in enumerate(categories):
            if IMAGENET_CLASS.get(name, output) != output:
                categories[output] = f"{name} (no animal)"
        return np.array(categories)
    numbered = dict(zip(test.label.tolist(), test.truth["species"], strict=True))
    # Classes without test images have no name.
    return np.array([numbered.get(output, f"class {output}") for output in range(classes)])


def _attacked(
    network: nn.Module, images: Tensor, epsilon: float, method: str, steps: int
) -> Tensor:
    """`attack` in batches and threads: (R, 3, H, W) on the CPU."""
    device = next(network.parameters()).device
    result = torch.empty_like(images)

    def one(first: int) -> None:
        rows = slice(first, first + BATCH)
        part = images[rows].to(device)
        result[rows] = attack(network, part, epsilon, method=method, steps=steps).cpu()

    run_in_threads(one, range(0, len(images), BATCH))
    return result


@torch.no_grad()
def _with_representation(t: ConditionalINN, z_bar: Tensor, z: Tensor, changed: Tensor) -> Tensor:
    """t^-1(t(z_bar | z) | changed): the codes (R, N) with another representation z."""
    device = next(t.parameters()).device
    result = torch.empty_like(z_bar)

    @torch.no_grad()
    def one(first: int) -> None:
        rows = slice(first, first + BATCH)
        v, _ = t(z_bar[rows].to(device), z[rows].to(device))
        result[rows] = t.inverse(v, changed[rows].to(device)).cpu()

    run_in_threads(one, range(0, len(z_bar), BATCH))
    return result
