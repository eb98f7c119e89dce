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
    expected = {"l1": 0.2, "psnr": -20 * np.log10(0.2)}
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    same = {"l1": 0, "psnr": 100, "perceptual": 0}
    assert reconstruction_quality(images, images) == pytest.approx(same, abs=1e-9)


def test_the_more_blur_the_larger_the_distance_of_every_image(images: np.ndarray) -> None:
    sharp, soft = (perceptual_distance(images, blurred(images, side)) for side in (32, 12))
    assert (sharp > 0).all() and (sharp < soft).all()
    many = np.concatenate([images] * 4)
    found = perceptual_distance(many, blurred(many, 32))  # whatever its batch
    np.testing.assert_allclose(found, np.tile(sharp, 4), rtol=1e-4)


@pytest.mark.parametrize("shape", [(4, 64, 64, 3), (5, 32, 32, 3), (0, 64, 64, 3)])
def test_other_images_are_refused(images: np.ndarray, shape: tuple[int, ...]) -> None:
    with pytest.raises(PipelineError, match="reconstruction per image"):
        reconstruction_quality(images, np.zeros(shape, np.uint8))
