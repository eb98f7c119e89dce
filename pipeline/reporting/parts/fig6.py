"""Facts and tables of Fig. 6: what two classifiers recognise, textures or shapes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.evaluation.fig6 import inputs_in_words
from pipeline.reporting.content import Fact, Part, Table
from pipeline.reporting.results import evaluated
from pipeline.reporting.wording import NOT_MEASURED, percent, percent_and_interval

__all__ = ["fig6_part"]

INPUTS = (
    ("natural", "shape", "natural inputs: their class"),
    ("stylized", "shape", "another texture: the shape's class"),
    ("stylized", "texture", "another texture: the texture's class"),
    ("texture", "texture", "patches of texture: the texture's class"),
    ("sketch", "shape", "sketches: the shape's class"),
)
"""The rows of the table: kind of input, and what of it is to be recognised."""

NETWORKS = {"vanilla": "natural", "stylized": "stylized"}
"""The two classifiers, by the images that they were trained on."""

READERS = {"evaluator": "samples", "embedding": "nearest h", "network": "prediction"}
"""What recognises a class, and the columns' words for it."""


def fig6_part(root: Path, scale: str) -> Part:
    """Textures and shapes. Raises PipelineError if a file or a number is missing."""
    with evaluated(root, scale, "fig6") as numbers:
        return Part(_facts(numbers), tables=[_textures(numbers)])


def _facts(numbers: Mapping[str, Any]) -> list[Fact]:
    right = numbers["generated_right"]
    words = (
        f"{numbers['samples']} samples of each of {inputs_in_words(numbers['inputs'])}, "
        f"{numbers['size']} px, seed {numbers['seed']}"
    )
    facts = [("Figs. 6, S12", words)]
    if right is not None:
        read = f"the evaluator reads the class of {percent(right)} of {numbers['generated']:,}"
        facts.append(("Generator of Fig. 6", f"{read} held-out generated images as intended"))
    return facts


def _textures(numbers: Mapping[str, Any]) -> Table:
    columns = [(network, reader) for network in NETWORKS for reader in READERS]
    rows = []
    for kind, cue, words in INPUTS:
        found = (numbers["networks"][network][kind][cue][reader] for network, reader in columns)
        rows.append([words, *map(_share, found)])
    bias = [percent(numbers["shape_share"][network][reader]) for network, reader in columns]
    rows.append(["another texture: decisions for the shape, of those for either", *bias])
    head = ["input, and what is recognised"]
    head += [f"{NETWORKS[network]}, {READERS[reader]}" for network, reader in columns]
    note = (
        "Of the networks trained on natural and on stylized images. Samples: share in which the "
        "evaluator reads this class, with 95 % interval over inputs; nearest h: share whose part "
        "of z̄ for the class is nearest to this class's embedding, which no network reads; "
        "prediction: share of inputs for which the network itself predicts it. The paper shows "
        "samples only: both networks recognise natural inputs, the first textures, the second "
        "shapes and sketches."
    )
    if numbers["evaluator_right"] is not None:
        right = percent(numbers["evaluator_right"])
        note += f" The evaluator reads {right} of the natural inputs rightly, blurred as D does."
    title = "Texture and shape: what two classifiers recognise"
    return Table(title, head, rows, note, stacked=True)


def _share(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return NOT_MEASURED
    return percent_and_interval(found["share"], found["interval"])
