"""Images of people: rendered ones and CelebA, their splits, and mistakes."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from celeba_files import write_celeba
from PIL import Image

from pipeline.datasets.celeba import deal_celeba, list_celeba
from pipeline.datasets.faces import SPLITS, prepare_faces
from pipeline.datasets.images import ImageSet
from pipeline.errors import PipelineError
from pipeline.params import PrepareFacesParams
from pipeline.rendering.people import ATTRIBUTES, FACTORS, render_people, sample_people
from pipeline.storage import write_parquet

SETTINGS = PrepareFacesParams(
    source="rendered",
    folder=None,
    size=32,
    crop=160,
    smallest=16,
    identities=5,
    unseen_identities=3,
    train=30,
    validation=8,
    test=6,
    reference=7,
    unseen=9,
)
COUNTS = {split: getattr(SETTINGS, split) for split in SPLITS}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    truth = prepare_faces(SETTINGS, 4, folder / "images.npy", threads=1)
    write_parquet(folder / "ground_truth.parquet", truth)
    return folder


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("celeba")
    write_celeba(folder)
    return folder


@pytest.fixture
def celeba(original: Path, tmp_path: Path) -> Path:
    """A copy of a tiny CelebA to damage."""
    return shutil.copytree(original, tmp_path / "celeba")


def from_celeba(folder: Path, file: Path, **changes: object) -> tuple[np.ndarray, pd.DataFrame]:
    settings = replace(SETTINGS, source="celeba", folder=str(folder), **changes)
    truth = prepare_faces(settings, 0, file, threads=2)
    return np.load(file), truth


# --- rendered people -----------------------------------------------------------------------------


def test_people_are_rendered_in_the_order_of_their_truth(rendered: Path) -> None:
    known = sample_people(51, 4, identities=5)
    images = np.concatenate(
        [ImageSet.load(rendered, split).pixels(slice(None)) for split in SPLITS]
    )
    assert np.array_equal(images[:51], render_people(known, 32))
    strangers = ImageSet.load(rendered, "unseen").truth
    assert np.array_equal(images[51:], render_people(strangers, 32))
    truth = pd.read_parquet(rendered / "ground_truth.parquet")
    assert list(truth) == ["split", "label", *FACTORS]
    assert truth["split"].value_counts().to_dict() == COUNTS


def test_unseen_people_are_in_no_other_split(rendered: Path) -> None:
    parts = {split: ImageSet.load(rendered, split) for split in SPLITS}
    known = set(parts["train"].label.tolist())
    assert known <= set(range(5)) and set(parts["unseen"].label.tolist()) == {5, 6, 7}
    for split in ("validation", "test", "reference"):
        assert set(parts[split].label.tolist()) <= set(range(5))


def test_the_same_seed_gives_the_same_people(rendered: Path, tmp_path: Path) -> None:
    again = prepare_faces(SETTINGS, 4, tmp_path / "images.npy", threads=2)
    assert (tmp_path / "images.npy").read_bytes() == (rendered / "images.npy").read_bytes()
    truth = pd.read_parquet(rendered / "ground_truth.parquet")
    pd.testing.assert_frame_equal(again, truth)
    other = prepare_faces(SETTINGS, 3, tmp_path / "other.npy", threads=1)
    assert not set(other["face_iris"]) & set(truth["face_iris"])
    none = replace(SETTINGS, unseen=0)
    assert set(prepare_faces(none, 3, tmp_path / "none.npy", 1)["split"]) == set(SPLITS[:4])


def test_attributes_are_concepts_and_classes(rendered: Path) -> None:
    images = ImageSet.load(rendered, "train")
    concepts = images.concepts([*ATTRIBUTES, "identity"])
    for name in ATTRIBUTES:
        assert torch.equal(concepts[name], torch.from_numpy(images.truth[name].to_numpy(np.int64)))
    assert torch.equal(
        concepts["identity"][:, None] == concepts["identity"],
        images.label[:, None] == images.label,
    )
    known = images.known()
    for name in ATTRIBUTES:
        assert known[name].dtype == np.int64 and known[name].shape == (30,)
    assert known["yaw"].shape == known["hair_length"].shape == (30, 1)
    assert not any(name.startswith(("face_", "rank_")) for name in known)
    assert not {"identity", "label", "split"} & set(known)
    assert images.name(0) == f"person {images.label[0]}"


# --- CelebA --------------------------------------------------------------------------------------


def test_celeba_is_read_as_its_lists_say(original: Path, tmp_path: Path) -> None:
    images, truth = from_celeba(original, tmp_path / "images.npy")
    assert images.shape == (60, 32, 32, 3)
    assert list(truth) == ["split", "label", "file", *ATTRIBUTES, "identity"]
    assert truth["split"].value_counts().to_dict() == COUNTS and truth["file"].is_unique
    assert all(truth[name].dtype == bool for name in ATTRIBUTES)
    lines = (original / "list_attr_celeba.txt").read_text().splitlines()
    names = lines[1].split()
    for _, row in truth.iterrows():
        fields = lines[1 + int(row["file"][:6])].split()
        assert fields[0] == row["file"]
        for name in ATTRIBUTES:
            assert row[name] == (fields[1 + names.index(name)] == "1")


def test_celeba_is_cropped_in_the_middle(original: Path, tmp_path: Path) -> None:
    images, truth = from_celeba(original, tmp_path / "images.npy")
    for image, file in zip(images, truth["file"], strict=True):
        pixels = np.asarray(Image.open(original / "img_align_celeba" / file)).astype(int)
        # The square of one colour fills the picture, but for its blurred edge.
        assert np.abs(image[2:-2, 2:-2] - pixels[109, 89]).max() <= 6
    whole, _ = from_celeba(original, tmp_path / "whole.npy", crop=178)
    # Of a larger square, the edge is noise.
    away = np.abs(whole[:, :, 0].astype(int) - images[:, 16:17, 16])
    assert away.mean() > 20


def test_celeba_keeps_its_partitions(original: Path) -> None:
    listed = list_celeba(original, ATTRIBUTES)
    dealt = deal_celeba(listed, COUNTS, np.random.default_rng(0))
    partition = dealt.groupby("split")["partition"].unique().map(list).to_dict()
    assert partition == {
        "train": [0], "validation": [1], "test": [2], "reference": [2], "unseen": [2]
    }  # fmt: skip
    trained = set(dealt.loc[dealt["split"] == "train", "identity"])
    unseen = dealt[dealt["split"] == "unseen"]
    assert not trained & set(unseen["identity"])
    # Whole people: six images of one, three of another.
    assert sorted(unseen["identity"].value_counts()) == [3, 6]
    other = deal_celeba(listed, COUNTS, np.random.default_rng(1))
    assert not other["file"].equals(dealt["file"])


def test_labels_of_training_come_first(original: Path, tmp_path: Path) -> None:
    _, truth = from_celeba(original, tmp_path / "images.npy")
    train = truth["split"] == "train"
    assert sorted(truth["label"][train].unique()) == list(range(5))
    assert truth["label"][~train].min() >= 5
    assert (truth.groupby("identity")["label"].nunique() == 1).all()


def test_the_outer_folder_may_be_named_and_threads_change_nothing(
    original: Path, celeba: Path, tmp_path: Path
) -> None:
    one = from_celeba(original, tmp_path / "one.npy")
    other = from_celeba(celeba.parent, tmp_path / "other.npy")
    assert np.array_equal(one[0], other[0])
    pd.testing.assert_frame_equal(one[1], other[1])


def rewrite(file: Path, change: Callable[[list[str]], list[str]]) -> None:
    file.write_text("\n".join(change(file.read_text().splitlines())) + "\n")


def in_file(name: str, change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    return lambda folder: rewrite(folder / name, change)


def empty(folder: Path) -> None:
    shutil.rmtree(folder / "img_align_celeba")
    (folder / "img_align_celeba").mkdir()


def one_value(lines: list[str]) -> list[str]:
    rows = [line.split() for line in lines[2:]]
    return [*lines[:2], *(" ".join([*row[:-1], "1"]) for row in rows)]


ATTR, PART, IDENT = "list_attr_celeba.txt", "list_eval_partition.txt", "identity_CelebA.txt"
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "there is no folder .*: put torchvision's CelebA there"),
    "no images": (
        lambda folder: shutil.rmtree(folder / "img_align_celeba"),
        "img_align_celeba is missing or unreadable: put torchvision's CelebA there",
    ),
    "empty folder": (empty, r"img_align_celeba holds no images \(\*.jpg\)"),
    "no attributes": (lambda folder: (folder / ATTR).unlink(), f"{ATTR} is missing"),
    "no identities": (lambda folder: (folder / IDENT).unlink(), f"{IDENT} is missing"),
    "no partition": (lambda folder: (folder / PART).unlink(), f"{PART} is missing"),
    "empty list": (lambda folder: (folder / ATTR).write_text(""), "cannot be read as a table"),
    "a binary list": (
        lambda folder: (folder / IDENT).write_bytes(b"\xff\xfe\x00" * 9),
        "cannot be read as a table: fetch it again",
    ),
    "a column less": (
        in_file(ATTR, lambda lines: [lines[0], lines[1].replace("Male", "Female"), *lines[2:]]),
        f"{ATTR} has no column Male: fetch it again; Black_Hair, Eyeglasses, Male",
    ),
    "an odd value": (
        in_file(ATTR, lambda lines: [*lines[:3], lines[3].replace("1", "3"), *lines[4:]]),
        "has a value other than -1 and 1 for the image 0?.*: fetch it again",
    ),
    "an image without attributes": (
        in_file(ATTR, lambda lines: [*lines[:5], *lines[6:]]),
        "000004.jpg has no attributes in list_attr_celeba.txt: fetch that file again, or take",
    ),
    "an image without a partition": (
        in_file(PART, lambda lines: [*lines[:6], *lines[7:]]),
        f"{PART} has no line for the image 000007.jpg",
    ),
    "an image without an identity": (
        in_file(IDENT, lambda lines: lines[:-1]),
        f"{IDENT} has no line for the image 000082.jpg",
    ),
    "an image twice": (
        in_file(PART, lambda lines: [*lines, lines[4]]),
        "names the image 000005.jpg twice",
    ),
    "another partition": (
        in_file(PART, lambda lines: [lines[0][:-1] + "7", *lines[1:]]),
        "has a partition other than 0, 1 and 2",
    ),
    "a list of words": (
        in_file(IDENT, lambda lines: [line + "x" for line in lines]),
        f"{IDENT} is no list of images with a number each",
    ),
    "a missing image": (
        lambda folder: (folder / "img_align_celeba/000003.jpg").unlink(),
        "000003.jpg is missing: fetch it again",
    ),
    "one identity": (
        in_file(IDENT, lambda lines: [f"{line.split()[0]} 8" for line in lines]),
        "have only one identity: two or more are needed",
    ),
    "one value": (in_file(ATTR, one_value), "have only one value of the attribute Young"),
    "a corrupt image": (
        lambda folder: (folder / "img_align_celeba/000002.jpg").write_bytes(b"\xff\xd8 no image"),
        "000002.jpg cannot be read as an image: fetch it again",
    ),
    "a small image": (
        lambda folder: Image.new("RGB", (9, 30)).save(folder / "img_align_celeba/000005.jpg"),
        "has 9 pixels, fewer than 16: .* set prepare.faces.smallest to 9",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_celeba_is_told_before_any_work(
    damage: str, celeba: Path, tmp_path: Path
) -> None:
    change, sentence = DAMAGE[damage]
    change(celeba)
    with pytest.raises(PipelineError, match=sentence) as caught:
        from_celeba(celeba, tmp_path / "images.npy", train=40)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    assert not (tmp_path / "images.npy").exists()


@pytest.mark.parametrize(
    ("split", "count", "sentence"),
    [
        ("train", 41, "for train: 40 are left for the 41 asked for; lower prepare.faces.train."),
        ("validation", 13, "lower prepare.faces.validation."),
        ("unseen", 31, "for unseen: 30 are left for the 31"),
        ("test", 16, "for test and reference: 21 .* 23 .* lower prepare.faces.test or reference."),
    ],
)
def test_too_few_images(
    split: str, count: int, sentence: str, original: Path, tmp_path: Path
) -> None:
    with pytest.raises(PipelineError, match=sentence):
        from_celeba(original, tmp_path / "images.npy", **{split: count})
