"""The report's part that shows contact sheets of the data sets."""

from __future__ import annotations

from pathlib import Path

from pipeline import paths
from pipeline.reporting.content import Image, Part
from pipeline.reporting.results import linked_image

__all__ = ["sheets_part"]

SHEETS = {
    "classes": Image(
        "classes",
        "Images of {dataset}",
        "A row per class. Check that the classes are distinct.",
        "Rows of images, one row per class.",
    ),
    "factors": Image(
        "factors",
        "Factors of {dataset}",
        "One factor varies along each row. Check that nothing else changes.",
        "Rows of one rendered image in which one factor changes along the row.",
    ),
}
"""The sheets that a data set may have, in the order of the report."""


def sheets_part(root: Path, scale: str) -> Part:
    """The sheets of all data sets that were drawn. Raises PipelineError if a file is missing."""
    images = []
    for found in sorted(root.glob(str(paths.sheets(scale, "*")))):
        dataset = found.name
        folder, stage = paths.sheets(scale, dataset), f"draw_data@{dataset}"
        for stem, sheet in SHEETS.items():
            if (found / f"{stem}.png").exists():  # only rendered images have known factors
                title = sheet.title.format(dataset=dataset)
                image = Image(stem, title, sheet.caption, sheet.description)
                images.append(linked_image(root, scale, folder, image, stage))
    return Part(title="Data" if images else "", images=images)
