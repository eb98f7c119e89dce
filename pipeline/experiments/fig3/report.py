"""Fig. 3 in the report: its settings, claims, captions and tables."""

from functools import partial

from pipeline.config.fields import Several
from pipeline.evaluation.concepts import CONCEPTS
from pipeline.evaluation.layer_settings import LayerSettings, check_layers
from pipeline.reporting.claim import Claim, Condition, with_interval
from pipeline.reporting.content import Fact, Image, Table
from pipeline.reporting.experiment import Experiment, Numbers
from pipeline.reporting.layer_samples import evaluator_quality, layer_fact, layer_table

__all__ = ["EXPERIMENT"]


class Fig3Settings(LayerSettings):
    """Samples of FaceNet's layers (Fig. 3)."""

    samples: Several = 250  # samples of each test image


CLAIMS = (
    Claim(
        id="F3.a",
        source="Fig. 3",
        statement="The learned invariance grows with depth.",
        statistic="Spearman correlation of the order of FaceNet's layers with the variance of "
        "samples",
        conditions=(Condition(1, with_interval("spearman")),),
    ),
    Claim(
        id="F3.b",
        source="Fig. 3",
        statement="The learned invariance grows roughly exponentially with depth.",
        statistic="R² of a line through the logarithm of the variance over layers; last / first "
        "layer",
        conditions=(
            Condition(0.8, with_interval("log_r2"), of="R²"),
            Condition(10, with_interval("variance_ratio"), of="last / first"),
        ),
    ),
    Claim(
        id="F3.c",
        source="Fig. 3",
        statement="The invariance to pose grows with depth.",
        statistic="variance of the yaw that the evaluator predicts in samples, last / first layer",
        conditions=(Condition(5, with_interval("yaw_ratio")),),
    ),
    Claim(
        id="F3.d",
        source="Figs. 3 and 7",
        statement="Every layer keeps glasses.",
        statistic="share of samples in which the evaluator predicts the input's Eyeglasses; "
        "minimum over the layers",
        conditions=(Condition(0.9, with_interval("glasses_kept")),),
    ),
)

FIGURES = (
    Image(
        "fig3",
        "Fig. 3, left. FaceNet's layers and their invariances",
        "Rows are layers, the shallowest first: samples D(t⁻¹(v|z)), then the mean and variance of "
        "all samples of the input's z. Layers represent what is sharp in the mean and are "
        "invariant where the variance is bright. With depth more should vary: pose and light, not "
        "identity. Colours follow the square root of the variance, with a scale for each input.",
        "Four blocks of faces, one per input, with a row for each of five layers: four samples, "
        "their blurred mean and a map of their variance.",
    ),
    Image(
        "variances",
        "Fig. 3, right. Variance of the samples over layers, and which factors vary",
        "(a) A point per input: the variance of its samples, averaged over pixels and channels. "
        "(b) What varies, according to an evaluator network. For numbers, the variance as a share "
        "of that over test images; for classes, the share of samples with another class than the "
        "input. Ignored factors approach 1; facial features, glasses and gender should stay near "
        "0.",
        "A chart with one point per input and layer on a logarithmic axis, and a line chart of the "
        "share of each factor that varies.",
    ),
)


def facts(numbers: Numbers) -> list[Fact]:
    """How much was measured."""
    return [layer_fact("Fig. 3", numbers)]


def tables(numbers: Numbers) -> list[Table]:
    """What varies in samples of each layer."""
    table = layer_table(
        "FaceNet's layers: what varies in samples (Fig. 3)",
        "In the paper the variance grows roughly exponentially with depth; pose is lost, and "
        "glasses are kept.",
        numbers,
    )
    return [table]


EXPERIMENT = Experiment(
    order=20,
    settings=Fig3Settings,
    claims=CLAIMS,
    figures=FIGURES,
    facts=facts,
    tables=tables,
    judge=partial(evaluator_quality, "people", ("yaw", *CONCEPTS, "hair_length", "hair_grey")),
    intervals="Fig. 3: bootstrap over inputs",
    check=partial(check_layers, experiment="fig3"),
)
