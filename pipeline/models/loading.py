"""Read trained models back, ready to use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.models.autoencoder import Autoencoder, DigitsAutoencoder
from pipeline.models.embedding import build_embedding
from pipeline.models.evaluator import Evaluator
from pipeline.models.image_autoencoder import ImageAutoencoder
from pipeline.models.inn import ConditionalINN, InvertibleNetwork, SemanticINN
from pipeline.models.inversion import InversionDecoder
from pipeline.models.regression import LinearPrediction
from pipeline.models.stargan import StarGANGenerator
from pipeline.storage import read_json, read_tensors

__all__ = [
    "build_cinn",
    "load_autoencoder",
    "load_baseline",
    "load_cinn",
    "load_evaluator",
    "load_semantic",
    "load_stargan",
    "with_weights",
]

Model = TypeVar("Model", bound=nn.Module)


def load_autoencoder(folder: Path) -> Autoencoder:
    """Read a trained autoencoder, in evaluation mode."""
    config = read_json(folder / "config.json")
    kind = DigitsAutoencoder if "widths" in config else ImageAutoencoder
    model: Autoencoder = kind(**config)
    return with_weights(model, folder / "model.safetensors")


def load_baseline(folder: Path) -> InversionDecoder:
    """Read a trained decoder of one layer, in evaluation mode."""
    model = InversionDecoder(**read_json(folder / "config.json"))
    return with_weights(model, folder / "model.safetensors")


def load_evaluator(folder: Path) -> Evaluator:
    """Read a trained evaluator, in evaluation mode."""
    model = Evaluator(**read_json(folder / "config.json"))
    return with_weights(model, folder / "model.safetensors")


def load_semantic(folder: Path) -> SemanticINN:
    """Read a trained e, in evaluation mode."""
    config = read_json(folder / "config.json")
    config["factors"] = dict(config["factors"])  # pairs: their order matters, and JSON sorts keys
    model = SemanticINN(**config)
    return with_weights(model, folder / "model.safetensors")


def load_stargan(folder: Path) -> StarGANGenerator:
    """Read StarGAN's trained generator, in evaluation mode."""
    model = StarGANGenerator(**read_json(folder / "config.json"))
    return with_weights(model, folder / "model.safetensors")


def build_cinn(
    features: int,
    shape: Sequence[int],
    embedding: int,
    blocks: int,
    width: int,
    depth: int,
    base: Mapping[str, int] | None = None,
    predict: bool = False,
    dropout: float = 0.0,
    seed: int = 0,
    z: Tensor | None = None,
    z_bar: Tensor | None = None,
) -> ConditionalINN:
    """t for z_bar of `features` dimensions and representations z of `shape`.

    `embedding` is the width of H(z); `base` has blocks, width and depth of the blocks without
    condition that come first, whose weights are then to be loaded. With `predict` the blocks read
    the linear prediction of z_bar beside H(z), and without `base` begin with what it leaves. All
    other weights are a pure function of `seed`. H standardises what it reads by the statistics of
    `z` (R, *shape), the training images', if they are given, and the prediction is fitted to them
    and `z_bar` (R, features).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # H draws its weights from the global state
        h = build_embedding(shape, embedding)
    prediction = LinearPrediction(shape, features) if predict else None
    if z is not None:
        h.standardize.fit(z)
        if prediction is not None and z_bar is not None:
            prediction.fit(z, z_bar)
    fixed = None if base is None else InvertibleNetwork(features, **base)
    return ConditionalINN(
        features, h, blocks, width, depth, dropout, seed, base=fixed, prediction=prediction
    )


def load_cinn(config: Mapping[str, Any], weights: Path) -> ConditionalINN:
    """Read a trained t, in evaluation mode. `config` are the arguments of `build_cinn`."""
    model = build_cinn(**config)
    return with_weights(model, weights)


def with_weights(model: Model, weights: Path) -> Model:
    """Load `weights` and turn to evaluation mode; PipelineError if they are another model's."""
    try:
        model.load_state_dict(read_tensors(weights))
    except RuntimeError as error:
        raise PipelineError(
            f"{weights} belongs to another model than config.json beside it describes; delete "
            f"{weights.parent} and run `dvc repro` again."
        ) from error
    return model.eval()
