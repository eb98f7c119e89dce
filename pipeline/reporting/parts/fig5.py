"""Facts and tables of Fig. 5: what an attack changes in the layers of ResNet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.evaluation.fig5 import attack_in_words
from pipeline.reporting.content import Fact, Part, Table
from pipeline.reporting.results import evaluated
from pipeline.reporting.wording import percent, percent_and_error, two_digits

__all__ = ["fig5_part"]


def fig5_part(root: Path, scale: str) -> Part:
    """The attack, layer by layer. Raises PipelineError if a file or a number is missing."""
    with evaluated(root, scale, "fig5") as numbers:
        return Part(_facts(numbers), tables=[_attacks(numbers)])


def _facts(numbers: Mapping[str, Any]) -> list[Fact]:
    share = {kind: percent(value) for kind, value in numbers["accuracy"].items()}
    return [
        ("Fig. 5", f"{attack_in_words(numbers)} with ε = {numbers['epsilon']:g} on "
         f"{numbers['images']:,} test images of {numbers['size']} px, seed {numbers['seed']}"),
        ("ResNet's accuracy", f"{share['clean']}, {share['random']} with random signs, "
         f"{share['attacked']} attacked; the attack changes {percent(numbers['success'])} of the "
         f"predictions, random signs {percent(numbers['random_success'])}"),
    ]  # fmt: skip


def _attacks(numbers: Mapping[str, Any]) -> Table:
    layers = {name: numbers["layers"][name] for name in numbers["order"]}
    head = ["layer", "Eq. 19", "paper"]
    head += ["target, attacked", "target, random", "target, unchanged", "kept, attacked"]
    rows = [
        [
            name,
            percent_and_error(layer["explained_by_v"], layer["explained_by_v_se"]),
            percent_and_error(*layer["paper"]),
            *(two_digits(layer["target"][kind]) for kind in ("attacked", "random", "clean")),
            two_digits(layer["kept"]["attacked"]),
        ]
        for name, layer in layers.items()
    ]
    sure = ", ".join(
        f"{two_digits(layer['target_sure']) or 'none'} ({name})" for name, layer in layers.items()
    )
    note = (
        f"Eq. 19 over {numbers['variance_inputs']} inputs and {numbers['variance_samples']} "
        "samples, ± bootstrap standard error; the paper's is of ResNet-101 on photographs. Target "
        f"and kept: shares of the {numbers['targets']:,} images whose predicted class the attack "
        "changes, in which the evaluator reads the new and the former class from D(t⁻¹(v|z*)). "
        f"Where the network gives the new class a probability above 0.9 ({numbers['sure']:,} "
        f"images), the new class is read in {sure}. The evaluator reads "
        f"{percent(numbers['evaluator']['accuracy'])} of blurred held-out images rightly, and "
        f"{percent(numbers['reconstruction_kept'])} of reconstructions D(E(x))."
    )
    return Table("An attack on ResNet, layer by layer (Fig. 5)", head, rows, note, stacked=True)
