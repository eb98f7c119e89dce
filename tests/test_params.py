"""The settings load, and every mistake in them ends in one sentence that names it."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from settings import DELETE, change

import pipeline.params
from pipeline.errors import PipelineError
from pipeline.params import load_params

LAPTOP = "scales/laptop.yaml"
SCALES = ["smoke", "laptop", "gpu", "paper"]


def message() -> str:
    with pytest.raises(PipelineError) as caught:
        load_params()
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".")
    return text


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_is_valid(project: Path, scale: str) -> None:
    change(project, "params.yaml", "scale", scale)
    params = load_params()
    assert params.scale == scale
    assert isinstance(params.settings.train_network["squeezenet"].learning_rate, float)


def test_all_scales_have_the_same_keys(project: Path) -> None:
    def keys(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: keys(item) for name, item in value.items() if name != "sizes"}
        return None

    scales = {path.stem: keys(YAML(typ="safe").load(path)) for path in project.glob("scales/*")}
    assert set(scales) == set(SCALES)
    assert all(found == scales["laptop"] for found in scales.values())


def test_values_have_their_types(project: Path) -> None:
    params = load_params(project)
    layer = params.layers["squeezenet-fire8"]
    assert layer.module == "features.11" and layer.dataset == "digits"
    assert params.settings.extract["squeezenet"].layers["squeezenet-fire8"] == (512, 1, 1)
    assert params.networks["squeezenet"].dataset == "digits"
    digits = params.settings.prepare["digits"]
    assert digits.folder is None and digits.download is False
    assert type(digits.rotation) is float
    assert type(params.settings.train_autoencoder["digits"].learning_rate) is float
    assert params.settings.train_semantic["digits"].weights.keys() == {
        "digit",
        "foreground",
        "background",
    }
    with pytest.raises(dataclasses.FrozenInstanceError):
        params.seed = 1  # type: ignore[misc]


def test_settings_compute_nothing() -> None:
    """What is made of settings decides results, and no stage depends on params.py."""
    classes = [v for name, v in vars(pipeline.params).items() if name.endswith("Params")]
    assert len(classes) > 20
    for settings in classes:
        assert all(name.startswith("__") for name in vars(settings)), settings


@pytest.mark.parametrize(
    ("data", "empty"), [("animals", "numbers"), ("faces", "numbers"), ("faces", "classes")]
)
def test_an_evaluator_needs_no_numbers_or_no_classes(project: Path, data: str, empty: str) -> None:
    change(project, LAPTOP, f"train_evaluator.{data}.{empty}", [])
    evaluator = load_params().settings.train_evaluator[data]
    assert getattr(evaluator, empty) == () and evaluator.classes + evaluator.numbers


def test_sizes_may_be_given_per_factor(project: Path) -> None:
    sizes = {"digit": 10, "foreground": 3, "background": 3}
    change(project, LAPTOP, "train_semantic.digits.sizes", sizes)
    assert load_params().settings.train_semantic["digits"].sizes == sizes


def test_threads_are_automatic_or_given(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert 1 <= load_params().threads <= 8
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert load_params().threads == 3
    change(project, "params.yaml", "threads", 2)
    assert load_params().threads == 2


def test_loading_needs_no_torch(repository: Path) -> None:
    code = (
        "import sys, pipeline.cli, pipeline.storage, pipeline.paths; print('torch' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(repository)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert run.stdout.strip() == "False"


CINN = "train_cinn.squeezenet-fire8"
FACENET = "train_network.facenet"
BAD = [
    # type and range of one value
    ("params.yaml", "seed", -1, "params.yaml: seed is -1; it must be a whole number from 0"),
    ("params.yaml", "seed", 1.5, "params.yaml: seed is 1.5; it must be a whole number"),
    ("params.yaml", "seed", True, "params.yaml: seed is true; it must be a whole number"),
    ("params.yaml", "threads", 0, "threads is 0; it must be auto or a whole number of at least 1"),
    (
        "params.yaml",
        "device",
        "gpu",
        "device 'gpu' is not a known value; known are auto, cpu, cuda",
    ),
    (LAPTOP, f"{CINN}.steps", -5, f"{CINN}.steps is -5; it must be a whole number of at least 1"),
    (LAPTOP, f"{CINN}.steps", 0, "a whole number of at least 1"),
    (LAPTOP, f"{CINN}.steps", 700.0, f"{CINN}.steps is 700.0; it must be a whole number"),
    (LAPTOP, f"{CINN}.steps", "many", f"{CINN}.steps is 'many'; it must be a whole number"),
    (LAPTOP, f"{CINN}.steps", None, f"{CINN}.steps is null; it must be a whole number"),
    (LAPTOP, f"{CINN}.learning_rate", 0, "learning_rate is 0; it must be a number above 0"),
    (LAPTOP, f"{CINN}.learning_rate", float("nan"), "learning_rate is nan; it must be a number"),
    (LAPTOP, f"{CINN}.learning_rate", "fast", "learning_rate is 'fast'; it must be a number"),
    (LAPTOP, f"{CINN}.dropout", 1.0, "dropout is 1.0; it must be a number from 0 to below 1"),
    (LAPTOP, f"{CINN}.weight_decay", -1e-4, "it must be a number of at least 0"),
    (LAPTOP, "prepare.digits.download", "no", "download is 'no'; it must be true or false"),
    (LAPTOP, "prepare.digits.folder", 3, "folder is 3; it must be text or null"),
    (LAPTOP, "prepare.digits.source", "mnst", "'mnst' is not a known value (did you mean mnist?)"),
    (LAPTOP, "train_autoencoder.digits.widths", 64, "widths is 64; it must be a list"),
    (LAPTOP, "train_autoencoder.digits.widths", [], "widths is []; it must be a list of two whole"),
    (LAPTOP, "train_autoencoder.digits.widths", [64], "widths is [64]; it must be a list of two"),
    (
        LAPTOP,
        "train_autoencoder.digits.widths",
        [8, 8, 8],
        "it must be a list of two whole numbers",
    ),
    (LAPTOP, "train_autoencoder.faces.encoder_blocks", [], "is []; it must be a list, not empty"),
    (LAPTOP, "train_autoencoder.digits.latent", 1, "it must be a whole number of at least 2"),
    (LAPTOP, "train_autoencoder.faces.latent", 1, "it must be a whole number of at least 2"),
    (LAPTOP, "train_autoencoder.digits.widths", [64, -1], "widths.1 is -1; it must be a whole"),
    (LAPTOP, "train_semantic.digits.rho", 1, "rho is 1; it must be a number from 0 to below 1"),
    (LAPTOP, "train_semantic.digits.sizes", "big", "sizes is 'big'; it must be auto or a mapping"),
    (LAPTOP, "train_evaluator.animals.numbers", "yaw", "numbers is 'yaw'; it must be a list of"),
    (LAPTOP, "train_evaluator.animals.numbers", ["x", "x"], "columns without repetitions, or []"),
    (LAPTOP, "train_evaluator.animals.classes", [3], "classes.0 is 3; it must be text"),
    (LAPTOP, "train_stargan.faces.attributes", ["Male", "Male"], "not empty and without repetit"),
    (LAPTOP, "train_stargan.faces.attributes", [], "a list of attributes, not empty and without"),
    (LAPTOP, "train_stargan.faces.critic_updates", 0, "it must be a whole number of at least 1"),
    (LAPTOP, "train_network.resnet50.crop_scale", 0, "it must be a number above 0 and at most 1"),
    (LAPTOP, "train_evaluator.animals.blur", 1.5, "it must be a number from 0 to below 1"),
    # keys
    (LAPTOP, f"{CINN}.stpes", 5, f"{CINN}.stpes is not a known key (did you mean steps?)"),
    (LAPTOP, f"{CINN}.steps", DELETE, f"{CINN}.steps is missing; it must be a whole number"),
    (LAPTOP, "train_cin", {}, "train_cin is not a known key (did you mean train_cinn?)"),
    (LAPTOP, "train_cinn", DELETE, "train_cinn is missing"),
    (LAPTOP, "train_cinn", 3, "train_cinn is 3; it must be a mapping"),
    (LAPTOP, CINN, None, f"{CINN} is null; it must be a mapping with the keys start, steps"),
    (LAPTOP, f"{CINN}.steps", {"a": 1}, f"{CINN}.steps is "),
    (LAPTOP, "prepare.digts", {}, "prepare.digts is not a known key (did you mean digits?)"),
    (LAPTOP, "evaluate.fig9", {}, "evaluate.fig9 is not a known key"),
    (LAPTOP, CINN, DELETE, f"{CINN} is missing; every layer needs one"),
    ("params.yaml", "sacle", "gpu", "params.yaml: sacle is not a known key (did you mean scale?)"),
    ("params.yaml", "scale", DELETE, "params.yaml: scale is missing; it must be text"),
    ("params.yaml", "networks.Big Net", {"dataset": "digits"}, "a name of lower-case letters"),
    # names that refer to something
    (
        "params.yaml",
        "scale",
        "laptpo",
        "scale 'laptpo' is not a known scale (did you mean laptop?); known are gpu, laptop, paper, "
        "smoke",
    ),
    (
        "params.yaml",
        "networks.squeezenet.dataset",
        "digit",
        "params.yaml: networks.squeezenet.dataset 'digit' is not a known data set (did you mean "
        "digits?); known are animalfaces, animals, digits, faces",
    ),
    (
        "params.yaml",
        "layers.squeezenet-fire8.features",
        "squeezent",
        "'squeezent' is not a known row of features (did you mean squeezenet?)",
    ),
    (
        LAPTOP,
        "extract.squeezenet.layers",
        {"squeezenet-fire9": [512, 1, 1]},
        "extract.squeezenet.layers.squeezenet-fire9 is not a known layer (did you mean squeezenet",
    ),
    (
        LAPTOP,
        "train_semantic.digits.weights",
        {"digit": 1, "foregrund": 1, "background": 1},
        "weights.foregrund is not a known factor (did you mean foreground?)",
    ),
    (
        LAPTOP,
        "train_semantic.digits.sizes",
        {"digit": 10, "foreground": 3},
        "sizes.background is missing; every factor needs one",
    ),
    (
        LAPTOP,
        "train_semantic.digits.sizes",
        {"digit": 10, "foreground": -3, "background": 3},
        "sizes.foreground is -3; it must be a whole number of at least 1",
    ),
    (LAPTOP, "train_semantic.digits.factors", ["digit", "digit"], "a list without repetitions"),
    # values that do not go together
    (LAPTOP, "train_autoencoder.digits.batch_size", 60001, "it must be at most 60000, the number"),
    (LAPTOP, "train_network.squeezenet.batch_size", 60001, "it must be at most 60000, the number"),
    (LAPTOP, "train_semantic.digits.batch_size", 60001, "it must be at most 60000, the number"),
    (LAPTOP, f"{CINN}.batch_size", 60001, "it must be at most 60000, the number"),
    (LAPTOP, "train_network.squeezenet.steps", 10, "checkpoints is 20; it must be at most 11"),
    (LAPTOP, "evaluate.fig4.late", 20, "above evaluate.fig4.early (2) and below the 20 checkpoint"),
    (LAPTOP, "evaluate.table1.inputs", 2049, "at most 2048, the number of images that prepare.ani"),
    (LAPTOP, "evaluate.table1.examples", 2049, "it must be at most 2048, evaluate.table1.inputs"),
    (LAPTOP, "evaluate.fig3.inputs", 2049, "it must be at most 2048, the number of test images"),
    (LAPTOP, "evaluate.fig3.read", 251, "it must be at most 250, evaluate.fig3.samples"),
    (LAPTOP, "evaluate.fig3.columns", 51, "it must be at most 50, evaluate.fig3.read"),
    (LAPTOP, "evaluate.fig7.inputs", 2049, "at most 2048, the number of images that prepare.faces"),
    (LAPTOP, "evaluate.fig7.rows", 2049, "it must be at most 2048, evaluate.fig7.inputs"),
    (LAPTOP, "evaluate.fig7.extractor", "inception", "evaluate.fig7.extractor_weights is missing"),
    (LAPTOP, "evaluate.table1.extractor", "inception", "extractor inception needs the folder"),
    (LAPTOP, "evaluate.fig4.early", 18, "late is 18; it must be above evaluate.fig4.early (18)"),
    (LAPTOP, "train_semantic.digits.weights.digit", 6.4, "it must be below 6.333, the number of"),
    (LAPTOP, "prepare.digits.source", "mnist", "prepare.digits.folder is missing; source mnist"),
    (LAPTOP, "train_evaluator.animals.batch_size", 48001, "it must be at most 48000, the number"),
    (LAPTOP, "train_stargan.faces.batch_size", 128001, "it must be at most 128000, the number"),
    (LAPTOP, "train_stargan.faces.critic_layers", 7, "at most 6, for each layer halves images of"),
    (LAPTOP, "train_evaluator.animals.numbers", ["species"], "none of which train_evaluator"),
    (LAPTOP, "train_cinn.alexnet-fc7.batch_size", 48001, "it must be at most 48000, the number"),
    (LAPTOP, "train_baseline.dosovitskiy-fc7.batch_size", 48001, "it must be at most 48000"),
    (LAPTOP, "train_baseline.dosovitskiy-fc7.discriminator_start", 1000, "must be below 1000, the"),
    (
        LAPTOP,
        "train_autoencoder.faces.discriminator_start",
        10000,
        "must be below 10000, the number",
    ),
    (
        LAPTOP,
        "extract.alexnet.layers.alexnet-fc7",
        [4, 4],
        "it must be a list of one number or thr",
    ),
    (LAPTOP, f"{FACENET}.width", 0.3, "width is 0.3; it must be a multiple of 0.0625 above 0"),
    (LAPTOP, f"{FACENET}.width", 0, "width is 0; it must be a multiple of 0.0625 above 0"),
    (
        LAPTOP,
        "train_network.resnet50.width",
        0.1,
        "width is 0.1; it must be a number of at least 0.125",
    ),
    (LAPTOP, "train_autoencoder.faces.encoder_width", 7, "must be a whole number of at least 8"),
    (LAPTOP, f"{FACENET}.size", 64, "size is 64; it must be a whole number of at least 75"),
    (LAPTOP, f"{FACENET}.margin", 1, "margin is 1; it must be a number from 0 to below 1"),
    (LAPTOP, f"{FACENET}.repeats", [1, 2], "it must be a list of three whole numbers, at least 1"),
    (LAPTOP, f"{FACENET}.repeats", [5, 11, 5], "it must be a list of three whole numbers, at leas"),
    (LAPTOP, f"{FACENET}.repeats", [1, 0, 1], "repeats.1 is 0; it must be a whole number of at"),
    (LAPTOP, f"{FACENET}.repeats", 3, "repeats is 3; it must be a list of three whole numbers"),
    (LAPTOP, "prepare.animals.source", "photographs", "prepare.animals.folders is missing; source"),
    (LAPTOP, "prepare.faces.source", "celeba", "prepare.faces.folder is missing; source celeba"),
    (LAPTOP, "prepare.faces.source", "celebA", "not a known value (did you mean celeba?)"),
    (LAPTOP, "prepare.faces.identities", 1, "it must be a whole number of at least 2"),
    (LAPTOP, "prepare.faces.unseen", -1, "it must be a whole number of at least 0"),
    (LAPTOP, "prepare.faces.size", 15, "it must be a whole number of at least 16"),
    (LAPTOP, "prepare.faces.size", 8, "it must be a whole number of at least 16"),
    (LAPTOP, "prepare.animals.size", 24, "at least 16 that is a power of two, such as 64."),
    (LAPTOP, "prepare.animalfaces.size", 48, "at least 16 that is a power of two, such as 64."),
    (LAPTOP, "prepare.stylized.size", 100, "at least 16 that is a power of two, such as 64."),
    (
        LAPTOP,
        "prepare.animals.size",
        128,
        "prepare.animalfaces.size is 64; it must be 128, that of animals, whose evaluator reads "
        "its samples (Fig. S10).",
    ),
    (LAPTOP, "prepare.faces.size", 32, "animalfaces.size is 64; it must be 32, that of faces, on"),
    (LAPTOP, "prepare.faces.unseen", 0, "prepare.faces.unseen is 0; it must be at least 102, two"),
    (LAPTOP, "prepare.faces.unseen", 1, "train_network.facenet is verified by pairs of them."),
    (
        LAPTOP,
        "prepare.faces.unseen",
        101,
        "two more than prepare.faces.unseen_identities: train_ne",
    ),
    (
        "params.yaml",
        "datasets.animals.together_with",
        "digits",
        "datasets.animals.together_with is 'digits'; it must be animalfaces or animals or faces, "
        "for one autoencoder takes either digits or images.",
    ),
    ("params.yaml", "datasets.digits.together_with", "faces", "is 'faces'; it must be digits, for"),
    (
        LAPTOP,
        "train_evaluator.animals.classes",
        ["coat"],
        "classes is ['coat']; it must be a list of columns one of which is species, for Tab. 1",
    ),
    (LAPTOP, "train_evaluator.animals.classes", [], "columns one of which is species"),
    (
        LAPTOP,
        "train_autoencoder.animals.perceptual",
        0.1,
        "train_autoencoder.animals.perceptual_weights is missing; perceptual above 0 needs the "
        "folder with the weights of VGG-16, or set perceptual to 0.",
    ),
    (
        LAPTOP,
        "train_semantic.digits.sizes",
        {"digit": 60, "foreground": 3, "background": 2},
        "it must be sizes that sum up to at most 64, train_autoencoder.digits.latent.",
    ),
    (
        LAPTOP,
        "train_semantic.generated.sizes",
        {"species": 145},
        "at most 144, train_autoencoder.animals.latent and train_dequantizer.animals.latent toget",
    ),
    (
        LAPTOP,
        "train_autoencoder.faces.latent",
        5,
        "it must be a list of at most 5 factors, one for each dimension of train_autoencoder.fac",
    ),
    (LAPTOP, "evaluate.fig4.inputs", 2001, "it must be at most 2000, the number of test images."),
    (LAPTOP, "evaluate.fig4.rows", 401, "it must be at most 400, evaluate.fig4.inputs."),
    (LAPTOP, "evaluate.fig4.columns", 26, "it must be at most 25, evaluate.fig4.invariances."),
    (LAPTOP, "evaluate.fig5.attack", "pgdd", "(did you mean pgd?); known are fgsm, pgd."),
    (LAPTOP, "evaluate.fig5.epsilon", 0, "epsilon is 0; it must be a number above 0."),
    (LAPTOP, "evaluate.fig5.attack_steps", 0, "it must be a whole number of at least 1."),
    (LAPTOP, "evaluate.fig5.inputs", 2049, "it must be at most 2048, the number of test images."),
    (LAPTOP, "evaluate.fig5.variance_inputs", 2049, "it must be at most 2048, evaluate.fig5.inp"),
    (LAPTOP, "evaluate.fig5.rows", 2049, "it must be at most 2048, evaluate.fig5.inputs."),
    (LAPTOP, "evaluate.fig6.columns", 9, "it must be at most 8, evaluate.fig6.samples."),
    (LAPTOP, "evaluate.fig6.rows", 253, "at most 256, generate.animals.inputs, with those of"),
    (LAPTOP, "evaluate.fig6.more", 254, "at most 256, generate.animals.inputs, with those of"),
    (LAPTOP, "generate.animals.inputs", 2049, "at most 2048, the number of test images of prepa"),
    (LAPTOP, "generate.animals.train", 255, "generated.batch_size is 256; it must be at most 255"),
    (LAPTOP, "generate.animals.stimuli", 3, "stimuli is 3; it must be text or null."),
    ("params.yaml", "layers.alexnet-fc7.dataset", "digits", "it must be animals, the data set of"),
    ("params.yaml", "baselines.dosovitskiy-fc7.layer", "fc7", "'fc7' is not a known layer"),
    ("params.yaml", "network", "alexnt", "network 'alexnt' is not a known network (did you mean"),
    (
        "params.yaml",
        "network",
        "vgg",
        "not a known network; known are alexnet, facenet, resnet101, resnet50, "
        "resnet50_stylized, squeezenet.",
    ),
    (
        "params.yaml",
        "layer",
        "fc9",
        "layer 'fc9' is not a known layer of alexnet; known are conv5, fc6, fc7, fc8, output.",
    ),
    ("params.yaml", "network", "squeezenet", "'fc7' is not a known layer of squeezenet; known are"),
    ("params.yaml", "layer", 7, "layer is 7; it must be text"),
    ("params.yaml", "layers.alexnet-fc7.layer", "seven", "has to be called alexnet-seven, after"),
    (LAPTOP, "inspect.inputs", 2049, "it must be at most 2048, the number of test images for the"),
    (LAPTOP, "inspect.rows", 101, "inspect.rows is 101; it must be at most 100, inspect.inputs."),
    (LAPTOP, "inspect.columns", 51, "it must be at most 50, inspect.samples."),
    (LAPTOP, "inspect.samples", 1, "inspect.samples is 1; it must be a whole number of at least 2"),
    ("params.yaml", "figures.fig4.network", "alexnt", "'alexnt' is not a known network"),
    (LAPTOP, "prepare.digits.train", 4001, "asks for 5001 digits in train, validation and test"),
]


@pytest.mark.parametrize(
    ("file", "key", "value", "sentence"), BAD, ids=[f"{row[1]}-{i}" for i, row in enumerate(BAD)]
)
def test_a_mistake_is_told(project: Path, file: str, key: str, value: Any, sentence: str) -> None:
    change(project, file, key, value)
    text = message()
    assert text.startswith(f"{file}: ")
    assert sentence in text


@pytest.mark.parametrize(
    ("network", "layer", "images"),
    [("squeezenet", "fire8", 2000), ("alexnet", "fc7", 2048), ("facenet", "embedding", 2048)],
)
def test_every_network_can_be_inspected(
    project: Path, network: str, layer: str, images: int
) -> None:
    change(project, "params.yaml", "network", network)
    change(project, "params.yaml", "layer", layer)
    assert load_params(project).layer == layer
    change(project, LAPTOP, "inspect.inputs", images + 1)
    assert f"at most {images}, the number of test images for the network {network}" in message()


def test_an_evaluator_of_nothing(project: Path) -> None:
    for kind in ("classes", "numbers"):
        change(project, LAPTOP, f"train_evaluator.animals.{kind}", [])
    assert message() == (
        f"{LAPTOP}: train_evaluator.animals names nothing to read; name a column of the ground "
        "truth in classes or numbers."
    )


@pytest.mark.parametrize(
    ("file", "sizes", "fits"),
    [
        (LAPTOP, {"animals": 256, "faces": 256, "animalfaces": 256}, True),
        (LAPTOP, {"stylized": 16}, True),
        ("scales/gpu.yaml", {"animals": 32, "faces": 32, "animalfaces": 32}, True),
        ("scales/gpu.yaml", {"animals": 256, "faces": 256, "animalfaces": 256}, False),
    ],
)
def test_sizes_are_those_that_the_autoencoders_take(
    project: Path, file: str, sizes: dict[str, int], fits: bool
) -> None:
    change(project, "params.yaml", "scale", Path(file).stem)
    for name, size in sizes.items():
        change(project, file, f"prepare.{name}.size", size)
    change(project, file, "train_stargan.faces.critic_layers", 5)
    if fits:
        assert load_params().settings.prepare["faces"].size == sizes.get("faces", 64)
    else:
        assert "at most 128, the largest image of the architecture biggan, which" in message()


@pytest.mark.parametrize(
    ("changes", "fewest"),
    [
        ({}, 102),
        ({"prepare.faces.unseen_identities": 2}, 4),
        ({"prepare.faces.source": "celeba", "prepare.faces.folder": "celeba"}, 4),
        ({"train_network.facenet.weights": "data/raw/weights"}, 0),  # verified by the test images
    ],
)
def test_as_many_unseen_people_as_are_needed(
    project: Path, changes: dict[str, Any], fewest: int
) -> None:
    for key, value in changes.items():
        change(project, LAPTOP, key, value)
    change(project, LAPTOP, "prepare.faces.unseen", fewest)
    assert load_params().settings.prepare["faces"].unseen == fewest
    if fewest:
        change(project, LAPTOP, "prepare.faces.unseen", fewest - 1)
        assert f"prepare.faces.unseen is {fewest - 1}; it must be at least {fewest}" in message()


@pytest.mark.parametrize(
    ("data", "sizes"), [("digits", 64), ("faces", 64), ("animalfaces", 128), ("generated", 144)]
)
def test_factors_may_leave_no_residual(project: Path, data: str, sizes: int) -> None:
    factors = load_params().settings.train_semantic[data].factors
    given = dict.fromkeys(factors, 1) | {factors[0]: sizes - len(factors) + 1}
    change(project, LAPTOP, f"train_semantic.{data}.sizes", given)
    assert load_params().settings.train_semantic[data].sizes == given
    given[factors[0]] += 1
    change(project, LAPTOP, f"train_semantic.{data}.sizes", given)
    assert f"it must be sizes that sum up to at most {sizes}, train_autoencoder." in message()


def test_features_called_after_another_network(project: Path) -> None:
    change(project, "params.yaml", "features.alexnet.network", "resnet101")
    assert message() == (
        "params.yaml: features.alexnet has to be a row of the network alexnet: what is read "
        "through a network is called after it."
    )


def test_an_autoencoder_of_two_sizes(project: Path) -> None:
    change(project, LAPTOP, "prepare.animalfaces.size", 128)
    assert message() == (
        f"{LAPTOP}: prepare.animalfaces.size is 128; it must be 64, that of faces, on which its "
        "autoencoder is trained too."
    )


def test_more_digits_than_mnist_has(project: Path) -> None:
    change(project, LAPTOP, "prepare.digits.source", "mnist")
    change(project, LAPTOP, "prepare.digits.folder", "data/raw")
    change(project, LAPTOP, "prepare.digits.test", 10001)
    assert "more than its 10000 for test" in message()


def test_a_network_without_settings(project: Path) -> None:
    change(project, "params.yaml", "networks.vgg", {"dataset": "digits"})
    assert "features.vgg has to be a row of the network vgg" in message()
    change(project, "params.yaml", "features.vgg", {"network": "vgg", "dataset": "digits"})
    assert message() == (
        "scales/laptop.yaml: train_network.vgg is missing; every network needs one."
    )


def test_settings_without_a_network(project: Path, edit: Callable[[str, str, str], None]) -> None:
    edit(LAPTOP, "train_network:\n  squeezenet:", "train_network:\n  squeezent:")
    assert "train_network.squeezent is not a known key (did you mean squeezenet?)" in message()


def test_yaml_that_does_not_parse(edit: Callable[[str, str, str], None]) -> None:
    edit("params.yaml", "scale: laptop", "scale: [laptop")
    assert message().startswith("params.yaml, line ")


def test_a_key_that_stands_twice(edit: Callable[[str, str, str], None]) -> None:
    edit("params.yaml", "seed: 0", "seed: 0\nseed: 1")
    text = message()
    assert text.startswith("params.yaml, line ")
    assert text.endswith("the key seed stands twice; delete one.")


def test_a_file_that_is_empty(project: Path) -> None:
    (project / LAPTOP).write_text("")
    assert "the file is null; it must be a mapping with the keys prepare" in message()


def test_a_file_that_is_not_text(project: Path) -> None:
    (project / LAPTOP).write_bytes(b"\xff\xfe\x00")
    assert message().startswith("scales/laptop.yaml cannot be read")


def test_no_params_file(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="params.yaml is missing in .*; run the command in"):
        load_params(tmp_path)


def test_no_scales(project: Path) -> None:
    for path in project.glob("scales/*"):
        path.unlink()
    assert "scale 'laptop' is not a known scale; known are none." in message()
