"""Data sets of images: what the stage `prepare` writes is what training and figures read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.datasets.animals import SPLITS, prepare_animalfaces, prepare_animals
from pipeline.datasets.digits import ColorDigits
from pipeline.datasets.images import ImageSet, Mixture
from pipeline.datasets.splits import data_files, load_split
from pipeline.errors import PipelineError
from pipeline.params import PrepareAnimalsParams
from pipeline.rendering.animals import SPECIES, render_animals, sample_animals
from pipeline.storage import write_npy, write_parquet

SETTINGS = PrepareAnimalsParams(
    source="rendered",
    folders=None,
    size=32,
    smallest=32,
    train=6,
    validation=3,
    test=2,
    reference=4,
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("animals")
    truth = prepare_animals(SETTINGS, 3, folder / "images.npy", threads=1)
    write_parquet(folder / "ground_truth.parquet", truth)
    return folder


def test_animals_are_rendered_in_the_order_of_their_truth(prepared: Path) -> None:
    truth = sample_animals(15, 3)
    expected = render_animals(truth, 32)
    first = 0
    for split in SPLITS:
        images = load_split(prepared, split)
        assert isinstance(images, ImageSet) and len(images) == getattr(SETTINGS, split)
        rows = slice(first, first + len(images))
        assert np.array_equal(images.pixels(slice(None)), expected[rows])
        assert [SPECIES[label] for label in images.label] == list(truth["species"].iloc[rows])
        first += len(images)
    assert data_files(prepared) == [prepared / "images.npy", prepared / "ground_truth.parquet"]


def test_images_are_what_pixels_show(prepared: Path) -> None:
    images = ImageSet.load(prepared, "train")
    rows = torch.tensor([4, 0, 4])
    x = images.images(rows)
    assert x.shape == (3, 3, 32, 32) and x.min() >= -1 and x.max() <= 1
    shown = x.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    assert np.array_equal(shown, images.pixels(rows))
    assert np.array_equal(shown[0], images.pixels(slice(None))[4])


def test_a_mixture_takes_one_of_each_in_turn(prepared: Path) -> None:
    train, test = (ImageSet.load(prepared, split) for split in ("train", "test"))
    both = Mixture((train, test))
    assert len(both) == 4  # there are two test images
    assert both.images(slice(1)).shape == (1, 3, 32, 32)
    found = both.images(torch.tensor([3, 0, 1, 2]))
    expected = [test.images(slice(1, 2)), train.images(slice(1)), test.images(slice(1))]
    assert torch.equal(found, torch.cat([*expected, train.images(slice(1, 2))]))
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_faces_of_animals_are_other_scenes_than_the_animals(tmp_path: Path) -> None:
    found = prepare_animalfaces(SETTINGS, 3, tmp_path / "images.npy", 1)
    assert not set(found["yaw"]) & set(sample_animals(1000, 3)["yaw"])
    photographs = replace(SETTINGS, source="photographs", folders=(str(tmp_path / "none"),))
    with pytest.raises(PipelineError, match=r"or correct prepare\.animalfaces\.folders\.$"):
        prepare_animalfaces(photographs, 3, tmp_path / "images.npy", 1)


def test_concepts_group_equal_values(prepared: Path) -> None:
    images = ImageSet.load(prepared, "train")
    groups = images.concepts(["species"])["species"]
    names = images.truth["species"].to_numpy()
    assert torch.equal(groups[:, None] == groups, torch.from_numpy(names[:, None] == names))
    with pytest.raises(PipelineError, match="the ground truth has no concept 'digit': use one of"):
        images.concepts(["digit"])


def test_what_probes_read(prepared: Path) -> None:
    images = ImageSet.load(prepared, "train")
    known = images.known()
    assert known["species"].dtype.kind == "i" and known["species"].shape == (6,)
    assert known["yaw"].shape == (6, 1) and known["yaw"].std() > 0
    assert "split" not in known and "coat" not in known


def test_relabelled_images(prepared: Path) -> None:
    images = ImageSet.load(prepared, "train")
    kept = str(images.truth["species"][2])
    other = images.relabelled({kept: 292})
    rows = np.flatnonzero(images.truth["species"] == kept)
    assert len(other) == len(rows) and set(other.label.tolist()) == {292}
    assert np.array_equal(other.pixels(slice(None)), images.pixels(torch.from_numpy(rows)))
    with pytest.raises(PipelineError, match=r"no image shows one of the 1 species .*: prepare"):
        images.relabelled({"unicorn": 5})


def damage_pixels(folder: Path) -> None:
    file = folder / "images.npy"
    file.write_bytes(file.read_bytes()[:-100])


def drop_rows(folder: Path) -> None:
    file = folder / "ground_truth.parquet"
    write_parquet(file, pd.read_parquet(file).iloc[1:])


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (damage_pixels, "images.npy is damaged"),
        (drop_rows, "images.npy holds 15 images, but ground_truth.parquet beside it 14 rows"),
        (lambda folder: (folder / "images.npy").unlink(), "images.npy is missing; `dvc repro`"),
    ],
)
def test_damaged_files_are_told(
    tmp_path: Path, prepared: Path, damage: object, sentence: str
) -> None:
    for file in prepared.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    damage(tmp_path)  # type: ignore[operator]
    with pytest.raises(PipelineError) as caught:
        ImageSet.load(tmp_path, "train")
    assert sentence in str(caught.value)


def test_a_split_without_images(prepared: Path) -> None:
    with pytest.raises(PipelineError, match="has no images of the split 'holdout'"):
        ImageSet.load(prepared, "holdout")


def test_digits_are_recognised(tmp_path: Path) -> None:
    truth = {"split": ["train"], "label": [3], "foreground": [0], "background": [0]}
    for name in ("foreground", "background"):
        truth |= {f"{name}_{colour}": [0.5] for colour in ("red", "green", "blue")}
    write_npy(tmp_path / "strokes.npy", np.zeros((1, 28, 28), np.uint8))
    write_parquet(tmp_path / "ground_truth.parquet", pd.DataFrame(truth))
    digits = load_split(tmp_path, "train")
    assert isinstance(digits, ColorDigits) and digits.label.tolist() == [3]
    assert data_files(tmp_path)[0] == tmp_path / "strokes.npy"
    assert data_files(tmp_path / "digits")[0] == tmp_path / "digits" / "strokes.npy"
