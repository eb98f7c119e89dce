"""reports/README.md and reports/index.html: figures, numbers, verdicts and cost of all scales."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.evaluation.concepts import concept_of, in_order
from pipeline.reporting.tables import cell_texts, edits_table, fid_table, table1
from pipeline.storage import read_json, write_text

__all__ = ["write_report"]

Result = TypeVar("Result")

SCALES = ("paper", "gpu", "laptop", "smoke")
"""In the order of the report."""

SCALE_NOTES = {
    "paper": "The papers' data, architectures and step counts.",
    "gpu": "Numbers at this scale check the paper's claims. They do not reproduce its numbers, "
    "which were measured on other data.",
    "laptop": "Numbers at this scale check the paper's claims. They do not reproduce its numbers, "
    "which were measured with more data, larger networks and longer training.",
    "smoke": "A test of the pipeline. Nothing here is trained long enough to mean anything.",
}


@dataclass(frozen=True)
class Drawing:
    """A figure of an evaluation: its file without suffix, and the words around it."""

    name: str
    title: str
    caption: str
    description: str


FIGURES = {
    "table1": (
        Drawing(
            "fig2",
            "Fig. 2. Images recovered from AlexNet's representation z of an input, by layer",
            "Columns are layers, from shallow to deep; σ is the softmax. Ours: one sample "
            "D(t⁻¹(v|z)). D&B: what a decoder makes that was trained to reconstruct the input from "
            "z alone. M&V: gradient descent on the pixels, with nothing learned from images.",
            "For each of a few animals a grid of small images: five layers in columns, the three "
            "methods in rows, the input at the left.",
        ),
        Drawing(
            "figS4",
            "Fig. S4. All samples of each layer, for two inputs",
            "What stays the same along a row is what the layer holds; what changes is what it has "
            "become invariant to. D&B's method gives one image per representation.",
            "Two grids of animals, one row per layer, several samples and one reconstruction each; "
            "above them the inputs.",
        ),
        Drawing(
            "figS5",
            "Fig. S5. Rows conv5 and σ(fc8) of Fig. S4, enlarged, first input",
            "The same samples, at the size that shows their quality.",
            "Enlarged samples and reconstructions of the first input from its first and last "
            "layer.",
        ),
        Drawing(
            "figS6",
            "Fig. S6. Rows conv5 and σ(fc8) of Fig. S4, enlarged, second input",
            "The same samples, at the size that shows their quality.",
            "Enlarged samples and reconstructions of the second input from its first and last "
            "layer.",
        ),
    ),
    "animals": (
        Drawing(
            "classes",
            "The animals, by species",
            "Of rendered ones, pose, light, coat and background vary from image to image and are "
            "known.",
            "Rows of animals, one row per species.",
        ),
        Drawing(
            "factors",
            "What each factor of a rendered animal changes",
            "One factor changes along each row, all others stay as they are.",
            "Rows of one rendered animal head in which one factor changes along the row.",
        ),
    ),
    "stylized": (
        Drawing(
            "classes",
            "The stylized animals, by species",
            "Every animal wears the coat of another species, drawn at random. One of the two "
            "classifiers of Fig. 6 is trained on them.",
            "Rows of animals, one row per species, each animal in a coat of another one.",
        ),
    ),
    "faces": (
        Drawing(
            "classes",
            "The people, or the faces of animals, by identity",
            "Of rendered people, pose, light, background, clothes and smile vary from image to "
            "image, and a little their hair, beard and age; all of it is known.",
            "Rows of faces, one row per person.",
        ),
        Drawing(
            "factors",
            "What each factor of a rendered person changes",
            "One factor changes along each row, all others stay as they are. The six attributes "
            "that Fig. 7 edits are off and on in pairs of four people, with what they cause: "
            "gender changes the length of hair, age its colour.",
            "Rows of rendered people in which one factor changes along the row.",
        ),
    ),
    "animalfaces": (
        Drawing(
            "classes",
            "The animals that FaceNet sees in Fig. S10, by class",
            "No network but `t`, and with `E` and `D` also people's, is trained on them.",
            "Rows of animals, one row per class.",
        ),
    ),
    "digits": (
        Drawing(
            "classes",
            "The digits of ColorMNIST, by class",
            "Foreground and background colours are random, independent of the digit, and known.",
            "Rows of handwritten digits in random colours, one row per digit.",
        ),
    ),
    "fig4": (
        Drawing(
            "fig4",
            "Fig. 4. What SqueezeNet's representation z holds of each factor while it learns to "
            "tell digits",
            "(a) Share of each factor's variance that z explains, Eq. 20 read literally, with the "
            "accuracy on test digits; bands are one bootstrap standard error over inputs and "
            "invariances. (b) The same without the interaction of z and v (first-order index). "
            "(c, d) Samples D(t⁻¹(v|z)) at an early and a late checkpoint: each row keeps the z of "
            "the input at its left, each column keeps one v. z is the output of the penultimate "
            "Fire block.",
            "Two line charts over training steps, with the shares of the digit, foreground and "
            "background factors that z explains; below them two grids of sampled coloured digits.",
        ),
        Drawing(
            "figS7",
            "Fig. S7. More samples at an early and a late checkpoint",
            "What stays the same along a row is what z holds; what changes from column to column "
            "is what the network has become invariant to.",
            "Two grids of sampled coloured digits, from an early and from a late checkpoint; the "
            "first column of each shows the inputs.",
        ),
    ),
    "fig3": (
        Drawing(
            "fig3",
            "Fig. 3, left. FaceNet's layers and their invariances",
            "Rows are layers, the shallowest first: samples D(t⁻¹(v|z)) for the z of the input, "
            "and over all samples their mean and their variance. What the mean shows sharply the "
            "layer holds; where the variance is light, it has become invariant.",
            "Four blocks of faces, one per input, with a row for each of five layers: four "
            "samples, their blurred mean and a map of their variance.",
        ),
        Drawing(
            "variances",
            "Fig. 3, right. Variance of the samples over layers, and what it is made of",
            "(a) A point per input: the variance of its samples, averaged over pixels and "
            "channels, for images in [0, 1]; mean and standard deviation over inputs. (b) Which "
            "factors vary, read by an evaluator network: the variance of a number (yaw, light, "
            "length of hair, features of the face) as a share of its variance over all test "
            "images, or the share of samples that show another class than the input (smile, "
            "glasses, gender).",
            "A chart with one point per input and layer on a logarithmic axis, and a line chart of "
            "the share of each factor that varies.",
        ),
    ),
    "fig5": (
        Drawing(
            "fig5",
            "Fig. 5. What an attack changes in the layers of ResNet",
            "Each row begins with an image and the class that the network sees in it: the input, "
            "the input with random signs added, the attacked input. v is that of the input, z* = "
            "Φ(x*) that of the row's image: D(t⁻¹(v|z*)) shows what of the change reaches a layer. "
            "Below, how much of the variance of z̄ the invariances explain.",
            "Three rows of images of an animal, unchanged, randomly changed and attacked, with a "
            "column per layer; below them, a row of percentages.",
        ),
        Drawing(
            "figS13",
            "Fig. S13. More attacked inputs",
            "As Fig. 5.",
            "Blocks of three rows of images of animals, with a column per layer.",
        ),
        Drawing(
            "shares",
            "How often a layer shows the attack's target",
            "The evaluator reads the species of D(t⁻¹(v|z*)), for all test images whose predicted "
            "class the attack changes. (a) The class that the network sees after the attack; (b) "
            "the one it saw before.",
            "Two line charts over four layers, with a line for each kind of change.",
        ),
    ),
    "figs10": (
        Drawing(
            "figS10",
            "Fig. S10. Animals through FaceNet, which was trained on people",
            "As Fig. 3, left, with t trained on images of animals, and E and D on people and "
            "animals. FaceNet is the same, and never saw an animal.",
            "Four blocks of animals, one per input, with a row for each of five layers: four "
            "samples, their blurred mean and a map of their variance.",
        ),
        Drawing(
            "variances",
            "Variance of the samples of Fig. S10 over layers, and what it is made of",
            "As Fig. 3, right: (b) shows yaw, light and the colour of the coat as a share of their "
            "variance over all test images, and the share of samples of another species than the "
            "input.",
            "A chart with one point per input and layer on a logarithmic axis, and a line chart of "
            "the share of each factor that varies.",
        ),
    ),
    "fig6": (
        Drawing(
            "fig6",
            "Fig. 6. Two classifiers and the textures of their inputs",
            "Samples D(t⁻¹(v|z)) for the average pool z of two ResNets: one trained on natural "
            "images, one on stylized images, in which coats say nothing about the species. Inputs "
            "are held-out animals: natural, in another species' coat, a patch of coat without "
            "shape, and a sketch without coat. D is a generator, and t is trained on its images.",
            "Rows of animals: an input, samples through the first network, and samples through "
            "the second; natural inputs, other coats, patches of coat and sketches.",
        ),
        Drawing(
            "shares",
            "What the samples of Fig. 6 show, over all inputs",
            "Share of samples that show the class of (a) the input's shape and (b) its texture, "
            "with 95 % intervals over inputs. Diamonds: the share of inputs for which the network "
            "itself predicts this class. A texture bias is high bars in (b), low ones in (a).",
            "Two bar charts with two bars for each kind of input.",
        ),
        Drawing(
            "figS12",
            "Fig. S12. More inputs and samples",
            "As Fig. 6.",
            "Rows of animals as in Fig. 6, for further inputs.",
        ),
        Drawing(
            "figS11",
            "Fig. S11. How t is trained on a generator's latent codes",
            "W embeds the class, the dequantiser turns the embedding h into a draw from a "
            "distribution, and with the noise z̃ it makes up z̄. t learns p(z̄|z) for z = Φ(x) of "
            "the images x that the generator makes. Shaded: networks.",
            "A diagram of boxes and arrows: class and noise become an image, whose representation "
            "conditions the invertible network.",
        ),
    ),
    "fig7": (
        Drawing(
            "fig7",
            "Fig. 7. One factor of an image replaced by that of another image",
            "(eᵢ) = e(E(x)); in each column one eᵢ is that of a random test image that differs in "
            "this attribute, and D(e⁻¹(…)) is shown. The words above an image tell what it is to "
            "become. A woman is not to be given a beard: in the data, beards are of men. Below, "
            "the mean distance of FaceNet's embeddings before and after: from the input's as in "
            "the paper, and from the reconstruction's, which leaves out what E and D lose. The "
            "paper's distances are those of another network on CelebA: only their order can be "
            "compared.",
            "Rows of faces: an input, its reconstruction, and six edits of hair, glasses, gender, "
            "beard, age and smile; below them, rows of mean embedding distances.",
        ),
        Drawing(
            "figS8",
            "Fig. S8. More edits, beside those of StarGAN",
            "Ours replaces a factor as in Fig. 7. StarGAN, a network trained for such edits alone, "
            "gets the attributes of the input with this one negated.",
            "Six inputs with two rows of six edited faces each, ours above StarGAN's.",
        ),
        Drawing(
            "figS9",
            "Fig. S9. Further edits, and the distances of all edited images from images",
            "The rows below are over all test images. The paper's numbers are of CelebA. "
            "Smaller is better; StarGAN begins with the image itself, ours with what E has kept of "
            "it, so that the distance of reconstructions is the floor of ours.",
            "Four inputs with two rows of six edited faces each; below them, a table of Fréchet "
            "and kernel distances for both methods and each attribute.",
        ),
        Drawing(
            "changes",
            "What is read in edited images",
            "Share of edits in which the evaluator reads an attribute otherwise than before: rows "
            "are edited attributes, columns those that are read. The diagonal should be dark and "
            "the rest light, but for what the edited attribute causes in the data (†): gender "
            "causes beards, and age grey hair.",
            "Two tables in shades of blue, ours and StarGAN: six edited attributes by six that are "
            "read.",
        ),
    ),
}
"""The figures of each evaluation, both in the order of the report.

A scale shows those of the evaluations that its claims rest on, and the data sets where it has them.
"""

PAPER = {"digit": ("2.57 %", "36.08 %"), "background": ("38.44 %", "2.76 %")}
"""Eq. 20 after 4,000 and 36,000 steps (Fig. S7); the paper does not state it for the foreground."""

MOMENTS = ("first", "early", "late", "last")
CONCEPTS = ("digit", "foreground", "background")
NAMES = {
    "residual": "residual",
    "digit": "digit",
    "foreground": "foreground colour",
    "background": "background colour",
}
VERDICTS = {True: "holds", False: "does not hold", None: "not measured"}

STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1d2329; --soft: #57606a; --line: #d5dae0;
  --head: #f4f6f8; --link: #0b5cad; --good: #12662e; --good-back: #dff3e4; --bad: #8a4200;
  --bad-back: #fdeccf; }
@media (prefers-color-scheme: dark) { :root { --page: #14181d; --ink: #e3e8ed; --soft: #a0aab4;
  --line: #353d47; --head: #1e242b; --link: #7cb8f5; --good: #86e0a0; --good-back: #12351f;
  --bad: #f5c27a; --bad-back: #402c0e; } }
* { box-sizing: border-box; }
body { background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI",
  "Liberation Sans", "DejaVu Sans", sans-serif; margin: 0; overflow-wrap: break-word; }
main { margin: 0 auto; max-width: 66rem; padding: 1.5rem 1rem 4rem; }
p, figcaption, li { max-width: 46rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 .6rem; }
h2 { border-bottom: 2px solid var(--line); font-size: 1.35rem; margin: 3rem 0 1rem;
  padding-bottom: .3rem; }
h3 { font-size: 1.05rem; margin: 2.2rem 0 .6rem; }
a { color: var(--link); }
nav ul { list-style: none; margin: 1rem 0 0; padding: 0; }
nav li { border-top: 1px solid var(--line); padding: .45rem 0; }
dl { display: grid; gap: .2rem 1.2rem; grid-template-columns: max-content 1fr; margin: 1rem 0; }
dt { color: var(--soft); } dd { margin: 0; }
figure { margin: 1.8rem 0; }
figure img { background: #fff; border: 1px solid var(--line); border-radius: 6px; display: block;
  height: auto; padding: .5rem; width: 100%; }
figcaption { font-size: .92rem; margin-top: .6rem; }
.note { color: var(--soft); font-size: .9rem; margin: .5rem 0 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; line-height: 1.4; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .45rem .7rem; text-align: left;
  vertical-align: top; }
thead th { background: var(--head); vertical-align: bottom; }
tbody th { font-weight: 600; }
.number { font-variant-numeric: tabular-nums; text-align: right; }
tbody .number { white-space: nowrap; }
.verdict { border-radius: 1rem; font-size: .85rem; font-weight: 600; padding: .1rem .6rem;
  white-space: nowrap; }
.holds { background: var(--good-back); color: var(--good); }
.fails { background: var(--bad-back); color: var(--bad); }
details { margin-top: 2.2rem; } details h3 { display: inline; }
summary { cursor: pointer; margin-bottom: .6rem; }
@media (max-width: 44rem) {
  .stack thead { clip-path: inset(50%); height: 1px; overflow: hidden; position: absolute;
    width: 1px; }
  .stack, .stack tbody, .stack tr, .stack th, .stack td { display: block; }
  .stack tr { border: 1px solid var(--line); border-radius: 6px; margin: 0 0 .8rem;
    padding: .3rem 0; }
  .stack th, .stack td { border: 0; padding: .2rem .8rem; text-align: left; white-space: normal; }
  .stack td::before { color: var(--soft); content: attr(data-head) ": "; }
}
@media print { details > * { display: block; } figure, tr { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class Table:
    """A table: a title, column heads and rows; the columns in `numbers` are aligned right.

    On a page, a `folded` table opens on demand, and the rows of a `stacked` one become cards where
    the screen is narrow. A cell may have several lines. `files`, relative to reports/, hold the
    same table.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = frozenset()
    note: str = ""
    folded: bool = False
    stacked: bool = False
    files: Sequence[str] = ()


@dataclass(frozen=True)
class Image:
    """A figure: its file without suffix, relative to reports/, with title, caption, description."""

    stem: str
    title: str
    caption: str
    description: str


@dataclass(frozen=True)
class Part:
    """What one evaluation contributes: its facts, its figures, then its tables."""

    facts: Sequence[tuple[str, str]]
    images: Sequence[Image]
    tables: Sequence[Table]


@dataclass(frozen=True)
class Section:
    """What the report says about one scale."""

    scale: str
    note: str
    verdict: str
    facts: Sequence[tuple[str, str]]
    claims: Table
    parts: Sequence[Part]


def write_report(root: Path) -> None:
    """Write reports/README.md and reports/index.html over all scales that have claims.

    Raises PipelineError if no scale has been run or a part of one is missing.
    """
    folder = root / "reports"
    present = [scale for scale in SCALES if (root / paths.claims(scale)).exists()]
    if not present:
        raise PipelineError("no scale has been run yet: run `dvc repro` first.")
    sections = [_section(root, scale) for scale in present]
    inspected = _inspected(root)
    write_text(folder / "README.md", _markdown(sections, inspected))
    write_text(folder / "index.html", _page(sections, inspected))


# --- what to say ---------------------------------------------------------------------------------

INSPECTION = "inspect/README.md"
"""The report on one layer, relative to reports/."""


def _inspected(root: Path) -> str:
    """Which layer was inspected last, or nothing."""
    if not (root / "reports" / INSPECTION).exists():
        return ""
    numbers = read_json(root / paths.inspection() / "metrics.json")
    return f"the layer {numbers['layer']} of {numbers['network']}, scale {numbers['scale']}"


def _section(root: Path, scale: str) -> Section:
    rows = read_json(root / paths.claims(scale))
    stages = {row["stage"] for row in rows}
    parts = []
    for item, part in PARTS.items():
        present = (root / paths.figures(scale, item)).exists()
        if f"evaluate@{item}" in stages or (item in OPTIONAL and present):
            images = _images(root, scale, item)
            facts, tables = part(root, scale)
            parts.append(Part(facts, images, tables))
    claims = _complete(scale, "claims", lambda: _claims(rows))
    facts = [fact for part in parts for fact in part.facts]
    if (root / paths.costs(scale)).exists():
        # Costs are no outs of a stage: a checkout has them only if they were committed with it.
        costs = read_json(root / paths.costs(scale))
        parts.append(Part((), (), [_complete(scale, "report", lambda: _costs(costs))]))
        facts.append(
            ("Time of all stages", _duration(sum(cost["seconds"] for cost in costs.values())))
        )
    held = sum(bool(row["holds"]) for row in rows)
    verdict = f"{held} of {len(rows)} claims hold"
    return Section(scale, SCALE_NOTES[scale], verdict, facts, claims, parts)


def _images(root: Path, scale: str, item: str) -> list[Image]:
    folder = paths.figures(scale, item)
    images = []
    for drawing in FIGURES[item]:
        if item in OPTIONAL and not (root / folder / f"{drawing.name}.png").exists():
            continue
        for suffix in ("png", "pdf"):
            _require(root, scale, folder / f"{drawing.name}.{suffix}", f"plot@{item}")
        stem = (folder / drawing.name).relative_to("reports").as_posix()
        images.append(Image(stem, drawing.title, drawing.caption, drawing.description))
    return images


def _require(root: Path, scale: str, path: Path, stage: str) -> None:
    if not (root / path).exists():
        raise PipelineError(
            f"{path.name} of scale {scale} is missing: run `dvc repro -f {stage}` at this scale."
        )


def _numbers(root: Path, scale: str, name: str, stage: str) -> Mapping[str, Any]:
    path = paths.metrics(scale, name)
    _require(root, scale, path, stage)
    numbers: Mapping[str, Any] = read_json(root / path)
    return numbers


def _complete(scale: str, stage: str, part: Callable[[], Result]) -> Result:
    """The part, or an error that names the stage which should have measured what it lacks."""
    try:
        return part()
    except KeyError as error:
        raise PipelineError(
            f"the results of scale {scale} lack {error}: run `dvc repro -f {stage}` at this scale."
        ) from error


def _claims(claims: Sequence[Mapping[str, Any]]) -> Table:
    rows = []
    for claim in claims:
        conditions = claim.get("conditions", [claim])
        rows.append(
            [
                claim["id"],
                f"{claim['statement']} ({claim['source']})",
                claim["statistic"],
                "\n".join(map(_value, conditions)),
                "\n".join(map(_interval, conditions)),
                claim["target"].replace(">=", "≥").replace("<=", "≤").replace(", ", "\n"),
                VERDICTS[claim["holds"]],
            ]
        )
    head = ["id", "claim", "statistic", "value", "95 % interval", "target", "verdict"]
    note = (
        "The targets were fixed before anything was run, and code compares the value with them. "
        "Intervals of Fig. 4 come from a bootstrap over inputs and invariances, those of Table 1's "
        "distances from the sample draws, that of faithfulness from the inputs, those of shares "
        "of edits are Wilson's; they say nothing about another training run."
    )
    return Table("Claims", head, rows, frozenset({3, 4, 5}), note, stacked=True)


def _value(condition: Mapping[str, Any]) -> str:
    value = condition["value"]
    words = "not measured" if value is None else f"{value:.3g}"
    return f"{condition.get('of', '')} {words}".strip()


def _interval(condition: Mapping[str, Any]) -> str:
    interval = condition["ci"]
    words = "none" if interval is None else f"{interval[0]:.3g} to {interval[1]:.3g}"
    return f"{condition.get('of', '')} {words}".strip()


def _fig3(root: Path, scale: str) -> tuple[list[tuple[str, str]], list[Table]]:
    return _layers(root, scale, "fig3", "Fig. 3")


def _figs10(root: Path, scale: str) -> tuple[list[tuple[str, str]], list[Table]]:
    return _layers(root, scale, "figs10", "Fig. S10")


def _layers(
    root: Path, scale: str, item: str, name: str
) -> tuple[list[tuple[str, str]], list[Table]]:
    numbers = _numbers(root, scale, item, f"evaluate@{item}")
    return _complete(
        scale,
        f"evaluate@{item}",
        lambda: (
            [(name, f"{numbers['samples']} samples of each of {numbers['inputs']} test images "
              f"of {numbers['size']} px, {numbers['read']} of them read by the evaluator, seed "
              f"{numbers['seed']}")],
            [_invariances(numbers, name)],
        ),
    )  # fmt: skip


INVARIANCES = {
    "yaw": "yaw",
    "light_azimuth": "light",
    "hair_length": "length of hair",
    "Smiling": "smile",
    "Eyeglasses": "glasses",
    "Male": "gender",
    "Young": "age",
    "Black_Hair": "hair",
    "species": "species",
    "coat_hue": "colour of the coat",
}
"""Factors of the tables of Figs. 3 and S10, and their words for them."""
SHOWN = {
    "Fig. 3": "The paper shows the variance growing about exponentially with depth, pose being "
    "lost and glasses being kept.",
    "Fig. S10": "The last column is the correlation of the colour read from samples with the "
    "input's, a tint of a few per cent. The paper shows the appearance of animals being kept until "
    "the penultimate layer, and in part until the last.",
}
"""What the paper shows of each figure."""


def _invariances(numbers: Mapping[str, Any], figure: str) -> Table:
    layers = {name: numbers["layers"][name] for name in numbers["order"]}
    known = [name for name in INVARIANCES if all(name in row["factors"] for row in layers.values())]
    head = ["layer", "variance", "± over inputs", "faithfulness", "face"]
    head += [INVARIANCES[name] for name in known]
    rows = []
    for name, layer in layers.items():
        identity = layer["identity"]
        row = [name.replace("_", " "), f"{layer['variance']:.4f}", f"{layer['variance_sd']:.4f}"]
        row += [f"{layer['faithfulness']['faithfulness']:.2f}"]
        row += ["" if identity is None else f"{identity:.2f}"]
        rows.append([*row, *(f"{layer['factors'][factor]:.2f}" for factor in known)])
    kept = numbers["reconstruction_kept"]
    lost = [f"{1 - kept[name]:.2f}" if name in kept else "" for name in known]
    rows.append(["reconstructions", "", "", "", "", *lost])
    if "coat_hue" in known:
        head.append("colour, correlation")
        for row, layer in zip(
            rows, layers.values(), strict=False
        ):  # the last is of reconstructions
            row.append(_two_digits(layer["correlation"]["coat_hue"]))
        rows[-1].append(_two_digits(numbers["reconstruction_correlation"]["coat_hue"]))
    quality = [
        f"{INVARIANCES[name]} {100 * found['accuracy']:.1f} %" if "accuracy" in found
        else f"{INVARIANCES[name]} R² {found['r2']:.2f}"
        for name, found in ((name, numbers["evaluator"][name]) for name in known)
    ]  # fmt: skip
    note = (
        "Variance over samples, of images in [0, 1]; over different images it is "
        f"{numbers['variance_images']:.4f}. The other columns say what varies, as in the figure: 0 "
        "where all samples of an input agree, 1 where they differ as different images do (numbers) "
        "or none shows the input's class. Face: mean over the features that tell people apart. "
        "Faithfulness: cosine of the z of samples with that of the input, 0 for other images, 1 "
        "for reconstructions. The last row is what D(E(x)) itself loses. The evaluator "
        f"reads blurred held-out images: {', '.join(quality)}. {SHOWN[figure]}"
    )
    columns = frozenset(range(1, len(head)))
    return Table(f"FaceNet's layers: what varies in samples ({figure})", head, rows, columns, note,
                 stacked=True)  # fmt: skip


def _fig5(root: Path, scale: str) -> tuple[list[tuple[str, str]], list[Table]]:
    numbers = _numbers(root, scale, "fig5", "evaluate@fig5")
    return _complete(scale, "evaluate@fig5", lambda: (_attack_facts(numbers), [_attacks(numbers)]))


def _attack_facts(numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    share = {kind: f"{100 * value:.1f} %" for kind, value in numbers["accuracy"].items()}
    return [
        ("Fig. 5", f"{numbers['attack'].upper()} with ε = {numbers['epsilon']:g} on "
         f"{numbers['images']:,} test images of {numbers['size']} px, seed {numbers['seed']}"),
        ("ResNet's accuracy", f"{share['clean']}, {share['random']} with random signs, "
         f"{share['attacked']} attacked; the attack changes {100 * numbers['success']:.1f} % of "
         f"the predictions, random signs {100 * numbers['random_success']:.1f} %"),
    ]  # fmt: skip


def _attacks(numbers: Mapping[str, Any]) -> Table:
    head = ["layer", "Eq. 19", "paper"]
    head += ["target, attacked", "target, random", "target, unchanged", "kept, attacked"]
    rows = []
    for name in numbers["order"]:
        layer = numbers["layers"][name]
        target = layer["target"]
        rows.append([
            name,
            _percent(layer["explained_by_v"], layer["explained_by_v_se"]),
            _percent(*layer["paper"]),
            *(_two_digits(target[kind]) for kind in ("attacked", "random", "clean")),
            _two_digits(layer["kept"]["attacked"]),
        ])  # fmt: skip
    shares = {name: numbers["layers"][name]["target_sure"] for name in numbers["order"]}
    sure = ", ".join(f"{_two_digits(value) or 'none'} ({name})" for name, value in shares.items())
    note = (
        f"Eq. 19 over {numbers['variance_inputs']} inputs and {numbers['variance_samples']} "
        "samples, ± bootstrap standard error; the paper's is of ResNet-101 on photographs. Target "
        f"and kept: shares of the {numbers['targets']:,} images whose predicted class the attack "
        "changes, in which the evaluator reads the new and the former class from D(t⁻¹(v|z*)). "
        f"Where the network gives the new class a probability above 0.9 ({numbers['sure']:,} "
        f"images), the new class is read in {sure}. The evaluator "
        f"reads {100 * numbers['evaluator']['accuracy']:.1f} % of blurred held-out images rightly, "
        f"and {100 * numbers['reconstruction_kept']:.1f} % of reconstructions D(E(x))."
    )
    columns = frozenset(range(1, len(head)))
    return Table("An attack on ResNet, layer by layer (Fig. 5)", head, rows, columns, note,
                 stacked=True)  # fmt: skip


def _two_digits(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _fig4(root: Path, scale: str) -> tuple[list[tuple[str, str]], list[Table]]:
    fig4 = _numbers(root, scale, "fig4", "evaluate@fig4")
    semantic = _numbers(root, scale, "train_semantic-digits", "train_semantic@digits")
    facts = _complete(scale, "evaluate@fig4", lambda: _facts(fig4))
    tables = [
        _complete(scale, "evaluate@fig4", lambda: _relevance(fig4)),
        _complete(scale, "train_semantic@digits", lambda: _factors(semantic)),
        _complete(scale, "evaluate@fig4", lambda: _checkpoints(fig4)),
    ]
    return facts, tables


def _table1(root: Path, scale: str) -> tuple[list[tuple[str, str]], list[Table]]:
    numbers = _numbers(root, scale, "table1", "evaluate@table1")
    folder = paths.figures(scale, "table1")
    for suffix in ("csv", "md", "tex"):
        _require(root, scale, folder / f"table1.{suffix}", "plot@table1")
    files = [(folder / f"table1.{suffix}").relative_to("reports").as_posix()
             for suffix in ("csv", "tex")]  # fmt: skip
    return _complete(
        scale,
        "evaluate@table1",
        lambda: (_distance_facts(numbers), [_distances(numbers, files), _cosines(numbers)]),
    )


def _distance_facts(numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    label = numbers["label"]
    return [
        ("Table 1", f"{numbers['images']:,} test images of {numbers['size']} px and as many "
         f"reference images, {numbers['draws']} sample draws, seed {numbers['seed']}"),
        ("Floors of Table 1", f"{label} {numbers['fid_floor_real']:,.1f} of other real images, "
         f"{numbers['fid_floor_reconstruction']:,.1f} of reconstructions D(E(x))"),
    ]  # fmt: skip


def _distances(numbers: Mapping[str, Any], files: Sequence[str]) -> Table:
    table = table1(numbers)
    columns = frozenset(range(1, len(table.head)))
    title, note = table.title, " ".join(table.notes)
    return Table(title, table.head, cell_texts(table), columns, note, stacked=True, files=files)


def _cosines(numbers: Mapping[str, Any]) -> Table:
    rows = [
        [
            record["layer"],
            *(f"{record[name]:.3f}" for name in ("other", "samples", "reconstruction")),
            f"{record['faithfulness']:.3f} ± {record['faithfulness_se']:.3f}",
            *(f"{100 * record[f'species_{name}']:.1f} %" for name in ("ours", "dosovitskiy")),
        ]
        for record in numbers["layers"]
    ]
    head = ["layer", "other images", "samples", "reconstructions", "faithfulness",
            "species kept, samples", "species kept, D&B"]  # fmt: skip
    note = (
        "Cosine similarity of Φ(image) with the z of the input. Faithfulness places the samples "
        "between the other images (0) and the reconstructions (1), ± standard error over inputs. "
        "Species kept: share of images in which an evaluator network, which is not AlexNet, reads "
        f"the input's species; it reads {100 * numbers['species_real']:.1f} % of the real test "
        f"images right and {100 * numbers['species_reconstruction']:.1f} % of the reconstructions. "
        f"AlexNet's own test accuracy is {100 * numbers['accuracy']:.1f} %."
    )
    title = "How faithful the samples are to z"
    return Table(title, head, rows, frozenset(range(1, 7)), note, stacked=True)


def _fig6(root: Path, scale: str) -> tuple[list[tuple[str, str]], list[Table]]:
    numbers = _numbers(root, scale, "fig6", "evaluate@fig6")
    return _complete(
        scale, "evaluate@fig6", lambda: (_texture_facts(numbers), [_textures(numbers)])
    )


def _texture_facts(numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    right = numbers["generated_right"]
    words = (
        f"{numbers['samples']} samples of each of {max(numbers['inputs'].values()):,} inputs of "
        f"each kind, {numbers['size']} px, seed {numbers['seed']}"
    )
    facts = [("Figs. 6, S12", words)]
    if right is not None:
        read = f"the evaluator reads the class of {100 * right:.1f} % of {numbers['generated']:,}"
        facts.append(("Generator of Fig. 6", f"{read} held-out generated images as intended"))
    return facts


TEXTURE_INPUTS = (
    ("natural", "shape", "natural inputs: their class"),
    ("stylized", "shape", "another texture: the shape's class"),
    ("stylized", "texture", "another texture: the texture's class"),
    ("texture", "texture", "patches of texture: the texture's class"),
    ("sketch", "shape", "sketches: the shape's class"),
)
"""The rows of the table of Fig. 6: kind of input, and what of it is to be recognised."""


def _textures(numbers: Mapping[str, Any]) -> Table:
    rows = []
    for kind, cue, words in TEXTURE_INPUTS:
        cells = []
        for network in ("vanilla", "stylized"):
            readers = numbers["networks"][network][kind][cue]
            cells += [_share(readers[reader]) for reader in ("evaluator", "embedding", "network")]
        rows.append([words, *cells])
    bias = numbers["shape_share"]
    cells = [
        "not measured" if bias[network][reader] is None else f"{100 * bias[network][reader]:.1f} %"
        for network in ("vanilla", "stylized")
        for reader in ("evaluator", "embedding", "network")
    ]
    rows.append(["another texture: decisions for the shape, of those for either", *cells])
    head = ["input, and what is recognised"]
    for name in ("natural", "stylized"):
        head += [f"{name}, samples", f"{name}, nearest h", f"{name}, prediction"]
    note = (
        "Of the networks trained on natural and on stylized images. Samples: share in which the "
        "evaluator reads this class, with 95 % interval over inputs; nearest h: share whose part "
        "of z̄ for the class is nearest to this class's embedding, which no network reads; "
        "prediction: share of inputs for which the network itself predicts it. The paper shows "
        "samples only: both networks recognise natural inputs, the first textures, the second "
        "shapes and sketches."
    )
    title = "Texture and shape: what two classifiers recognise"
    return Table(title, head, rows, frozenset(range(1, 7)), note, stacked=True)


def _share(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "not measured"
    low, high = (100 * end for end in found["interval"])
    return f"{100 * found['share']:.1f} % ({low:.1f} to {high:.1f})"


def _fig7(root: Path, scale: str) -> tuple[list[tuple[str, str]], list[Table]]:
    numbers = _numbers(root, scale, "fig7", "evaluate@fig7")
    curves = paths.training(scale, "train_stargan", "faces") / "metrics.json"
    _require(root, scale, curves, "train_stargan@faces")
    training = read_json(root / curves)
    folder = paths.figures(scale, "fig7")
    for name in ("edits", "fid"):
        for suffix in ("csv", "md", "tex"):
            _require(root, scale, folder / f"{name}.{suffix}", "plot@fig7")

    def made() -> tuple[list[tuple[str, str]], list[Table]]:
        tables = []
        for name, table in (("edits", edits_table(numbers)), ("fid", fid_table(numbers))):
            files = [(folder / f"{name}.{suffix}").relative_to("reports").as_posix()
                     for suffix in ("csv", "tex")]  # fmt: skip
            columns = frozenset(range(1, len(table.head)))
            note = " ".join(table.notes)
            cells = cell_texts(table)
            tables.append(
                Table(table.title, table.head, cells, columns, note, stacked=True, files=files)
            )
        return _edit_facts(numbers), [*tables, _coherence(numbers)]

    facts, tables = _complete(scale, "evaluate@fig7", made)
    log = [curves.relative_to("reports").as_posix()]
    stargan = _complete(scale, "train_stargan@faces", lambda: _stargan(numbers, training, log))
    return facts, [*tables, stargan]


def _edit_facts(numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    label, floors = numbers["label"], numbers["floors"]
    return [
        ("Figs. 7, S8, S9", f"{numbers['images']:,} test images of {numbers['size']} px, each "
         f"edited once for each of {len(numbers['factors'])} factors, seed {numbers['seed']}"),
        ("Floors of Fig. S9", f"{label} {floors['real']['fid']:,.1f} of the unedited images, "
         f"{floors['reconstruction']['fid']:,.1f} of reconstructions D(E(x))"),
        ("FaceNet", f"{100 * numbers['verification']['accuracy']:.1f} % of pairs of images of "
         "people it was not trained on told right, same or different"),
    ]  # fmt: skip


COHERENCE = {
    "gender_moves_hair": (
        "gender changed: the hair that is read has moved towards the new gender's length",
        "hair_length",
    ),
    "women_stay_beardless": ("beard of a woman: still read without a beard", "No_Beard"),
    "older_turns_grey": ("young made old: the hair is read as grey", "hair_grey"),
}
"""What Sec. B.5 observes, and what the evaluator has to read for it."""


def _coherence(numbers: Mapping[str, Any]) -> Table:
    rows = []
    for name, (words, read) in COHERENCE.items():
        cells = [_with_interval(numbers["coherence"][method], name)
                 for method in ("ours", "stargan")]  # fmt: skip
        quality = numbers["evaluator"][read]
        if quality is None:
            right = "not read"
        elif read in numbers["factors"]:
            right = f"{100 * quality:.1f} % right"
        else:
            right = f"R² {quality:.3f}"
        rows.append([words, *cells, right])
    head = ["what follows from an edit", "ours", "StarGAN", "evaluator, unedited images"]
    note = (
        "Share of edits, with its 95 % interval. Length of hair has to move by more than the "
        "evaluator's mean absolute error; grey is a share of grey of 0.3 or more. The paper "
        "observes the three in its edits and not in StarGAN's, which change an attribute alone "
        "(Sec. B.5)."
    )
    title = "Whether edits follow the causes in the data"
    return Table(title, head, rows, frozenset({1, 2, 3}), note, stacked=True)


def _with_interval(shares: Mapping[str, Any], name: str) -> str:
    share, interval = shares[name], shares[f"{name}_interval"]
    if share is None:
        return "not measured"
    low, high = (100 * end for end in interval)
    return f"{100 * share:.1f} % ({low:.1f} to {high:.1f})"


def _stargan(
    numbers: Mapping[str, Any], training: Mapping[str, Any], files: Sequence[str]
) -> Table:
    last, held_out = training["train"], training["validation"]
    rows = [
        ["updates of the critic", f"{training['step']:,}"],
        ["critic: distance of real from edited images", f"{last['distance']:.3f}"],
        ["critic: gradient penalty", f"{last['penalty']:.4f}"],
        ["critic: classification loss", f"{last['classification']:.3f}"],
        ["validation: attributes that the critic reads right", f"{100 * held_out['read']:.1f} %"],
        ["validation: edits that the critic reads as asked", f"{100 * held_out['edited']:.1f} %"],
        ["validation: mean change of a pixel by an edit", f"{held_out['change'] / 2:.3f}"],
        [
            "validation: what is left of it after the way back",
            f"{held_out['reconstruction'] / 2:.3f}",
        ],
    ]
    factors = [(name, numbers["factors"][name]) for name in in_order(numbers["factors"])]
    told = ", ".join(
        f"{concept_of(name)} {100 * factor['stargan']['success']:.1f} %" for name, factor in factors
    )
    weakest = min(factor["stargan"]["success"] for _, factor in factors)
    unedited = 1 - min(numbers["evaluator"][name] for name, _ in factors)
    moved = [factor["stargan"]["distance"]["mean"] for _, factor in factors]
    does = "visibly edits each attribute" if weakest > 0.5 else "does not edit every attribute"
    does += " in most images"
    note = (
        f"Pixels lie in [0, 1]. StarGAN {does}: the evaluator, which had no part in its training, "
        f"reads the attribute as asked in at least {100 * weakest:.1f} % of its edits ({told}), "
        f"but in at most {100 * unedited:.1f} % of unedited images, and FaceNet's embeddings move "
        f"by {min(moved):.2f} to {max(moved):.2f} on average, where those of two people are "
        f"{numbers['pairs']['different']['mean']:.2f} apart. E and D, with which ours edits, had "
        f"{numbers['training']['ours_updates']:,} updates."
    )
    title = "The baseline: StarGAN's own training, at its end"
    return Table(title, ["number", "value"], rows, frozenset({1}), note, files=files)


def _pictures(root: Path, scale: str) -> tuple[list[tuple[str, str]], list[Table]]:
    return [], []


def _facts(fig4: Mapping[str, Any]) -> list[tuple[str, str]]:
    accuracy = fig4["accuracy_last"]
    return [
        ("Fig. 4", f"{fig4['inputs']:,} test inputs × {fig4['invariances']:,} invariances, N = "
         f"{fig4['inputs'] * fig4['invariances']:,} per checkpoint"),
        ("Seed", str(fig4["seed"])),
        ("Accuracy", f"{100 * accuracy:.1f} % on test digits at step {fig4['step_last']:,}"),
        ("Reconstruction", f"mean squared error {fig4['reconstruction_mse']:.4f} of D(E(x)) on "
         "test images in [0, 1]"),
    ]  # fmt: skip


def _relevance(fig4: Mapping[str, Any]) -> Table:
    rows = []
    for concept in CONCEPTS:
        for index, name in (("total", "Eq. 20"), ("first_order", "first-order")):
            early, late = PAPER.get(concept, ("not stated", "not stated"))
            if index != "total":
                early = late = "not measured"
            ours = [f"{100 * fig4[f'{concept}_{index}_{when}']:.1f} %" for when in MOMENTS]
            rows.append([f"{NAMES[concept]}, {name}", early, late, *ours])
    steps = {when: f"{fig4[f'step_{when}']:,}" for when in MOMENTS}
    head = ["factor", "paper, step 4,000", "paper, step 36,000"]
    head += [f"ours, step {steps[when]}" for when in MOMENTS]
    accuracy = ", ".join(
        f"{100 * fig4[f'accuracy_{when}']:.1f} % at step {steps[when]}" for when in MOMENTS
    )
    note = (
        f"Eq. 20 counts everything that depends on z; the first-order index leaves out the "
        f"interaction of z and v. The paper's steps 4,000 and 36,000 correspond to ours at "
        f"{steps['early']} and {steps['late']}. Accuracy on test digits: {accuracy}."
    )
    title = "Variance of each factor that z explains: the paper's numbers beside ours"
    return Table(title, head, rows, frozenset(range(1, 7)), note, stacked=True)


def _factors(semantic: Mapping[str, Any]) -> Table:
    rows = [
        [
            NAMES[factor],
            str(semantic["sizes"][factor]),
            # Adding zero turns a rounded -0.00 into 0.00.
            *(
                f"{round(semantic['probes'][f'{concept}_from_{factor}'], 2) + 0.0:.2f}"
                for concept in CONCEPTS
            ),
        ]
        for factor in ("residual", *CONCEPTS)
    ]
    head = ["factor of e", "dimensions", *(f"{NAMES[concept]} read" for concept in CONCEPTS)]
    note = (
        "Linear probes on validation images: accuracy for the digit (chance is about 0.1), R² for "
        "the colours. A good e reads each concept from its own factor and from no other."
    )
    title = "What the factors of e hold"
    return Table(title, head, rows, frozenset(range(1, 5)), note, stacked=True)


def _checkpoints(fig4: Mapping[str, Any]) -> Table:
    rows = [
        [
            f"{record['step']:,}",
            f"{100 * record['accuracy']:.1f} %",
            *(
                _percent(record[f"{concept}_total"], record[f"{concept}_total_se"])
                for concept in CONCEPTS
            ),
            f"{record['v_mean_rms']:.3f}",
            f"{record['v_variance_mean']:.3f}",
            f"{record['v_square_mean']:.3f}",
        ]
        for record in fig4["curves"]
    ]
    head = ["step", "accuracy", *CONCEPTS, "mean of v", "variance of v", "|v|²/n"]
    note = (
        "Digit, foreground, background: Eq. 20 ± bootstrap standard error. v = t(E(x)|z) of "
        "held-out images should be standard normal in n dimensions: root mean square of its means "
        "(0), mean of its variances (1), mean of |v|²/n (1)."
    )
    title = "All checkpoints, and how well v follows its prior"
    return Table(title, head, rows, frozenset(range(8)), note, folded=True)


def _percent(share: float, error: float) -> str:
    return f"{100 * share:.1f} ± {100 * error:.1f} %"


def _costs(costs: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = [
        [
            stage,
            f"{cost['seconds']:,.0f}",
            f"{cost['peak_rss_mib']:,}",
            f"{cost['peak_gpu_mib']:,}" if "peak_gpu_mib" in cost else "none",
            str(cost["threads"]),
            str(cost["device"]),
        ]
        for stage, cost in costs.items()
    ]
    total = sum(cost["seconds"] for cost in costs.values())
    peak = max(cost["peak_rss_mib"] for cost in costs.values())
    rows.append(["sum, largest", f"{total:,.0f}", f"{peak:,}", "", "", ""])
    head = ["stage", "seconds", "memory, MiB", "GPU memory, MiB", "threads", "device"]
    note = (
        "The last run of each stage; a resumed one counts its last part. Without the start of "
        "processes and DVC's own time. On a CPU, make reproduce runs two stages at a time, and "
        "takes little more than half of the sum."
    )
    return Table("Cost", head, rows, frozenset({1, 2, 3, 4}), note)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


PARTS: dict[str, Callable[[Path, str], tuple[list[tuple[str, str]], list[Table]]]] = {
    "table1": _table1,
    "animals": _pictures,
    "stylized": _pictures,
    "faces": _pictures,
    "digits": _pictures,
    "animalfaces": _pictures,
    "fig3": _fig3,
    "figs10": _figs10,
    "fig4": _fig4,
    "fig5": _fig5,
    "fig6": _fig6,
    "fig7": _fig7,
}
"""The facts and tables of each evaluation, in the order of the report."""

OPTIONAL = ("animals", "stylized", "faces", "digits", "animalfaces")
"""Shown where they were drawn: no claim rests on them."""


# --- how to say it -------------------------------------------------------------------------------

TITLE = "Making Sense of CNNs: report"
LEAD = (
    "Figures, numbers and claims of Rombach, Esser and Ommer, Making Sense of CNNs: Interpreting "
    "Deep Representations & Their Invariances with INNs (ECCV 2020), regenerated by this pipeline."
)


def _markdown(sections: Sequence[Section], inspected: str) -> str:
    lines = [f"# {TITLE}", "", _marked(LEAD), "", "The same as a page: [index.html](index.html)."]
    lines += ["", *(f"- scale {section.scale}: {section.verdict}" for section in sections)]
    if inspected:
        lines.append(f"- [report on one layer]({INSPECTION}): {_marked(inspected)}")
    lines.append("")
    for section in sections:
        lines += [f"## Scale {section.scale}", "", _marked(section.note), ""]
        lines += [*(f"- {_marked(name)}: {_marked(fact)}" for name, fact in section.facts), ""]
        lines += _markdown_table(section.claims)
        for part in section.parts:
            for image in part.images:
                lines += [f"![{_marked(image.description)}]({image.stem}.png)", ""]
                lines += [f"**{_marked(image.title)}.** {_marked(image.caption)}", ""]
            for table in part.tables:
                lines += _markdown_table(table)
    return "\n".join(lines).rstrip() + "\n"


def _marked(text: str) -> str:
    """Text in which nothing is taken for Markdown or HTML."""
    for sign in "\\`*_[]|":
        text = text.replace(sign, f"\\{sign}")
    return html.escape(text, quote=False)


def _markdown_table(table: Table) -> list[str]:
    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(_marked(cell.replace("\n", ", ")) for cell in cells) + " |"

    rule = " | ".join("---:" if i in table.numbers else "---" for i in range(len(table.head)))
    rows = [row(table.head), f"| {rule} |", *map(row, table.rows)]
    note = " ".join([_marked(table.note), *(f"[{name}]({path})" for name, path in _links(table))])
    return [f"### {_marked(table.title)}", "", *rows, "", note, ""]


def _links(table: Table) -> list[tuple[str, str]]:
    """The name of each file's format, and its path."""
    return [(path.rsplit(".", 1)[1], path) for path in table.files]


def _page(sections: Sequence[Section], inspected: str) -> str:
    text = html.escape
    body = [f"<header><h1>{text(TITLE)}</h1>", f"<p>{text(LEAD)}</p>", "<nav><ul>"]
    for section in sections:
        scale = text(section.scale)
        body.append(f'<li><a href="#{scale}">Scale {scale}</a>: {text(section.verdict)}</li>')
    if inspected:
        link = f'<a href="{INSPECTION}">Report on one layer</a>'
        body.append(f"<li>{link}: {text(inspected)}</li>")
    body.append("</ul></nav></header>")
    for section in sections:
        scale = text(section.scale)
        body.append(f'<section aria-labelledby="{scale}"><h2 id="{scale}">Scale {scale}</h2>')
        body.append(f"<p>{text(section.note)}</p><dl>")
        body += [f"<dt>{text(name)}</dt><dd>{text(fact)}</dd>" for name, fact in section.facts]
        body += ["</dl>", _html_table(section.claims)]
        for part in section.parts:
            body += [*map(_html_image, part.images), *map(_html_table, part.tables)]
        body.append("</section>")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(TITLE)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _html_image(image: Image) -> str:
    stem = html.escape(image.stem)
    return (
        f'<figure><a href="{stem}.png"><img src="{stem}.png" '
        f'alt="{html.escape(image.description)}"></a>'
        f"<figcaption><strong>{html.escape(image.title)}.</strong> {html.escape(image.caption)} "
        f'<a href="{stem}.pdf">PDF</a></figcaption></figure>'
    )


def _html_table(table: Table) -> str:
    marks = {VERDICTS[True]: ("holds", "✓"), VERDICTS[False]: ("fails", "✗")}

    def cell(i: int, text: str) -> str:
        inner = html.escape(text).replace("\n", "<br>")
        if text in marks:
            kind, mark = marks[text]
            inner = f'<span class="verdict {kind}">{mark} {inner}</span>'
        number = ' class="number"' if i in table.numbers else ""
        if i == 0:
            return f'<th scope="row"{number}>{inner}</th>'
        return f'<td{number} data-head="{html.escape(table.head[i])}">{inner}</td>'

    heads = (
        f'<th scope="col"{" class=number" if i in table.numbers else ""}>{html.escape(text)}</th>'
        for i, text in enumerate(table.head)
    )
    rows = ("<tr>" + "".join(cell(i, t) for i, t in enumerate(row)) + "</tr>" for row in table.rows)
    title = f"<h3>{html.escape(table.title)}</h3>"
    links = "".join(
        f' <a href="{html.escape(path)}">{html.escape(name)}</a>' for name, path in _links(table)
    )
    body = (
        f'<div class="scroll" tabindex="0"><table{" class=stack" if table.stacked else ""}>'
        f"<thead><tr>{''.join(heads)}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        f'<p class="note">{html.escape(table.note)}{links}</p>'
    )
    if table.folded:
        return f"<details><summary>{title}</summary>{body}</details>"
    return title + body
