"""Fig. S10 in the report: its settings, claim, captions and tables."""

from functools import partial

from pipeline.config.fields import Several
from pipeline.evaluation.factors import COLOUR
from pipeline.evaluation.layer_settings import LayerSettings, check_layers
from pipeline.reporting.claim import Claim, Condition, with_interval
from pipeline.reporting.content import Fact, Image, Table
from pipeline.reporting.experiment import Experiment, Numbers
from pipeline.reporting.layer_samples import evaluator_quality, layer_fact, layer_table

__all__ = ["EXPERIMENT"]


class FigS10Settings(LayerSettings):
    """Samples of FaceNet's layers for animals (Fig. S10)."""

    samples: Several = 50  # samples of each test image


CLAIM = Claim(
    id="S10.a",
    source="Fig. S10, Sec. B.6",
    statement="FaceNet preserves an animal's appearance up to the penultimate layer.",
    statistic="share of samples in which the evaluator predicts the input's species, and "
    "correlation of the coat's colour in samples and input; minimum over all layers but the last",
    conditions=(
        Condition(0.8, with_interval("species_kept"), of="species"),
        Condition(0.8, with_interval("colour_kept"), of="colour"),
    ),
)

FIGURES = (
    Image(
        "figS10",
        "Fig. S10. Animals through FaceNet, which was trained on people",
        "As Fig. 3, left, for animals, which FaceNet never saw: t is trained on animals, E and D "
        "on people and animals. A layer represents what samples share with their input; in the "
        "paper, appearance is kept almost up to the last layer. Each input has its own scale of "
        "variance.",
        "Four blocks of animals, one per input, with a row for each of five layers: four samples, "
        "their blurred mean and a map of their variance.",
    ),
    Image(
        "variances",
        "Variance of the samples of Fig. S10 over layers, and which factors vary",
        "As Fig. 3, right, for yaw, light and coat colour (numbers) and species (a class). A low "
        "share of species means that the layer represents it. For colour, see the correlation in "
        "the table: samples that all have the same wrong colour vary little, too.",
        "A chart with one point per input and layer on a logarithmic axis, and a line chart of the "
        "share of each factor that varies.",
    ),
)


def facts(numbers: Numbers) -> list[Fact]:
    """How much was measured."""
    return [layer_fact("Fig. S10", numbers)]


def tables(numbers: Numbers) -> list[Table]:
    """What varies in samples of each layer."""
    table = layer_table(
        "FaceNet's layers: what varies in samples of animals (Fig. S10)",
        "The last column is the correlation of the coat colour in samples with the input's, a "
        "tint of a few per cent. In the paper, appearance is kept up to the penultimate layer "
        "and partly in the last.",
        numbers,
    )
    return [table]


EXPERIMENT = Experiment(
    order=30,
    settings=FigS10Settings,
    claims=(CLAIM,),
    figures=FIGURES,
    facts=facts,
    tables=tables,
    judge=partial(evaluator_quality, "animals", ("species", COLOUR)),
    intervals="Fig. S10: bootstrap over inputs",
    check=partial(check_layers, experiment="figs10"),
)
