"""Distances of reconstructions: closed forms, and a perceptual one that sees blur."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from pipeline.errors import PipelineError
from pipeline.evaluation.reconstruction import perceptual_distance, reconstruction_quality
from pipeline.rendering.animals import render_animals, sample_animals


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return render_animals(sample_animals(5, 0), 64)


def blurred(images: np.ndarray, side: int) -> np.ndarray:
    """The images as a grid of side x side pixels would show them."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    small = functional.interpolate(pixels, size=side, mode="bilinear", antialias=True)
    large = functional.interpolate(small, size=images.shape[1], mode="bilinear")
    return large.round().byte().permute(0, 2, 3, 1).numpy()


def test_errors_of_known_size(images: np.ndarray) -> None:
    dark = (images // 2).astype(np.uint8)
    found = reconstruction_quality(dark, dark + np.uint8(51))
    assert found["l1"] == pytest.approx(0.2)
    assert found["psnr"] == pytest.approx(-20 * np.log10(0.2))


def test_equal_images_are_at_no_distance(images: np.ndarray) -> None:
    found = reconstruction_quality(images, images)
    assert found["l1"] == 0 and found["psnr"] == pytest.approx(100)
    assert found["perceptual"] == pytest.approx(0, abs=1e-9)


def test_the_more_blur_the_larger_the_distance(images: np.ndarray) -> None:
    sharp, soft = (perceptual_distance(images, blurred(images, side)) for side in (32, 12))
    assert (sharp > 0).all() and (sharp < soft).all()


def test_images_do_not_depend_on_their_batch(images: np.ndarray) -> None:
    many = np.concatenate([images] * 4)
    others = blurred(many, 16)
    one = perceptual_distance(many[3:4], others[3:4])
    np.testing.assert_allclose(perceptual_distance(many, others)[[3, 8, 18]], one[0], rtol=1e-4)


@pytest.mark.parametrize("shape", [(4, 64, 64, 3), (5, 32, 32, 3), (0, 64, 64, 3)])
def test_other_images_are_refused(images: np.ndarray, shape: tuple[int, ...]) -> None:
    with pytest.raises(PipelineError, match="give one for each image"):
        reconstruction_quality(images, np.zeros(shape, np.uint8))
