"""Random crops of training images: which part is seen, and that it is seen undistorted."""

import pytest
import torch
from torch import Tensor

from pipeline.datasets.crops import LARGEST_ASPECT, random_crops
from pipeline.training.network import augment

HEIGHT, WIDTH = 16, 24


@pytest.fixture
def places() -> Tensor:
    """Images (500, 2, HEIGHT, WIDTH) whose channels are each pixel's column and row."""
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    return torch.stack([columns, rows]).double().expand(500, -1, -1, -1)


def crops(images: Tensor, smallest: float, seed: int = 0) -> Tensor:
    return random_crops(images, smallest, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("smallest", [0.08, 0.25, 0.9])
def test_crops_have_the_area_and_the_aspect_asked_for(places: Tensor, smallest: float) -> None:
    seen = crops(places, smallest)
    assert torch.equal(seen, crops(places, smallest))
    assert not torch.equal(seen, crops(places, smallest, seed=1))
    # Steps in the middle: width and height as shares of the image's.
    width, height = seen[:, 0, 0, 11:13].diff()[:, 0], seen[:, 1, 7:9, 0].diff()[:, 0]
    assert width.max() <= 1 + 1e-6 and height.max() <= 1 + 1e-6
    area, aspect = width * height, width / height
    # Crops longer than the image are cut to it, by a factor of at most their aspect.
    whole = (width > 1 - 1e-6) | (height > 1 - 1e-6)
    assert smallest / LARGEST_ASPECT - 1e-6 <= area.min()
    assert smallest - 1e-6 <= area[~whole].min() <= smallest + 0.02
    assert 1.2 < aspect.max() <= LARGEST_ASPECT + 1e-6
    assert 1 / LARGEST_ASPECT - 1e-6 <= aspect.min() < 1 / 1.2
    if smallest < 0.5:
        assert abs(area.median() - (1 + smallest) / 2) < 0.1


def test_crops_lie_anywhere_inside_the_image(places: Tensor) -> None:
    seen = crops(places, 0.25).flatten(2)
    most = torch.tensor([WIDTH - 1, HEIGHT - 1])
    first, last = seen.amin(2) / most, seen.amax(2) / most
    assert seen.min() >= 0 and last.max() <= 1
    assert (first.amin(0) < 0.03).all() and (first.amax(0) > 0.25).all()
    assert (last.amax(0) > 0.97).all() and (last.amin(0) < 0.75).all()


def test_a_crop_is_the_image_there_resized(places: Tensor) -> None:
    """Against the four pixels around each place, weighted by hand."""
    image = torch.rand(1, 3, HEIGHT, WIDTH, dtype=torch.float64)
    seen, where = crops(image, 0.25, seed=3), crops(places[:1], 0.25, seed=3)
    for y, x in ((5, 7), (8, 12), (10, 20)):
        column, row = where[0, :, y, x].tolist()
        left, top = int(column), int(row)
        across = torch.tensor([left + 1 - column, column - left], dtype=torch.float64)
        down = torch.tensor([top + 1 - row, row - top], dtype=torch.float64)
        corners = image[0, :, top : top + 2, left : left + 2]
        torch.testing.assert_close(seen[0, :, y, x], (down @ corners) @ across)
    flat = torch.ones(20, 3, 8, 8)  # up to its border
    torch.testing.assert_close(crops(flat, 0.3), flat)


def test_training_images_are_cropped_and_blurred_in_single_precision() -> None:
    images = torch.rand(8, 3, 16, 16)

    def make(crop_scale: float, blur: float) -> Tensor:
        return augment(images, crop_scale, blur, torch.Generator().manual_seed(0))

    assert torch.equal(make(1, 0), images)
    assert torch.equal(make(0.25, 0), crops(images, 0.25))
    assert make(1, 0.1).std() < images.std()
    expected = make(0.25, 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(make(0.25, 0.1), expected)
