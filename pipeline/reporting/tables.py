"""Tables as files: csv for programs, Markdown for a forge, LaTeX (booktabs) for a paper."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.evaluation.concepts import concept_of, in_order
from pipeline.rounding import rounded
from pipeline.storage import write_text

__all__ = [
    "TextTable",
    "cell_texts",
    "edits_table",
    "faithfulness_table",
    "fid_table",
    "table1",
    "write_table",
]

Cell = str | int | float | tuple[float, float]
"""Words, a number, or a number with its deviation."""

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "±": r"$\pm$", "×": r"$\times$", "Φ": r"$\Phi$",
}  # fmt: skip
NUMBER = re.compile(r"^Table \w+\. ")
"""LaTeX numbers tables by itself."""

NETWORKS = {"FID": "Inception v3", "FID-EN0": "EfficientNet-Lite0"}
"""Whose features a Fréchet distance is measured in, by what it is called."""

MARKDOWN = re.compile(r"([\\`*_\[\]|<>])")


@dataclass(frozen=True)
class TextTable:
    """A table with words in its first column and numbers in the others.

    Attributes:
        title: one sentence, without a full stop.
        head: names of the columns.
        rows: cells; a number is printed with `digits` of its column, a pair as value ± deviation.
        digits: decimals of each column; that of the first one has no meaning.
        notes: sentences below the table.
        constants: further columns of the csv file, the same in every row: what elsewhere the notes
            say.

    Raises:
        PipelineError: a row or `digits` whose length is not that of `head`, or no rows.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    digits: Sequence[int]
    notes: Sequence[str] = ()
    constants: Mapping[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {len(self.digits), *(len(row) for row in self.rows)}
        if not self.rows or lengths != {len(self.head)}:
            raise PipelineError(
                f"the table '{self.title}' needs rows of {len(self.head)} cells, one per column."
            )


def write_table(table: TextTable, stem: Path) -> list[Path]:
    """Write a table as `<stem>.csv`, `.md` and `.tex`; each appears whole or not at all.

    The csv file holds plain numbers, all their digits, with a column `<name> ±` behind each column
    that has deviations, and constants in place of title and notes. The tex file needs the package
    booktabs.

    Raises:
        PipelineError: the folder cannot be written.
    """
    written = []
    for suffix, text in (("csv", _csv(table)), ("md", _markdown(table)), ("tex", _latex(table))):
        target = stem.with_name(f"{stem.name}.{suffix}")
        write_text(target, text)
        written.append(target)
    return written


def cell_texts(table: TextTable) -> list[list[str]]:
    """All cells as they are printed, row by row."""
    return [[_text(c, d) for c, d in zip(row, table.digits, strict=True)] for row in table.rows]


def table1(summary: Mapping[str, Any]) -> TextTable:
    """Table 1 from the numbers in `metrics/table1.json`, the paper's beside ours.

    Raises:
        PipelineError: a number is missing.
    """
    return _made(_table1, "table1", summary)


def faithfulness_table(summary: Mapping[str, Any]) -> TextTable:
    """What Table 1's images still show of z, from the numbers in `metrics/table1.json`.

    Raises:
        PipelineError: a number is missing.
    """
    return _made(_faithfulness_table, "table1", summary)


def _table1(summary: Mapping[str, Any]) -> TextTable:
    label = summary["label"]
    head = ["layer", "FID ours, paper", "FID D&B, paper", f"{label} ours", f"{label} D&B",
            "KID × 1000 ours", "KID × 1000 D&B", "faithfulness ours"]  # fmt: skip
    rows: list[list[Cell]] = [
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
        for record in summary["layers"]
    ]
    floors = {
        kind: {metric: summary[f"{metric}_floor_{kind}"] for metric in ("fid", "kid")}
        for kind in ("real", "reconstruction")
    }
    written = [f"{label} {floor['fid']:.1f}, KID × 1000 {floor['kid']:.2f}"
               for floor in floors.values()]  # fmt: skip
    inherited = summary["updates_inherited"]
    start = f", the first {inherited:,} of them ours, with which it begins" if inherited else ""
    notes = [
        f"Scale {summary['scale']}, seed {summary['seed']}: {summary['images']:,} test images of "
        f"{summary['size']} px against as many reference images.",
        _distance_note(summary),
        f"Floors: other real images {written[0]}; the autoencoder's reconstructions {written[1]}.",
        f"D(E(x)) of these images: L1 {summary['reconstruction_l1']:.4f} in [0, 1], PSNR "
        f"{summary['reconstruction_psnr']:.1f} dB, LPIPS-type distance (EfficientNet-Lite0, "
        f"unweighted) {summary['reconstruction_perceptual']:.2f}.",
        f"± of distances: standard deviation over {summary['draws']} sample draws; of faithfulness:"
        " standard error over inputs.",
        "Faithfulness: cosine of a sample's representation with z, where 0 is that of other images "
        "and 1 that of reconstructions; the three cosines stand in a table of their own.",
        f"Decoder updates: ours {summary['updates_ours']:,}, D&B "
        f"{summary['updates_dosovitskiy']:,}{start}.",
    ]
    title = "Table 1. Fréchet distances of layer visualisations of AlexNet from images"
    # Two decimals suit distances around 20, none those in the thousands.
    largest = max(record["fid_dosovitskiy"] for record in summary["layers"])
    decimals, kid = (1, 2) if largest < 1000 else (0, 0)
    return TextTable(
        title,
        head,
        rows,
        (0, 1, 1, decimals, decimals, kid, kid, 3),
        notes,
        _constants(summary) | {"draws": summary["draws"]} | _distances(summary, floors),
    )


def _faithfulness_table(summary: Mapping[str, Any]) -> TextTable:
    head = ["layer", "cosine, other images", "cosine, samples", "cosine, reconstructions",
            "faithfulness", "species kept [%], samples", "species kept [%], D&B",
            "AlexNet agrees [%], samples", "AlexNet agrees [%], D&B"]  # fmt: skip
    shares = [f"{key}_{method}" for key in ("species", "agreement")
              for method in ("ours", "dosovitskiy")]  # fmt: skip
    rows: list[list[Cell]] = [
        [
            record["layer"],
            *(record[name] for name in ("other", "samples", "reconstruction")),
            (record["faithfulness"], record["faithfulness_se"]),
            *(_percent(record[name]) for name in shares),
        ]
        for record in summary["layers"]
    ]
    real, rebuilt, agreement, accuracy = (
        _percent(summary[name])
        for name in ("species_real", "species_reconstruction", "agreement_reconstruction",
                     "accuracy")
    )  # fmt: skip
    notes = [
        f"Scale {summary['scale']}, seed {summary['seed']}: {summary['images']:,} test images of "
        f"{summary['size']} px, {summary['draws']} samples of each.",
        "Cosine similarity of Φ(image) with the z of the input. Faithfulness places the samples "
        "between the other images (0) and the reconstructions (1), ± standard error over inputs.",
        "Species kept: share of images in which an evaluator network, which is not AlexNet, reads "
        f"the input's species; it reads {real:.1f} % of the real test images right and "
        f"{rebuilt:.1f} % of the reconstructions.",
        "AlexNet agrees: share of images in which AlexNet sees the class that it sees in the "
        f"input; of reconstructions {agreement:.1f} %. Unlike the evaluator, it has not learned "
        f"from blurred images, and D blurs. Its own test accuracy is {accuracy:.1f} %.",
    ]
    constants = {
        "species kept [%], real images": real,
        "species kept [%], reconstructions": rebuilt,
        "AlexNet agrees [%], reconstructions": agreement,
        "AlexNet's accuracy [%]": accuracy,
    }
    return TextTable(
        "How faithful the samples are to z (Table 1)",
        head,
        rows,
        (0, 3, 3, 3, 3, 1, 1, 1, 1),
        notes,
        _constants(summary) | {"draws": summary["draws"]} | constants,
    )


def edits_table(summary: Mapping[str, Any]) -> TextTable:
    """What edits of each factor change and keep, from the numbers in `metrics/fig7.json` (Fig. 7).

    Raises:
        PipelineError: a number is missing.
    """
    return _made(_edits_table, "fig7", summary)


def fid_table(summary: Mapping[str, Any]) -> TextTable:
    """The distances of edited images in Fig. S9, from `metrics/fig7.json`, the paper's beside ours.

    Raises:
        PipelineError: a number is missing.
    """
    return _made(_fid_table, "fig7", summary)


def _made(
    table: Callable[[Mapping[str, Any]], TextTable], item: str, summary: Mapping[str, Any]
) -> TextTable:
    try:
        return table(summary)
    except KeyError as error:
        raise PipelineError(
            f"metrics/{item}.json lacks {error}: run `dvc repro -f evaluate@{item}`."
        ) from error


def _edits_table(summary: Mapping[str, Any]) -> TextTable:
    head = ["factor", "evaluator right [%]", "success ours [%]", "success StarGAN [%]",
            "others kept ours [%]", "others kept StarGAN [%]", "face kept ours",
            "face kept StarGAN", "distance ours", "distance, true edit",
            "distance, paper"]  # fmt: skip
    rows: list[list[Cell]] = []
    attributes = in_order(summary["factors"])
    true_edits = summary["true_edits"] or {}
    for attribute in attributes:
        factor = summary["factors"][attribute]
        methods = [factor[method] for method in ("ours", "stargan")]
        paper = factor["paper_distance"]
        rows.append(
            [
                concept_of(attribute),
                _percent(summary["evaluator"][attribute]),
                *(_percent(method["success"]) for method in methods),
                *(_known(method["unrelated_kept"], 100) for method in methods),
                *(_known(method["traits_kept"]) for method in methods),
                _spread(factor["ours"]["distance"]),
                _spread(true_edits.get(attribute)),
                "not stated" if paper is None else (paper[0], paper[1]),
            ]
        )
    accuracy, pairs = summary["verification"]["accuracy"], summary["pairs"]
    sizes = ", ".join(
        f"{concept_of(attribute)} {summary['factors'][attribute]['dimensions']}"
        for attribute in attributes
    )
    rebuilt = ", ".join(
        f"{concept_of(attribute)} {100 * summary['reconstruction'][attribute]:.1f} %"
        for attribute in attributes
    )
    notes = [
        f"Scale {summary['scale']}, seed {summary['seed']}: each of {summary['images']:,} test "
        f"images of {summary['size']} px edited once per factor.",
        "Evaluator right: share of the unedited test images in which the evaluator network, which "
        "had no part in either method, reads the attribute as it is; of reconstructions D(E(x)): "
        f"{rebuilt}.",
        "Success: share of edits that it reads as asked, of beard in men only.",
        "Others kept: mean share of edits in which an attribute that the edited one does not cause "
        "is read as before the edit (ours: as in D(E(x))).",
        "Face kept: mean correlation of what is read of the face's shape and skin before and after "
        "the edit.",
        "Distance: of FaceNet's embeddings of image and our edit, mean ± standard deviation; "
        f"||f(x) - f(D(E(x)))|| is {_pair(summary['reconstruction_distance'])}, two test images of "
        f"one person are {_pair(pairs['same'])} apart, of different people "
        f"{_pair(pairs['different'])}. True edit: the same where the renderer changes the "
        "attribute, and nothing is encoded; a beard in men only, while our edits are of all "
        "images, and hair that is not black becomes brown, while ours takes another image's. The "
        "paper's are those of another network on CelebA.",
        f"FaceNet verifies people it was not trained on with {100 * accuracy:.1f} % accuracy.",
        f"Dimensions of the factors in e: {sizes}.",
    ]
    title = "What replacing one factor changes, and what it keeps (Fig. 7)"
    digits = (0, 1, 1, 1, 1, 1, 2, 2, 3, 3, 3)
    return TextTable(title, head, rows, digits, notes, _constants(summary))


def _fid_table(summary: Mapping[str, Any]) -> TextTable:
    label = summary["label"]
    head = ["factor", "FID ours, paper", "FID StarGAN, paper", f"{label} ours", f"{label} StarGAN",
            "KID × 1000 ours", "KID × 1000 StarGAN"]  # fmt: skip
    rows: list[list[Cell]] = []
    attributes = in_order(summary["factors"])
    for attribute in attributes:
        factor = summary["factors"][attribute]
        paper = factor["paper_fid"] or {}
        rows.append(
            [
                concept_of(attribute),
                *(paper.get(method, "not stated") for method in ("ours", "stargan")),
                *(factor[method][key] for key in ("fid", "kid") for method in ("ours", "stargan")),
            ]
        )
    largest = {
        key: max(factor["stargan"][key] for factor in summary["factors"].values())
        for key in ("fid", "kid")
    }
    fid, kid = (1 if largest["fid"] < 1000 else 0), (2 if largest["kid"] < 1000 else 0)
    floors = [
        f"{label} {floor['fid']:,.{fid}f}, KID × 1000 {floor['kid']:,.2f}"
        for floor in (summary["floors"][kind] for kind in ("real", "reconstruction"))
    ]
    notes = [
        f"Scale {summary['scale']}, seed {summary['seed']}: {summary['images']:,} edited test "
        f"images of {summary['size']} px per factor and method against as many reference images.",
        _distance_note(summary),
        "The paper's are those of CelebA.",
        f"Floors: the unedited test images {floors[0]}; the autoencoder's reconstructions "
        f"{floors[1]}.",
    ]
    title = "Fréchet distances of edited images from images (Fig. S9)"
    constants = _constants(summary) | _distances(summary, summary["floors"])
    return TextTable(title, head, rows, (0, 2, 2, fid, fid, kid, kid), notes, constants)


def _constants(summary: Mapping[str, Any]) -> dict[str, str | int | float]:
    return {
        "scale": summary["scale"],
        "seed": summary["seed"],
        "N": summary["images"],
        "px": summary["size"],
    }


def _distances(
    summary: Mapping[str, Any], floors: Mapping[str, Mapping[str, float]]
) -> dict[str, str | int | float]:
    """Columns that say in which features distances are measured, and how small they can be."""
    label = summary["label"]
    extractor = f"{NETWORKS[label]} at {summary['preparation']}"
    words = {"real": "real images", "reconstruction": "reconstructions"}
    return {"extractor": extractor} | {
        f"floor {name}, {words[kind]}": floors[kind][metric]
        for metric, name in (("fid", label), ("kid", "KID × 1000"))
        for kind in words
    }


def _distance_note(summary: Mapping[str, Any]) -> str:
    label = summary["label"]
    other = "" if label == "FID" else " It is on another scale than the paper's FID."
    features = f"{NETWORKS[label]}'s features at {summary['preparation']}"
    return f"{label}: Fréchet distance of {features}.{other}"


def _known(value: float | None, factor: float = 1.0) -> Cell:
    """A number; words where the evaluator does not read what it takes."""
    return "not measured" if value is None else rounded(factor * value)


def _percent(share: float) -> float:
    return rounded(100 * share)


def _spread(numbers: Mapping[str, float] | None) -> Cell:
    return "not known" if numbers is None else (numbers["mean"], numbers["std"])


def _pair(numbers: Mapping[str, float]) -> str:
    return f"{numbers['mean']:.3f} ± {numbers['std']:.3f}"


def _csv(table: TextTable) -> str:
    paired = [any(isinstance(row[i], tuple) for row in table.rows) for i in range(len(table.head))]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")

    def spread(cells: Sequence[Any]) -> list[Any]:
        flat: list[Any] = []
        for cell, pair in zip(cells, paired, strict=True):
            if pair:
                flat += list(cell) if isinstance(cell, tuple) else [cell, ""]
            else:
                flat.append(cell)
        return flat

    writer.writerow(spread([(name, f"{name} ±") if pair else name
                            for name, pair in zip(table.head, paired, strict=True)])
                    + list(table.constants))  # fmt: skip
    writer.writerows([*spread(row), *table.constants.values()] for row in table.rows)
    return buffer.getvalue()


def _text(cell: Cell, digits: int) -> str:
    if isinstance(cell, tuple):
        return f"{_text(cell[0], digits)} ± {_text(cell[1], digits)}"
    if isinstance(cell, float):
        return f"{cell:,.{digits}f}"
    return str(cell)


def _markdown(table: TextTable) -> str:
    def escaped(text: str) -> str:
        return MARKDOWN.sub(r"\\\1", text)

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(map(escaped, cells)) + " |"

    rule = "| --- |" + " ---: |" * (len(table.head) - 1)
    lines = [f"**{escaped(table.title)}.**", "", line(table.head), rule]
    lines += map(line, cell_texts(table))
    if table.notes:
        lines += ["", escaped(" ".join(table.notes))]
    return "\n".join([*lines, ""])


def _latex(table: TextTable) -> str:
    def escaped(text: str) -> str:
        return "".join(LATEX.get(sign, sign) for sign in text)

    def line(cells: Sequence[str]) -> str:
        return "    " + " & ".join(map(escaped, cells)) + r" \\"

    lines = [
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{escaped(NUMBER.sub('', table.title))}.}}",
        f"  \\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}",
        r"    \toprule",
        line(table.head),
        r"    \midrule",
        *map(line, cell_texts(table)),
        r"    \bottomrule",
        r"  \end{tabular}",
    ]
    if table.notes:
        lines += [r"  \par\smallskip\footnotesize", f"  {escaped(' '.join(table.notes))}"]
    return "\n".join([*lines, r"\end{table}", ""])
