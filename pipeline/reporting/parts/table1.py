"""Facts and tables of Table 1 and Fig. 2: images recovered from AlexNet's layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.reporting.content import Fact, Part, Table
from pipeline.reporting.parts.files import table_of_files
from pipeline.reporting.results import evaluated
from pipeline.reporting.tables import table1
from pipeline.reporting.wording import percent

__all__ = ["table1_part"]


def table1_part(root: Path, scale: str) -> Part:
    """Distances and faithfulness. Raises PipelineError if a file or a number is missing."""
    with evaluated(root, scale, "table1") as numbers:
        facts = _facts(numbers)
        distances = table_of_files(root, scale, "table1", "table1", table1(numbers))
        return Part(facts, tables=[distances, _cosines(numbers)])


def _facts(numbers: Mapping[str, Any]) -> list[Fact]:
    label = numbers["label"]
    return [
        ("Table 1", f"{numbers['images']:,} test images of {numbers['size']} px and as many "
         f"reference images, {numbers['draws']} sample draws, seed {numbers['seed']}"),
        ("Floors of Table 1", f"{label} {numbers['fid_floor_real']:,.1f} of other real images, "
         f"{numbers['fid_floor_reconstruction']:,.1f} of reconstructions D(E(x))"),
    ]  # fmt: skip


def _cosines(numbers: Mapping[str, Any]) -> Table:
    rows = [
        [
            record["layer"],
            *(f"{record[name]:.3f}" for name in ("other", "samples", "reconstruction")),
            f"{record['faithfulness']:.3f} ± {record['faithfulness_se']:.3f}",
            *(percent(record[f"species_{name}"]) for name in ("ours", "dosovitskiy")),
        ]
        for record in numbers["layers"]
    ]
    head = ["layer", "other images", "samples", "reconstructions", "faithfulness",
            "species kept, samples", "species kept, D&B"]  # fmt: skip
    note = (
        "Cosine similarity of Φ(image) with the z of the input. Faithfulness places the samples "
        "between the other images (0) and the reconstructions (1), ± standard error over inputs. "
        "Species kept: share of images in which an evaluator network, which is not AlexNet, reads "
        f"the input's species; it reads {percent(numbers['species_real'])} of the real test "
        f"images right and {percent(numbers['species_reconstruction'])} of the reconstructions. "
        f"AlexNet's own test accuracy is {percent(numbers['accuracy'])}."
    )
    return Table("How faithful the samples are to z", head, rows, note, stacked=True)
