"""Photographs in folders: what is listed, how it is split, and mistakes."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from data_files import read_pixels, read_truth
from photograph_files import save, write_awa2, write_classes, write_imagenet, write_pets
from PIL import Image

from pipeline.datasets import folder, photographs
from pipeline.datasets.carnivores import CARNIVORES, IMAGENET_CLASS
from pipeline.datasets.folders import list_images, prepare_photographs
from pipeline.datasets.parts import Seeds
from pipeline.datasets.splits import load_split
from pipeline.errors import PipelineError
from pipeline.torchvision_compat import torchvision

COUNTS = {"train": 20, "validation": 4, "test": 6, "reference": 5}
SETTING = "prepare.animals.folders"


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Three species of 15 photographs."""
    return write_classes(tmp_path / "photographs", Cat=15, dog=15, fox=15)


def prepare(*folders: Path, target: Path, **changes: Any) -> tuple[np.ndarray, pd.DataFrame]:
    target.mkdir(exist_ok=True)
    arguments = {"size": 8, "min_side": 8, "seed": 0, "threads": 2, "counts": COUNTS, **changes}
    prepare_photographs(target, folders, section="prepare.animals", **arguments)
    return read_pixels(target), read_truth(target)


def counts(truth: pd.DataFrame) -> dict[str, int]:
    return truth["split"].value_counts(sort=False).to_dict()


def test_images_and_ground_truth(classes: Path, tmp_path: Path) -> None:
    images, truth = prepare(classes, target=tmp_path / "out")
    assert images.shape == (35, 8, 8, 3) and images.dtype == np.uint8
    assert list(truth) == ["split", "label", "species", "source", "file"]
    assert counts(truth) == COUNTS and set(truth["source"]) == {"classes"}
    assert truth["file"].is_unique, "an image is in two splits"
    names = truth.groupby("species")["label"].unique().map(list).to_dict()
    assert names == {"cat": [0], "dog": [1], "fox": [2]}
    assert (truth["file"].str.split("/").str[0].str.lower() == truth["species"]).all()
    for image, file in zip(images, truth["file"], strict=True):
        assert (image == np.asarray(Image.open(classes / file))[0, 0]).all(), file
    # The first images of a split are of all classes, not one class after another.
    assert set(truth["species"][:10]) == {"cat", "dog", "fox"}


def test_seed(classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It decides; threads, chunks and the place of the folder do not."""
    one = prepare(classes, target=tmp_path / "one", threads=1)
    _, other = prepare(classes, target=tmp_path / "other", seed=1)
    assert one[1]["split"].equals(other["split"]) and not one[1]["file"].equals(other["file"])
    monkeypatch.setattr(photographs.load_images, "__defaults__", (7, None))
    many = prepare(classes.rename(tmp_path / "moved"), target=tmp_path / "many", threads=4)
    assert np.array_equal(one[0], many[0])
    pd.testing.assert_frame_equal(one[1], many[1])


def test_only_training_images_are_cropped_off_centre(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(100, dtype=np.uint8)[None, :, None], (10, 100, 3))
    for number in range(40):
        Image.fromarray(ramp).save(save(tmp_path / "ramps" / "cat" / f"{number}.png"))
    images, truth = prepare(tmp_path / "ramps", target=tmp_path / "out")
    train, middle = (truth["split"] == "train").to_numpy(), images.mean((1, 2, 3))
    assert np.allclose(middle[~train], 49.5, atol=1)
    assert len(np.unique(middle[train])) > 10 and middle[train].std() > 15


def test_classes(tmp_path: Path) -> None:
    """Folders may be named by WordNet id; other files are no images."""
    write_classes(tmp_path, n02085620=1, unicorn=1)
    (tmp_path / "unicorn" / "notes.txt").write_text("a note")
    (tmp_path / "unicorn" / "._00.png").write_bytes(b"what a Mac leaves in archives")
    (tmp_path / "readme.png").write_bytes(b"not in a class")
    with pytest.raises(PipelineError, match=SETTING):
        list_images([], SETTING)
    images = list_images([tmp_path], SETTING)
    assert images["species"].tolist() == ["chihuahua", "unicorn"]
    assert images["file"].tolist() == ["n02085620/00.png", "unicorn/00.png"]


def test_imagenet(tmp_path: Path) -> None:
    """Its carnivores are 149 consecutive classes."""
    images = list_images([write_imagenet(tmp_path)], SETTING)
    assert set(images["source"]) == {"imagenet"} and len(images) == 3 * 149
    assert (images.groupby("species")["held_out"].sum() == 1).all()
    assert all(path.is_file() for path in images["path"])
    assert images["held_out"].equals(images["file"].str.startswith("val/"))
    names = torchvision.models.AlexNet_Weights.IMAGENET1K_V1.meta["categories"]
    assert images["species"].unique().tolist() == [name.lower() for name in names[151:300]]
    assert list(CARNIVORES) == sorted(CARNIVORES) and "n02085620" in CARNIVORES
    assert all(names[index].lower() == name for name, index in IMAGENET_CLASS.items())


def test_animals_with_attributes(tmp_path: Path) -> None:
    images = list_images([write_awa2(tmp_path)], SETTING)
    assert len(images) == 200 and images["species"].nunique() == 50
    assert set(images["source"]) == {"awa2"} and not images["held_out"].any()
    assert "grizzly bear" in set(images["species"])
    # The folder may also be given as it was unpacked.
    inner = list_images([tmp_path / "Animals_with_Attributes2"], SETTING)
    pd.testing.assert_frame_equal(images, inner)


def test_pets(tmp_path: Path) -> None:
    images = list_images([write_pets(tmp_path)], SETTING)
    assert set(images["source"]) == {"pets"}
    for split, held_out in (("trainval", False), ("test", True)):
        theirs = torchvision.datasets.OxfordIIITPet(tmp_path, split=split)
        ours = images[images["held_out"] == held_out]
        assert [path.name for path in theirs._images] == [path.name for path in ours["path"]]
        breeds = [theirs.classes[label].lower() for label in theirs._labels]
        assert breeds == ours["species"].tolist()


def test_animals_of_two_sources(tmp_path: Path) -> None:
    """The same animal is one species; tests draw on what ImageNet holds out, then on AwA2."""
    folders = write_imagenet(tmp_path / "imagenet"), write_awa2(tmp_path / "awa2")
    asked = {"train": 300, "validation": 20, "test": 100, "reference": 80}
    _, truth = prepare(*folders, target=tmp_path / "out", counts=asked, size=4, min_side=4)
    assert truth["label"].max() < 149 + 50 - 1  # the tiger is in both
    tested = truth["split"].isin(["test", "reference"])
    of_imagenet = truth["source"] == "imagenet"
    assert (tested & of_imagenet).equals(truth["file"].str.startswith("val/"))
    assert (tested & of_imagenet).sum() == 149 and (tested & ~of_imagenet).sum() == 31
    # Both splits come from the same mixture.
    shares = of_imagenet.groupby(truth["split"]).mean()
    assert abs(shares["test"] - shares["reference"]) < 0.15


def refused(root: Path, **changes: Any) -> str:
    with pytest.raises(PipelineError) as caught:
        prepare(root, target=root.parent / "refused", **changes)
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".")
    return text


TIGER = "Animals_with_Attributes2/JPEGImages/tiger"
TWO = ("n02119022", "n02129165")
TRAIN, VAL = ([f"{part}/{name}" for name in TWO] for part in ("train", "val"))
TRAINVAL, TEST = (f"oxford-iiit-pet/annotations/{part}.txt" for part in ("trainval", "test"))
WRITE = {"imagenet": write_imagenet, "awa2": write_awa2, "pets": write_pets}
# What is written or, as None, removed; and what is said of it.
REFUSED: list[tuple[str, dict[str, bytes | None], str]] = [
    ("", {"": None}, f"no folder ROOT .*{SETTING}"),
    ("", {}, f"ROOT holds no images .*{SETTING}"),
    ("", {".thumbnails/1.jpg": b""}, f"ROOT holds no images .*{SETTING}"),
    ("", {"train/cat/1.jpg": b""}, f"ROOT/train has none .*{SETTING}"),
    ("imagenet", dict.fromkeys(TRAIN), f"ROOT/train has no images of 2 of .*{TWO[0]}.*_train.tar"),
    ("imagenet", dict.fromkeys(VAL), f"ROOT/val has no images of 2 of .*{TWO[0]}.*_val.tar"),
    ("imagenet", {"val": None}, "ROOT has .* none named val: .*_val.tar"),
    ("imagenet", {"val": None, "val/ILSVRC2012_val_00000001.JPEG": b""}, "149 of the 149"),
    ("awa2", {TIGER: None}, "images of 49 animals, not .* 50 .*AwA2-data.zip"),
    ("pets", {TRAINVAL: None}, "trainval.txt is missing .*annotations.tar.gz"),
    ("pets", {TRAINVAL: b"\xff\xfe\0"}, "trainval.txt is missing or unreadable"),
    ("pets", {TRAINVAL: b"Maine_Coon_77 1 1 1"}, "Maine_Coon_77.jpg is missing"),
    ("pets", {TRAINVAL: b"../../secret_1 1 1 1"}, "trainval.txt names '../../secret_1'"),
    ("pets", {TRAINVAL: b"whatever"}, "trainval.txt names 'whatever'"),
    ("pets", {TRAINVAL: b"\n", TEST: b"\n"}, "are empty: .*annotations.tar.gz"),
]


@pytest.mark.parametrize(("layout", "changes", "sentence"), REFUSED)
def test_a_damaged_layout(
    layout: str, changes: dict[str, bytes | None], sentence: str, tmp_path: Path
) -> None:
    root = tmp_path / "photographs"
    root.mkdir()
    if layout:
        WRITE[layout](root)
    for name, content in changes.items():
        if content is None:
            shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()
        else:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
    text = refused(root, counts={"train": 1, "test": 1})
    assert re.search(sentence.replace("ROOT", str(root)), text), text


def test_damaged_images(classes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truncated = classes / "fox" / "05.png"
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(truncated)
    truncated.write_bytes(truncated.read_bytes()[:-2000])
    text = refused(classes, counts={"train": 45})
    assert text.startswith(f"{truncated} cannot be read as an image:")
    monkeypatch.setattr(photographs, "load_images", None)  # nothing is decoded
    (classes / "Cat" / "03.png").write_bytes(b"<html>404</html>")
    (classes / "dog" / "07.png").write_bytes(b"")
    text = refused(classes, counts={"train": 30, "test": 15})
    assert re.search(r"(Cat/03|dog/07)\.png cannot be read as an image \(and 1 more", text)


def test_small_images(classes: Path, tmp_path: Path) -> None:
    save(classes / "Cat" / "00.png", (40, 6))
    save(classes / "fox" / "00.png", (5, 40))
    text = refused(classes, counts={"train": 45})
    for part in (f"{classes}/Cat/00.png has 6", "and 1 more", "prepare.animals.min_side to 5"):
        assert part in text
    images, _ = prepare(classes, target=tmp_path / "out", counts={"train": 45}, min_side=5)
    assert images.shape == (45, 8, 8, 3)


def test_too_few_images(classes: Path) -> None:
    for asked, sentence in (
        ((40, 1, 5), "train and validation: 40 .* 41 .*prepare.animals.train or validation"),
        ((1, 0, 40, 6), "test and reference: 45 .* 46 .*prepare.animals.test or reference"),
    ):
        text = refused(classes, counts=dict(zip(COUNTS, asked, strict=False)))
        assert re.search(sentence, text), text
    # Training images never fill up the test split of a source that has its own.
    pets = write_pets(classes.parent / "pets")
    assert "test: 8 are left for the 9" in refused(pets, counts={"train": 2, "test": 9})


def own(target: Path, *images: Path | str, seed: int = 0, **changes: Any) -> pd.DataFrame:
    target.mkdir(exist_ok=True)
    settings = folder.Settings(size=16, min_side=8, **changes)
    names = [str(path) for path in images]
    folder.prepare(settings, Seeds(seed, 5), target, 2, "prepare.photos", names)
    return read_truth(target)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 photographs of four classes, of which one has a single one."""
    return write_classes(tmp_path_factory.mktemp("photos"), Cat=50, dog=26, eel=1, fox=23)


def test_every_class_has_its_part_in_every_split(photos: Path, tmp_path: Path) -> None:
    truth = own(tmp_path, photos)
    sizes = {"train": 76, "validation": 8, "test": 8, "reference": 4, "calibration": 4}
    assert counts(truth) == sizes
    assert truth["file"].is_unique and truth["species"][:20].nunique() >= 3
    found = pd.crosstab(truth["species"], truth["split"])
    assert found.loc["eel"].to_dict() == dict.fromkeys(sizes, 0) | {"train": 1}
    for name, number in (("cat", 50), ("dog", 26), ("fox", 23)):
        for split, share in folder.SHARES.items():
            assert abs(found.loc[name, split] - share * number) <= 1.5, (name, split)
    # All classes have their label, whatever is in a split.
    names = truth.groupby("species")["label"].unique().map(list).to_dict()
    assert names == {"cat": [0], "dog": [1], "eel": [2], "fox": [3]}
    train = load_split(tmp_path, "train")  # what the other stages read
    assert train.images(slice(2)).shape == (2, 3, 16, 16)
    assert train.known()["species"].tolist() == train.label.tolist()
    assert train.concepts(["species"])["species"].tolist() == train.label.tolist()


def test_seed_and_counts_of_a_folder(photos: Path, tmp_path: Path) -> None:
    one, again, other = (own(tmp_path, photos, seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(one, again)
    assert counts(other) == counts(one) and not other["file"].equals(one["file"])
    truth = own(tmp_path, photos, train=10, validation=20, reference=2)
    sizes = {"train": 10, "validation": 20, "test": 8, "reference": 2, "calibration": 4}
    assert counts(truth) == sizes
    assert set(truth["species"][truth["split"] == "train"]) == {"cat", "dog", "eel", "fox"}
    for split, count in (("train", 77), ("validation", 85), ("test", 90)):
        with pytest.raises(PipelineError, match=rf"{split}.* wanted; .*prepare\.photos\..*{split}"):
            own(tmp_path, photos, **{split: count})


def test_folders(photos: Path, tmp_path: Path) -> None:
    """Several folders, and one with test images of its own."""
    more = write_classes(tmp_path / "more", dog=6)
    truth = own(tmp_path / "out", photos, more)
    assert len(truth) == 106 and truth["label"].max() == 3
    few = {"train": 2, "validation": 1, "test": 1, "reference": 1, "calibration": 1}
    assert counts(own(tmp_path / "out", more)) == few
    truth = own(tmp_path / "out", write_pets(tmp_path / "pets"))
    sizes = {"train": 11, "validation": 1, "test": 4, "reference": 2, "calibration": 2}
    assert counts(truth) == sizes
    numbers = truth["file"].str.extract(r"_(\d)\.jpg")[0].astype(int)
    assert (numbers >= 6).equals(truth["split"].isin(["test", "reference", "calibration"]))


def test_mistakes_in_a_folder_of_ones_own(tmp_path: Path) -> None:
    for number, species in enumerate(({"cat": 3}, {f"c{i}": 1 for i in range(20)})):
        few = write_classes(tmp_path / f"few{number}", **species)
        with pytest.raises(PipelineError, match=r"too few photographs for .* prepare\.photos\."):
            own(tmp_path / "out", few)
    for missing in (tmp_path / "nowhere", tmp_path / "out"):
        with pytest.raises(PipelineError, match=rf"{missing} .*datasets\.photos\.images"):
            own(tmp_path / "out", missing)
