"""The calibration in the report: settings, claims, captions and a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.fields import Section, Several
from pipeline.config.rows import layer_name
from pipeline.config.sentences import check_bounds
from pipeline.experiments.calibration.summary import RANKED
from pipeline.reporting.claim import Claim, Condition, Measurement, with_interval
from pipeline.reporting.content import Fact, Image, Table
from pipeline.reporting.experiment import Experiment, Numbers

if TYPE_CHECKING:
    from pipeline.config.config import Config

__all__ = ["EXPERIMENT", "CalibrationSettings"]


class CalibrationSettings(Section):
    """Whether every t gives new images the probability that they have."""

    mean_samples: Several = 32  # samples whose mean is t's prediction of z_bar
    ranked_inputs: Several = 300  # test images whose factors are ranked
    ranked_samples: Several = 99  # samples of each that they are ranked among
    fitted_images: Several = 8000  # training images that the perceptron is fitted to
    bootstrap: Several = 200  # resamplings of the images for 95 % intervals


def check(config: Config) -> None:
    """Raise PipelineError if more images are to be ranked than there are."""
    settings: CalibrationSettings = config.settings("experiments", "calibration")
    layers = [config.run.layers[key] for key in config.run.experiments["calibration"].layers]
    ranked = {layer.dataset for layer in layers if (layer.network, layer.dataset) in RANKED}
    tests = [config.images(name, "test") for name in sorted(ranked)]
    known = [count for count in tests if count is not None]
    if known:
        bounds = {"ranked_inputs": (min(known), "the number of test images")}
        check_bounds(config.file, ("experiments", "calibration"), settings, bounds)


def _ranked_share(numbers: Numbers) -> Measurement:
    """K2, which needs an evaluator."""
    return numbers["ranked_share"], numbers["intervals"].get("ranked_share")


CLAIMS = (
    Claim(
        id="K1",
        source="Eqs. 2 to 5",
        statement="The central regions of every t hold the share of new images that they promise.",
        statistic="difference between the share of test images inside and the nominal 50, 80, 90 "
        "and 95 %; maximum over shares, checkpoints and layers",
        conditions=(Condition(0.05, with_interval("worst_coverage"), sign="<="),),
    ),
    Claim(
        id="K2",
        source="Figs. 3 and 5",
        statement="So do they for what can be named: the attributes of an image rank among those "
        "of samples as one more sample would.",
        statistic="share of pairs of a layer and a factor in which 85 to 95 % of test images lie "
        "in the central 90 % of ranks",
        conditions=(Condition(0.9, _ranked_share),),
    ),
    Claim(
        id="K3",
        source="Fig. 3",
        statement="Deeper layers determine no more of the image.",
        statistic="rise of the mean log p(z̄|z) - log p(z̄) from a layer to the next, in standard "
        "errors; maximum over layers",
        conditions=(Condition(1, lambda numbers: (numbers["rise"], None), sign="<="),),
    ),
    Claim(
        id="K4",
        source="Eq. 19",
        statement="t uses a layer at least as well as a linear regression does.",
        statistic="share of the variance of z̄ explained by t's mean, minus that of a ridge "
        "regression on z; minimum over layers",
        conditions=(Condition(-0.01, with_interval("margin")),),
    ),
)

FIGURES = (
    Image(
        "coverage",
        "Coverage of the regions of t",
        "Share of test images inside of the central region of each nominal share, for the t of "
        "each layer. Solid lines should follow the diagonal: below it, t is overconfident. Dotted "
        "lines show t before its recalibration on images of their own.",
        "A panel per network with a line per layer along the diagonal, and dotted lines below it.",
    ),
    Image(
        "ranks",
        "Ranks of named factors among samples",
        "Share of test images, in per cent, whose predicted factor lies in the central 90 % of "
        "those of samples given the same z. 90 is right; below (blue), samples vary too little in "
        "this factor, above (red), too much.",
        "Two tables of percentages, factors by layers, most of them near 90.",
    ),
    Image(
        "nats",
        "What layers determine, over depth",
        "(a) What z tells of z̄: log p(z̄|z) − log p(z̄), mean over test images. It should fall with "
        "depth, for a layer sees only what the one before it passes on. (b) Variance of z̄ that t's "
        "mean explains, and a linear regression (dotted), which it should not stay below.",
        "Two line charts over the depth of networks: falling nats, and a falling share of "
        "explained variance with a dotted line close below.",
    ),
)


def facts(numbers: Numbers) -> list[Fact]:
    """How the worst t does."""
    return [
        (
            "Calibration",
            f"{len(numbers['order'])} layers; largest difference from a nominal share "
            f"{100 * numbers['worst_coverage']:.1f} points ({numbers['worst_layer']})",
        )
    ]


def tables(numbers: Numbers) -> list[Table]:
    """A row per layer: coverage, nats, explained variance; and a row per factor of e."""
    head = ["layer", "50 %", "80 %", "90 %", "95 %", "worst", "before", "nats kept", "lost",
            "explained by t", "by regression", "by perceptron"]  # fmt: skip
    rows = []
    for key in numbers["order"]:
        row = numbers["layers"][key]
        lost = f"{row['lost']:.1f} ± {row['lost_error']:.1f}" if "lost" in row else ""
        rows.append(
            [
                f"{layer_name(key)} ({row['chain']})",
                *(f"{100 * share:.1f}" for share in row["coverage"].values()),
                f"{100 * row['worst']:.1f}",
                f"{100 * row['worst_before']:.1f}",
                f"{row['kept']:.1f}",
                lost,
                f"{100 * row['explained_by_t']:.1f} %",
                f"{100 * row['explained_by_regression']:.1f} %",
                f"{100 * row['explained_by_mlp']:.1f} %",
            ]
        )
    note = (
        "Share of test images, in per cent, in the central regions of nominal 50 to 95 %; worst: "
        "largest difference from a nominal share, in points, over all checkpoints, after and "
        "before recalibration. Nats kept: mean log p(z̄|z) − log p(z̄), where p(z̄) is t trained "
        "without a representation; lost: against the layer before, ± standard error over images. "
        "Explained: share of the variance of z̄; the perceptron learns what the regression leaves."
    )
    return [Table("Calibration of t", head, rows, note, stacked=True), _factor_table(numbers)]


def _factor_table(numbers: Numbers) -> Table:
    """A row per factor of e."""
    head = ["data", "factor", "dimensions", "variance", "correlation of pairs", "|e|²/N",
            "on training images"]  # fmt: skip
    rows = []
    for dataset, e in numbers["semantic"].items():
        for name, factor in e["factors"].items():
            correlation, variance = factor["correlation"], factor["variance"]
            rows.append(
                [
                    dataset,
                    name.replace("_", " "),
                    str(factor["dimensions"]),
                    "" if variance is None else f"{variance:.2f}",
                    "" if correlation is None else f"{correlation:.2f}",
                    f"{e['square']:.2f}" if name == "residual" else "",
                    f"{e['square_train']:.2f}" if name == "residual" else "",
                ]
            )
    note = (
        "Of test images. e is trained to give each factor the variance 1, and two images that "
        "share its concept the correlation rho (0.9 unless set otherwise). A layer that knows the "
        "concept and nothing else explains this share of the factor (Eq. 20)."
    )
    return Table("Factors of e", head, rows, note, stacked=True)


EXPERIMENT = Experiment(
    order=5,
    settings=CalibrationSettings,
    claims=CLAIMS,
    figures=FIGURES,
    facts=facts,
    tables=tables,
    intervals="K1, K2, K4: bootstrap over images, those of one person or digit together (of K1, "
    "whose value is a maximum, too wide); the unit of K3 is its standard error",
    check=check,
)
