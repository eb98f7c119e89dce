"""The sections of scales/<scale>.yaml, one class per stage.

The scale's file must set a field without a default: under the item's own name, or under `default`
for all items of the stage. Data sets, networks and experiments bring their own classes,
in datasets/<format>.py, networks/<network>.py and experiments/<name>/report.py.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pipeline.config.fields import (
    Attributes,
    Columns,
    Concept,
    Count,
    Folder,
    Fraction,
    Must,
    NonNegative,
    NonNegativeInt,
    Positive,
    Section,
    Several,
    Sha256,
)
from pipeline.config.sentences import bad, unknown
from pipeline.errors import PipelineError

__all__ = [
    "ExtractSettings",
    "GenerateSettings",
    "InspectSettings",
    "OptimizerName",
    "TrainAutoencoderSettings",
    "TrainBaselineSettings",
    "TrainCinnSettings",
    "TrainDequantizerSettings",
    "TrainDigitsAutoencoderSettings",
    "TrainEvaluatorSettings",
    "TrainGeneratorSettings",
    "TrainSemanticSettings",
    "TrainStarGANSettings",
    "autoencoder_settings",
]

OptimizerName = Literal["adam", "muon"]
"""Muon needs fewer steps than Adam, but longer for each."""

# With fewer than eight channels torch 2.13 crashes in training a ResNet's shortcuts, convolutions
# of 1 x 1 and stride 2, on processors with AVX2 but not AVX-512. No architecture is exempt.
EncoderWidth = Annotated[int, Must("a whole number of at least 8", lambda v: v >= 8)]


class TrainDigitsAutoencoderSettings(Section):
    """The autoencoder E, D of digits (Tab. S1)."""

    steps: Count
    batch_size: Count = 64  # images per step
    optimizer: OptimizerName = "adam"
    learning_rate: Positive = 1e-3
    latent: Several = 64  # dimensions of z_bar
    widths: Annotated[  # channels of the encoder's convolutions
        tuple[Count, ...],
        Must("a list of two whole numbers of at least 1", lambda v: len(v) == 2),
    ] = (64, 128)
    validate_every: Count = 500  # steps between two validations


class TrainAutoencoderSettings(Section):
    """The autoencoder E, D of images (Tab. S7), and what the baseline's decoder shares."""

    steps: Count
    batch_size: Several = 16  # images per step
    optimizer: OptimizerName = "adam"
    learning_rate: Positive
    latent: Several = 128  # dimensions of z_bar
    # biggan: Tabs. S8 and S9; convolutional: Tab. S1, deeper
    architecture: Literal["biggan", "convolutional"] = "biggan"
    encoder_blocks: Annotated[  # residual blocks per stage of the encoder (biggan)
        tuple[Count, ...], Must("a list of whole numbers of at least 1", lambda v: len(v) > 0)
    ] = (3, 4, 23, 3)
    encoder_width: EncoderWidth = 64  # channels of the encoder's first stage
    decoder_channels: Count = 96  # channels of the decoder's last stage
    soft_classes: Count = 1000  # soft classes that condition the decoder (biggan)
    pixel: Literal["squared", "absolute"] = "absolute"  # error per pixel in the image metric
    perceptual: NonNegative = 0  # weight of LPIPS in the image metric; 0 leaves it out
    perceptual_weights: Folder | None = None  # VGG-16's weights; only if perceptual is above 0
    discriminator_start: NonNegativeInt = 0  # step at which the discriminator begins; 0: never
    validate_every: Count

    def check(self, file: str, where: tuple[str, ...]) -> None:
        """Raise PipelineError if settings contradict each other."""
        if self.perceptual and self.perceptual_weights is None:
            raise PipelineError(
                f"{file}: {'.'.join(where)}.perceptual_weights is missing; perceptual above 0 "
                "needs the folder with the weights of VGG-16, or set perceptual to 0."
            )
        _check_discriminator(file, where, self.discriminator_start, self.steps)


def autoencoder_settings(
    data_format: str,
) -> type[TrainAutoencoderSettings] | type[TrainDigitsAutoencoderSettings]:
    """The class of an autoencoder's settings, for a data set of this format."""
    if data_format == "digits":
        return TrainDigitsAutoencoderSettings
    return TrainAutoencoderSettings


class TrainBaselineSettings(Section):
    """A decoder that inverts one layer without a model of its invariances (Tab. 1)."""

    steps: Count
    batch_size: Several = 16  # images per step
    optimizer: OptimizerName = "adam"
    learning_rate: Positive
    latent: Count = 4096  # dimensions z is mapped to first
    warm_start: bool = True  # start from the autoencoder's decoder, or at random
    discriminator_start: NonNegativeInt = 0  # step at which the discriminator begins; 0: never
    validate_every: Count

    def check(self, file: str, where: tuple[str, ...]) -> None:
        """Raise PipelineError if settings contradict each other."""
        _check_discriminator(file, where, self.discriminator_start, self.steps)


class TrainEvaluatorSettings(Section):
    """The evaluator, which predicts `classes` and `numbers`, columns of the ground truth."""

    classes: Columns  # columns of ground_truth.parquet that hold classes
    # Columns that hold numbers. Others cannot be read off an image: the two background colours,
    # say, can change places where the background is turned around. Photographs have none: [].
    numbers: Columns = ()
    steps: Count
    batch_size: Several = 64
    learning_rate: Positive  # of AdamW
    weight_decay: NonNegative = 0.05
    width: Count  # channels of the first convolution
    blur: Fraction = 0.03  # largest blur of a training image, standard deviation per image size
    noise: NonNegative = 0.1  # largest standard deviation of its noise; pixels lie in [-1, 1]
    validate_every: Count

    def check(self, file: str, where: tuple[str, ...]) -> None:
        """Raise PipelineError if settings contradict each other."""
        if not (self.classes or self.numbers):
            raise PipelineError(
                f"{file}: {'.'.join(where)} names nothing to read; name a column of the ground "
                "truth in classes or numbers."
            )
        if set(self.classes) & set(self.numbers):
            words = f"a list of columns none of which {'.'.join(where)}.classes names"
            raise bad(file, (*where, "numbers"), list(self.numbers), words)


class ExtractSettings(Section):
    """Computing z of the images that t needs, once."""

    batch_size: Count = 100  # images at once


class TrainSemanticSettings(Section):
    """The semantic INN e, which splits z_bar into factors."""

    steps: Count
    batch_size: Several  # pairs per step
    learning_rate: Positive  # of AdamW
    blocks: Count = 12  # invertible blocks
    width: Count = 512  # units per hidden layer of the coupling networks
    depth: NonNegativeInt = 2  # hidden layers of the coupling networks, beyond the first
    weight_decay: NonNegative = 0.05
    rho: Fraction = 0.9  # correlation expected of a pair's shared factor
    factors: Annotated[  # concepts that pairs of images share
        tuple[Concept, ...], Must("a list of concepts, not empty", lambda v: len(v) > 0)
    ] = ("species",)
    # Weight, in the loss, of the correlation within each factor's pairs, relative to the
    # likelihood. 1, the default of each, is Eq. 13.
    weights: dict[Concept, Positive] = {}
    sizes: Literal["auto"] | dict[Concept, Count] = "auto"  # dimensions per factor, or estimated
    validate_every: Count
    patience: Count = 10  # validations without progress after which training stops

    def check(self, file: str, where: tuple[str, ...]) -> None:
        """Raise PipelineError if settings contradict each other."""
        if len(set(self.factors)) != len(self.factors):
            raise bad(file, (*where, "factors"), self.factors, "a list without repetitions")
        for field in ("weights", "sizes"):
            value = getattr(self, field)
            for name in value if isinstance(value, dict) else ():
                if name not in self.factors:
                    raise unknown(file, (*where, field, name), None, self.factors, "factor")
        for name in self.factors if isinstance(self.sizes, dict) else ():
            if name not in self.sizes:
                raise PipelineError(
                    f"{file}: {'.'.join(where)}.sizes.{name} is missing; every factor needs one."
                )
        # Above it, the loss of a factor that is equal within pairs falls without end as it grows.
        bound = len(self.factors) * (1 + self.rho) / max(self.rho, 1e-9)
        for name, weight in self.weights.items():
            if weight >= bound:
                raise bad(
                    file,
                    (*where, "weights", name),
                    weight,
                    f"below {bound:.4g}, the number of factors times (1 + rho) / rho: else the "
                    "loss has no minimum",
                )


class TrainCinnSettings(Section):
    """The conditional INN t of a layer, one per checkpoint of its network."""

    # semantic: the blocks of e come first, frozen. regression: as semantic, and t models the
    # residual of a regression of their output on z. residual: t models the residual of a regression
    # of z_bar on z, without the blocks of e. random: t learns alone.
    start: Literal["random", "semantic", "regression", "residual"] = "random"
    steps: Count  # at most
    batch_size: Several
    learning_rate: Positive  # of AdamW
    blocks: Count = 20  # invertible blocks that read z
    width: Count = 1024  # units per hidden layer of the coupling networks
    depth: NonNegativeInt = 2  # hidden layers of the coupling networks, beyond the first
    embedding: Count = 128  # dimensions of H(z), the embedded condition
    dropout: Fraction = 0  # share of the condition that is dropped in training
    weight_decay: NonNegative = 0
    validate_every: Count
    patience: Count = 10  # validations without progress after which training stops


class TrainGeneratorSettings(TrainCinnSettings):
    """A class-conditional generator: an INN before the decoder D, or BigGAN's published weights."""

    start: Literal["random", "semantic"] = "random"
    weights: Folder | None = None  # the published weights of BigGAN; null: trained here
    sha256: Sha256 | None = None  # of their file, which is not opened otherwise


class TrainDequantizerSettings(Section):
    """The dequantiser, a VAE of the generator's class embeddings h (Tab. S17)."""

    steps: Count
    batch_size: Several = 64  # classes per step
    learning_rate: Positive
    latent: Count = 128  # dimensions of the code that takes the place of h
    width: Count = 4096  # units per hidden layer
    validate_every: Count


class GenerateSettings(Section):
    """Images drawn from the generator, and the inputs of Fig. 6."""

    train: Several  # images to train t on
    validation: Several  # images that decide when to stop
    calibration: Several  # images that recalibrate t
    test: Several  # images that are held out
    inputs: Several  # held-out animals that Fig. 6 shows to the classifiers, in each variant
    stimuli: Folder | None = None  # cue-conflict stimuli <shape><i>-<texture><j>.png; null: none


class TrainStarGANSettings(Section):
    """StarGAN, whose edits those by e are compared with."""

    attributes: Attributes  # columns of ground_truth.parquet
    steps: Count  # of the critic
    batch_size: Several = 16  # images per step
    learning_rate: Positive  # of Adam, in the first half; then it falls to 0
    critic_steps: Count = 5  # critic steps per generator step
    reconstruction: Positive = 10  # weight of the reconstruction loss
    width: Count = 64  # channels of the generator's first convolution
    blocks: Count = 6  # its residual blocks
    residual: bool = False  # whether its output is added to the image
    critic_width: Count = 64  # channels of the critic's first convolution
    critic_layers: Count = 6  # its convolutions, each of which halves the image
    validate_every: Count


class InspectSettings(Section):
    """The report on one layer, that of `network` and `layer` in params.yaml."""

    inputs: Several = 100  # test images that the numbers are measured on
    samples: Several = 50  # samples of v for each of them
    bootstrap: Several = 200  # bootstrap replicates of the error bar of Eq. 19
    rows: Count = 6  # inputs that the figures show
    columns: Count = 8  # samples shown of each; the network reads as many of every input again
    nearest: Count = 6  # training images shown that are nearest to an input


def _check_discriminator(file: str, where: tuple[str, ...], start: int, steps: int) -> None:
    if start >= steps:
        words = f"below {steps}, the number of steps, or 0 for no discriminator"
        raise bad(file, (*where, "discriminator_start"), start, words)
