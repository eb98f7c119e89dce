"""Semantic edits: replace or move one factor of e(E(x)) and decode.

e splits the code z_bar of an image into factors (e_i). Replacing one e_i by another image's and
decoding D(e^-1(...)) edits the image. The baseline, StarGAN, negates an attribute.

Source: INV paper, Eq. 7, Secs. 4.4 and B.5.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.datasets.attributes import check_both
from pipeline.datasets.images import to_images, to_pixels
from pipeline.errors import PipelineError
from pipeline.evaluation.encoding import factors_of
from pipeline.evaluation.sampling import decode_images
from pipeline.models.autoencoder import Autoencoder
from pipeline.models.evaluator import Evaluator
from pipeline.models.inn import SemanticINN
from pipeline.models.stargan import StarGANGenerator, edit_attribute
from pipeline.runtime.parallel import run_in_threads

__all__ = [
    "check_reads",
    "editable",
    "draw_donors",
    "factor_direction",
    "factors_of_codes",
    "images_of_factors",
    "move_factor",
    "negate_with_stargan",
    "replace_factor",
]

BATCH = 2000  # codes per batch
IMAGES = 32  # images per batch


def factors_of_codes(e: SemanticINN, z_bar: Tensor) -> Tensor:
    """(e_i) = e(z_bar) of codes (R, N), without noise: (R, N) on the CPU."""
    return factors_of(e, (z_bar, torch.zeros_like(z_bar)))


def replace_factor(e: SemanticINN, factors: Tensor, donors: Tensor, name: str) -> Tensor:
    """A copy of `factors` (R, N) with the factor `name` of `donors` (R or 1, N).

    Raises PipelineError if e has no such factor.
    """
    edited, columns = factors.clone(), e.indices(name)
    edited[:, columns] = donors[:, columns]
    return edited


def factor_direction(
    e: SemanticINN, factors: Tensor, values: NDArray[np.bool_], name: str
) -> Tensor:
    """Mean of a factor over images with an attribute, minus that over images without it.

    Args:
        e: the semantic INN.
        factors: (R, N), of all images.
        values: (R,), whether an image has the attribute `name`.
        name: of the attribute, and of its factor.

    Returns:
        (N,), zero outside that factor.

    Raises:
        PipelineError: e has no such factor, or all values are the same.
    """
    check_both(values, name)
    columns, has = e.indices(name), torch.tensor(values)
    direction = torch.zeros(factors.shape[1])
    direction[columns] = (factors[has].mean(0) - factors[~has].mean(0))[columns]
    return direction


def move_factor(factors: Tensor, direction: Tensor, amounts: Tensor) -> Tensor:
    """One image's factors (N,) moved along `direction` (N,) by each of `amounts` (S,): (S, N)."""
    return factors + amounts[:, None] * direction


@torch.no_grad()
def images_of_factors(e: SemanticINN, autoencoder: Autoencoder, factors: Tensor) -> NDArray:
    """D(e^-1(factors)) for factors (R, N): images (R, H, W, 3) uint8."""
    device = next(e.parameters()).device
    z_bar = torch.cat([e.inverse(part.to(device)) for part in factors.split(BATCH)])
    return decode_images(autoencoder, z_bar)


def draw_donors(
    values: NDArray[np.bool_], name: str, generator: np.random.Generator
) -> NDArray[np.intp]:
    """A random other image for each one, with the other value of an attribute: rows (R,).

    `values` (R,) are those of the attribute `name`. Raises PipelineError if all are the same.
    """
    check_both(values, name)
    donors = np.empty(len(values), np.intp)
    for value in (False, True):
        rows = values == value
        donors[rows] = generator.choice(np.flatnonzero(~rows), rows.sum())
    return donors


def editable(name: str, values: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether an edit of the attribute `name` follows the causes in the data, (R,).

    `values` holds the attributes of R images. Only men are given a beard.
    """
    if name == "No_Beard" and "Male" in values:
        return values["Male"].to_numpy(bool)
    return np.ones(len(values), bool)


def check_reads(evaluator: Evaluator, names: Iterable[str], dataset: str) -> None:
    """Raise PipelineError unless the evaluator of a data set reads the named attributes."""
    for name in names:
        if name not in evaluator.classes:
            raise PipelineError(
                f"the evaluator of {dataset} does not read the attribute '{name}': name it in "
                f"train_evaluator.{dataset}.classes."
            )


def negate_with_stargan(
    generator: StarGANGenerator, pixels: NDArray[np.uint8], values: pd.DataFrame, name: str
) -> NDArray[np.uint8]:
    """Images (R, H, W, 3) uint8 in which StarGAN has negated the attribute `name`.

    `values` holds the images' own attributes. Raises PipelineError if StarGAN was not trained on
    an attribute, or `values` lacks one of its attributes.
    """
    missing = [other for other in generator.attributes if other not in values]
    if name not in generator.attributes or missing:
        raise PipelineError(
            f"StarGAN edits {', '.join(generator.attributes)}, not '{name}' of images with the "
            f"attributes {', '.join(values)}: name the same attributes in train_stargan and "
            "train_semantic."
        )
    device = next(generator.parameters()).device
    index = generator.attributes.index(name)
    own = torch.tensor(values[list(generator.attributes)].to_numpy(np.float32))
    edited = np.empty_like(pixels)

    def negate(rows: slice) -> None:
        images = to_images(torch.tensor(pixels[rows], device=device))
        made = edit_attribute(generator, images, own[rows].to(device), index)
        edited[rows] = to_pixels(made).cpu().numpy()

    firsts = range(0, len(pixels), IMAGES)
    run_in_threads(negate, [slice(first, first + IMAGES) for first in firsts])
    return edited
