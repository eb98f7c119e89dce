"""Images of people: rendered ones and CelebA, their splits, and mistakes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from data_files import read_pixels, read_truth
from PIL import Image

from pipeline.datasets.faces import SPLITS, Settings, prepare
from pipeline.datasets.images import ImageSet
from pipeline.datasets.parts import Seeds
from pipeline.errors import PipelineError
from pipeline.rendering.people import ATTRIBUTES, FACTORS, render_people, sample_people

COUNTS = {"train": 30, "validation": 8, "test": 6, "reference": 7, "calibration": 4, "train_t": 5}
SETTINGS = Settings(size=32, min_side=16, identities=5, images_per_person=2, **COUNTS)
PICTURES = "img_align_celeba"
ATTR, PART, IDENT = "list_attr_celeba.txt", "list_eval_partition.txt", "identity_CelebA.txt"
NAMES = ("5_o_Clock_Shadow", "Black_Hair", "Eyeglasses", "Male", "No_Beard", "Smiling", "Young")


def write_celeba(folder: Path) -> None:
    """Noise: 40 images to train on, 12 to validate and 30 to test, of five people each.

    Person 112, of the last ones, is on three of the first images too.
    """
    rng = np.random.default_rng(0)
    (folder / PICTURES).mkdir(parents=True)
    partition = np.repeat([0, 1, 2], (40, 12, 30))
    files = [f"{number:06}.jpg" for number in range(1, 83)]
    for file in files:
        pixels = rng.integers(0, 256, (218, 178, 3), dtype=np.uint8)
        pixels[29:189, 9:169] = rng.integers(0, 256, 3)  # the square that is kept
        Image.fromarray(pixels).save(folder / PICTURES / file, quality=95)
    values = [" ".join(row) for row in rng.choice(["-1", " 1"], (82, len(NAMES)))]
    identity = 100 + 5 * partition + np.arange(82) % 5
    identity[:3] = 112
    lists = {ATTR: values, PART: partition, IDENT: identity}
    for name, column in lists.items():
        head = f"82\n{' '.join(NAMES)} \n" if name == ATTR else ""
        rows = [f"{file} {value}\n" for file, value in zip(files, column, strict=True)]
        (folder / name).write_text(head + "".join(rows))


def prepared(
    target: Path, seed: int, threads: int = 1, test_seed: int = 9, **changes: Any
) -> pd.DataFrame:
    seeds = Seeds(seed, test_seed)
    prepare(SETTINGS.model_copy(update=changes), seeds, target, threads, "prepare.faces")
    return read_truth(target)


def from_celeba(folder: Path, target: Path, **changes: Any) -> tuple[np.ndarray, pd.DataFrame]:
    truth = prepared(target, 0, 2, source="celeba", folder=str(folder), **changes)
    return read_pixels(target), truth


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    prepared(folder, 4)
    return folder


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("celeba")
    write_celeba(folder)
    return folder


@pytest.fixture(scope="module")
def photographs(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return from_celeba(original, tmp_path_factory.mktemp("photographs"))


def test_people_are_rendered_in_the_order_of_their_truth(rendered: Path) -> None:
    parts = {split: ImageSet.load(rendered, split) for split in SPLITS}
    expected = {"train": (30, 4, 5, 0), "validation": (8, 4, 4, 5), "test": (6, 9, 3, 13)}
    for split, arguments in expected.items():
        drawn = sample_people(*arguments)
        pd.testing.assert_frame_equal(parts[split].truth[list(FACTORS)], drawn)
        assert np.array_equal(parts[split].pixels(slice(None)), render_people(drawn, 32))
    truth = read_truth(rendered)
    assert list(truth) == ["split", "label", *FACTORS]
    assert truth["split"].value_counts().to_dict() == COUNTS
    assert truth.groupby("label")["split"].nunique().max() == 1, "a person is in two splits"


def test_the_same_seed_gives_the_same_people(rendered: Path, tmp_path: Path) -> None:
    again = prepared(tmp_path, 4, threads=2)
    truth = read_truth(rendered)
    assert np.array_equal(read_pixels(tmp_path), read_pixels(rendered))
    pd.testing.assert_frame_equal(again, truth)
    other = prepared(tmp_path, 3, test_seed=8, train_t=0)
    assert not set(other["face_iris"]) & set(truth["face_iris"])
    assert set(other["split"]) == set(SPLITS[:5])


def test_fresh_people_to_test_on(rendered: Path, original: Path, tmp_path: Path) -> None:
    """Another seed of the tests leaves the other part as it is, to the byte."""
    truth = read_truth(rendered)
    other = prepared(tmp_path / "rendered", 4, test_seed=8)
    tested = truth["split"].isin(["test", "reference"])
    assert not set(other["face_iris"][tested]) & set(truth["face_iris"])
    names = ("images.npy", "ground_truth.parquet")
    for name in names:
        files = [folder / "learning" / name for folder in (rendered, tmp_path / "rendered")]
        assert files[0].read_bytes() == files[1].read_bytes()
    drawn = [from_celeba(original, tmp_path, test_seed=seed)[1] for seed in (1, 2)]
    same = [set(one["file"][one["split"] == "test"]) for one in drawn]
    assert same[0] != same[1]
    assert drawn[0]["file"][:47].equals(drawn[1]["file"][:47])


def test_attributes_are_concepts_and_classes(rendered: Path) -> None:
    images = ImageSet.load(rendered, "train")
    concepts, known = images.concepts(ATTRIBUTES), images.known()
    for name in ATTRIBUTES:
        expected = images.truth[name].to_numpy(np.int64)
        assert np.array_equal(concepts[name], expected) and np.array_equal(known[name], expected)
    assert known["yaw"].shape == known["hair_length"].shape == (30, 1)
    assert not any(name.startswith(("face_", "rank_")) for name in known)
    assert not {"identity", "label", "split"} & set(known)
    assert images.name(0) == f"person {images.label[0]}"


def test_celeba_is_read_as_its_lists_say(original: Path, photographs: Any, tmp_path: Path) -> None:
    images, truth = photographs
    assert images.shape == (60, 32, 32, 3)
    assert list(truth) == ["split", "label", "file", *ATTRIBUTES, "identity"]
    assert truth["split"].value_counts().to_dict() == COUNTS and truth["file"].is_unique
    lines = (original / ATTR).read_text().splitlines()
    names = lines[1].split()
    for row in truth.to_dict("records"):
        file, *values = lines[1 + int(row["file"][:6])].split()
        assert file == row["file"]
        assert all(row[name] == (values[names.index(name)] == "1") for name in ATTRIBUTES)
    for image, file in zip(images, truth["file"], strict=True):
        pixels = np.asarray(Image.open(original / PICTURES / file)).astype(int)
        # The square of one colour in the middle fills the picture, but for its blurred edge.
        assert np.abs(image[2:-2, 2:-2] - pixels[109, 89]).max() <= 6
    whole, _ = from_celeba(original, tmp_path, crop=178)
    assert np.abs(whole.astype(int) - images)[:, :, 0].mean() > 20  # the edge is noise


def test_celeba_keeps_its_partitions(original: Path, photographs: Any, tmp_path: Path) -> None:
    truth = photographs[1]
    number = truth["file"].str[:6].astype(int)  # 40 images to train on, 12 to validate, 30 to test
    partition = pd.cut(number, [0, 40, 52, 82], labels=["train", "validation", "test"])
    other = {"calibration": "validation", "reference": "test", "train_t": "train"}
    own = truth["split"].replace(other)
    assert (own == partition.astype(str)).all()
    # Person 112 is on training images, too.
    assert set(truth["identity"][own == "test"]) <= {110, 111, 113, 114}
    other = prepared(tmp_path, 1, source="celeba", folder=str(original))
    assert set(other["file"][:30]) != set(truth["file"][:30])  # those of training
    assert set(truth["label"][:30]) == set(range(truth["identity"][:30].nunique()))
    assert (truth.groupby("identity")["label"].nunique() == 1).all()
    assert truth["label"].nunique() == truth["identity"].nunique()


def test_the_outer_folder_may_be_named(original: Path, photographs: Any, tmp_path: Path) -> None:
    shutil.copytree(original, tmp_path / "celeba")
    images, truth = from_celeba(tmp_path, tmp_path)
    assert np.array_equal(images, photographs[0])
    pd.testing.assert_frame_equal(truth, photographs[1])


# What is written, done to the lines or, as None, removed; and what is said of it.
DAMAGE: list[tuple[dict[str, bytes | Callable[[list[str]], list[str]] | None], str]] = [
    ({"": None}, "no folder .* prepare.faces.folder"),
    ({PICTURES: None}, f"{PICTURES} is missing"),
    ({PICTURES: None, f"{PICTURES}/notes.txt": b""}, f"{PICTURES} holds no images"),
    ({ATTR: None}, f"{ATTR} is missing.*prepare.faces.folder"),
    ({ATTR: b""}, f"{ATTR} cannot be read"),
    ({IDENT: b"\xff\xfe\x00" * 9}, f"{IDENT} cannot be read"),
    ({ATTR: lambda rows: [row.replace("Male", "Man") for row in rows]}, f"{ATTR} .* column Male"),
    ({ATTR: lambda rows: [*rows[:-1], rows[-1].replace("1", "3")]}, f"{ATTR} has a value other"),
    ({ATTR: lambda rows: rows[:5] + rows[6:]}, f"000004.jpg has no attributes in {ATTR}"),
    ({PART: lambda rows: rows[:6] + rows[7:]}, f"{PART} has no line .* 000007.jpg"),
    ({IDENT: lambda rows: rows[:-1]}, f"{IDENT} has no line .* 000082.jpg"),
    ({PART: lambda rows: [*rows, rows[4]]}, f"{PART} names .* 000005.jpg twice"),
    ({PART: lambda rows: [rows[0][:-1] + "7", *rows[1:]]}, f"{PART} has a partition other"),
    ({IDENT: lambda rows: [row + "x" for row in rows]}, f"{IDENT} is not a list of image names"),
    ({IDENT: lambda rows: [row.split()[0] + " 8" for row in rows]}, "only one identity"),
    ({ATTR: lambda rows: rows[:2] + [row[:10] + 7 * " 1" for row in rows[2:]]}, "one value of"),
    ({f"{PICTURES}/000003.jpg": None}, "000003.jpg is missing"),
    ({f"{PICTURES}/000002.jpg": b"\xff\xd8 no"}, "000002.jpg cannot be read as an image"),
]


@pytest.mark.parametrize(("changes", "sentence"), DAMAGE)
def test_a_damaged_celeba_is_found_before_any_work(
    changes: dict[str, Any], sentence: str, original: Path, tmp_path: Path
) -> None:
    celeba = shutil.copytree(original, tmp_path / "celeba")
    for name, change in changes.items():
        path = celeba / name
        if change is None:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        elif isinstance(change, bytes):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(change)
        else:
            path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    with pytest.raises(PipelineError, match=sentence) as caught:
        from_celeba(celeba, tmp_path, train=35)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("images.npy"))


def test_settings_that_celeba_does_not_meet(original: Path, tmp_path: Path) -> None:
    for split, count, sentence in (
        ("train", 36, "for train and train_t: 40 .* 41"),
        ("validation", 9, "for validation and calibration: 12 .* 13"),
        ("test", 18, "for test and reference: 24 .* 25"),
    ):
        with pytest.raises(PipelineError, match=rf"{sentence} .*prepare\.faces\.{split}"):
            from_celeba(original, tmp_path, **{split: count})
    with pytest.raises(PipelineError, match="178 pixels, .* prepare.faces.min_side to 178"):
        from_celeba(original, tmp_path, min_side=200)
