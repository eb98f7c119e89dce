"""Models that were saved and loaded compute the same."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from training import assert_equal, normal

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.models.autoencoder import DigitsAutoencoder
from pipeline.models.cinn import build_cinn, load_cinn
from pipeline.models.dequantizer import Dequantizer, load_dequantizer
from pipeline.models.evaluator import Evaluator, load_evaluator
from pipeline.models.image_autoencoder import ImageAutoencoder, load_autoencoder
from pipeline.models.inn import SemanticINN, load_semantic
from pipeline.models.inversion import InversionDecoder, load_baseline
from pipeline.models.stargan import StarGANGenerator, load_stargan
from pipeline.storage import read_json, write_json
from pipeline.training.run import write_model

BASELINE = {"shape": [3, 2, 2], "size": 32, "latent": 8, "channels": 2, "classes": 4}
E = {"features": 6, "factors": [["b", 2], ["a", 1]], "blocks": 2, "width": 8, "depth": 1}
EVALUATOR = 32, 4, [("kind", ["a", "b"]), ("on", [False, True])], ["x"]
IMAGES = {"size": 32, "latent": 6, "blocks": (1, 1), "width": 8, "channels": 4, "classes": 5}
CONVOLUTIONAL = IMAGES | {"architecture": "convolutional"}
BASE = {"blocks": 1, "width": 8, "depth": 0}
T = {"features": 6, "shape": [3, 4, 4], "embedding": 4, "predict": True, **BASE}
VECTOR_T = {"features": 6, "shape": [5], "embedding": 4, "base": BASE, **BASE}


def load_t(folder: Path) -> Any:
    write_json(folder / "config.json", {"model": read_json(folder / "config.json")})
    shutil.move(folder / "model.safetensors", paths.checkpoint_file(folder, 7))
    return load_cinn(folder, 7)


# build, load, shapes of what it reads, arguments to rebuild it if it has none itself
MODELS: dict[str, tuple[Any, ...]] = {
    "digits": (lambda: DigitsAutoencoder(6, (8, 4)), load_autoencoder, [(3, 28, 28)]),
    "biggan": (lambda: ImageAutoencoder(**IMAGES), load_autoencoder, [(3, 32, 32)]),
    "convolutional": (lambda: ImageAutoencoder(**CONVOLUTIONAL), load_autoencoder, [(3, 32, 32)]),
    "baseline": (lambda: InversionDecoder(**BASELINE), load_baseline, [(3, 2, 2)], BASELINE),
    "evaluator": (lambda: Evaluator(*EVALUATOR), load_evaluator, [(3, 32, 32)]),
    "e": (lambda: SemanticINN(**(E | {"factors": {"b": 2, "a": 1}})), load_semantic, [(6,)], E),
    "t": (lambda: build_cinn(**T), load_t, [(6,), (3, 4, 4)], T),
    "t for vectors": (lambda: build_cinn(**VECTOR_T), load_t, [(6,), (5,)], VECTOR_T),
    "dequantiser": (lambda: Dequantizer(4, 3, 16), load_dequantizer, [(4,)]),
    "stargan": (lambda: StarGANGenerator("abc", 4, 1, True), load_stargan, [(3, 16, 16), (3,)]),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_is_the_same(name: str, tmp_path: Path) -> None:
    build, load, shapes, *config = MODELS[name]
    model, inputs = build(), [normal(5, *shape).tanh() for shape in shapes]
    model(*inputs)  # initialises ActNorm
    arguments = config[0] if config else model.arguments
    write_model(tmp_path, model, arguments)
    loaded, outputs = load(tmp_path), []
    assert not loaded.training
    assert_equal(loaded, model)
    for attribute in ("arguments", "factors", "attributes", "classes"):
        assert getattr(loaded, attribute, None) == getattr(model, attribute, None)
    for one in (model.eval(), loaded):
        torch.manual_seed(0)
        outputs.append(one(*inputs))
    assert_equal(*outputs)
    write_model(tmp_path, {"other": torch.zeros(1)}, arguments)
    with pytest.raises(PipelineError, match="belongs to another model"):
        load(tmp_path)
