"""Facts and tables of Figs. 7, S8 and S9: edits by e, beside those of StarGAN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import paths
from pipeline.evaluation.concepts import concept_of, in_order
from pipeline.reporting.content import Fact, Part, Table
from pipeline.reporting.parts.files import table_of_files
from pipeline.reporting.results import evaluated, linked, measured
from pipeline.reporting.tables import edits_table, fid_table
from pipeline.reporting.wording import percent, percent_and_interval

__all__ = ["fig7_part"]

COHERENCE = {
    "gender_moves_hair": (
        "gender changed: the hair that is read has moved towards the new gender's length",
        "hair_length",
    ),
    "women_stay_beardless": ("beard of a woman: still read without a beard", "No_Beard"),
    "older_turns_grey": ("young made old: the hair is read as grey", "hair_grey"),
}
"""What Sec. B.5 observes, and what the evaluator has to read for it."""


def fig7_part(root: Path, scale: str) -> Part:
    """Edits, and StarGAN's training. Raises PipelineError if a file or a number is missing."""
    seen = paths.training(scale, "train_network", "facenet") / "metrics.json"
    with measured(root, scale, seen, "train_network@facenet") as training:
        # Published weights were not trained here.
        known = training["validation"]["accuracy"] if training else None
    with evaluated(root, scale, "fig7") as numbers:
        facts = [*_facts(numbers), ("FaceNet", _recognition(known, numbers))]
        tables = [
            table_of_files(root, scale, "fig7", "edits", edits_table(numbers)),
            table_of_files(root, scale, "fig7", "fid", fid_table(numbers)),
            _coherence(numbers),
        ]
    curves = paths.training(scale, "train_stargan", "faces") / "metrics.json"
    with measured(root, scale, curves, "train_stargan@faces") as training:
        tables.append(_stargan(numbers, training, [linked(curves)]))
    return Part(facts, tables=tables)


def _facts(numbers: Mapping[str, Any]) -> list[Fact]:
    label, floors = numbers["label"], numbers["floors"]
    return [
        ("Figs. 7, S8, S9", f"{numbers['images']:,} test images of {numbers['size']} px, each "
         f"edited once for each of {len(numbers['factors'])} factors, seed {numbers['seed']}"),
        ("Floors of Fig. S9", f"{label} {floors['real']['fid']:,.1f} of the unedited images, "
         f"{floors['reconstruction']['fid']:,.1f} of reconstructions D(E(x))"),
    ]  # fmt: skip


def _recognition(known: float | None, numbers: Mapping[str, Any]) -> str:
    """How well FaceNet knows people: in other images of those it learned, and strangers."""
    strangers = (
        f"{percent(numbers['verification']['accuracy'])} of pairs of images of people it was not "
        "trained on told right, same or different"
    )
    if known is None:
        return strangers
    return f"{percent(known)} of validation images of people it was trained on named, {strangers}"


def _coherence(numbers: Mapping[str, Any]) -> Table:
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
        "Share of edits, with its 95 % interval. Length of hair has to move by more than the "
        "evaluator's mean absolute error; grey is a share of grey of 0.3 or more. On CelebA, the "
        "paper observes the three in its edits, and not in StarGAN's (Sec. B.5)."
    )
    return Table("Whether edits follow the causes in the data", head, rows, note, stacked=True)


def _stargan(
    numbers: Mapping[str, Any], training: Mapping[str, Any], files: Sequence[str]
) -> Table:
    last, held_out = training["train"], training["validation"]
    rows = [
        ["updates of the critic", f"{training['step']:,}"],
        ["critic: distance of real from edited images", f"{last['distance']:.3f}"],
        ["critic: gradient penalty", f"{last['penalty']:.4f}"],
        ["critic: classification loss", f"{last['classification']:.3f}"],
        ["generator: score that the critic gives its edits", f"{last['edits_score']:.3f}"],
        ["generator: classification loss of its edits", f"{last['edits_classification']:.3f}"],
        ["generator: what is left of an edit after the way back", f"{last['way_back'] / 2:.3f}"],
        ["validation: attributes that the critic reads right", percent(held_out["read"])],
        ["validation: edits that the critic reads as asked", percent(held_out["edited"])],
        ["validation: mean change of a pixel by an edit", f"{held_out['change'] / 2:.3f}"],
        [
            "validation: what is left of it after the way back",
            f"{held_out['reconstruction'] / 2:.3f}",
        ],
    ]
    factors = {name: numbers["factors"][name]["stargan"] for name in in_order(numbers["factors"])}
    told = ", ".join(
        f"{concept_of(name)} {percent(edits['success'])}" for name, edits in factors.items()
    )
    weakest = min(edits["success"] for edits in factors.values())
    unedited = 1 - min(numbers["evaluator"][name] for name in factors)
    moved = [edits["distance"]["mean"] for edits in factors.values()]
    does = "edits each attribute" if weakest > 0.5 else "does not edit every attribute"
    does += " in most images, as far as the evaluator tells"
    note = (
        f"Pixels lie in [0, 1]. StarGAN {does}, which had no part in its training: it reads the "
        f"attribute as asked in at least {percent(weakest)} of its edits ({told}), "
        f"but in at most {percent(unedited)} of unedited images, and FaceNet's embeddings move "
        f"by {min(moved):.2f} to {max(moved):.2f} on average, where those of two people are "
        f"{numbers['pairs']['different']['mean']:.2f} apart. What a person sees of them, "
        "Figs. S8 and S9 show. E and D, with which ours edits, had "
        f"{numbers['training']['ours_updates']:,} updates."
    )
    title = "The baseline: StarGAN's own training, at its end"
    return Table(title, ["number", "value"], rows, note, files=files)
