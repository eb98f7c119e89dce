"""Checks of settings that have to fit one another across sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.rows import FILE, GENERATED, Rows
from pipeline.config.sentences import bad, check_bounds, dotted
from pipeline.config.settings import TrainAutoencoderSettings
from pipeline.datasets.formats import load_format
from pipeline.errors import PipelineError
from pipeline.networks.card import load_card

if TYPE_CHECKING:
    from pipeline.config.config import Config

__all__ = ["check"]

BIGGAN_PIXELS = 128
"""Height and width of the largest image that BigGAN's decoder makes."""


def check(config: Config) -> None:
    """Raise PipelineError, a sentence that names file and key, for settings that do not fit."""
    _check_fixed_data(config)
    _check_checkpoints(config)
    _check_baselines(config)
    _check_sizes(config)
    _check_architecture(config)
    _check_dimensions(config)
    _check_pairs(config)
    _check_critic(config)
    _check_batches(config)
    _check_inspect(config)


def _check_fixed_data(config: Config) -> None:
    """The data sets that stages of one item are about have a row."""
    for section in ("train_evaluator", "train_stargan", "train_generator", "generate"):
        for name in config.sections[section]:
            if name not in config.run.datasets:
                raise PipelineError(
                    f"{FILE}: datasets.{name} is missing, which the stage {section}@{name} is "
                    "about; add the row."
                )


def _check_baselines(config: Config) -> None:
    """D&B's decoders start from that of an autoencoder of images."""
    autoencoders = config.sections["train_autoencoder"]
    images = [name for name in autoencoders if _decodes_images(autoencoders[name])]
    for name, row in config.run.baselines.items():
        if row.dataset not in images:
            words = f"{' or '.join(images)}, whose images an autoencoder decodes"
            raise bad(FILE, ("baselines", name, "dataset"), row.dataset, words)


def _decodes_images(autoencoder: object) -> bool:
    return isinstance(autoencoder, TrainAutoencoderSettings)


def _check_checkpoints(config: Config) -> None:
    for name in config.run.networks:
        training = config.settings("train_network", name)
        if training.checkpoints > training.steps + 1:
            raise bad(
                config.file,
                ("train_network", name, "checkpoints"),
                training.checkpoints,
                f"at most {training.steps + 1}, one for each of the {training.steps} steps and "
                "one before training",
            )


def _check_sizes(config: Config) -> None:
    """Images of one autoencoder, or of an experiment and its evaluator, are of one size."""
    run = config.run
    sizes = {name: getattr(config.settings("prepare", name), "size", None) for name in run.datasets}
    for name, row in run.datasets.items():
        other = row.autoencoder_data
        if (sizes[name] is None) != (sizes[other] is None):  # digits have no size
            like = [kin for kin in sizes if (sizes[kin] is None) == (sizes[name] is None)]
            words = f"{' or '.join(like)}: an autoencoder takes either digits or images"
            raise bad(FILE, ("datasets", name, "autoencoder_data"), other, words)
        if sizes[name] != sizes[other]:
            words = f"{sizes[other]}, that of {other}, on which its autoencoder is trained too"
            raise bad(config.file, ("prepare", name, "size"), sizes[name], words)
    for name, experiment in run.experiments.items():
        evaluator, data = experiment.evaluator, experiment.dataset
        if evaluator in sizes and data in sizes and sizes[evaluator] != sizes[data]:
            words = f"{sizes[evaluator]}, that of {evaluator}, whose evaluator judges {name}"
            raise bad(config.file, ("prepare", data, "size"), sizes[data], words)


def _check_architecture(config: Config) -> None:
    for name in config.run.datasets:
        autoencoder = config.settings("train_autoencoder", name)
        size = getattr(config.settings("prepare", name), "size", 0)
        if getattr(autoencoder, "architecture", "") == "biggan" and size > BIGGAN_PIXELS:
            raise bad(
                config.file,
                ("prepare", name, "size"),
                size,
                f"at most {BIGGAN_PIXELS}, the largest image of the architecture biggan, which "
                f"{dotted('train_autoencoder', name)} has",
            )


def _check_dimensions(config: Config) -> None:
    """The factors of e have room in z_bar."""
    for name in [*config.run.datasets, GENERATED]:
        semantic = config.settings("train_semantic", name)
        if name == GENERATED:
            if config.settings("train_generator", "animals").weights:
                continue  # with published weights, the generator says how many dimensions there are
            latent = config.settings("train_autoencoder", "animals").latent
            latent += config.settings("train_dequantizer", "animals").latent
            what = "train_autoencoder.animals.latent and train_dequantizer.animals.latent together"
        else:
            latent = config.settings("train_autoencoder", name).latent
            what = dotted("train_autoencoder", name, "latent")
        where = ("train_semantic", name)
        if semantic.sizes == "auto":
            if len(semantic.factors) > latent:
                words = f"a list of at most {latent} factors, one for each dimension of {what}"
                raise bad(config.file, (*where, "factors"), list(semantic.factors), words)
        elif sum(semantic.sizes.values()) > latent:
            words = f"sizes that sum up to at most {latent}, {what}"
            raise bad(config.file, (*where, "sizes"), semantic.sizes, words)


def _check_pairs(config: Config) -> None:
    """A face recogniser has pairs of images to be verified by, in validation and test.

    Every rendered image draws a person at random: with two more images than people there are two
    pairs of one person. Of CelebA, four images are the fewest that may hold two of either kind.
    """
    for name, row in config.run.networks.items():
        if load_card(row.build or name).objective != "identities":
            continue
        faces = config.settings("prepare", row.dataset)
        module = load_format(row.dataset, Rows(datasets=config.run.datasets))
        if not hasattr(module, "people"):
            words = "a data set of the format faces, whose splits show different people"
            raise bad(FILE, ("networks", name, "dataset"), row.dataset, words)
        for split in ("validation", "test"):
            least, what = (
                4,
                "which hold two pairs of images of the same person and two of different",
            )
            if faces.source == "rendered":
                number = module.people(faces, split)
                least, what = number + 2, f"two more than the {number} people that it shows"
            if getattr(faces, split) < least:
                raise bad(
                    config.file,
                    ("prepare", row.dataset, split),
                    getattr(faces, split),
                    f"at least {least}, {what}: {dotted('train_network', name)} is verified by "
                    "pairs of them",
                )


def _check_critic(config: Config) -> None:
    for name in config.sections["train_stargan"]:
        layers = config.settings("train_stargan", name).critic_layers
        size = config.settings("prepare", name).size
        if size % 2**layers:
            most = (size & -size).bit_length() - 1
            raise bad(
                config.file,
                ("train_stargan", name, "critic_layers"),
                layers,
                f"at most {most}: each layer halves an image of {size} px",
            )


def _check_batches(config: Config) -> None:
    run = config.run
    data = {
        name: row.dataset for table in (run.layers, run.baselines) for name, row in table.items()
    }
    of_t = ("train_cinn", "train_prior", "train_baseline")
    others = ("train_autoencoder", "train_semantic", "train_network")
    more = ("train_evaluator", "train_stargan", "train_generator")
    for section in (*of_t, *others, *more):
        for name, training in config.sections[section].items():
            dataset = (
                run.networks[name].dataset if section == "train_network" else data.get(name, name)
            )
            own = section in of_t and config.images(dataset, "train_t")
            images = own or config.images(dataset, "train")
            batch_size = getattr(training, "batch_size", 0)
            if images is not None and batch_size > images:
                raise bad(
                    config.file,
                    (section, name, "batch_size"),
                    batch_size,
                    f"at most {images}, the number of training images",
                )


def _check_inspect(config: Config) -> None:
    inspect, layer = config.settings("inspect"), config.run.layers[config.run.inspected]
    bounds = {
        "rows": (inspect.inputs, "inspect.inputs"),
        "columns": (inspect.samples, "inspect.samples"),
    }
    tests = config.images(layer.dataset, "test")
    if tests is not None:
        words = f"the number of test images for the network {layer.network}"
        bounds = {"inputs": (tests, words), **bounds}
    check_bounds(config.file, ("inspect",), inspect, bounds)
