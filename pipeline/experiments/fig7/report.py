"""Figs. 7, S8 and S9 in the report: settings, claims, captions and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.config.fields import Several
from pipeline.config.rows import FILE
from pipeline.config.sentences import bad
from pipeline.evaluation.concepts import concept_of, in_order
from pipeline.evaluation.distance_settings import DistanceSettings, check_distances
from pipeline.evaluation.layer_checks import check_evaluator
from pipeline.experiments.fig7.summary import GREY
from pipeline.reporting.claim import Claim, Condition, Measurement, with_interval
from pipeline.reporting.content import Fact, Image, Table
from pipeline.reporting.distances import distance_columns, distance_note, run_columns
from pipeline.reporting.experiment import Experiment, Numbers
from pipeline.reporting.formatting import percent, percent_and_interval
from pipeline.reporting.tables import Cell, TextTable
from pipeline.rounding import rounded

if TYPE_CHECKING:
    from pipeline.config.config import Config

__all__ = ["EXPERIMENT", "Fig7Settings"]


class Fig7Settings(DistanceSettings):
    """Edits of test images, one per factor, by e and by StarGAN."""

    rows: Several = 11  # inputs that Figs. S8 and S9 show; Fig. 7 shows up to five others


def check(config: Config) -> None:
    """Raise PipelineError unless there is one layer, and as many inputs as the figures show."""
    layers = config.run.experiments["fig7"].layers
    if len(layers) != 1:
        words = "a list of one layer, that of the embeddings whose distances Fig. 7 shows"
        raise bad(FILE, ("experiments", "fig7", "layers"), list(layers), words)
    check_evaluator(config, "fig7")
    check_distances(config, "fig7", "rows")


def _coherent(name: str) -> Callable[[Numbers], Measurement]:
    def measure(numbers: Numbers) -> Measurement:
        ours = numbers["coherence"]["ours"]
        return ours[name], ours[f"{name}_interval"]

    return measure


CLAIMS = (
    Claim(
        id="F7.a",
        source="Fig. 7",
        statement="Replacing a factor by another image's changes its concept.",
        statistic="share of edits in which the evaluator predicts the other image's value; "
        "minimum over the six factors",
        conditions=(Condition(0.9, with_interval("least_success")),),
    ),
    Claim(
        id="F7.b",
        source="Fig. 7",
        statement="Replacing a factor leaves the other concepts unchanged.",
        statistic="share of attributes not caused by the edited one whose prediction is "
        "unchanged; minimum over the six factors",
        conditions=(Condition(0.9, with_interval("least_kept")),),
    ),
    Claim(
        id="F7.c",
        source="Fig. 7",
        statement="FaceNet is most sensitive to gender and glasses (paper: 1.061 and 1.000, the "
        "others at most 0.874).",
        statistic="mean distance between embeddings of image and edit: minimum of gender and "
        "glasses / maximum of the other factors",
        conditions=(Condition(1, with_interval("sensitive_ratio"), sign=">"),),
    ),
    Claim(
        id="S9.a",
        source="Fig. S9",
        statement="Edited images have a lower Fréchet distance than StarGAN's, for every "
        "attribute.",
        statistic="ratio of Fréchet distances, StarGAN to ours; minimum over the six attributes",
        conditions=(Condition(1, with_interval("fid_smallest_ratio"), sign=">"),),
    ),
    Claim(
        id="S8.a",
        source="Sec. B.5",
        statement="Edits follow the causes in the data: gender changes the length of hair, women "
        "get no beard, older people turn grey.",
        statistic="share of edits for which the evaluator confirms the effect",
        conditions=(
            Condition(0.8, _coherent("gender_moves_hair"), of="hair"),
            Condition(0.8, _coherent("women_stay_beardless"), of="women"),
            Condition(0.8, _coherent("older_turns_grey"), of="grey"),
        ),
    ),
)

FIGURES = (
    Image(
        "fig7",
        "Fig. 7. One factor of an image replaced by that of another image",
        "Each column replaces one factor of e(E(x)) by that of a random image that differs in this "
        "attribute, and decodes; labels give the value asked for. Rows below: mean distances "
        "between FaceNet's embeddings. The larger the distance, the more FaceNet relies on what "
        "the edit changes; the paper finds gender and glasses largest (its scale differs).",
        "Rows of faces: an input, its reconstruction, and six edits of hair, glasses, gender, "
        "beard, age and smile; below them, rows of mean embedding distances.",
    ),
    Image(
        "figS8",
        "Fig. S8. More edits, compared with StarGAN's",
        "Further inputs, edited by replacing a factor (ours) and by StarGAN, a network trained for "
        "such edits, which gets the input's attributes with one negated. Our edits should "
        "also follow causes: hair length changes with gender, hair colour with age, and women stay "
        "beardless.",
        "Inputs with two rows of six edited faces each, ours above StarGAN's.",
    ),
    Image(
        "figS9",
        "Fig. S9. Further edits, and the distances between edited and reference images",
        "Further inputs as in Fig. S8, and Fréchet and kernel distances of all edited test images, "
        "the paper's on CelebA. Smaller is better. StarGAN edits the image itself, ours what E "
        "encodes of it, so that the distance of reconstructions is the floor of ours.",
        "Inputs with two rows of six edited faces each; below them, a table of Fréchet and kernel "
        "distances for both methods and each attribute.",
    ),
    Image(
        "changes",
        "Attributes predicted in edited images",
        "Share of edits in which the evaluator's prediction of an attribute changes: rows are "
        "edited attributes, columns predicted ones. The diagonal should be dark and the rest "
        "light, except for what the edited attribute causes in the data (†): gender causes beards.",
        "Two tables in shades of blue, ours and StarGAN: six edited attributes by six "
        "predicted ones.",
    ),
)

COHERENCE = {
    "gender_moves_hair": (
        "gender changed: the length of hair moves towards the new gender's",
        "hair_length",
    ),
    "women_stay_beardless": ("beard of a woman: still read as beardless", "No_Beard"),
    "older_turns_grey": ("young made old: the hair is predicted as grey", "hair_grey"),
}
"""What Sec. B.5 observes, and what the evaluator has to read for it."""


def facts(numbers: Numbers) -> list[Fact]:
    """What was edited, the floors of the distances, and how well FaceNet recognises people."""
    label, floors = numbers["label"], numbers["floors"]
    accuracy = percent(numbers["verification"]["accuracy"])
    return [
        ("Figs. 7, S8, S9", f"{numbers['images']:,} test images of {numbers['size']} px, each "
         f"edited once for each of {len(numbers['factors'])} factors, seed {numbers['seed']}"),
        ("Floors of Fig. S9", f"{label} {floors['real']['fid']:,.1f} of the unedited images, "
         f"{floors['reconstruction']['fid']:,.1f} of reconstructions D(E(x))"),
        ("FaceNet", f"{accuracy} verification accuracy on unseen people"),
    ]  # fmt: skip


def files(numbers: Numbers) -> Mapping[str, TextTable]:
    """What edits change and keep, and their distances."""
    return {"edits": _edits(numbers), "fid": _distances(numbers)}


def tables(numbers: Numbers) -> list[Table]:
    """Whether edits follow the causes in the data, and StarGAN's training."""
    return [_coherence(numbers), _stargan(numbers)]


def _edits(numbers: Numbers) -> TextTable:
    head = ["factor", "evaluator right [%]", "success ours [%]", "success StarGAN [%]",
            "others kept ours [%]", "others kept StarGAN [%]", "face kept ours",
            "face kept StarGAN", "distance ours", "distance, counterfactual",
            "distance, paper"]  # fmt: skip
    rows: list[Sequence[Cell]] = []
    attributes = in_order(numbers["factors"])
    counterfactual = numbers["counterfactual_edits"] or {}
    for attribute in attributes:
        factor = numbers["factors"][attribute]
        methods = [factor[method] for method in ("ours", "stargan")]
        paper = factor["paper_distance"]
        rows.append(
            [
                concept_of(attribute),
                rounded(100 * numbers["evaluator"][attribute]),
                *(_known(method["success"], 100) for method in methods),
                *(_known(method["unrelated_kept"], 100) for method in methods),
                *(_known(method["traits_kept"]) for method in methods),
                _spread(factor["ours"]["distance"]),
                _spread(counterfactual.get(attribute)),
                "not stated" if paper is None else (paper[0], paper[1]),
            ]
        )
    accuracy, pairs = numbers["verification"]["accuracy"], numbers["pairs"]
    sizes = ", ".join(
        f"{concept_of(attribute)} {numbers['factors'][attribute]['dimensions']}"
        for attribute in attributes
    )
    rebuilt = ", ".join(
        f"{concept_of(attribute)} {100 * numbers['reconstruction'][attribute]:.1f} %"
        for attribute in attributes
    )
    notes = [
        f"Scale {numbers['scale']}, seed {numbers['seed']}: each of {numbers['images']:,} test "
        f"images of {numbers['size']} px edited once per factor.",
        "Evaluator right: accuracy of the evaluator, which neither method uses, on unedited test "
        f"images; on reconstructions D(E(x)): {rebuilt}.",
        "Success: share of edits read as asked, for beard in men only.",
        "Others kept: mean share of edits that leave the reading of an attribute unchanged (ours: "
        "compared with D(E(x))), over attributes that the edited one does not cause.",
        "Face kept: mean correlation of the readings of the face's shape and skin before and after "
        "the edit.",
        "Distance: between FaceNet's embeddings of image and our edit, mean ± standard deviation; "
        f"||f(x) - f(D(E(x)))|| is {_pair(numbers['reconstruction_distance'])}; two test images of "
        f"one person are {_pair(pairs['same'])} apart, of different people "
        f"{_pair(pairs['different'])}. Counterfactual: the renderer itself changes the attribute, "
        "without encoding; a beard in men only, and hair that is not black becomes brown, while "
        "ours takes another image's. The paper's are of another network on CelebA.",
        f"FaceNet's verification accuracy on unseen people is {100 * accuracy:.1f} %.",
        f"Dimensions of the factors in e: {sizes}.",
    ]
    title = "What replacing one factor changes, and what it keeps (Fig. 7)"
    digits = (0, 1, 1, 1, 1, 1, 2, 2, 3, 3, 3)
    return TextTable(title, head, rows, digits, notes, run_columns(numbers))


def _distances(numbers: Numbers) -> TextTable:
    label = numbers["label"]
    head = ["factor", "FID ours, paper", "FID StarGAN, paper", f"{label} ours", f"{label} StarGAN",
            "KID × 1000 ours", "KID × 1000 StarGAN"]  # fmt: skip
    rows: list[Sequence[Cell]] = []
    for attribute in in_order(numbers["factors"]):
        factor = numbers["factors"][attribute]
        paper = factor["paper_fid"] or {}
        rows.append(
            [
                concept_of(attribute),
                *(paper.get(method, "not stated") for method in ("ours", "stargan")),
                *(factor[method][key] for key in ("fid", "kid") for method in ("ours", "stargan")),
            ]
        )
    largest = {
        key: max(factor["stargan"][key] for factor in numbers["factors"].values())
        for key in ("fid", "kid")
    }
    fid, kid = (1 if largest["fid"] < 1000 else 0), (2 if largest["kid"] < 1000 else 0)
    floors = [
        f"{label} {floor['fid']:,.{fid}f}, KID × 1000 {floor['kid']:,.2f}"
        for floor in (numbers["floors"][kind] for kind in ("real", "reconstruction"))
    ]
    notes = [
        f"Scale {numbers['scale']}, seed {numbers['seed']}: {numbers['images']:,} edited test "
        f"images of {numbers['size']} px per factor and method against as many reference images.",
        distance_note(numbers),
        "The paper's are those of CelebA.",
        f"Floors: the unedited test images {floors[0]}; the autoencoder's reconstructions "
        f"{floors[1]}.",
    ]
    title = "Fréchet distances between edited and reference images (Fig. S9)"
    constants = run_columns(numbers) | distance_columns(numbers, numbers["floors"])
    return TextTable(title, head, rows, (0, 2, 2, fid, fid, kid, kid), notes, constants)


def _coherence(numbers: Numbers) -> Table:
    rows = []
    for name, (words, read) in COHERENCE.items():
        shares = [numbers["coherence"][method] for method in ("ours", "stargan")]
        cells = [percent_and_interval(share[name], share[f"{name}_interval"]) for share in shares]
        quality = numbers["evaluator"][read]
        if quality is None:
            right = "not read"
        elif read in numbers["factors"]:
            right = f"{percent(quality)} right"
        else:
            right = f"R² {quality:.3f}"
        rows.append([words, *cells, right])
    head = ["what follows from an edit", "ours", "StarGAN", "evaluator, unedited images"]
    note = (
        "Share of edits, with 95 % interval. The length of hair has to move by more than the "
        f"evaluator's mean absolute error; hair is grey from a share of grey of {GREY:g}. On "
        "CelebA, the paper observes all three in its edits and none in StarGAN's (Sec. B.5)."
    )
    return Table("Whether edits follow the causes in the data", head, rows, note, stacked=True)


def _stargan(numbers: Numbers) -> Table:
    training = numbers["training"]["stargan"]
    last, held_out = training["train"], training["validation"]
    rows = [
        ["steps of the critic", f"{training['step']:,}"],
        ["critic: distance between real and edited images", f"{last['distance']:.3f}"],
        ["critic: gradient penalty", f"{last['penalty']:.4f}"],
        ["critic: classification loss", f"{last['classification']:.3f}"],
        ["generator: the critic's score of its edits", f"{last['edits_score']:.3f}"],
        ["generator: classification loss of its edits", f"{last['edits_classification']:.3f}"],
        ["generator: reconstruction error", f"{last['reconstruction'] / 2:.3f}"],
        ["validation: the critic's accuracy on attributes", percent(held_out["read"])],
        ["validation: edits that the critic reads as asked", percent(held_out["edited"])],
        ["validation: mean change of a pixel by an edit", f"{held_out['change'] / 2:.3f}"],
        ["validation: reconstruction error", f"{held_out['reconstruction'] / 2:.3f}"],
    ]
    factors = {name: numbers["factors"][name]["stargan"] for name in in_order(numbers["factors"])}
    reached = ", ".join(
        f"{concept_of(name)} {percent(edits['success'])}"
        for name, edits in factors.items()
        if edits["success"] is not None
    )
    weakest = min(edits["success"] or 0.0 for edits in factors.values())
    unedited = 1 - min(numbers["evaluator"][name] for name in factors)
    moved = [edits["distance"]["mean"] for edits in factors.values()]
    works = "edits each attribute" if weakest > 0.5 else "does not edit every attribute"
    note = (
        f"Pixels lie in [0, 1]. According to the evaluator, StarGAN {works} in most images: it "
        f"reads the attribute as asked in at least {percent(weakest)} of the edits ({reached}), "
        f"but in at most {percent(unedited)} of unedited images. FaceNet's embeddings move by "
        f"{min(moved):.2f} to {max(moved):.2f} on average; those of two people are "
        f"{numbers['pairs']['different']['mean']:.2f} apart. E and D, which our edits use, were "
        f"trained for {numbers['training']['ours_steps']:,} steps."
    )
    title = "The baseline: StarGAN at the end of its training"
    return Table(title, ["number", "value"], rows, note)


def _known(value: float | None, factor: float = 1.0) -> Cell:
    """A number, or words if the evaluator does not read what it takes."""
    return "not measured" if value is None else rounded(factor * value)


def _spread(found: Mapping[str, float] | None) -> Cell:
    return "not known" if found is None else (found["mean"], found["std"])


def _pair(found: Mapping[str, float]) -> str:
    return f"{found['mean']:.3f} ± {found['std']:.3f}"


EXPERIMENT = Experiment(
    order=70,
    settings=Fig7Settings,
    claims=CLAIMS,
    figures=FIGURES,
    facts=facts,
    files=files,
    tables=tables,
    intervals="Fig. 7: bootstrap over people; Fig. S9: over people and reference images; Fig. S8: "
    "Wilson's score, as if no two images showed one person",
    check=check,
)
