"""Figs. 6, S11 and S12 in the report: settings, claims, captions and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.config.fields import Count, Section, Several
from pipeline.config.rows import FILE
from pipeline.config.sentences import bad, check_bounds
from pipeline.errors import PipelineError
from pipeline.evaluation.layer_checks import check_evaluated_species
from pipeline.experiments.fig6.summary import NETWORKS, READERS, inputs_in_words
from pipeline.reporting.claim import Claim, Condition, Measurement
from pipeline.reporting.content import Fact, Image, Table
from pipeline.reporting.experiment import Experiment, Numbers
from pipeline.reporting.formatting import NOT_MEASURED, percent, percent_and_interval

if TYPE_CHECKING:
    from pipeline.config.config import Config

__all__ = ["EXPERIMENT", "Fig6Settings"]


class Fig6Settings(Section):
    """Samples of two classifiers for inputs with and without texture."""

    samples: Several = 8  # samples of each input, which the evaluator classifies
    bootstrap: Several = 200  # bootstrap replicates of the intervals
    rows: Count = 3  # inputs of each kind that Fig. 6 shows
    more: Count = 4  # further ones that Fig. S12 shows
    columns: Count = 4  # samples shown of each


def check(config: Config) -> None:
    """Raise PipelineError unless there are two layers, and as many inputs as the figures show."""
    row, where = config.run.experiments["fig6"], ("experiments", "fig6")
    if len(row.layers) != len(NETWORKS):
        words = f"a list of {len(NETWORKS)} layers, of the {' and the '.join(NETWORKS)} network"
        raise bad(FILE, (*where, "layers"), list(row.layers), words)
    check_evaluated_species(config, "fig6")
    settings: Fig6Settings = config.settings("experiments", "fig6")
    bounds = {"columns": (settings.samples, "experiments.fig6.samples")}
    check_bounds(config.file, where, settings, bounds)
    for name, made in config.sections["generate"].items():
        tests = config.images(name, "test")
        if tests is not None:
            bounds = {"inputs": (tests, f"the number of test images of prepare.{name}")}
            check_bounds(config.file, ("generate", name), made, bounds)
    inputs, shown = config.images(row.dataset, "inputs"), settings.rows + settings.more
    if inputs is not None and shown > inputs:
        raise PipelineError(
            f"{config.file}: experiments.fig6.rows and experiments.fig6.more are {settings.rows} "
            f"and {settings.more}; their sum, {shown}, must be at most {inputs}, the number of "
            "inputs of each kind that `generate` makes."
        )


def _seen(network: str, kind: str, cue: str) -> Callable[[Numbers], Measurement]:
    """Share of samples with the class of the input's shape or texture.

    As the evaluator predicts it or, if none knows the classes, by the nearest embedding.
    """

    def measure(numbers: Numbers) -> Measurement:
        readers = numbers["networks"][network][kind][cue]
        return _measured(readers["evaluator"] or readers["embedding"])

    return measure


def _sketch_advantage(numbers: Numbers) -> Measurement:
    return _measured(numbers["sketch_advantage"])


def _measured(found: Mapping[str, Any] | None) -> Measurement:
    return (None, None) if found is None else (found["share"], found["interval"])


CLAIMS = (
    Claim(
        id="F6.a",
        source="Fig. 6, rows 7 to 9",
        statement="A network trained on natural images recognises animals in patches of texture; "
        "one trained on stylized images does not.",
        statistic="patches of texture: share of samples with the texture's class",
        conditions=(
            Condition(0.7, _seen("natural", "texture", "texture"), of="natural"),
            Condition(0.4, _seen("stylized", "texture", "texture"), sign="<=", of="stylized"),
        ),
    ),
    Claim(
        id="F6.b",
        source="Fig. 6, rows 4 to 6",
        statement="When the texture is replaced, the texture-biased network loses the class and "
        "the shape-biased one keeps it.",
        statistic="stylized inputs: share of samples with the shape's class",
        conditions=(
            Condition(0.4, _seen("natural", "stylized", "shape"), sign="<=", of="natural"),
            Condition(0.7, _seen("stylized", "stylized", "shape"), of="stylized"),
        ),
    ),
    Claim(
        id="F6.c",
        source="Fig. 6, rows 10 to 12",
        statement="The network without texture bias recognises sketches.",
        statistic="sketches: share of samples with the shape's class, and how much more than for "
        "the network trained on natural images",
        conditions=(
            Condition(0.6, _seen("stylized", "sketch", "shape"), of="stylized"),
            Condition(0, _sketch_advantage, sign=">", of="more"),
        ),
    ),
    Claim(
        id="F6.d",
        source="Fig. 6, rows 1 to 3",
        statement="Both networks recognise natural inputs.",
        statistic="natural inputs: share of samples with the input's class",
        conditions=(
            Condition(0.8, _seen("natural", "natural", "shape"), of="natural"),
            Condition(0.8, _seen("stylized", "natural", "shape"), of="stylized"),
        ),
    ),
)

FIGURES = (
    Image(
        "fig6",
        "Fig. 6. Two classifiers and the textures of their inputs",
        "Samples D(t⁻¹(v|z)) for the pooled features z of two ResNets, one trained on natural "
        "images, one on stylized images, whose coats do not reveal the species. Inputs are "
        "held-out animals: natural, in another species' coat, a patch of coat, a sketch. Samples "
        "of the natural network should follow the texture, of the stylized network the shape.",
        "Rows of animals: an input, samples of the natural network, and samples of the stylized "
        "network; natural inputs, other coats, patches of coat and sketches.",
    ),
    Image(
        "shares",
        "What the samples of Fig. 6 show, over all inputs",
        "Share of samples with the class of the input's (a) shape and (b) texture, with 95 % "
        "bootstrap intervals over inputs; diamonds are the network's own predictions. Texture bias "
        "means high bars in (b), and low ones in (a) if the coat is another species' or missing.",
        "Two bar charts with two bars for each kind of input.",
    ),
    Image(
        "figS12",
        "Fig. S12. More inputs and samples",
        "As Fig. 6, for other inputs of every kind. Check that the two networks differ in the same "
        "way: textures on the left, shapes on the right.",
        "Rows of animals as in Fig. 6, for further inputs.",
    ),
    Image(
        "figS11",
        "Fig. S11. How t is trained on a generator's latent codes",
        "The generator's W embeds a class as h; the dequantiser, a variational autoencoder, turns "
        "h into a continuous h̃. With noise z̃ it forms z̄, whose image x = D(z̄) has the "
        "representation z = Φ(x). t learns p(z̄|z). Double arrows are invertible: sampling draws v "
        "and shows D(t⁻¹(v|z)). Only they run backwards, from v to z̄.",
        "A diagram of boxes and arrows: class, embedding and dequantiser lead to the latent code, "
        "which noise joins; the code leads to the generator and its image, whose representation "
        "conditions the invertible network between the code and v.",
    ),
)

INPUTS = (
    ("natural", "shape", "natural inputs: their class"),
    ("stylized", "shape", "another texture: the shape's class"),
    ("stylized", "texture", "another texture: the texture's class"),
    ("texture", "texture", "patches of texture: the texture's class"),
    ("sketch", "shape", "sketches: the shape's class"),
)
"""The table's rows: kind of input, and the cue to be recognised."""

COLUMNS = dict(zip(READERS, ("samples", "nearest h", "prediction"), strict=True))
"""Labels of what recognises a class."""


def facts(numbers: Numbers) -> list[Fact]:
    """What was sampled, and how often the evaluator is right about a generated image's class."""
    right = numbers["generated_right"]
    words = (
        f"{numbers['samples']} samples of each of {inputs_in_words(numbers['inputs'])}, "
        f"{numbers['size']} px, seed {numbers['seed']}"
    )
    found = [("Figs. 6, S12", words)]
    if right is not None:
        words = f"the evaluator predicts the intended class in {percent(right)} of"
        found.append(
            ("Generator of Fig. 6", f"{words} {numbers['generated']:,} held-out generated images")
        )
    return found


def tables(numbers: Numbers) -> list[Table]:
    """What is recognised in each kind of input, through each network."""
    columns = [(network, reader) for network in NETWORKS for reader in READERS]
    rows = []
    for kind, cue, words in INPUTS:
        found = (numbers["networks"][network][kind][cue][reader] for network, reader in columns)
        rows.append([words, *map(_share, found)])
    bias = [percent(numbers["shape_share"][network][reader]) for network, reader in columns]
    rows.append(["another texture: decisions for the shape, among those for either", *bias])
    head = ["input, and what is recognised"]
    head += [f"{network}, {COLUMNS[reader]}" for network, reader in columns]
    note = (
        "For the networks trained on natural and on stylized images. Samples: share in which the "
        "evaluator predicts this class, with 95 % interval over inputs. Nearest h: share whose "
        "class part of z̄ is nearest to this class's embedding, which no network reads. Prediction: "
        "share of inputs that the network itself gives this class. At scales laptop and gpu, the "
        "first network was trained on random crops and the second on whole images, which adds to "
        "the difference. The paper shows samples only."
    )
    if numbers["evaluator_right"] is not None:
        right = percent(numbers["evaluator_right"])
        note += f" On natural inputs, blurred as D blurs, the evaluator's accuracy is {right}."
    title = "Texture and shape: what two classifiers recognise"
    return [Table(title, head, rows, note, stacked=True)]


def _share(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return NOT_MEASURED
    return percent_and_interval(found["share"], found["interval"])


EXPERIMENT = Experiment(
    order=60,
    settings=Fig6Settings,
    claims=CLAIMS,
    figures=FIGURES,
    facts=facts,
    tables=tables,
    intervals="Fig. 6: bootstrap over inputs",
    check=check,
)
