"""Attack a network and show, layer by layer, what the attack changes (Figs. 5 and S13)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pipeline import paths
from pipeline.datasets.carnivores import IMAGENET_CLASS, IMAGENET_CLASSES
from pipeline.datasets.features import load_posterior
from pipeline.datasets.images import ImageSet, to_pixels
from pipeline.errors import PipelineError
from pipeline.evaluation.attacks import attack, random_signs
from pipeline.evaluation.attributes import held_out_quality, read_attributes
from pipeline.evaluation.fig5 import KINDS, PAPER, LayerAttack, summarise_fig5
from pipeline.evaluation.sampling import crossed_samples, decode_images
from pipeline.models.inn import ConditionalINN
from pipeline.models.loading import load_autoencoder, load_cinn, load_evaluator
from pipeline.networks.layers import represent_images
from pipeline.networks.loading import load_network
from pipeline.parallel import run_in_threads
from pipeline.params import Params
from pipeline.storage import read_json, write_json, write_npz
from pipeline.torchvision_compat import torchvision

__all__ = ["measure_fig5"]

NETWORK = "resnet101"
BATCH = 128


def measure_fig5(params: Params, device: torch.device) -> None:
    """Write data/evaluations/fig5.npz and metrics/fig5.json.

    For an image x and its changed version x*, v = t(E(x) | Phi(x)) stays and z* = Phi(x*):
    x_bar* = D(t^-1(v | z*)) shows what the change did to the layer. Only test images of classes
    that the network knows are attacked. Raises PipelineError if there is none.
    """
    settings, dataset = params.settings.evaluate["fig5"], params.networks[NETWORK].dataset
    test = ImageSet.load(paths.prepared(dataset), "test")
    network = load_network(paths.network(NETWORK), device)
    config = read_json(paths.network(NETWORK) / "config.json")
    names = _class_names(test, config["arguments"]["classes"])
    species = test.truth["species"].to_numpy(str)
    # Of ImageNet's classes, those that the data are of.
    published = config["arguments"]["classes"] == IMAGENET_CLASSES
    known = np.flatnonzero(np.isin(species, list(IMAGENET_CLASS) if published else names))
    if not len(known):
        raise PipelineError(f"no test image of {dataset} shows a class that {NETWORK} knows.")
    rows = torch.from_numpy(known[: settings.inputs])
    autoencoder = load_autoencoder(paths.autoencoder(dataset)).to(device)
    evaluator = load_evaluator(paths.evaluator(dataset)).to(device)
    truth = species[rows.numpy()]

    clean = test.images(rows)
    generator = torch.Generator().manual_seed(params.seed)
    images = {
        "clean": clean,
        "random": random_signs(clean, settings.epsilon, generator),
        "attacked": _attacked(
            network, clean, settings.epsilon, settings.attack, settings.attack_steps
        ),
    }
    logits = {kind: represent_images(network, "fc", some) for kind, some in images.items()}
    predictions = {kind: names[some.argmax(1).numpy()] for kind, some in logits.items()}
    posterior, _ = load_posterior(paths.posteriors(dataset), "test")
    z_bar = posterior[rows]
    rebuilt = decode_images(autoencoder, z_bar.to(device))
    changed = predictions["attacked"] != predictions["clean"]
    right = predictions["clean"] == truth
    misled = changed & right
    shown = np.argsort(~misled, kind="stable")[: settings.rows]  # misled ones, if there are some
    arrays = {f"{kind}_images": to_pixels(some[shown]).numpy() for kind, some in images.items()}
    arrays |= {f"{kind}_predictions": names_of[shown] for kind, names_of in predictions.items()}

    v = torch.randn(settings.variance_samples, z_bar.shape[1], generator=generator).to(device)
    layers, step = {}, config["steps"][-1]
    for key in (f"{NETWORK}-{name}" for name in PAPER if f"{NETWORK}-{name}" in params.layers):
        layer, trained = params.layers[key], paths.cinn(NETWORK, key)
        model = read_json(trained / "config.json")["model"]
        t = load_cinn(model, paths.checkpoint_file(trained, step)).to(device)
        z = {kind: represent_images(network, layer.module, some) for kind, some in images.items()}
        readings = {}
        for kind in KINDS:
            moved = _with_representation(t, z_bar, z["clean"], z[kind])
            pixels = decode_images(autoencoder, moved.to(device))
            readings[kind] = read_attributes(evaluator, pixels)["species"]
            arrays[f"{layer.layer}_{kind}"] = pixels[shown]
        some = z["clean"][: settings.variance_inputs].to(device)
        layers[layer.layer] = LayerAttack(readings, crossed_samples(t, some, v).cpu().numpy())

    summary = summarise_fig5(
        layers,
        truth,
        predictions,
        [str(species) for species in evaluator.classes["species"]],
        read_attributes(evaluator, rebuilt)["species"],
        logits["attacked"].float().softmax(1).amax(1).numpy(),
        bootstrap=settings.bootstrap,
        about={
            "scale": params.scale,
            "seed": params.seed,
            "size": rebuilt.shape[1],
            "attack": settings.attack,
            **({"attack_steps": settings.attack_steps} if settings.attack == "pgd" else {}),
            "epsilon": settings.epsilon,
            "variance_inputs": min(settings.variance_inputs, len(rows)),
            "variance_samples": settings.variance_samples,
            "evaluator": held_out_quality(evaluator, test)["blurred"]["species"],
        },
    )
    write_npz(paths.evaluations("fig5"), layers=np.array(list(layers)), **arrays)
    write_json(paths.metrics(params.scale, "fig5"), summary)


def _class_names(test: ImageSet, classes: int) -> np.ndarray:
    """The species that each output of the network stands for, or what ImageNet calls another class.

    No two are called the same: a dog and a garment are both named cardigan.
    """
    if classes == IMAGENET_CLASSES:
        weights = torchvision.models.ResNet101_Weights.IMAGENET1K_V2
        categories = [name.lower() for name in weights.meta["categories"]]
        for output, name in enumerate(categories):
            if IMAGENET_CLASS.get(name, output) != output:
                categories[output] = f"{name} (no animal)"
        return np.array(categories)
    numbered = dict(zip(test.label.tolist(), test.truth["species"], strict=True))
    # A class without test images has no name there.
    return np.array([numbered.get(output, f"class {output}") for output in range(classes)])


def _attacked(
    network: nn.Module, images: Tensor, epsilon: float, method: str, steps: int
) -> Tensor:
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
    """t^-1(t(z_bar | z) | changed), the latents (R, N) with another representation z."""
    device = next(t.parameters()).device
    result = torch.empty_like(z_bar)

    @torch.no_grad()
    def one(first: int) -> None:
        rows = slice(first, first + BATCH)
        v, _ = t(z_bar[rows].to(device), z[rows].to(device))
        result[rows] = t.inverse(v, changed[rows].to(device)).cpu()

    run_in_threads(one, range(0, len(z_bar), BATCH))
    return result
