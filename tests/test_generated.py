"""Images of a generator, and the inputs of Fig. 6."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pipeline.datasets.animals import prepare_animals
from pipeline.datasets.categories import CATEGORIES, categories_of
from pipeline.datasets.generated import cue_conflicts, draw_images, input_images, resized
from pipeline.datasets.images import ImageSet
from pipeline.errors import PipelineError
from pipeline.params import PrepareAnimalsParams
from pipeline.rendering.animals import FACTORS, render_animals, vary
from pipeline.storage import write_parquet


def draw(noise: Tensor, labels: Tensor) -> Tensor:
    """The class in red, the noise in green."""
    grey = torch.stack([labels / 4 * 2 - 1, noise[:, 0].tanh(), 0 * noise[:, 0]], 1)
    return grey[:, :, None, None].expand(-1, 3, 2, 2)


def encode(noise: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    mean = torch.cat([noise, labels[:, None].float()], 1)
    return mean, torch.ones_like(mean)


@pytest.mark.parametrize("batch_size", [7, 500])
def test_drawn_images_belong_to_their_codes(batch_size: int) -> None:
    pixels = np.zeros((300, 2, 2, 3), np.uint8)
    labels, (mean, variance) = draw_images(
        draw, encode, pixels, noise=3, classes=5, batch_size=batch_size,
        generator=torch.Generator().manual_seed(0), device=torch.device("cpu"),
    )  # fmt: skip
    assert labels.shape == (300,) and set(labels.tolist()) == set(range(5))
    np.testing.assert_allclose(pixels[:, 0, 0, 0], labels.numpy() / 4 * 255, atol=0.51)
    green = (mean[:, 0].tanh().numpy() + 1) * 127.5
    np.testing.assert_allclose(pixels[:, 1, 1, 1], green, atol=0.51)
    assert mean.shape == variance.shape == (300, 4)
    assert abs(float(mean[:, :3].mean())) < 0.15
    assert float(mean[:, :3].std()) == pytest.approx(1, abs=0.1)


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    folder = tmp_path_factory.mktemp("animals")
    settings = PrepareAnimalsParams("rendered", None, 16, 16, 4, 2, 8, 1)
    write_parquet(
        folder / "ground_truth.parquet", prepare_animals(settings, 0, folder / "images.npy", 1)
    )
    return ImageSet.load(folder, "test")


def test_inputs_are_the_same_scenes(held_out: ImageSet) -> None:
    pixels, truth = input_images(held_out, 6, 16, 3, 1, None)
    assert truth["kind"].tolist() == [
        kind for kind in ("natural", "stylized", "texture", "sketch") for _ in range(6)
    ]
    np.testing.assert_array_equal(pixels[:6], held_out.pixels(slice(0, 6)))
    factors = held_out.truth[list(FACTORS)][:6]
    stylized = vary(factors, "stylized", 3)
    np.testing.assert_array_equal(pixels[6:12], render_animals(stylized, 16))
    parts = {kind: truth[truth["kind"] == kind] for kind in truth["kind"].unique()}
    species = factors["species"].tolist()
    assert parts["natural"]["shape"].tolist() == parts["natural"]["texture"].tolist() == species
    assert parts["stylized"]["shape"].tolist() == species
    assert parts["stylized"]["texture"].tolist() == stylized["coat"].tolist()
    assert (parts["stylized"]["shape"] != parts["stylized"]["texture"]).all()
    assert parts["texture"]["texture"].tolist() == species
    assert set(parts["texture"]["shape"]) == set(parts["sketch"]["texture"]) == {""}


def test_stylized_data_set(tmp_path: Path) -> None:
    settings = PrepareAnimalsParams("rendered", None, 16, 16, 200, 2, 8, 1)
    truth = prepare_animals(settings, 5, tmp_path / "images.npy", 1, kind="stylized")
    assert (truth["coat"] != truth["species"]).all()
    train = truth[truth["split"] == "train"]
    for _, some in train.groupby("species"):  # a coat tells nothing about the species
        assert len(set(some["coat"])) > 4


def test_photographs_have_no_variants(held_out: ImageSet) -> None:
    photographs = ImageSet(
        held_out.array, held_out.rows, held_out.truth[["label", "species"]], held_out.label
    )
    pixels, truth = input_images(photographs, 3, 32, 0, 1, None)
    assert pixels.shape == (3, 32, 32, 3) and set(truth["kind"]) == {"natural"}


def test_cue_conflicts(tmp_path: Path) -> None:
    for folder, name, grey in (
        ("cat", "cat1-dog2", 10), ("cat", "cat10-cat2", 20), ("oven", "oven3-bear1", 30),
    ):  # fmt: skip
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.new("RGB", (20, 20), (grey,) * 3).save(tmp_path / folder / f"{name}.png")
    (tmp_path / "notes.txt").write_text("not one of them")
    pixels, shapes, textures = cue_conflicts(tmp_path, 8)
    assert pixels.shape == (2, 8, 8, 3) and pixels[:, 0, 0, 0].tolist() == [10, 30]
    assert (shapes, textures) == (["cat", "oven"], ["dog", "bear"])
    (tmp_path / "cat" / "cat2-dog2.png").write_text("no image")
    with pytest.raises(PipelineError, match=r"cat2-dog2\.png is no image"):
        cue_conflicts(tmp_path, 8)
    with pytest.raises(PipelineError, match=r"holds no stimuli called <shape><i>-<texture><j>"):
        cue_conflicts(tmp_path / "oven" / "none", 8)


def test_stimuli_stand_beside_the_variants(held_out: ImageSet, tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "cat1-dog2.png")
    pixels, truth = input_images(held_out, 2, 16, 0, 1, tmp_path)
    assert len(pixels) == len(truth) == 9
    assert truth.iloc[-1].to_dict() == {"kind": "stylized", "shape": "cat", "texture": "dog"}


def test_categories() -> None:
    assert len(CATEGORIES) == 16
    classes = [index for some in CATEGORIES.values() for index in some]
    assert len(set(classes)) == len(classes) and max(classes) < 1000
    sizes = {name: len(some) for name, some in CATEGORIES.items()}
    assert sizes["dog"] == 109 and sizes["bird"] == 49 and sizes["cat"] == 6
    assert categories_of(np.array([[404, 285], [1, 207]])).tolist() == [
        ["airplane", "cat"], ["1", "dog"],
    ]  # fmt: skip


def test_resizing() -> None:
    pixels = np.full((2, 8, 8, 3), 77, np.uint8)
    assert resized(pixels, 8) is pixels
    assert resized(pixels, 16).shape == (2, 16, 16, 3) and (resized(pixels, 16) == 77).all()
