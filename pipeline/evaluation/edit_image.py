"""Edit one factor of one image: take a donor's, or move it along a line (INV paper, Sec. 4.4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline import paths
from pipeline.datasets.attributes import attribute_values
from pipeline.datasets.features import load_posterior
from pipeline.datasets.images import to_images
from pipeline.datasets.parts import LEARNING
from pipeline.datasets.photographs import upright
from pipeline.errors import PipelineError
from pipeline.evaluation.edits import (
    factor_direction,
    factors_of_codes,
    images_of_factors,
    move_factor,
    replace_factor,
)
from pipeline.models.autoencoder import Autoencoder
from pipeline.models.image_autoencoder import load_autoencoder
from pipeline.models.inn import SemanticINN, load_semantic
from pipeline.storage import read_parquet

__all__ = ["Editor", "EditRequest", "edit_strip", "read_image"]

FORMATS = (".png", ".pdf")

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class EditRequest:
    """What to change in which image; either `donor` or `along` is given.

    Attributes:
        image: file of the image.
        factor: factor of e to change.
        donor: file of the image whose factor it takes.
        along: first and last place on the line. The image itself is at 0; 1 adds the difference
            between the means of training images with and without the attribute `factor`.
        steps: number of places on the line.
        out: file to write, .png or .pdf.
    """

    image: Path
    factor: str
    donor: Path | None
    along: tuple[float, float] | None
    steps: int
    out: Path

    def check(self) -> None:
        """Raise PipelineError if no model could do this."""
        if self.donor is None and self.along is None:
            raise PipelineError(
                "nothing says how to change the factor: give --donor IMAGE, to take its factor, or "
                "--along FROM TO."
            )
        if self.donor is not None and self.along is not None:
            raise PipelineError("--donor and --along are two ways to change a factor: give one.")
        if self.along is not None and not all(map(math.isfinite, self.along)):
            raise PipelineError("--along needs two finite numbers, such as --along -1 1.")
        if self.steps < 2:
            raise PipelineError(f"--steps is {self.steps}; it must be at least 2, FROM and TO.")
        if self.out.suffix.lower() not in FORMATS:
            raise PipelineError(f"--out {self.out} must end in {' or '.join(FORMATS)}.")
        if self.out.resolve() in {file.resolve() for file in (self.image, self.donor) if file}:
            raise PipelineError(f"--out {self.out} is an image that is read: name another file.")
        if not self.out.parent.is_dir():
            raise PipelineError(
                f"the folder {self.out.parent} of --out does not exist: make it, or name another."
            )


@dataclass(frozen=True)
class Editor:
    """E, D and e of a data set."""

    dataset: str
    autoencoder: Autoencoder
    e: SemanticINN
    size: int

    @classmethod
    def load(cls, dataset: str, device: torch.device) -> Editor:
        """Read the trained models. Raises PipelineError if there are none."""
        folders = (paths.autoencoder(dataset), paths.semantic(dataset))
        for folder in folders:
            if not (folder / "model.safetensors").exists():
                raise PipelineError(
                    f"there is no trained model in {folder} yet: run `dvc repro "
                    f"train_semantic@{dataset}`."
                )
        autoencoder, e = load_autoencoder(folders[0]).to(device), load_semantic(folders[1])
        blank = torch.zeros(1, sum(e.factors.values()), device=device)
        with torch.no_grad():
            size = autoencoder.decode(blank).shape[-1]
        return cls(dataset, autoencoder, e.to(device), size)

    @torch.no_grad()
    def factors(self, pixels: Pixels) -> torch.Tensor:
        """e(E(x)) of an image (size, size, 3) uint8: (1, N)."""
        device = next(self.e.parameters()).device
        image = to_images(torch.from_numpy(pixels)[None].to(device))
        mean, _ = self.autoencoder.encode(image)
        return factors_of_codes(self.e, mean)

    def images(self, factors: torch.Tensor) -> list[Pixels]:
        """D(e^-1(factors)) of factors (R, N): R images (size, size, 3) uint8."""
        return list(images_of_factors(self.e, self.autoencoder, factors))

    def direction(self, factor: str) -> torch.Tensor:
        """What a step of 1 along the line adds to an image's factors: (N,)."""
        truth = read_parquet(paths.prepared(self.dataset) / LEARNING / "ground_truth.parquet")
        truth = truth[truth["split"] == "train"]
        values = attribute_values(truth, (factor,), f"the training images of {self.dataset}")
        mean, _ = load_posterior(paths.posteriors(self.dataset), "train")
        factors = factors_of_codes(self.e, mean)
        return factor_direction(self.e, factors, values[factor].to_numpy(), factor)


def read_image(file: Path, size: int) -> Pixels:
    """The central square of an image, upright and resized: (size, size, 3) uint8.

    Raises PipelineError for a file that is missing or no image.
    """
    try:
        with Image.open(file) as image:
            fitted = ImageOps.fit(upright(image), (size, size), Image.Resampling.BICUBIC)
            return np.array(fitted)
    except FileNotFoundError as error:
        raise PipelineError(f"there is no image {file}: correct its name.") from error
    except Exception as error:  # each format has its own for damaged files
        raise PipelineError(
            f"{file} cannot be read as an image: name a .png, .jpg or another common format."
        ) from error


def edit_strip(editor: Editor, request: EditRequest) -> Sequence[tuple[str, Pixels]]:
    """Labelled images: the input, D(E(x)), the donor if there is one, and the edits.

    Raises PipelineError for an image that cannot be read, a factor that e does not have or, along
    a line, one that is not a boolean attribute.
    """
    name = request.factor
    editor.e.indices(name)  # raises before anything is computed
    image = read_image(request.image, editor.size)
    own = editor.factors(image)
    strip = [("input", image), ("reconstruction", editor.images(own)[0])]
    if request.donor is not None:
        donor = read_image(request.donor, editor.size)
        edited = replace_factor(editor.e, own, editor.factors(donor), name)
        return [*strip, ("donor", donor), ("edit", editor.images(edited)[0])]
    assert request.along is not None
    places = torch.linspace(*request.along, request.steps)
    moved = move_factor(own[0], editor.direction(name), places)
    labels = ["0" if abs(place) < 0.005 else f"{place:+.2f}" for place in places.tolist()]
    return [*strip, *zip(labels, editor.images(moved), strict=True)]
