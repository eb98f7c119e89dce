"""Table 1, Figs. 2 and S4 to S6 in the report: settings, claims, captions and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.config.fields import Count, Several
from pipeline.config.rows import FILE
from pipeline.config.sentences import bad
from pipeline.errors import PipelineError
from pipeline.evaluation.distance_settings import DistanceSettings, check_distances
from pipeline.evaluation.layer_checks import check_evaluated_species, check_layer_names
from pipeline.experiments.table1.summary import PAPER
from pipeline.reporting.claim import Claim, Condition, Measurement, with_interval
from pipeline.reporting.content import Fact, Image
from pipeline.reporting.distances import distance_columns, distance_note, run_columns
from pipeline.reporting.experiment import Experiment, Numbers
from pipeline.reporting.tables import Cell, TextTable
from pipeline.rounding import rounded

if TYPE_CHECKING:
    from pipeline.config.config import Config

__all__ = ["EXPERIMENT", "Table1Settings"]


class Table1Settings(DistanceSettings):
    """Samples of t compared with D&B and M&V, by layer."""

    draws: Several = 3  # samples drawn of each input, for the spread of the distance
    examples: Several = 4  # inputs that the figures show
    samples: Count = 6  # samples shown of each
    mahendran_steps: Count = 300  # steps of the inversion by gradient descent (M&V)


def check(config: Config) -> None:
    """Raise PipelineError for other layers than Table 1's, or more inputs than there are."""
    check_layer_names(config, "table1", PAPER)
    check_evaluated_species(config, "table1")
    row = config.run.experiments["table1"]
    inverted = [config.run.baselines[name].layer for name in row.baselines]
    if sorted(inverted) != sorted(row.layers):
        words = "a list of one row of baselines for each of experiments.table1.layers"
        raise bad(FILE, ("experiments", "table1", "baselines"), list(row.baselines), words)
    check_distances(config, "table1", "examples")


def _fair_smallest_ratio(numbers: Numbers) -> Measurement:
    ours = numbers["steps_ours"]
    theirs = numbers["steps_dosovitskiy"] - numbers["steps_inherited"]
    if theirs < ours:
        raise PipelineError(
            f"claim T1.a compares decoders trained equally long, but D&B's got {theirs} steps of "
            f"their own and ours {ours}: raise train_baseline.<name>.steps in scales/<scale>.yaml."
        )
    return with_interval("fid_smallest_ratio")(numbers)


CLAIMS = (
    Claim(
        id="T1.a",
        source="Table 1",
        statement="Samples are better than D&B's reconstructions at every layer.",
        statistic="ratio of Fréchet distances, D&B to ours (mean over draws); minimum over the "
        "five layers",
        conditions=(Condition(1, _fair_smallest_ratio, sign=">"),),
    ),
    Claim(
        id="T1.b",
        source="Table 1",
        statement="The quality of samples hardly depends on depth, unlike that of D&B's "
        "reconstructions (paper: 27.4/23.6 and 352.6/25.2).",
        statistic="Fréchet distance, output / conv5",
        conditions=(
            Condition(1.25, with_interval("fid_depth_ratio_ours"), sign="<=", of="ours"),
            Condition(
                1.4,
                with_interval("fid_depth_ratio_dosovitskiy"),
                full_target=2.5,
                of="D&B",
            ),
        ),
        prototyped=True,
    ),
    Claim(
        id="T1.c",
        source="Fig. 2, Fig. S4",
        statement="Samples preserve what the layer represents.",
        statistic="faithfulness of re-encoded samples, minimum over the five layers",
        conditions=(Condition(0.8, with_interval("faithfulness_smallest")),),
    ),
)

ENLARGED = (
    "The samples of Fig. S4 and D&B's reconstruction, for the first and the last layer, at a size "
    "that shows their quality: check how sharp they are, and whether each could be a real image of "
    "the input's class."
)

FIGURES = (
    Image(
        "fig2",
        "Fig. 2. Images recovered from AlexNet's representation z, by layer",
        "Columns are layers by depth; σ is the softmax. Rows: a sample D(t⁻¹(v|z)) (ours), a "
        "decoder trained on z alone (D&B), gradient descent on pixels (M&V). D(E(x)), below the "
        "input, bounds what samples can show. Ours should look real at every depth, while D&B's "
        "blurs with depth, since it averages over what z leaves open.",
        "A grid of small images for each of a few animals: five layers in columns, three methods "
        "in rows, the input and its reconstruction on the left.",
    ),
    Image(
        "figS4",
        "Fig. S4. All samples of each layer, for two inputs",
        "The first two inputs of Fig. 2 with D(E(x)), a row of samples for each layer, and D&B's "
        "reconstruction. What is constant along a row is represented by the layer; what varies is "
        "what it has become invariant to. A single reconstruction cannot separate the two.",
        "Two grids of animals, one row per layer, several samples and one reconstruction in each; "
        "above them the inputs and their reconstructions by the autoencoder.",
    ),
    Image(
        "figS5",
        "Fig. S5. Rows conv5 and σ(fc8) of Fig. S4 enlarged, first input",
        ENLARGED,
        "Enlarged samples and reconstructions of the first input from its first and last layer.",
    ),
    Image(
        "figS6",
        "Fig. S6. Rows conv5 and σ(fc8) of Fig. S4 enlarged, second input",
        ENLARGED,
        "Enlarged samples and reconstructions of the second input from its first and last layer.",
    ),
)


def facts(numbers: Numbers) -> list[Fact]:
    """What was measured, and the floors of the distances."""
    label = numbers["label"]
    return [
        ("Table 1", f"{numbers['images']:,} test images of {numbers['size']} px and as many "
         f"reference images, {numbers['draws']} sample draws, seed {numbers['seed']}"),
        ("Floors of Table 1", f"{label} {numbers['fid_floor_real']:,.1f} of other real images, "
         f"{numbers['fid_floor_reconstruction']:,.1f} of reconstructions D(E(x))"),
    ]  # fmt: skip


def files(numbers: Numbers) -> Mapping[str, TextTable]:
    """Distances and faithfulness of each layer's images."""
    return {
        "table1": _distances(numbers),
        "table1_faithfulness": _faithfulness(numbers),
    }


def _distances(numbers: Numbers) -> TextTable:
    label = numbers["label"]
    head = ["layer", "FID ours, paper", "FID D&B, paper", f"{label} ours", f"{label} D&B",
            "KID × 1000 ours", "KID × 1000 D&B", "faithfulness ours"]  # fmt: skip
    rows: list[Sequence[Cell]] = [
        [
            record["layer"],
            (record["paper_ours"], record["paper_ours_std"]),
            record["paper_dosovitskiy"],
            (record["fid_ours"], record["fid_ours_std"]),
            record["fid_dosovitskiy"],
            (record["kid_ours"], record["kid_ours_std"]),
            record["kid_dosovitskiy"],
            (record["faithfulness"], record["faithfulness_se"]),
        ]
        for record in numbers["layers"]
    ]
    floors = {
        kind: {metric: numbers[f"{metric}_floor_{kind}"] for metric in ("fid", "kid")}
        for kind in ("real", "reconstruction")
    }
    written = [f"{label} {floor['fid']:.1f}, KID × 1000 {floor['kid']:.2f}"
               for floor in floors.values()]  # fmt: skip
    inherited = numbers["steps_inherited"]
    start = f", the first {inherited:,} of which are ours (warm start)" if inherited else ""
    notes = [
        f"Scale {numbers['scale']}, seed {numbers['seed']}: {numbers['images']:,} test images of "
        f"{numbers['size']} px against as many reference images.",
        distance_note(numbers),
        f"Floors: other real images {written[0]}; the autoencoder's reconstructions {written[1]}.",
        f"D(E(x)): L1 {numbers['reconstruction_l1']:.4f} in [0, 1], PSNR "
        f"{numbers['reconstruction_psnr']:.1f} dB, LPIPS-type distance (EfficientNet-Lite0, "
        f"unweighted) {numbers['reconstruction_perceptual']:.2f}.",
        f"± of distances: standard deviation over {numbers['draws']} sample draws; of faithfulness:"
        " standard error over inputs.",
        "Faithfulness: cosine similarity of re-encoded samples with z, scaled so that other images "
        "score 0 and reconstructions 1.",
        f"Training steps of the decoders: ours {numbers['steps_ours']:,}, D&B "
        f"{numbers['steps_dosovitskiy']:,}{start}.",
    ]
    title = (
        "Table 1. Fréchet distances between visualisations of AlexNet's layers and reference images"
    )
    # Two decimals suit distances around 20, none those in the thousands.
    largest = max(record["fid_dosovitskiy"] for record in numbers["layers"])
    decimals, kid = (1, 2) if largest < 1000 else (0, 0)
    return TextTable(
        title,
        head,
        rows,
        (0, 1, 1, decimals, decimals, kid, kid, 3),
        notes,
        run_columns(numbers) | {"draws": numbers["draws"]} | distance_columns(numbers, floors),
    )


def _faithfulness(numbers: Numbers) -> TextTable:
    head = ["layer", "cosine, other images", "cosine, samples", "cosine, reconstructions",
            "faithfulness", "species kept [%], samples", "species kept [%], D&B",
            "AlexNet agrees [%], samples", "AlexNet agrees [%], D&B"]  # fmt: skip
    shares = [f"{key}_{method}" for key in ("species", "agreement")
              for method in ("ours", "dosovitskiy")]  # fmt: skip
    rows: list[Sequence[Cell]] = [
        [
            record["layer"],
            *(record[name] for name in ("other", "samples", "reconstruction")),
            (record["faithfulness"], record["faithfulness_se"]),
            *(_percent(record[name]) for name in shares),
        ]
        for record in numbers["layers"]
    ]
    real, rebuilt, agreement = (
        _percent(numbers[name])
        for name in ("species_real", "species_reconstruction", "agreement_reconstruction")
    )
    accuracy = None if numbers["accuracy"] is None else _percent(numbers["accuracy"])
    known = "not known" if accuracy is None else f"{accuracy:.1f} %"
    notes = [
        f"Scale {numbers['scale']}, seed {numbers['seed']}: {numbers['images']:,} test images of "
        f"{numbers['size']} px, {numbers['draws']} samples of each.",
        "Cosine similarity of Φ(image) with the input's z. Faithfulness places samples between "
        "other images (0) and reconstructions (1), ± standard error over inputs.",
        "Species kept: share of images in which the evaluator, another network, reads the input's "
        f"species; its accuracy is {real:.1f} % on the real test images and {rebuilt:.1f} % on "
        "reconstructions.",
        "AlexNet agrees: share of images that AlexNet gives the class of their input; "
        f"{agreement:.1f} % of reconstructions. Unlike the evaluator, AlexNet was not trained on "
        f"blurred images, and D blurs. Its test accuracy is {known}.",
    ]
    constants = {
        "species kept [%], real images": real,
        "species kept [%], reconstructions": rebuilt,
        "AlexNet agrees [%], reconstructions": agreement,
        "AlexNet's accuracy [%]": "not known" if accuracy is None else accuracy,
    }
    return TextTable(
        "Faithfulness of samples to z (Table 1)",
        head,
        rows,
        (0, 3, 3, 3, 3, 1, 1, 1, 1),
        notes,
        run_columns(numbers) | {"draws": numbers["draws"]} | constants,
    )


def _percent(share: float) -> float:
    return rounded(100 * share)


EXPERIMENT = Experiment(
    order=10,
    settings=Table1Settings,
    claims=CLAIMS,
    figures=FIGURES,
    facts=facts,
    files=files,
    intervals="Table 1: over images and reference images, faithfulness over inputs",
    check=check,
)
