"""Random parts of training images: which part is seen, and that it is seen undistorted."""

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


def extents(seen: Tensor) -> tuple[Tensor, Tensor]:
    """Width and height (B,) of each part, as shares of the image's."""
    # Steps between pixels in the middle, away from the border, where places outside are cut.
    across = seen[:, 0, 0, WIDTH // 2] - seen[:, 0, 0, WIDTH // 2 - 1]
    down = seen[:, 1, HEIGHT // 2, 0] - seen[:, 1, HEIGHT // 2 - 1, 0]
    return across, down


@pytest.mark.parametrize("smallest", [0.08, 0.25, 0.9])
def test_parts_have_the_area_and_the_aspect_asked_for(places: Tensor, smallest: float) -> None:
    width, height = extents(crops(places, smallest))
    assert width.max() <= 1 + 1e-6 and height.max() <= 1 + 1e-6
    area, aspect = width * height, width / height
    # Parts that would be longer than the image are cut to it, by a factor of at most its aspect.
    whole = (width > 1 - 1e-6) | (height > 1 - 1e-6)
    assert smallest / LARGEST_ASPECT - 1e-6 <= area.min() and area.max() <= 1 + 1e-6
    assert smallest - 1e-6 <= area[~whole].min() <= smallest + 0.02
    assert aspect.max() <= LARGEST_ASPECT + 1e-6 and aspect.min() >= 1 / LARGEST_ASPECT - 1e-6
    assert aspect.max() > 1.2 and aspect.min() < 1 / 1.2
    if smallest < 0.5:
        assert abs(area.median() - (1 + smallest) / 2) < 0.1


def test_parts_lie_anywhere_inside_the_image(places: Tensor) -> None:
    seen = crops(places, 0.25)
    assert seen.min() >= 0
    for channel, most in ((0, WIDTH - 1), (1, HEIGHT - 1)):
        part = seen[:, channel].flatten(1)
        assert part.max() <= most
        assert part.amin(1).min() < 0.5 and part.amin(1).max() > 0.25 * most
        assert part.amax(1).max() > most - 0.5 and part.amax(1).min() < 0.75 * most


def test_a_part_is_the_image_there_resized(places: Tensor) -> None:
    """Against the four pixels around each place, weighted by hand."""
    image = torch.rand(1, 3, HEIGHT, WIDTH, dtype=torch.float64)
    generator = torch.Generator().manual_seed(3)
    state = generator.get_state()
    seen = random_crops(image, 0.25, generator)
    generator.set_state(state)
    where = random_crops(places[:1], 0.25, generator)
    for y, x in ((5, 7), (8, 12), (10, 20)):
        column, row = where[0, :, y, x].tolist()
        left, top = int(column), int(row)
        right, bottom = column - left, row - top
        corners = image[0, :, top : top + 2, left : left + 2]
        weights = torch.tensor(
            [
                [(1 - bottom) * (1 - right), (1 - bottom) * right],
                [bottom * (1 - right), bottom * right],
            ],
            dtype=torch.float64,
        )
        torch.testing.assert_close(seen[0, :, y, x], (corners * weights).sum((1, 2)))


def test_a_flat_image_stays_flat_up_to_its_border() -> None:
    flat = torch.ones(20, 3, 8, 8)
    torch.testing.assert_close(crops(flat, 0.3), flat)


def test_the_generator_alone_decides(places: Tensor) -> None:
    assert torch.equal(crops(places, 0.25, seed=1), crops(places, 0.25, seed=1))
    assert not torch.equal(crops(places, 0.25, seed=1), crops(places, 0.25, seed=2))


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
