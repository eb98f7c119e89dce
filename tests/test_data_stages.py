"""Stages that make data sets, their posteriors and their contact sheets, from files to files."""

import errno
import hashlib
import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from data_files import read_truth
from photograph_files import write_classes
from torch import Tensor, nn

from pipeline import paths
from pipeline.config.fields import Section
from pipeline.config.rows import DatasetRow, Rows
from pipeline.config.settings import GenerateSettings
from pipeline.datasets import animals, faces
from pipeline.datasets.features import load_posterior
from pipeline.datasets.fingerprint import check_fingerprint, fingerprint, model_files
from pipeline.datasets.folder import Settings
from pipeline.datasets.images import ImageSet
from pipeline.datasets.parts import PARTS
from pipeline.datasets.splits import SPLITS
from pipeline.errors import PipelineError
from pipeline.stages import draw_data, encode, generate, prepare
from pipeline.storage import read_json, write_text
from pipeline.task import Task

pytestmark = pytest.mark.usefixtures("here")
CPU = torch.device("cpu")
COUNTS = {"train": 20, "validation": 12, "test": 6, "reference": 2, "calibration": 3}
ANIMALS = animals.Settings(size=16, train_t=3, **COUNTS)
FACES = faces.Settings(size=16, identities=3, images_per_person=2, **COUNTS)
PHOTOS = Rows(
    datasets={"photos": DatasetRow(format="folder", autoencoder_data="photos", images="mine")}
)


def task(item: str, settings: Section, rows: Rows | None = None) -> Task[Any]:
    return Task("stage", item, "smoke", 0, 1, settings, rows or Rows(), {}, "")


def write_model(*folders: Path) -> None:
    """Files that stand for models."""
    for folder in folders:
        for name in ("model.safetensors", "config.json", "training.json"):
            write_text(folder / name, f"{folder} {name}")


class Mean(nn.Linear):
    """E: the mean colour."""

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        mean = images.mean((2, 3))
        return mean, torch.ones_like(mean)


def test_photographs_of_ones_own_are_prepared(here: Path) -> None:
    write_classes(here / "mine", cat=20, dog=5)
    photos = task("photos", Settings(size=16, min_side=8), PHOTOS)
    prepare.prepare(photos)
    assert set(ImageSet.load(paths.prepared("photos"), "train").truth["species"]) == {"cat", "dog"}
    draw_data.draw_data(photos)
    drawn = {file.name for file in paths.sheets("smoke", "photos").iterdir()}
    assert drawn == {"classes.png", "classes.pdf"}


@pytest.mark.parametrize(
    ("item", "settings", "split"), [("animals", ANIMALS, "validation"), ("faces", FACES, "train")]
)
def test_sheets_of_rendered_images(
    item: str, settings: Section, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: dict[Path, tuple[dict[str, np.ndarray], list[str]]] = {}
    monkeypatch.setattr(draw_data, "draw_contact_sheet", lambda rows, words, _: (rows, words))
    monkeypatch.setattr(draw_data, "save_figure", lambda sheet, file: saved.update({file: sheet}))
    prepare.prepare(task(item, settings))
    draw_data.draw_data(task(item, settings))
    assert [file.name for file in saved] == ["classes", "factors"]
    (classes, words), (factors, _) = saved.values()
    images = ImageSet.load(paths.prepared(item), split)
    names = [images.name(row) for row in range(len(images))]
    assert set(classes) == set(names) and f"the split {split}" in words[1]
    for name, shown in classes.items():
        chosen = [row for row, other in enumerate(names) if other == name][:8]
        assert np.array_equal(shown, images.pixels(torch.tensor(chosen)))
    assert "yaw" in factors and all(row.shape == (8, 16, 16, 3) for row in factors.values())


def test_posteriors_are_tied_to_what_they_were_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare.prepare(task("animals", ANIMALS))
    write_model(paths.autoencoder("animals"))
    monkeypatch.setattr(encode, "load_autoencoder", lambda _: Mean(1, 1))
    encode.encode(task("animals", Section()), CPU)
    prepared = paths.prepared("animals")
    for split in (*SPLITS, "train_t"):
        images = ImageSet.load(prepared, split)
        mean, variance = load_posterior(paths.posteriors("animals"), split)
        torch.testing.assert_close(mean, images.images(slice(None)).mean((2, 3)))
        assert torch.equal(variance, torch.ones_like(mean))

    files = read_json(paths.posteriors("animals") / "config.json")
    model = paths.autoencoder("animals")
    names = ("images.npy", "ground_truth.parquet")
    made_of = [prepared / part / name for part in PARTS for name in names]
    for path in (*made_of, model / "model.safetensors", model / "config.json"):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert files[path.as_posix()] == {"bytes": path.stat().st_size, "sha256": digest}
    assert len(files) == 6
    check_fingerprint(files)
    weights = model / "model.safetensors"
    write_text(weights, "other weights")
    with pytest.raises(PipelineError, match=f"{weights} is not the file"):
        check_fingerprint(files)
    weights.unlink()
    with pytest.raises(PipelineError, match=f"{weights} is missing"):
        check_fingerprint(files)
    with pytest.raises(PipelineError, match=f"{weights} is missing"):
        fingerprint([weights])
    with pytest.raises(PipelineError, match="models/none is missing"):
        model_files(Path("models/none"))


def test_generated_images_are_tied_to_their_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    def grey(noise: Tensor, h: Tensor) -> Tensor:
        return (noise[:, :1].tanh() + 0 * h)[:, :, None, None].expand(-1, 3, 16, 16)

    generator = Mock(side_effect=grey, noise=2, classes=12, embed=lambda labels: labels[:, None])
    model = Mock(generator=generator, encode=lambda noise, labels: (noise, noise.exp()))
    monkeypatch.setattr(generate, "load_latent_generator", lambda _: Mock(to=lambda _: model))
    prepare.prepare(task("animals", ANIMALS))
    autoencoder = paths.autoencoder("generated")
    write_model(autoencoder / "generator", autoencoder / "dequantizer")
    settings = GenerateSettings(train=9, validation=3, test=2, calibration=5, inputs=4)
    generate.generate(task("animals", settings), CPU)
    truth = read_truth(paths.prepared("generated"))
    counts = {"train": 9, "validation": 3, "test": 2, "calibration": 5, "inputs": 16}
    assert truth["split"].value_counts().to_dict() == counts
    files = read_json(paths.posteriors("generated") / "config.json")
    assert len(files) == 8 and all(Path(name).is_file() for name in files)
    check_fingerprint(files)
    assert len(load_posterior(paths.posteriors("generated"), "train")[0]) == 9
    full = Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))
    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(PipelineError, match=r"images\.npy in .*/\.generated\.partial.*No space"):
        generate.generate(task("animals", settings), CPU)
    check_fingerprint(files)
