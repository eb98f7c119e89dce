"""Settings of experiments that measure distances from reference images, and what they must fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline.config.fields import Folder, Section, Several
from pipeline.config.sentences import check_bounds, dotted
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.config.config import Config

__all__ = ["DistanceSettings", "check_distances"]


class DistanceSettings(Section):
    """Fréchet and kernel distances of test images from reference images (Tab. 1, Fig. S9)."""

    inputs: Several = 2048  # test images, and as many reference images
    # whose features the distances are measured in
    extractor: Literal["efficientnet-lite0", "inception"] = "efficientnet-lite0"
    extractor_weights: Folder | None = None  # of Inception; null for efficientnet-lite0

    def check(self, file: str, where: tuple[str, ...]) -> None:
        """Raise PipelineError if Inception has no weights."""
        if self.extractor == "inception" and self.extractor_weights is None:
            raise PipelineError(
                f"{file}: {dotted(*where, 'extractor_weights')} is missing; the extractor "
                "inception needs the folder with its weights."
            )


def check_distances(config: Config, experiment: str, shown: str) -> None:
    """Raise PipelineError if an experiment needs more images than there are.

    `shown` is the setting that says how many of the inputs its figures show.
    """
    settings: DistanceSettings = config.settings("experiments", experiment)
    dataset, where = config.run.experiments[experiment].dataset, ("experiments", experiment)
    counts = [config.images(dataset, split) for split in ("test", "reference")]
    known = [count for count in counts if count is not None]
    bounds = {shown: (settings.inputs, dotted(*where, "inputs"))}
    if known:
        words = f"the number of images of prepare.{dataset} for test and for reference each"
        bounds = {"inputs": (min(known), words), **bounds}
    check_bounds(config.file, where, settings, bounds)
