"""What a user sees who gives something wrong: one sentence, exit code 1, nothing half-written."""

import builtins
import errno
import os
import re
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from mnist_files import NAMES, write_mnist
from PIL import Image
from settings import change_all
from torch import Tensor, nn

from pipeline import paths
from pipeline.config.loading import load_config
from pipeline.evaluation.perceptual_features import INCEPTION_URL
from pipeline.models import generator
from pipeline.models.perceptual import VGG16
from pipeline.networks.alexnet import CARD as ALEXNET
from pipeline.plan import items
from pipeline.storage import read_parquet, write_json, write_npy, write_parquet
from pipeline.training.checkpoints import CheckpointFolder

ROOT = Path(__file__).resolve().parents[1]
SMOKE = "scales/smoke.yaml"
ITEMS = {item.stage: item.name for item in reversed(list(items(load_config(ROOT))))}
"""The first item of each stage."""


@pytest.fixture
def change(project: Path) -> Callable[..., None]:
    """`change({key: value})` changes the settings of the project's scale, smoke."""
    change_all(project, "params.yaml", {"scale": "smoke", "device": "cpu", "threads": 1})
    (project / "pipeline").symlink_to(ROOT / "pipeline")  # whose modules a plan names
    return lambda changes, file=SMOKE: change_all(project, file, changes)


@pytest.fixture
def run(
    change: Any,
    unchanged_torch: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str]]:
    """`run(stage, item)` runs a stage's command in the project: exit code and stderr.

    If the settings are valid, what the stage `plan` writes for the item is there.
    """

    def command(stage: str, *arguments: str, planned: bool = True) -> tuple[int, str]:
        if planned:
            config = load_config()
            for item in items(config):
                if (item.stage, item.name) == (stage, "".join(arguments)):
                    content = item.content(config.run.scale, config.run.seed)
                    write_json(paths.plan(item.stage, item.name), content)
        monkeypatch.setattr(sys, "argv", [stage, *arguments])
        capsys.readouterr()
        code = 0
        try:
            runpy.run_path(str(ROOT / f"pipeline/stages/{stage}.py"), run_name="__main__")
        except SystemExit as error:
            code = int(error.code or 0)
        return code, capsys.readouterr().err

    return command


@pytest.fixture
def refused(run: Any, project: Path) -> Callable[..., str]:
    """`refused(stage)` runs a stage that has to fail as promised: its sentence."""

    def command(stage: str, *arguments: str, **options: Any) -> str:
        arguments = arguments or tuple(filter(None, [ITEMS.get(stage, "")]))
        before = files(project)
        code, error = run(stage, *arguments, **options)
        assert code == 1
        assert error.count("\n") == 1 and error.startswith("error: "), error
        assert error.endswith(".\n")
        assert files(project) == before
        return error.strip().removeprefix("error: ")

    return command


def files(folder: Path) -> dict[str, bytes]:
    """All but the plan."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "plan"
    }


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "file", "key", "suggestion"),
    [
        ("plan", "params.yaml", "sede", "seed"),
        ("plan", SMOKE, "experiments.fig4.inputz", "inputs"),
        ("plan", SMOKE, "train_cinn.default.stpes", "steps"),
        ("prepare", "params.yaml", "sede", "seed"),
        ("edit_image", "params.yaml", "sede", "seed"),
    ],
)
def test_a_mistake_in_the_settings(
    stage: str, file: str, key: str, suggestion: str, change: Any, refused: Any
) -> None:
    change({key: 1}, file)
    arguments = ["me.png", "--factor", "Smiling", "--donor", "friend.png"]
    sentence = refused(stage, *(arguments if stage == "edit_image" else []), planned=False)
    assert sentence.startswith(f"{file}: {key} ") and f"(did you mean {suggestion}?)" in sentence


@pytest.mark.parametrize("stage", ITEMS)
def test_a_stage_before_its_plan(stage: str, refused: Any) -> None:
    sentence = refused(stage, planned=False)
    assert sentence.startswith(
        f"{paths.plan(stage, ITEMS[stage])} is missing: run `dvc repro plan`"
    )


def test_the_wrong_folder(refused: Any, project: Path) -> None:
    (project / "params.yaml").unlink()
    for stage in ("plan", "prepare"):
        assert refused(stage, planned=False).endswith("run the command in the repository's root.")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_where_there_is_none(change: Any, refused: Any) -> None:
    change({"device": "cuda"}, "params.yaml")
    assert refused("train_autoencoder").startswith("device is cuda, but torch finds no usable GPU")


# --- data of others ------------------------------------------------------------------------------


@pytest.fixture
def mnist(change: Any, project: Path) -> Path:
    """A folder with a tiny MNIST, which the settings name."""
    write_mnist(project / "mnist", train=60, test=20)
    sizes = {"source": "mnist", "folder": "mnist", "train": 40, "validation": 20, "test": 20}
    change(
        {f"prepare.digits.{key}": value for key, value in sizes.items()}
        | {"train_autoencoder.digits.steps": 3, "train_network.squeezenet.steps": 3}
    )
    return project / "mnist"


@pytest.fixture
def few_animals(change: Any) -> None:
    """As few animals as the other settings allow."""
    counts = ("train", "validation", "test", "reference")
    change(dict.fromkeys([f"prepare.animals.{name}" for name in counts], 40))


def truncate(path: Path, left: int) -> None:
    path.write_bytes(path.read_bytes()[:left])


def test_a_truncated_photograph(few_animals: None, change: Any, refused: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (160, 48, 48, 3), dtype=np.uint8)
    for number, image in enumerate(pixels):
        file = Path("photographs", "cat" if number % 2 else "dog", f"{number:03}.png")
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    change({"prepare.animals.source": "photographs", "prepare.animals.folders": ["photographs"]})
    truncate(file, 3000)
    assert refused("prepare", "animals").startswith(f"{file} cannot be read as an image")


@pytest.mark.parametrize("name", [name for pair in NAMES.values() for name in pair])
def test_a_truncated_mnist_file(mnist: Path, name: str, refused: Any) -> None:
    truncate(mnist / name, -5)
    assert refused("prepare").startswith(f"mnist/{name} is truncated")


def test_more_digits_than_the_files_have(mnist: Path, change: Any, refused: Any) -> None:
    change({"prepare.digits.train": 50})
    assert "lower prepare.digits.train, validation or test" in refused("prepare")


def test_a_failed_run_keeps_what_was_there(mnist: Path, run: Any, refused: Any) -> None:
    assert run("prepare", "digits")[0] == 0
    (mnist / NAMES["train"][0]).unlink()
    refused("prepare")
    assert (paths.prepared("digits") / "strokes.npy").is_file()


@pytest.mark.parametrize(
    ("stage", "section", "name", "others", "url"),
    [
        ("train_network", "train_network.alexnet", "weights", {}, ALEXNET.weights.url),
        ("train_autoencoder", "train_autoencoder.animals", "perceptual_weights", {"perceptual": 1},
         VGG16.url),
        ("measure", "experiments.table1", "extractor_weights", {"extractor": "inception"},
         INCEPTION_URL),
    ],
    ids=["alexnet", "vgg16", "inception"],
)  # fmt: skip
def test_weights_that_were_not_downloaded(
    stage: str, section: str, name: str, others: dict[str, Any], url: str, few_animals: None,
    change: Any, run: Any, refused: Any,
) -> None:  # fmt: skip
    change({f"{section}.{key}": value for key, value in (others | {name: "weights"}).items()})
    item = section.rpartition(".")[2]
    assert run("prepare", "animals") == (0, "")
    file = Path("weights") / url.rsplit("/", 1)[1]
    for make in (lambda: None, file.parent.mkdir):
        make()
        sentence = refused(stage, item)
        assert str(file) in sentence and f"download {url}" in sentence
    file.write_text("<html>404</html>")
    assert refused(stage, item).startswith(f"{file} is not the published file")


# --- what other stages should have made ----------------------------------------------------------


@pytest.mark.parametrize("stage", sorted({*ITEMS} - {"prepare", "report"}))
def test_inputs_that_were_never_made(stage: str, refused: Any) -> None:
    sentence = refused(stage)
    assert " is missing" in sentence and "`dvc repro" in sentence


@pytest.fixture
def prepared(mnist: Path, run: Any) -> Path:
    assert run("prepare", "digits") == (0, "")
    return paths.prepared("digits")


@pytest.mark.parametrize("file", ["ground_truth.parquet", "strokes.npy"])
@pytest.mark.parametrize("stage", ["train_autoencoder", "train_network", "draw_data"])
def test_a_damaged_input(prepared: Path, refused: Any, stage: str, file: str) -> None:
    damaged = prepared / file
    truncate(damaged, -20)
    sentence = refused(stage)
    assert sentence.startswith(f"{damaged} is damaged")
    assert sentence.endswith("delete it and run `dvc repro` again.")
    damaged.unlink()
    assert refused(stage) == f"{damaged} is missing; `dvc repro` makes it."


def test_digits_that_are_not_those_of_the_truth(prepared: Path, refused: Any) -> None:
    truth = prepared / "ground_truth.parquet"
    write_parquet(truth, read_parquet(truth).iloc[1:])
    sentence = refused("train_autoencoder")
    assert "strokes.npy holds 240 images" in sentence and "239 rows" in sentence


@pytest.mark.parametrize(
    ("maker", "folder", "key", "stage", "file"),
    [
        ("train_network", paths.network("squeezenet"), "classes", "extract", "step-000000"),
        ("train_autoencoder", paths.autoencoder("digits"), "latent", "encode", "model"),
    ],
)
def test_a_model_of_another_shape(
    maker: str, folder: Path, key: str, stage: str, file: str, prepared: Path, run: Any,
    refused: Any,
) -> None:  # fmt: skip
    assert run(maker, ITEMS[maker])[0] == 0
    text = (folder / "config.json").read_text()
    changed = re.sub(rf'("{key}": \d*)(\d)', r"\g<1>7", text)
    assert changed != text
    (folder / "config.json").write_text(changed)
    assert f"{folder / file}.safetensors belongs to another" in refused(stage)


def test_a_checkpoint_that_cannot_be_resumed(
    prepared: Path, run: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A run that is killed right before it would remove its finished checkpoint.
    monkeypatch.setattr(CheckpointFolder, "clear", lambda self: None)
    assert run("train_autoencoder", "digits")[0] == 0
    (file,) = Path(".checkpoints").rglob("checkpoint.pt")
    state = torch.load(file, weights_only=True)
    state["model"] = {name: value.flatten()[:1] for name, value in state["model"].items()}
    torch.save(state, file)
    sentence = refused("train_autoencoder")
    assert (
        sentence.startswith(f"{file} is damaged") and f"delete the folder {file.parent}" in sentence
    )


def test_a_concept_that_does_not_exist(prepared: Path, change: Any, refused: Any) -> None:
    change({"train_semantic.digits.factors": ["digit", "shape"]})
    for split, images in (("train", 160), ("validation", 40)):
        for moment in ("mean", "variance"):
            path = paths.posteriors("digits") / f"{split}-{moment}.npy"
            write_npy(path, torch.ones(images, 16).numpy())
    assert refused("train_semantic").startswith("ColorMNIST has no concept 'shape'")


def test_a_column_that_does_not_exist(
    few_animals: None, change: Any, run: Any, refused: Any
) -> None:
    change({"train_evaluator.animals.numbers": ["yaw", "Eyeglasses"]})
    assert run("prepare", "animals")[0] == 0
    sentence = refused("train_evaluator")
    assert "'Eyeglasses'" in sentence and "train_evaluator" in sentence
    assert "label, species, coat, style, yaw, pitch, roll" in sentence


@pytest.mark.parametrize("size", ["missing", "other"])
def test_a_layer_is_inspected_with_what_it_was_trained_on(
    prepared: Path, run: Any, refused: Any, change: Any, size: str
) -> None:
    change({"network": "squeezenet", "layer": "fire8"}, "params.yaml")
    part = paths.autoencoder("digits") / "part.npy"
    made_of = {part.as_posix(): {"bytes": 3, "sha256": ""}}
    write_json(paths.posteriors("digits") / "config.json", made_of)
    if size == "other":
        part.parent.mkdir(parents=True)
        part.write_bytes(b"1234")
    sentence = refused("inspect")
    assert sentence.startswith(str(part)) and "dvc repro" in sentence


# --- places that cannot be written ---------------------------------------------------------------


class Grey(nn.Module):
    """Stands for a generator and its decoder: what the stage `generate` asks before it draws."""

    noise, classes = 2, 12

    @property
    def generator(self) -> "Grey":
        return self

    def embed(self, labels: Tensor) -> Tensor:
        return labels

    encode = embed

    def forward(self, z: Tensor, h: Tensor) -> Tensor:
        return z.new_zeros(len(z), 3, 16, 16)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room cannot be asked for")
@pytest.mark.parametrize(("stage", "made"), [("prepare", "animals"), ("generate", "generated")])
def test_a_disk_without_room_for_images(
    stage: str, made: str, few_animals: None, run: Any, refused: Any, monkeypatch: Any
) -> None:
    assert run("prepare", "animals") == (0, "")
    monkeypatch.setattr(generator, "load_latent_generator", lambda folder: Grey())
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(os, "posix_fallocate", Mock(side_effect=full))
    folder = paths.prepared(made).absolute()
    sentence = refused(stage, "animals")
    assert f"cannot write images.npy in {folder.with_name(f'.{made}.partial')}" in sentence
    assert "No space left on device" in sentence


@pytest.fixture(params=["a file in the way", "read-only", "refused"])
def block(
    request: pytest.FixtureRequest, project: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], None]]:
    """`block(name)` lets nothing be written into a folder of the project."""

    def refuse(name: str, place: Path, module: Any) -> None:
        function = getattr(module, name)

        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            if not isinstance(path, int) and place in Path(path).absolute().parents:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return function(path, *arguments, **options)

        monkeypatch.setattr(module, name, call)

    def make(name: str) -> None:
        place = project / name
        shutil.rmtree(place, ignore_errors=True)
        if request.param == "a file in the way":
            place.write_text("in the way")
            return
        place.mkdir(0o555)
        if request.param == "refused":  # as anyone but root is by the system
            refuse("mkdir", place, os)
            refuse("open", place, builtins)
        elif os.access(place, os.W_OK):
            pytest.skip("root may write everywhere")

    yield make
    for place in project.iterdir():
        place.chmod(0o755)


@pytest.mark.parametrize(
    ("stage", "place"),
    [
        ("prepare", "data/prepared"),
        ("prepare", "reports"),
        *(("train_autoencoder", place) for place in ("models", "reports", ".checkpoints")),
    ],
)
def test_a_folder_that_cannot_be_written(
    stage: str, place: str, block: Callable[[str], None], prepared: Path, run: Any, project: Path
) -> None:
    block(place)
    code, error = run(stage, "digits")
    lines = [line for line in error.splitlines() if line.startswith("error: ")]
    assert code == 1 and len(lines) == 1 and place in lines[0]
    assert not list(project.rglob(".*.partial"))
