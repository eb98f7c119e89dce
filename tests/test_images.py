"""Data sets of images: rendered and generated ones, as training and figures read them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from data_files import read_truth
from photograph_files import save
from torch import Tensor

from pipeline.datasets import animalfaces, stylized
from pipeline.datasets.animals import SPLITS, Settings, prepare
from pipeline.datasets.carnivores import IMAGENET_CLASS, IMAGENET_CLASSES
from pipeline.datasets.categories import CATEGORIES, categories_of
from pipeline.datasets.features import load_posterior
from pipeline.datasets.generated import (
    ImageGenerator,
    cue_conflicts,
    draw_images,
    input_images,
    species_names,
    write_generated,
)
from pipeline.datasets.images import ImageSet, Mixture
from pipeline.datasets.parts import LEARNING, TESTING, Seeds
from pipeline.datasets.splits import data_files, load_split
from pipeline.errors import PipelineError
from pipeline.rendering.animals import FACTORS, SPECIES, render_animals, sample_animals, vary

SETTINGS = Settings(size=16, train=6, validation=3, test=8, reference=4, calibration=2, train_t=5)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("animals")
    prepare(SETTINGS, Seeds(3, 8), folder, 1, "prepare.animals")
    return folder


@pytest.fixture
def images(prepared: Path) -> ImageSet:
    return ImageSet.load(prepared, "train")


@pytest.fixture
def held_out(prepared: Path) -> ImageSet:
    return ImageSet.load(prepared, "test")


def test_animals_are_rendered_in_the_order_of_their_truth(prepared: Path) -> None:
    truth = {LEARNING: sample_animals(16, 3), TESTING: sample_animals(12, (8, 1))}
    for part, splits in ((LEARNING, SPLITS[:2] + SPLITS[4:]), (TESTING, SPLITS[2:4])):
        sets = [load_split(prepared, split) for split in splits]
        assert [len(one) for one in sets] == [getattr(SETTINGS, split) for split in splits]
        pixels = np.concatenate([one.pixels(slice(None)) for one in sets])
        assert np.array_equal(pixels, render_animals(truth[part], 16))
        shown = [SPECIES[label] for one in sets for label in one.label]
        assert shown == truth[part]["species"].tolist()
        files = [prepared / part / name for name in ("images.npy", "ground_truth.parquet")]
        assert data_files(prepared, part) == files
    assert len(data_files(prepared)) == 4
    with pytest.raises(PipelineError, match="no images of the split 'holdout'"):
        load_split(prepared, "holdout")


def test_other_formats_of_animals_are_other_scenes(tmp_path: Path) -> None:
    seen = set(sample_animals(1000, 3)["yaw"])
    for module in (animalfaces, stylized):
        settings = module.Settings(size=16, train=100, validation=1, test=1, calibration=1)
        module.prepare(settings, Seeds(3, 3), tmp_path, 1, "prepare.other")
        truth = read_truth(tmp_path)
        assert not set(truth["yaw"]) & seen and len(truth) == 104
        seen |= set(truth["yaw"])
        in_own_coat = (truth["coat"] == truth["species"]).mean()
        assert in_own_coat == (0 if module is stylized else 1)
    # A stylized coat says nothing about the species.
    assert truth.groupby("species")["coat"].nunique().mean() > 4


def test_images_are_what_pixels_show(images: ImageSet) -> None:
    rows = torch.tensor([4, 0, 4])
    x = images.images(rows)
    assert x.shape == (3, 3, 16, 16) and x.min() >= -1 and x.max() <= 1
    shown = x.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    assert np.array_equal(shown, images.pixels(rows))
    assert np.array_equal(shown[0], images.pixels(slice(None))[4])


def test_more_images_than_there_are(images: ImageSet) -> None:
    assert images.first(len(images), "inputs").tolist() == [*range(len(images))]
    with pytest.raises(PipelineError, match=f"fig7.inputs is 99, .* only {len(images)} images"):
        images.first(99, "experiments.fig7.inputs")


def test_a_mixture_takes_one_of_each_in_turn(prepared: Path, images: ImageSet) -> None:
    few = ImageSet.load(prepared, "validation")
    both = Mixture((images, few))
    assert len(both) == 6  # there are three of the few
    assert torch.equal(both.images(slice(1)), images.images(slice(1)))
    found = both.images(torch.tensor([3, 0, 1, 2]))
    order = (few, 1), (images, 0), (few, 0), (images, 1)
    assert torch.equal(found, torch.cat([part.images(slice(i, i + 1)) for part, i in order]))
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_concepts_classes_and_what_probes_read(images: ImageSet) -> None:
    species = images.truth["species"].to_numpy()
    groups = images.concepts(["species"])["species"].numpy()
    assert np.array_equal(groups[:, None] == groups, species[:, None] == species)
    with pytest.raises(PipelineError, match="no concept 'digit': use one of"):
        images.concepts(["digit"])
    known = images.known()
    assert known["species"].dtype.kind == "i" and known["species"].shape == (6,)
    assert known["yaw"].shape == (6, 1) and known["yaw"].std() > 0
    assert "split" not in known and "coat" not in known
    # Other numbers of classes.
    other, rows = images.relabelled({species[2]: 292}), np.flatnonzero(species == species[2])
    assert other.label.tolist() == [292] * len(rows)
    assert np.array_equal(other.pixels(slice(None)), images.pixels(torch.from_numpy(rows)))
    with pytest.raises(PipelineError, match="no image shows one of the 1 species"):
        images.relabelled({"unicorn": 5})


def draw(noise: Tensor, labels: Tensor) -> Tensor:
    """The class in red, the noise in green."""
    grey = torch.stack([labels / 4 * 2 - 1, noise[:, 0].tanh(), 0 * noise[:, 0]], 1)
    return grey[:, :, None, None].expand(-1, 3, 16, 16)


def encode(noise: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    mean = torch.cat([noise, labels[:, None].float()], 1)
    return mean, torch.ones_like(mean)


SOURCE = ImageGenerator(draw, encode, noise=3, classes=5, device=torch.device("cpu"))


@pytest.mark.parametrize("batch_size", [7, 500])
def test_drawn_images_belong_to_their_codes(batch_size: int) -> None:
    pixels = np.zeros((300, 16, 16, 3), np.uint8)
    generator = torch.Generator().manual_seed(0)
    labels, (mean, variance) = draw_images(SOURCE, pixels, generator, batch_size)
    assert labels.shape == (300,) and set(labels.tolist()) == set(range(5))
    shown = np.stack([labels.numpy() / 4 * 255, (mean[:, 0].tanh().numpy() + 1) * 127.5], 1)
    np.testing.assert_allclose(pixels[:, 5, 5, :2], shown, atol=0.51)
    assert mean.shape == variance.shape == (300, 4)
    assert abs(float(mean[:, :3].mean())) < 0.15 and 0.9 < float(mean[:, :3].std()) < 1.1


def test_a_generated_data_set(held_out: ImageSet, tmp_path: Path) -> None:
    counts = {"train": 9, "validation": 3, "test": 2, "calibration": 4}
    names = ["cat", "dog", "2", "3", "4"]
    inputs, seen = input_images(held_out, 2, SOURCE.size(), 0, 1, None), set()
    data, encoded = tmp_path / "data", tmp_path / "encoded"
    write_generated(data, encoded, SOURCE, counts, {0: "cat", 1: "dog"}, inputs, Seeds(4, 4))
    for split, count in counts.items():
        images, (mean, _) = ImageSet.load(data, split), load_posterior(encoded, split)
        assert len(images) == len(mean) == count
        assert torch.equal(mean[:, 3], images.label.float())
        red = images.pixels(slice(None))[:, 0, 0, 0]
        np.testing.assert_allclose(red, 63.75 * mean[:, 3], atol=1)
        assert images.truth["species"].tolist() == [names[label] for label in images.label]
        seen |= set(mean[:, 0].tolist())
    assert len(seen) == 18  # no image is in two splits
    shown = ImageSet.load(data, "inputs")
    assert set(shown.label.tolist()) == {-1}
    assert np.array_equal(shown.pixels(slice(None)), inputs[0])
    pd.testing.assert_frame_equal(shown.truth[list(inputs[1])], inputs[1], check_dtype=False)


def test_inputs_are_the_same_scenes(held_out: ImageSet) -> None:
    pixels, truth = input_images(held_out, 6, 16, 3, 1, None)
    kinds = ("natural", "stylized", "texture", "sketch")
    assert truth["kind"].tolist() == [kind for kind in kinds for _ in range(6)]
    factors = held_out.truth[list(FACTORS)][:6]
    stylized_factors = vary(factors, "stylized", 3)
    np.testing.assert_array_equal(pixels[:6], held_out.pixels(slice(0, 6)))
    np.testing.assert_array_equal(pixels[6:12], render_animals(stylized_factors, 16))
    species, coats = factors["species"].tolist(), stylized_factors["coat"].tolist()
    assert truth["shape"].tolist() == species + species + [""] * 6 + species
    assert truth["texture"].tolist() == species + coats + species + [""] * 6
    # Photographs have no variants.
    named = held_out.truth[["label", "species"]]
    photographs = ImageSet(held_out.array, held_out.rows, named, held_out.label)
    pixels, truth = input_images(photographs, 3, 32, 0, 1, None)
    assert pixels.shape == (3, 32, 32, 3) and set(truth["kind"]) == {"natural"}


def test_cue_conflicts(held_out: ImageSet, tmp_path: Path) -> None:
    for name, grey in (("cat/cat1-dog2", 10), ("cat/cat10-cat2", 20), ("oven/oven3-bear1", 30)):
        save(tmp_path / f"{name}.png", colour=(grey,) * 3)
    (tmp_path / "notes.txt").write_text("not one of them")
    pixels, shapes, textures = cue_conflicts(tmp_path, 8)
    assert pixels.shape == (2, 8, 8, 3) and pixels[:, 0, 0, 0].tolist() == [10, 30]
    assert (shapes, textures) == (["cat", "oven"], ["dog", "bear"])
    # They are added to the variants.
    pixels, truth = input_images(held_out, 2, 16, 0, 1, tmp_path / "oven")
    assert len(pixels) == len(truth) == 9
    assert truth.iloc[-1].to_dict() == {"kind": "stylized", "shape": "oven", "texture": "bear"}
    (tmp_path / "cat" / "cat2-dog2.png").write_text("no image")
    with pytest.raises(PipelineError, match=r"cat2-dog2\.png cannot be read as an image"):
        cue_conflicts(tmp_path, 8)
    with pytest.raises(PipelineError, match=r"none holds no stimuli"):
        cue_conflicts(tmp_path / "none", 8)


def test_names_and_categories_of_classes(held_out: ImageSet) -> None:
    names = species_names(held_out, 12)
    assert [names[int(label)] for label in held_out.label] == held_out.truth["species"].tolist()
    imagenet = species_names(held_out, IMAGENET_CLASSES)
    assert all(imagenet[label] == name for name, label in IMAGENET_CLASS.items())
    classes = [index for some in CATEGORIES.values() for index in some]
    assert len(CATEGORIES) == 16 and len(set(classes)) == len(classes) and max(classes) < 1000
    found = categories_of(np.array([[404, 285], [1, 207]])).tolist()
    assert found == [["airplane", "cat"], ["1", "dog"]]
