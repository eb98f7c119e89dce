"""The settings load; a mistake in them ends in one sentence that names file, key and value."""

import json
import re
from pathlib import Path
from types import FunctionType
from typing import Any, Literal

import pytest
from pydantic import ValidationError, create_model
from settings import DELETE, change, change_all

from pipeline.config import fields
from pipeline.config.fields import Section, validate
from pipeline.config.files import load_run, read_yaml
from pipeline.errors import PipelineError
from pipeline.validation.loading import load_config, section_classes

PARAMS, LAPTOP = "params.yaml", "scales/laptop.yaml"
LAYER = {"network": "alexnet", "dataset": "animals", "module": "features.4"}
CINN = "train_cinn.squeezenet-fire8"
FACENET = "train_network.facenet"
COLOURS = {"background": 1, "digit": 0, "foreground": 1}
INFINITE, NAN = float("inf"), float("nan")


def shown(value: Any) -> str:
    """A value as YAML has it."""
    plain = value is None or isinstance(value, bool)
    return json.dumps(value) if plain else repr(value) if isinstance(value, str) else str(value)


def message(project: Path) -> str:
    with pytest.raises(PipelineError) as caught:
        load_config(project)
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".")
    return text


def refused(project: Path, file: str, changes: dict[str, Any]) -> str:
    """The sentence about the changes of a file, which it names."""
    change_all(project, file, changes)
    text = message(project)
    assert text.startswith(f"{file}: "), text
    return text


HEX = "0123456789abcdef"
TYPES: list[tuple[Any, list[Any], list[Any]]] = [
    (fields.Count, [1, 10], [0, -5, True, 700.0, "3", None, [1], {"a": 1}]),
    (fields.NonNegativeInt, [0], [-1, False, 0.0]),
    (fields.Several, [2], [1]),
    (fields.Pixels, [16, 64], [8, 15, 24, 48, 100, 64.0]),
    (fields.Seed, [0, 2**32 - 1], [-1, 2**32, 1.5, True]),
    (fields.Positive, [1, 1e-9], [0, -1.0, NAN, INFINITE, True, "1e-3 ", "fast", None]),
    (fields.NonNegative, [0], [-1e-4, NAN]),
    (fields.Fraction, [0, 0.99], [1, 1.0, -0.1, NAN]),
    (bool, [True, False], ["no", "yes", 0, 1, None]),
    (str, ["x"], [3, True, None, ["x"]]),
    (fields.Name, ["resnet50_b-2"], ["", "Big", "a b", "-a", 3]),
    (fields.Sha256, [HEX * 4], [HEX, "A" * 64]),
    (fields.Folder | None, ["a", None], [3, ["a"]]),
    (fields.Folders | None, [["a", "b"], None], [[], "a", [3]]),
    (fields.Columns, [[], ["a", "b"]], ["yaw", ["x", "x"], [3], None]),
    (fields.Attributes, [["a", "b"]], [[], ["Male", "Male"]]),
    (Literal["auto"] | fields.Count, ["auto", 3], ["atuo", 0, True, 1.5]),
    (dict[fields.Concept, fields.Count], [{}, {"a": 1}], [{"a": 0}, {"a b": 1}, [], 3]),
    (Literal["auto"] | dict[fields.Concept, fields.Count], [{"a": 1}], ["big", {"a": -3}, None]),
]
CASES = [
    pytest.param(kind, value, good, id=f"{number}-{value!r}"[:40])
    for number, (kind, right, wrong) in enumerate(TYPES)
    for good, values in ((True, right), (False, wrong))
    for value in values
]


@pytest.mark.parametrize(("kind", "value", "good"), CASES)
def test_a_type_is_strict(kind: Any, value: Any, good: bool) -> None:
    model: Any = create_model("Model", __base__=Section, key=(kind, ...))
    if good:
        result = validate(model, {"key": value}, "file", lambda key: (str(key),)).key
        assert result == (tuple(value) if isinstance(value, list) else value)
        assert not isinstance(result, float) or type(result) is float
        return
    with pytest.raises(PipelineError) as caught:
        validate(model, {"key": value}, "file", lambda key: (str(key),))
    text = str(caught.value)
    assert text.startswith("file: key") and text.endswith(".") and "\n" not in text
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    parts = [value, *parts] if isinstance(value, list | dict) else [value]
    assert any(shown(part)[:57] in text for part in parts), text


def test_settings_keep_their_types_and_cannot_be_changed(project: Path) -> None:
    config = load_config(project)
    assert config.run.layers["squeezenet-fire8"].module == "features.11"
    assert config.run.networks["squeezenet"].dataset == "digits"
    digits = config.settings("prepare", "digits")
    assert digits.folder is None and digits.download is False and type(digits.rotation) is float
    assert config.settings("train_autoencoder", "digits").widths == (64, 128)
    with pytest.raises(ValidationError):
        config.run.seed = 1
    with pytest.raises(ValidationError):
        digits.train = 1


def test_settings_compute_nothing(project: Path) -> None:
    """What is made of settings decides results, but no stage depends on the settings' classes."""
    classes = {
        base
        for items in section_classes(load_run(project)).values()
        for model in items.values()
        for base in model.__mro__[: model.__mro__.index(Section)]
    }
    assert len(classes) > 20
    for model in classes:
        kinds = (FunctionType, property, classmethod, staticmethod)
        made = {name for name, value in vars(model).items() if isinstance(value, kinds)}
        assert {name for name in made if not name.startswith("__")} <= {"check"}, model


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 1e-3), ("2E4", 2e4), ("no", "no"), ("on", "on"), ("010", 10), ("1:30", "1:30")],
)
def test_yaml_has_no_surprises(tmp_path: Path, text: str, value: Any) -> None:
    (tmp_path / "file.yaml").write_text(f"key: {text}\n")
    found = read_yaml(tmp_path, "file.yaml")["key"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("scale", ["smoke", "laptop", "gpu", "paper"])
def test_every_scale_is_valid(project: Path, scale: str) -> None:
    change(project, PARAMS, "scale", scale)
    config = load_config(project)
    assert config.file == f"scales/{scale}.yaml"
    classes = section_classes(config.run)
    assert classes.keys() == config.sections.keys()
    for name, items in classes.items():
        assert {item: type(value) for item, value in config.sections[name].items()} == items


def test_an_item_has_its_own_settings_and_the_defaults_whose_key_it_has(project: Path) -> None:
    section = {"default": {"steps": 7, "batch_size": 8, "width": 4}, "alexnet-fc7": {"steps": 9}}
    section["default"] |= {"learning_rate": 1e-3, "validate_every": 1}
    wider = {"train_autoencoder.default.encoder_width": 24}
    change_all(project, LAPTOP, {"train_cinn": section} | wider)
    config = load_config(project)
    cinn, autoencoders = config.sections["train_cinn"], config.sections["train_autoencoder"]
    assert {name: (item.steps, item.width) for name, item in cinn.items()} == {
        name: (9 if name == "alexnet-fc7" else 7, 4) for name in cinn
    }
    assert cinn["alexnet-fc7"].depth == 2  # the field's own default
    assert autoencoders["animalfaces"].encoder_width == 24
    assert not hasattr(autoencoders["digits"], "encoder_width")


def test_a_folder_may_be_at_home(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    mine = {"format": "folder", "images": ["~/one", "/two"], "autoencoder_data": "mine"}
    change(project, PARAMS, "datasets.mine", mine)
    assert load_config(project).run.datasets["mine"].images == ("/home/me/one", "/two")


def test_settings_of_a_new_layer_are_the_defaults(project: Path) -> None:
    change(project, PARAMS, "layers.alexnet-conv2", LAYER)
    config = load_config(project)
    conv2, fc7 = (config.settings("extract", f"alexnet-{name}") for name in ("conv2", "fc7"))
    assert conv2 == fc7
    assert config.settings("train_cinn", "alexnet-conv2").steps > 0


@pytest.mark.parametrize(
    ("file", "key", "value", "suggestion"),
    [
        (PARAMS, "sacle", "gpu", "scale"),
        (PARAMS, "scale", "laptpo", "laptop"),
        (PARAMS, "device", "cdua", "cuda"),
        (PARAMS, "network", "alexnt", "alexnet"),
        (PARAMS, "layer", "fc77", "fc7"),
        (PARAMS, "networks.squeezenet.dataset", "digit", "digits"),
        (PARAMS, "networks.squeezenet.biuld", "x", "build"),
        (PARAMS, "networks.alexnet.build", "alexnt", "alexnet"),
        (PARAMS, "networks.alexnet.build", "torchvision:resnet108", "resnet18"),
        (PARAMS, "datasets.animals.autoencoder_data", "animal", "animals"),
        (PARAMS, "datasets.animals.format", "animal", "animals"),
        (PARAMS, "layers.alexnet-fc7.network", "alexnt", "alexnet"),
        (PARAMS, "layers.alexnet-fc7.dataset", "animal", "animals"),
        (PARAMS, "baselines.dosovitskiy-fc7.layer", "alexnet-fc77", "alexnet-fc7"),
        (PARAMS, "experiments.fig4.layers", ["squeezenet-fire9"], "squeezenet-fire8"),
        (PARAMS, "experiments.table1.baselines", ["dosovitskiy-fc77"], "dosovitskiy-fc7"),
        (PARAMS, "experiments.fig44", {"dataset": "digits"}, "fig4"),
        (LAPTOP, "train_cin", {}, "train_cinn"),
        (LAPTOP, "train_cinn.alexnet-fc9", {}, "alexnet-fc8"),
        (LAPTOP, "prepare.digts", {}, "digits"),
        (LAPTOP, "experiments.fig33", {}, "fig3"),
        (LAPTOP, f"{CINN}.stpes", 5, "steps"),
        (LAPTOP, "train_cinn.default.stpes", 5, "steps"),
        (LAPTOP, "train_autoencoder.digits.encoder_widht", 8, None),
        (LAPTOP, "inspect.default", {}, None),
        (LAPTOP, "prepare.digits.source", "mnst", "mnist"),
        (LAPTOP, "experiments.fig5.attack", "pgdd", "pgd"),
        (LAPTOP, "train_semantic.digits.weights", {"foregrund": 1}, "foreground"),
    ],
)
def test_an_unknown_name(
    project: Path, file: str, key: str, value: Any, suggestion: str | None
) -> None:
    text = refused(project, file, {key: value})
    assert key in text
    assert ("did you mean" in text) == (suggestion is not None)
    assert suggestion is None or f"(did you mean {suggestion}?)" in text


ROWS: list[tuple[str, Any, list[str]]] = [
    ("scale", DELETE, ["scale is missing"]),
    ("layer", 7, ["layer is 7"]),
    ("network", "vgg", ["network 'vgg'", "choose from alexnet, facenet"]),
    ("network", "squeezenet", ["layer 'fc7'", "choose from fire8"]),
    ("networks.Big Net", {"dataset": "digits"}, ["networks.Big Net", "lower-case"]),
    ("networks.vgg", {"dataset": "digits"}, ["networks.vgg", "'vgg'"]),
    ("layers.fc7", LAYER, ["layers.fc7", "alexnet-fc7"]),
    ("layers.alexnet-fc7.network", "resnet50", ["layers.alexnet-fc7.network", "'resnet50'"]),
    ("datasets.generated", {"format": "digits", "autoencoder_data": "digits"}, ["generated"]),
    ("datasets.animals.images", "mine", ["datasets.animals", "images"]),
    ("datasets.animals.format", "images", ["datasets.animals.format", "'images'", "folder"]),
    ("layers.default", LAYER, ["layers.default"]),
    ("layers.alexnet-fc7.dataset", "digits", ["dosovitskiy-fc7.dataset", "must be digits"]),
    ("baselines.dosovitskiy-fc7.dataset", "digits", ["'digits'", "must be animals"]),
    ("experiments.fig4.dataset", "faces", ["experiments.fig4.dataset", "must be digits"]),
    ("experiments.fig4.dataset", DELETE, ["experiments.fig4.dataset is missing"]),
    ("experiments.fig3.evaluator", "face", ["experiments.fig3.evaluator 'face'", "mean faces?"]),
    ("experiments.fig6.evaluator", DELETE, ["experiments.fig6.evaluator is missing", "animals"]),
    ("experiments.fig7.networks", ["alexnet"], ["experiments.fig7.networks is", "[facenet]"]),
    ("baselines.dosovitskiy-fc7", {"layer": "squeezenet-fire8", "dataset": "digits"},
     ["baselines.dosovitskiy-fc7.dataset is 'digits'", "animals or faces"]),
    ("networks.mine", {"dataset": "animals", "build": "facenet"}, ["mine.dataset", "format faces"]),
    ("experiments.fig4.layers", [], ["experiments.fig4.layers is []"]),
    ("datasets.animals.autoencoder_data", "digits", ["'digits'", "animals", "faces"]),
    ("datasets.digits.autoencoder_data", "faces", ["'faces'", "must be digits"]),
    ("experiments.fig5.layers", ["resnet101-fc", "resnet101-input"],
     ["experiments.fig5.layers is", "input, conv, fc, logits"]),
    ("experiments.fig6.layers", ["resnet50-fc"], ["experiments.fig6.layers is", "2 layers"]),
    ("experiments.fig7.layers", [], ["experiments.fig7.layers is", "one layer"]),
    ("experiments.table1.layers", ["alexnet-fc6"],
     ["experiments.table1.layers is", "conv5, fc6, fc7, fc8, output"]),
    ("experiments.table1.baselines", ["dosovitskiy-fc6"],
     ["experiments.table1.baselines is", "baselines for each"]),
]  # fmt: skip
CELEBA = {"prepare.faces.source": "celeba", "prepare.faces.folder": "x"}
MNIST = {"prepare.digits.source": "mnist", "prepare.digits.folder": "x"}
SIZES = {f"prepare.{name}.size" for name in ("animals", "faces", "animalfaces")}
LIMITS: list[tuple[str, Any, Any, dict[str, Any]]] = [
    ("train_autoencoder.digits.batch_size", 59_200, 59_201, {}),
    ("train_network.squeezenet.batch_size", 59_200, 59_201, {}),
    (f"{CINN}.batch_size", 59_200, 59_201, {}),
    ("train_stargan.faces.batch_size", 128_000, 128_001, {}),
    ("train_cinn.alexnet-fc7.batch_size", 48_000, 48_001, {}),
    (f"{CINN}.batch_size", 3700, 3701, {"prepare.digits.colourings_train_t": 1}),
    ("train_prior.faces.batch_size", 48_000, 48_001, {}),
    ("train_baseline.dosovitskiy-fc7.batch_size", 48_000, 48_001, {}),
    ("train_network.squeezenet.checkpoints", 4751, 4752, {}),
    ("train_baseline.dosovitskiy-fc7.discriminator_start", 4999, 5000, {}),
    ("train_autoencoder.faces.discriminator_start", 9999, 10_000, {}),
    ("train_stargan.faces.critic_layers", 6, 7, {}),
    ("experiments.table1.inputs", 2048, 2049, {}),
    ("experiments.table1.examples", 2048, 2049, {}),
    ("experiments.fig3.inputs", 4096, 4097, {}),
    ("experiments.fig3.evaluated_samples", 250, 251, {}),
    ("experiments.fig3.columns", 50, 51, {}),
    ("experiments.fig3.rows", 100, 101, {}),
    ("experiments.fig4.inputs", 2000, 2001, {}),
    ("experiments.fig4.rows", 400, 401, {}),
    ("experiments.fig4.columns", 25, 26, {}),
    ("experiments.fig4.late", 19, 20, {}),
    ("experiments.fig4.late", 18, 17, {"experiments.fig4.early": 17}),
    ("experiments.fig5.inputs", 4096, 4097, {}),
    ("experiments.fig5.variance_inputs", 2048, 2049, {}),
    ("experiments.fig5.rows", 2048, 2049, {}),
    ("experiments.fig6.columns", 8, 9, {}),
    ("experiments.fig6.rows", 252, 253, {}),
    ("experiments.fig6.more", 253, 254, {}),
    ("experiments.calibration.ranked_inputs", 4096, 4097, {}),
    ("experiments.fig7.inputs", 2048, 2049, {}),
    ("experiments.fig7.rows", 2048, 2049, {}),
    ("inspect.inputs", 4096, 4097, {}),
    ("inspect.rows", 100, 101, {}),
    ("inspect.columns", 50, 51, {}),
    ("generate.animals.inputs", 4096, 4097, {}),
    # The source's digits, in splits together.
    ("prepare.digits.train", 3700, 3701, {}),
    ("prepare.digits.train", 59_200, 59_201, MNIST),
    ("prepare.digits.test", 10_000, 10_001, MNIST),
    # People make pairs, by which FaceNet is verified.
    ("prepare.faces.validation", 4, 3, {}),
    ("prepare.faces.validation", 4, 3, {"prepare.faces.images_per_person": 2}),
    ("prepare.faces.validation", 4, 3, CELEBA),
    # Factors may leave no residual.
    ("train_semantic.digits.sizes", COLOURS | {"digit": 62}, COLOURS | {"digit": 63}, {}),
    ("train_semantic.animalfaces.sizes", {"species": 128}, {"species": 129}, {}),
    ("train_semantic.generated.sizes", {"species": 144}, {"species": 145}, {}),
    # Sizes are those that the autoencoders take.
    ("prepare.faces.size", 256, 255, dict.fromkeys(SIZES, 256)),
    ("prepare.stylized.size", 16, 8, {}),
]


@pytest.mark.parametrize(
    ("key", "good", "bad", "others"), LIMITS, ids=[f"{row[0]}-{row[1]}"[:60] for row in LIMITS]
)
def test_a_value_is_taken_up_to_its_limit(
    project: Path, key: str, good: Any, bad: Any, others: dict[str, Any]
) -> None:
    change_all(project, LAPTOP, others | {key: good})
    section, *item, name = key.split(".")
    assert getattr(load_config(project).settings(section, *item), name) == good
    text = refused(project, LAPTOP, {key: bad})
    # Of digits, a sum is limited; of Fig. 6, one of two settings.
    assert key.removesuffix(f".{name}") in text
    assert shown(bad)[:57] in text or re.search("(5001|60000) digits", text)


VALUES: list[tuple[dict[str, Any], list[str]]] = [
    ({"train_cinn.default.depth": -1}, ["train_cinn.default.depth is -1;"]),
    ({"train_cinn.alexnet-fc7.depth": -1}, ["train_cinn.alexnet-fc7.depth is -1;"]),
    ({"train_cinn": {"default": {"steps": 3}}}, [f"{CINN}.batch_size is missing"]),
    ({"train_network.squeezenet.steps": 10}, ["squeezenet.checkpoints is 20", "11"]),
    ({"experiments.fig4.early": 18}, ["experiments.fig4.late is 18", "fig4.early (18)"]),
    ({"experiments.fig5.epsilon": 0}, ["experiments.fig5.epsilon is 0"]),
    ({"experiments.fig7.extractor": "inception"}, ["fig7.extractor_weights is missing"]),
    ({"experiments.table1.extractor": "inception"}, ["table1.extractor_weights is missing"]),
    ({"train_semantic.digits.weights": {"digit": 6.4}}, ["weights.digit is 6.4", "6.333"]),
    ({"train_semantic.digits.factors": ["digit", "digit"]}, ["factors", "repetitions"]),
    ({"train_semantic.digits.sizes": {"digit": 10}}, ["sizes.foreground is missing"]),
    ({"train_semantic.digits.sizes": {"digits": 1}}, ["sizes.digits", "mean digit?"]),
    ({"train_autoencoder.faces.latent": 5}, ["train_semantic.faces.factors", "at most 5"]),
    ({"train_autoencoder.digits.widths": [64]}, ["digits.widths is [64]", "two"]),
    ({"train_autoencoder.digits.widths": [64, -1]}, ["digits.widths.1 is -1"]),
    ({"train_autoencoder.faces.encoder_blocks": []}, ["faces.encoder_blocks is []"]),
    ({"train_autoencoder.faces.encoder_width": 7}, ["faces.encoder_width is 7", "8"]),
    ({"train_autoencoder.faces.perceptual": 0.1}, ["faces.perceptual_weights is missing"]),
    ({"prepare.digits.source": "mnist"}, ["prepare.digits.folder is missing"]),
    ({"prepare.animals.source": "photographs"}, ["prepare.animals.folders is missing"]),
    ({"prepare.faces.source": "celeba"}, ["prepare.faces.folder is missing"]),
    ({"prepare.animals.size": 128}, ["animalfaces.size is 64", "must be 128", "figs10"]),
    ({"prepare.animalfaces.size": 128}, ["animalfaces.size is 128", "must be 64"]),
    ({"prepare.faces.size": 32}, ["animalfaces.size is 64", "must be 32, that of faces"]),
    ({"train_evaluator.animals.classes": ["coat"]}, ["animals.classes is ['coat']", "species"]),
    (
        {f"train_evaluator.animals.{kind}": [] for kind in ("classes", "numbers")},
        ["train_evaluator.animals", "classes or numbers"],
    ),
    ({"train_evaluator.animals.numbers": ["species"]}, ["animals.numbers", "animals.classes"]),
    ({"generate.animals.train": 255}, ["batch_size is 256", "at most 255"]),
    ({"generate.animals.stimuli": 3}, ["generate.animals.stimuli is 3"]),
    ({f"{FACENET}.width": 0.3}, [f"{FACENET}.width is 0.3", "0.0625"]),
    ({f"{FACENET}.width": 0}, [f"{FACENET}.width is 0"]),
    ({f"{FACENET}.size": 64}, [f"{FACENET}.size is 64", "75"]),
    ({f"{FACENET}.repeats": [1, 2]}, [f"{FACENET}.repeats is [1, 2]", "three"]),
    ({f"{FACENET}.repeats": [5, 11, 5]}, [f"{FACENET}.repeats is [5, 11, 5]"]),
    ({f"{FACENET}.repeats": [1, 0, 1]}, [f"{FACENET}.repeats.1 is 0"]),
    ({f"{FACENET}.repeats": 3}, [f"{FACENET}.repeats is 3"]),
    ({"train_network.resnet50.width": 0.1}, ["resnet50.width is 0.1", "0.125"]),
    ({"train_network.resnet50.crop_scale": 0}, ["resnet50.crop_scale is 0"]),
    ({"train_cinn": 3}, ["train_cinn is 3"]),
    ({CINN: None}, [f"{CINN} is null"]),
    ({"train_cinn.default": []}, ["train_cinn.default is []"]),
]
WRONG = [(PARAMS, {key: value}, words) for key, value, words in ROWS]
WRONG += [(LAPTOP, changes, words) for changes, words in VALUES]


@pytest.mark.parametrize(
    ("file", "changes", "words"), WRONG, ids=[next(iter(row[1])) for row in WRONG]
)
def test_rows_and_values_that_do_not_fit(
    project: Path, file: str, changes: dict[str, Any], words: list[str]
) -> None:
    text = refused(project, file, changes)
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("network", "layer", "images"),
    [("squeezenet", "fire8", 2000), ("alexnet", "fc7", 4096), ("facenet", "embedding", 4096)],
)
def test_every_network_can_be_inspected(
    project: Path, network: str, layer: str, images: int
) -> None:
    change_all(project, PARAMS, {"network": network, "layer": layer})
    assert load_config(project).run.inspected == f"{network}-{layer}"
    text = refused(project, LAPTOP, {"inspect.inputs": images + 1})
    assert f"at most {images}" in text and network in text


def test_biggan_makes_no_larger_images(project: Path) -> None:
    change(project, PARAMS, "scale", "gpu")
    text = refused(project, "scales/gpu.yaml", dict.fromkeys(SIZES, 256))
    assert "size is 256" in text and "at most 128" in text


@pytest.mark.parametrize(
    ("data", "empty"), [("animals", "numbers"), ("faces", "numbers"), ("faces", "classes")]
)
def test_an_evaluator_needs_no_numbers_or_no_classes(project: Path, data: str, empty: str) -> None:
    change(project, LAPTOP, f"train_evaluator.{data}.{empty}", [])
    evaluator = load_config(project).settings("train_evaluator", data)
    assert getattr(evaluator, empty) == () and evaluator.classes + evaluator.numbers


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        (PARAMS, b"scale: [laptop", ["params.yaml, line "]),
        (PARAMS, b"seed: 0\nseed: 1\n", ["params.yaml, line 2", "seed", "twice"]),
        (LAPTOP, b"prepare:\n digits:\n  test: 1\n  test: 2\n", ["line 4", "test", "twice"]),
        (LAPTOP, b"", ["laptop.yaml: the file is null"]),
        (LAPTOP, b"- 1", ["laptop.yaml: the file is [1]"]),
        (LAPTOP, b"\xff\xfe\x00", ["laptop.yaml cannot be read"]),
        (PARAMS, b"", ["params.yaml: the file is null"]),
        (PARAMS, None, ["params.yaml is missing in ", "repository's root"]),
        (LAPTOP, None, ["scale 'laptop'", "choose from gpu, paper, smoke"]),
    ],
)
def test_a_file_that_is_no_settings(
    project: Path, file: str, content: bytes | None, words: list[str]
) -> None:
    (project / file).unlink()
    if content is not None:
        (project / file).write_bytes(content)
    text = message(project)
    assert all(word in text for word in words), text
