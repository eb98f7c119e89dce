"""Photographs in folders: what is listed, how it is split and cropped, and mistakes."""

import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.datasets import folders
from pipeline.datasets.carnivores import CARNIVORES, IMAGENET_CLASS
from pipeline.datasets.folders import (
    check_images,
    list_images,
    load_images,
    prepare_photographs,
    split_images,
)
from pipeline.errors import PipelineError
from pipeline.torchvision_compat import torchvision

COUNTS = {"train": 20, "validation": 4, "test": 6, "reference": 5}


def save(path: Path, size: tuple[int, int] = (12, 10), colour: Any = (200, 100, 50)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


@pytest.fixture(scope="session")
def one_image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return save(tmp_path_factory.mktemp("one") / "image.jpg").read_bytes()


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Three species of 15 photographs, each with a colour of its own."""
    rng = np.random.default_rng(0)
    for species in ("Cat", "dog", "fox"):
        for number in range(15):
            width, height = rng.integers(8, 30, 2).tolist()
            colour = tuple(rng.integers(0, 256, 3).tolist())
            save(tmp_path / "photographs" / species / f"{number:02}.png", (width, height), colour)
    return tmp_path / "photographs"


def prepare(folder: Path, file: Path, **changes: Any) -> tuple[np.ndarray, pd.DataFrame]:
    arguments = {"size": 8, "smallest": 8, "seed": 0, "threads": 2, "counts": COUNTS, **changes}
    truth = prepare_photographs(file, [folder], arguments.pop("counts"), **arguments)
    return np.load(file, mmap_mode="r"), truth


# --- the carnivores of ImageNet ------------------------------------------------------------------


def test_the_carnivores_are_149_consecutive_classes_of_imagenet() -> None:
    ids, species = list(CARNIVORES), list(CARNIVORES.values())
    assert len(ids) == len(set(species)) == 149
    assert ids == sorted(ids) and (ids[0], ids[-1]) == ("n02085620", "n02138441")
    assert all(re.fullmatch(r"n\d{8}", name) for name in ids)
    categories = torchvision.models.AlexNet_Weights.IMAGENET1K_V1.meta["categories"]
    assert species == [name.lower() for name in categories[151:300]]
    assert [categories[150], categories[300]] == ["sea lion", "tiger beetle"]
    for name, index in IMAGENET_CLASS.items():
        assert categories[index].lower() == name


# --- what is written -----------------------------------------------------------------------------


def test_images_and_ground_truth(classes: Path, tmp_path: Path) -> None:
    images, truth = prepare(classes, tmp_path / "images.npy")
    assert images.shape == (35, 8, 8, 3) and images.dtype == np.uint8
    assert list(truth) == ["split", "label", "species", "source", "file"]
    assert truth["split"].value_counts().to_dict() == COUNTS
    assert truth["split"].drop_duplicates().tolist() == list(COUNTS)
    assert set(truth["source"]) == {"classes"} and truth["label"].dtype == np.int64
    assert truth["file"].is_unique, "an image is in two splits"
    names = truth.groupby("species")["label"].unique().map(list).to_dict()
    assert names == {"cat": [0], "dog": [1], "fox": [2]}
    assert (truth["file"].str.split("/").str[0].str.lower() == truth["species"]).all()
    for row, file in enumerate(truth["file"]):
        colour = np.asarray(Image.open(classes / file))[0, 0]
        assert (images[row] == colour).all(), file


def test_threads_and_chunks_change_nothing(
    classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = prepare(classes, tmp_path / "one.npy", threads=1)
    monkeypatch.setattr(folders.load_images, "__defaults__", (7, None))
    many = prepare(classes, tmp_path / "many.npy", threads=4)
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "many.npy").read_bytes()
    pd.testing.assert_frame_equal(one[1], many[1])


def test_the_seed_decides_the_splits(classes: Path, tmp_path: Path) -> None:
    _, one = prepare(classes, tmp_path / "one.npy")
    _, other = prepare(classes, tmp_path / "other.npy", seed=1)
    assert one["split"].equals(other["split"]) and not one["file"].equals(other["file"])


def test_the_first_images_of_a_split_are_of_all_classes(classes: Path, tmp_path: Path) -> None:
    _, truth = prepare(classes, tmp_path / "images.npy")
    species = truth["species"][truth["split"] == "train"]
    assert set(species[: len(species) // 2]) == {"cat", "dog", "fox"}
    assert (species.to_numpy()[1:] != species.to_numpy()[:-1]).sum() > 4  # not one after another


def test_folders_named_by_wordnet_id(tmp_path: Path) -> None:
    """As those of AnimalFaces and Stylized-ImageNet are."""
    for name in ("n02085620", "unicorn"):
        save(tmp_path / "faces" / name / "a.png")
    images = list_images([tmp_path / "faces"])
    assert images["species"].tolist() == ["chihuahua", "unicorn"]
    assert images["file"].tolist() == ["n02085620/a.png", "unicorn/a.png"]


def test_a_moved_folder_gives_the_same_ground_truth(classes: Path, tmp_path: Path) -> None:
    _, before = prepare(classes, tmp_path / "before.npy")
    _, after = prepare(classes.rename(tmp_path / "moved"), tmp_path / "after.npy")
    pd.testing.assert_frame_equal(before, after)


# --- pixels --------------------------------------------------------------------------------------


def load(path: Path, place: float, size: int = 16) -> np.ndarray:
    (chunk,) = load_images([path], [place], size, threads=1)
    return chunk[0]


@pytest.mark.parametrize("wide", [True, False])
def test_the_longer_side_is_cropped(tmp_path: Path, wide: bool) -> None:
    """A red, a green and a blue square in a row."""
    array = np.zeros((32, 96, 3), np.uint8)
    for third in range(3):
        array[:, 32 * third : 32 * third + 32, third] = 255
    Image.fromarray(array if wide else array.transpose(1, 0, 2)).save(tmp_path / "row.png")
    for third, place in enumerate((0.0, 0.5, 1.0)):
        inside = load(tmp_path / "row.png", place)[2:-2, 2:-2]  # edges blend with what lies beyond
        assert (inside[..., third] == 255).all() and inside.sum() == inside[..., third].sum()


def lying(tags: dict[int, str]) -> bytes:
    """EXIF data of orientation 6, with further tags as text, little endian."""
    texts = {tag: text.encode() + b"\0" for tag, text in tags.items()}
    end = 8 + 2 + 12 * (1 + len(tags)) + 4
    entries, rest = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0), b""
    for tag, text in texts.items():
        entries += struct.pack("<HHII", tag, 2, len(text), end + len(rest))
        rest += text
    head = struct.pack("<2sHIH", b"II", 42, 8, 1 + len(tags))
    return b"Exif\0\0" + head + entries + struct.pack("<I", 0) + rest


@pytest.mark.parametrize("tags", [{}, {0x0101: "inches"}])
def test_photographs_stand_upright(tmp_path: Path, tags: dict[int, str]) -> None:
    """A camera that is held upright stores its image lying, and says so (EXIF orientation 6).

    Another tag of a wrong type is no reason to refuse an image.
    """
    array = np.zeros((64, 64, 3), np.uint8)
    array[:, :32] = 255
    exif = lying(tags)
    Image.fromarray(array).save(tmp_path / "lying.jpg", exif=exif)
    upright = load(tmp_path / "lying.jpg", 0.5)
    assert upright[:6].min() > 240 and upright[-6:].max() < 15


def test_images_are_averaged_when_they_shrink(tmp_path: Path) -> None:
    array = np.zeros((64, 64, 3), np.uint8)
    array[:, ::2] = 255
    Image.fromarray(array).save(tmp_path / "stripes.png")
    assert abs(load(tmp_path / "stripes.png", 0.5)[:, 2:-2].astype(float) - 127.5).max() < 2


def test_only_training_images_are_cropped_off_centre(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(100, dtype=np.uint8)[None, :, None], (10, 100, 3))
    for number in range(40):
        path = tmp_path / "ramps" / "cat" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ramp).save(path)
    images, truth = prepare(tmp_path / "ramps", tmp_path / "images.npy")
    train = (truth["split"] == "train").to_numpy()
    middle = images.mean((1, 2, 3))
    assert np.allclose(middle[~train], 49.5, atol=1)
    assert len(np.unique(middle[train])) > 10 and middle[train].std() > 15


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
def test_images_of_any_kind_become_colours(tmp_path: Path, mode: str) -> None:
    name = "image.jpg" if mode == "CMYK" else "image.png"
    Image.new("RGB", (20, 20), (255, 255, 255)).convert(mode).save(tmp_path / name)
    assert (load(tmp_path / name, 0.5) >= 250).all()


def test_a_png_named_jpeg_is_read(tmp_path: Path) -> None:
    """As one of the Shetland sheepdogs of ImageNet is."""
    save(tmp_path / "image.png").rename(tmp_path / "image.JPEG")
    assert (load(tmp_path / "image.JPEG", 0.5) == (200, 100, 50)).all()


# --- the layouts ---------------------------------------------------------------------------------


@pytest.fixture
def imagenet(tmp_path: Path, one_image: bytes) -> Path:
    """Two training images and a validation image for each carnivore, and another class."""
    for part, numbers in (("train", (2, 10)), ("val", (1,))):
        for name in (*CARNIVORES, "n02077923"):
            folder = tmp_path / "imagenet" / part / name
            folder.mkdir(parents=True)
            for number in numbers:
                (folder / f"{name}_{number}.JPEG").write_bytes(one_image)
    return tmp_path / "imagenet"


@pytest.fixture
def awa2(tmp_path: Path, one_image: bytes) -> Path:
    for number in range(50):
        name = "grizzly+bear" if number == 0 else "tiger" if number == 1 else f"animal{number}"
        folder = tmp_path / "awa2" / "Animals_with_Attributes2" / "JPEGImages" / name
        folder.mkdir(parents=True)
        for image in range(4):
            (folder / f"{name}_1000{image}.jpg").write_bytes(one_image)
    return tmp_path / "awa2"


@pytest.fixture
def pets(tmp_path: Path, one_image: bytes) -> Path:
    root = tmp_path / "oxford-iiit-pet"
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    for part, numbers in (("trainval", range(6)), ("test", range(6, 10))):
        lines = []
        for label, breed in enumerate(("Maine_Coon", "english_cocker_spaniel"), start=1):
            for number in numbers:
                (root / "images" / f"{breed}_{number}.jpg").write_bytes(one_image)
                lines.append(f"{breed}_{number} {label} 1 1")
        (root / "annotations" / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_imagenet(imagenet: Path) -> None:
    images = list_images([imagenet])
    assert set(images["source"]) == {"imagenet"} and len(images) == 3 * 149
    assert (images.groupby("species")["held_out"].sum() == 1).all()
    assert images["species"].drop_duplicates().tolist() == list(CARNIVORES.values())
    first = images.iloc[0]
    assert first["file"] == "train/n02085620/n02085620_10.JPEG" and first["path"].is_file()
    assert images["held_out"].equals(images["file"].str.startswith("val/"))


def test_animals_with_attributes(awa2: Path) -> None:
    images = list_images([awa2])
    assert len(images) == 200 and images["species"].nunique() == 50
    assert set(images["source"]) == {"awa2"} and not images["held_out"].any()
    assert "grizzly bear" in set(images["species"])
    assert images["file"][0].startswith("JPEGImages/animal")
    # The folder may also be given as it was unpacked.
    inner = list_images([awa2 / "Animals_with_Attributes2"])
    pd.testing.assert_frame_equal(images, inner)


def test_pets(pets: Path, tmp_path: Path) -> None:
    images = list_images([pets])
    assert len(images) == 20 and set(images["source"]) == {"pets"}
    assert set(images["species"]) == {"maine coon", "english cocker spaniel"}
    assert images["held_out"].sum() == 8
    counts = {"train": 8, "validation": 4, "test": 5, "reference": 3}
    array, truth = prepare(pets, tmp_path / "images.npy", counts=counts)
    assert array.shape == (20, 8, 8, 3)
    numbers = truth["file"].str.extract(r"_(\d)\.jpg")[0].astype(int)
    assert (numbers >= 6).equals(truth["split"].isin(["test", "reference"]))


def test_torchvision_finds_the_same_pets(pets: Path) -> None:
    images = list_images([pets])
    for split, held_out in (("trainval", False), ("test", True)):
        theirs = torchvision.datasets.OxfordIIITPet(pets, split=split)
        ours = images[images["held_out"] == held_out]
        assert [path.name for path in theirs._images] == [path.name for path in ours["path"]]
        breeds = [theirs.classes[label].lower() for label in theirs._labels]
        assert breeds == ours["species"].tolist()


def test_animals_of_two_sources(imagenet: Path, awa2: Path, tmp_path: Path) -> None:
    """The same animal is one species; tests draw on what ImageNet holds out, then on AwA2."""
    counts = {"train": 300, "validation": 20, "test": 100, "reference": 80}
    truth = prepare_photographs(
        tmp_path / "images.npy", [imagenet, awa2], counts, size=4, smallest=4, seed=0, threads=1
    )
    assert truth["label"].max() < 149 + 50 - 1  # the tiger is in both
    tested = truth[truth["split"].isin(["test", "reference"])]
    of_imagenet = tested[tested["source"] == "imagenet"]
    assert of_imagenet["file"].str.startswith("val/").all() and len(of_imagenet) == 149
    assert (tested["source"] == "awa2").sum() == 31
    assert not truth[~truth.index.isin(tested.index)]["file"].str.startswith("val/").any()
    # Both splits come from the same mixture.
    shares = tested.groupby("split")["source"].value_counts(normalize=True).unstack()
    assert abs(shares.loc["test", "awa2"] - shares.loc["reference", "awa2"]) < 0.15


def test_other_files_are_no_images(classes: Path) -> None:
    before = list_images([classes])
    (classes / "cat" / "notes.txt").parent.mkdir(exist_ok=True)
    (classes / "dog" / "notes.txt").write_text("a note")
    (classes / "dog" / "._00.png").write_bytes(b"what a Mac leaves in archives")
    (classes / "readme.png").write_bytes(b"not in a class")
    pd.testing.assert_frame_equal(list_images([classes]), before)


# --- mistakes ------------------------------------------------------------------------------------


def refused(folder: Path, tmp_path: Path, **changes: Any) -> str:
    with pytest.raises(PipelineError) as caught:
        prepare(folder, tmp_path / "images.npy", **changes)
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".")
    return text


def test_a_missing_folder(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere", tmp_path) == (
        f"there is no folder {tmp_path / 'nowhere'} of photographs: put them there, or correct "
        "prepare.animals.folders."
    )


@pytest.mark.parametrize("inside", [(), ("cat", "dog")])
def test_an_empty_folder(tmp_path: Path, inside: tuple[str, ...]) -> None:
    (tmp_path / "empty").mkdir()
    save(tmp_path / "empty" / ".thumbnails" / "1.jpg")
    for name in inside:
        (tmp_path / "empty" / name).mkdir()
    assert f"{tmp_path / 'empty'} holds no images in folders named after their classes" in refused(
        tmp_path / "empty", tmp_path
    )


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"name one in prepare\.animals\.folders\.$"):
        list_images([])


@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize("empty", [True, False])
def test_a_missing_class_of_imagenet(
    imagenet: Path, tmp_path: Path, part: str, empty: bool
) -> None:
    for name in ("n02119022", "n02129165"):
        shutil.rmtree(imagenet / part / name)
        if empty:
            (imagenet / part / name).mkdir()
    archive = f"ILSVRC2012_img_{part}.tar"
    assert refused(imagenet, tmp_path) == (
        f"{imagenet / part} has no images of 2 of the 149 carnivores of ImageNet (the first is "
        f"n02119022): unpack {archive} there, one folder per class, as "
        "torchvision.datasets.ImageNet does."
    )


def test_validation_images_of_imagenet_that_are_not_sorted(imagenet: Path, tmp_path: Path) -> None:
    shutil.rmtree(imagenet / "val")
    assert f"{imagenet} has a folder train but none named val" in refused(imagenet, tmp_path)
    save(imagenet / "val" / "ILSVRC2012_val_00000001.JPEG")
    assert "has no images of 149 of the 149 carnivores" in refused(imagenet, tmp_path)


def test_folders_train_and_val_of_other_classes(tmp_path: Path) -> None:
    for part in ("train", "val"):
        save(tmp_path / "own" / part / "cat" / "1.jpg")
    sentence = refused(tmp_path / "own", tmp_path)
    assert sentence.startswith(f"{tmp_path / 'own' / 'train'} has none of the carnivores of Image")
    assert f"such as {tmp_path / 'own' / 'train'}, in prepare.animals.folders" in sentence


def test_a_missing_class_of_awa2(awa2: Path, tmp_path: Path) -> None:
    shutil.rmtree(awa2 / "Animals_with_Attributes2" / "JPEGImages" / "tiger")
    text = refused(awa2, tmp_path)
    assert "has images of 49 animals, not of the 50" in text and "AwA2-data.zip" in text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "trainval.txt is missing or unreadable: unpack annotations.tar.gz"),
        (b"\xff\xfe\x00", "trainval.txt is missing or unreadable"),
        ("Maine_Coon_77 1 1 1\n", "Maine_Coon_77.jpg is missing: fetch it again"),
        ("../../secret_1 1 1 1\n", "which is no image of Oxford-IIIT Pet"),
        ("whatever\n", "names 'whatever', which is no image"),
    ],
)
def test_damaged_lists_of_pets(
    pets: Path, tmp_path: Path, content: str | bytes | None, sentence: str
) -> None:
    file = pets / "oxford-iiit-pet" / "annotations" / "trainval.txt"
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    counts = {"train": 1, "test": 1}
    assert sentence in refused(pets, tmp_path, counts=counts)


def test_empty_lists_of_pets(pets: Path, tmp_path: Path) -> None:
    for part in ("trainval", "test"):
        (pets / "oxford-iiit-pet" / "annotations" / f"{part}.txt").write_text("\n")
    assert "are empty: unpack annotations.tar.gz again" in refused(pets, tmp_path)


def not_an_image(path: Path) -> None:
    path.write_bytes(b"<html>404</html>")


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [not_an_image, empty])
def test_damaged_images_are_found_before_the_work(
    classes: Path, tmp_path: Path, damage: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "load_images", None)  # nothing is decoded
    damage(classes / "Cat" / "03.png")
    damage(classes / "dog" / "07.png")
    counts = {"train": 30, "test": 15}
    text = refused(classes, tmp_path, counts=counts)
    assert re.search(r"(Cat/03|dog/07).png cannot be read as an image \(and 1 more", text)
    assert text.endswith("fetch it again, or take it out of the data.")


def test_a_truncated_image_is_named(classes: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = classes / "fox" / "05.png"
    Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    text = refused(classes, tmp_path, counts={"train": 45})
    assert text == (
        f"{path} cannot be read as an image: fetch it again, or take it out of the data."
    )


def test_small_images(classes: Path, tmp_path: Path) -> None:
    save(classes / "Cat" / "00.png", (40, 6))
    save(classes / "fox" / "00.png", (5, 40))
    counts = {"train": 45}
    assert refused(classes, tmp_path, counts=counts) == (
        f"the shorter side of {classes / 'Cat' / '00.png'} has 6 pixels, fewer than 8 (and 1 more "
        "are too small): take such images away, or set prepare.animals.smallest to 5 to enlarge "
        "them."
    )
    images, _ = prepare(classes, tmp_path / "images.npy", counts=counts, smallest=5)
    assert images.shape == (45, 8, 8, 3)


def test_a_file_that_vanished(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="gone.jpg is missing"):
        check_images([tmp_path / "gone.jpg"], 1, threads=1)


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        (
            {"train": 40, "validation": 1, "test": 5},
            "too few photographs for train and validation: 40 are left for the 41 asked for; lower "
            "prepare.animals.train or validation.",
        ),
        (
            {"train": 1, "test": 40, "reference": 6},
            "too few photographs for test and reference: 45 are left for the 46 asked for; lower "
            "prepare.animals.test or reference.",
        ),
    ],
)
def test_too_few_images(
    classes: Path, tmp_path: Path, counts: dict[str, int], sentence: str
) -> None:
    assert refused(classes, tmp_path, counts=counts) == sentence


def test_too_few_images_that_a_source_holds_out(pets: Path) -> None:
    """Training images never fill up the test split of a source that has its own."""
    images = list_images([pets])
    with pytest.raises(PipelineError, match="too few photographs for test: 8 are left for the 9"):
        split_images(images, {"train": 2, "test": 9}, np.random.default_rng(0))
