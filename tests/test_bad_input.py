"""What a user sees who gives something wrong: one sentence, exit code 1, nothing half-written."""

import builtins
import errno
import io
import os
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from celeba_files import write_celeba
from mnist_files import NAMES, write_mnist
from PIL import Image
from settings import change as change_setting
from settings import change_all
from torch import Tensor, nn

from pipeline import paths
from pipeline.datasets.images import ImageSet
from pipeline.evaluation.perceptual_features import INCEPTION_URL
from pipeline.models import generator
from pipeline.networks.weights import PUBLISHED
from pipeline.storage import read_parquet, write_npy, write_parquet
from pipeline.training.checkpoints import CheckpointFolder

ROOT = Path(__file__).resolve().parents[1]
STAGES = sorted(
    path.stem for path in (ROOT / "pipeline/stages").glob("*.py") if path.stem != "__init__"
)
SMOKE = "scales/smoke.yaml"


def item_of(stage: str) -> list[str]:
    """The arguments of a stage, or of a command beside them."""
    if stage == "edit_image":
        return ["me.png", "--factor", "Smiling", "--donor", "friend.png"]
    if stage in {"choose", "claims", "code", "inspect", "report", "rows"}:
        return []
    if stage in {"evaluate", "plot"}:
        return ["fig4"]
    items = {
        "train_cinn": "squeezenet-fire8",
        "train_baseline": "dosovitskiy-fc7",
        "train_evaluator": "animals",
        "train_stargan": "faces",
        "train_generator": "animals",
        "train_dequantizer": "animals",
        "generate": "animals",
    }
    networks = {"train_network", "extract", "fingerprint"}
    return [items.get(stage, "squeezenet" if stage in networks else "digits")]


@pytest.fixture
def change(project: Path) -> Callable[[str, str, Any], None]:
    """`change(file, key, value)` sets a dotted key of a YAML file of the project."""
    change_all(project, "params.yaml", {"scale": "smoke", "device": "cpu", "threads": 1})
    return partial(change_setting, project)


@pytest.fixture
def run(
    change: Any,
    unchanged_torch: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str]]:
    """`run(stage, *arguments)` runs a stage's command in the project: exit code and stderr."""

    def command(stage: str, *arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", [stage, *arguments])
        capsys.readouterr()
        code = 0
        try:
            runpy.run_module(f"pipeline.stages.{stage}", run_name="__main__")
        except SystemExit as error:
            code = int(error.code or 0)
        return code, capsys.readouterr().err

    return command


@pytest.fixture
def refused(run: Any, project: Path) -> Callable[..., str]:
    """`refused(stage)` runs a stage that has to fail as promised: its sentence."""

    def command(stage: str, *arguments: str) -> str:
        before = files(project)
        code, error = run(stage, *(arguments or item_of(stage)))
        assert code == 1
        assert error.count("\n") == 1 and error.startswith("error: "), error
        assert error.endswith(".\n")
        assert files(project) == before
        return error.strip().removeprefix("error: ")

    return command


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_checks_all_settings(stage: str, change: Any, refused: Any) -> None:
    change(SMOKE, "evaluate.fig4.inputz", 3)
    assert "evaluate.fig4.inputz is not a known key (did you mean inputs?)" in refused(stage)


@pytest.mark.parametrize(
    ("file", "key", "value", "sentence"),
    [
        ("params.yaml", "sede", 1, "params.yaml: sede is not a known key (did you mean seed?)"),
        (
            SMOKE,
            "train_cinn.alexnet-fc7.stpes",
            1,
            "stpes is not a known key (did you mean steps?)",
        ),
        (SMOKE, "train_network.squeezenet.learning_rate", "1e-3 ", "it must be a number above 0"),
        (SMOKE, "prepare.digits.download", "yes", "is 'yes'; it must be true or false"),
        (SMOKE, "prepare.digits.train", -4, "is -4; it must be a whole number of at least 1"),
        (SMOKE, "prepare.digits.test", 0, "is 0; it must be a whole number of at least 1"),
        ("params.yaml", "scale", "smok", "is not a known scale (did you mean smoke?)"),
        (SMOKE, "extract.squeezenet.layers", {"fire8": [1]}, "is not a known layer"),
        ("params.yaml", "layers.squeezenet-fire8.features", "resnet", "is not a known row"),
        ("params.yaml", "networks.squeezenet.dataset", "digit", "is not a known data set"),
        (SMOKE, "prepare.digits.source", "mnits", "is not a known value (did you mean mnist?)"),
        ("params.yaml", "device", "gpu", "is not a known value"),
    ],
)
def test_a_mistake_in_the_settings(
    file: str, key: str, value: Any, sentence: str, change: Any, refused: Any
) -> None:
    change(file, key, value)
    assert sentence in refused("prepare")


def test_an_item_that_does_not_exist(refused: Any) -> None:
    sentence = refused("train_cinn", "alexnet-fc9")
    assert sentence.startswith("train_cinn has no item 'alexnet-fc9' (did you mean alexnet-fc8?)")


def test_the_wrong_folder(refused: Any, project: Path) -> None:
    (project / "params.yaml").unlink()
    assert refused("prepare").endswith("run the command in the repository's root.")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_where_there_is_none(change: Any, refused: Any) -> None:
    change("params.yaml", "device", "cuda")
    assert refused("train_autoencoder").startswith("device is cuda, but torch finds no usable GPU")


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_checks_the_layer_to_inspect(stage: str, change: Any, refused: Any) -> None:
    change("params.yaml", "network", "squeezenet")
    assert refused(stage) == (
        "params.yaml: layer 'fc7' is not a known layer of squeezenet; known are fire8."
    )


# --- MNIST ---------------------------------------------------------------------------------------


@pytest.fixture
def mnist(change: Any, project: Path) -> Path:
    """A folder with a tiny MNIST, which the settings name."""
    folder = project / "mnist"
    write_mnist(folder, train=60, test=20)
    sizes = {"source": "mnist", "folder": "mnist", "train": 40, "validation": 20, "test": 20}
    steps = ("train_autoencoder.digits.steps", "train_network.squeezenet.steps")
    change_all(
        project,
        SMOKE,
        {f"prepare.digits.{key}": value for key, value in sizes.items()} | dict.fromkeys(steps, 3),
    )
    return folder


@pytest.mark.parametrize("name", [name for pair in NAMES.values() for name in pair])
def test_a_truncated_mnist_file(mnist: Path, name: str, refused: Any) -> None:
    (mnist / name).write_bytes((mnist / name).read_bytes()[:-5])
    assert refused("prepare") == (
        f"mnist/{name} is truncated or not an MNIST file: fetch it again."
    )


def test_a_missing_mnist_folder(mnist: Path, refused: Any) -> None:
    shutil.rmtree(mnist)
    assert refused("prepare").startswith("no MNIST file mnist/MNIST/raw/train-images-idx3-ubyte")


def test_more_digits_than_the_files_have(mnist: Path, change: Any, refused: Any) -> None:
    change(SMOKE, "prepare.digits.train", 50)
    assert "lower prepare.digits.train, validation or test" in refused("prepare")


def test_a_failed_run_keeps_what_was_there(mnist: Path, run: Any, refused: Any) -> None:
    assert run("prepare", "digits")[0] == 0
    (mnist / NAMES["train"][0]).unlink()
    refused("prepare")
    assert (paths.prepared("digits") / "strokes.npy").is_file()


# --- CelebA --------------------------------------------------------------------------------------


@pytest.fixture
def celeba(change: Any, project: Path) -> Path:
    """A folder with a tiny CelebA, which the settings name."""
    folder = project / "celeba"
    write_celeba(folder)
    sizes = {"source": "celeba", "folder": "celeba", "train": 40, "validation": 12, "size": 16}
    sizes |= {"test": 6, "reference": 6, "unseen": 10}
    others = {f"prepare.{name}.size": 16 for name in ("animals", "animalfaces")}
    change_all(
        project,
        SMOKE,
        {f"prepare.faces.{key}": value for key, value in sizes.items()}
        | others
        | {"evaluate.fig7.inputs": 6},
    )
    return folder


def test_a_tiny_celeba_is_prepared(celeba: Path, run: Any) -> None:
    assert run("prepare", "faces") == (0, "")
    assert len(ImageSet.load(paths.prepared("faces"), "unseen")) == 10


def test_a_corrupt_face(celeba: Path, refused: Any) -> None:
    file = celeba / "img_align_celeba/000009.jpg"
    file.write_bytes(file.read_bytes()[:3000])
    assert refused("prepare", "faces") == (
        "celeba/img_align_celeba/000009.jpg cannot be read as an image: fetch it again, or take it "
        "out of the data."
    )


def test_a_missing_list_of_celeba(celeba: Path, refused: Any) -> None:
    (celeba / "identity_CelebA.txt").unlink()
    assert refused("prepare", "faces").startswith("celeba/identity_CelebA.txt is missing: put")


# --- photographs ---------------------------------------------------------------------------------


@pytest.fixture
def few_animals(change: Any, project: Path) -> None:
    """As few animals as the other settings allow."""
    counts = ("train", "validation", "test", "reference")
    change_all(project, SMOKE, dict.fromkeys([f"prepare.animals.{name}" for name in counts], 40))


@pytest.fixture
def photographs(few_animals: None, project: Path) -> Path:
    """A folder with as many photographs of a cat and a dog, which the settings name."""
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "png")
    for species in ("cat", "dog"):
        (project / "photographs" / species).mkdir(parents=True)
        for number in range(80):
            file = project / "photographs" / species / f"{number:02}.png"
            file.write_bytes(content.getvalue())
    named = {"source": "photographs", "folders": ["photographs"]}
    change_all(project, SMOKE, {f"prepare.animals.{key}": named[key] for key in named})
    return project / "photographs"


def test_photographs_are_prepared(photographs: Path, run: Any) -> None:
    assert run("prepare", "animals") == (0, "")
    assert len(ImageSet.load(paths.prepared("animals"), "reference")) == 40


CAT = "photographs/cat/03.png"
UNREADABLE = f"{CAT} cannot be read as an image: fetch it again, or take it out of the data."


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda cat: cat.write_bytes(b"<html>404</html>"), UNREADABLE),
        (lambda cat: cat.write_bytes(b""), UNREADABLE),
        (lambda cat: cat.write_bytes(cat.read_bytes()[:3000]), UNREADABLE),
        (
            lambda cat: Image.new("RGB", (48, 20)).save(cat),
            f"the shorter side of {CAT} has 20 pixels, fewer than 32: take such images away, or "
            "set prepare.animals.smallest to 20 to enlarge them.",
        ),
        (
            lambda cat: cat.unlink(),
            "too few photographs for train and validation: 79 are left for the 80 asked for; lower "
            "prepare.animals.train or validation.",
        ),
        (
            lambda cat: [file.unlink() for file in cat.parents[1].rglob("*.png")],
            "photographs holds no images in folders named after their classes",
        ),
        (
            lambda cat: shutil.rmtree(cat.parents[1]),
            "there is no folder photographs of photographs: put them there, or correct "
            "prepare.animals.folders.",
        ),
    ],
    ids=["no image", "nothing", "truncated", "too small", "too few", "empty", "missing"],
)
def test_photographs_that_cannot_be_used(
    damage: Callable[[Path], Any], sentence: str, photographs: Path, refused: Any
) -> None:
    damage(photographs / "cat/03.png")
    assert refused("prepare", "animals").startswith(sentence)


# --- published weights, offline ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "item", "key", "others", "url"),
    [
        ("train_network", "alexnet", "weights", {}, PUBLISHED["alexnet"].url),
        (
            "train_autoencoder",
            "animals",
            "perceptual_weights",
            {"perceptual": 1},
            PUBLISHED["vgg16"].url,
        ),
        ("evaluate", "table1", "extractor_weights", {"extractor": "inception"}, INCEPTION_URL),
    ],
)
def test_weights_that_were_not_downloaded(
    stage: str,
    item: str,
    key: str,
    others: dict[str, Any],
    url: str,
    few_animals: None,
    run: Any,
    refused: Any,
    project: Path,
) -> None:
    settings = others | {key: "weights"}
    change_all(project, SMOKE, {f"{stage}.{item}.{name}": settings[name] for name in settings})
    assert run("prepare", "animals") == (0, "")
    file = project / "weights" / url.rsplit("/", 1)[1]
    missing = f"the weights weights/{file.name} are missing: download {url} and put it there"
    assert refused(stage, item).startswith(missing)
    file.parent.mkdir()
    assert refused(stage, item).startswith(missing)
    file.write_text("<html>404</html>")
    assert refused(stage, item).startswith(f"weights/{file.name} is not the published file: its")


# --- what other stages should have made ----------------------------------------------------------


@pytest.mark.parametrize(
    "stage", sorted({*STAGES} - {"prepare", "choose", "code", "report", "rows", "edit_image"})
)
def test_inputs_that_were_never_made(stage: str, refused: Any) -> None:
    assert refused(stage).endswith("is missing; `dvc repro` makes it.")


@pytest.fixture
def prepared(mnist: Path, run: Any) -> Path:
    assert run("prepare", "digits") == (0, "")
    return paths.prepared("digits")


def test_a_layer_whose_data_set_is_not_complete(
    prepared: Path, change: Any, run: Any, refused: Any
) -> None:
    """Posteriors, then features, are missing when the layer is inspected."""
    change("params.yaml", "network", "squeezenet")
    change("params.yaml", "layer", "fire8")
    assert run("choose")[0] == 0
    for place in (paths.autoencoder("digits"), paths.posteriors("digits")):
        write_npy(place / "part.npy", torch.ones(2).numpy())
    assert run("fingerprint", "squeezenet")[0] == 0
    assert "squeezenet-fire8/config.json is missing; `dvc repro` makes it." in refused("inspect")
    (paths.posteriors("digits") / "part.npy").unlink()
    assert refused("inspect") == (
        f"{paths.posteriors('digits')}/part.npy is missing; `dvc repro` makes it."
    )


@pytest.mark.parametrize("file", ["ground_truth.parquet", "strokes.npy"])
@pytest.mark.parametrize("stage", ["train_autoencoder", "train_network", "plot_data"])
def test_a_damaged_input(prepared: Path, refused: Any, stage: str, file: str) -> None:
    damaged = prepared / file
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-20])
    sentence = refused(stage)
    assert sentence.startswith(f"{damaged} is damaged")
    assert sentence.endswith("delete it and run `dvc repro` again.")
    damaged.unlink()
    assert refused(stage) == f"{damaged} is missing; `dvc repro` makes it."


def test_digits_that_are_not_those_of_the_truth(prepared: Path, refused: Any) -> None:
    truth = prepared / "ground_truth.parquet"
    write_parquet(truth, read_parquet(truth).iloc[1:])
    assert "strokes.npy holds 240 images, but ground_truth.parquet beside it 239 rows" in refused(
        "train_autoencoder"
    )


def test_a_network_of_another_shape(prepared: Path, run: Any, refused: Any) -> None:
    assert run("train_network", "squeezenet")[0] == 0
    config = paths.network("squeezenet") / "config.json"
    config.write_text(config.read_text().replace('"classes": 10', '"classes": 9'))
    sentence = refused("extract")
    assert "step-000000.safetensors belongs to another network" in sentence


def test_a_model_of_another_shape(prepared: Path, run: Any, refused: Any) -> None:
    assert run("train_autoencoder", "digits")[0] == 0
    config = paths.autoencoder("digits") / "config.json"
    config.write_text(config.read_text().replace('"latent": 16', '"latent": 8'))
    sentence = refused("encode")
    assert "model.safetensors belongs to another model" in sentence


@pytest.mark.parametrize("damage", ["another shape", "truncated"])
def test_a_checkpoint_that_cannot_be_resumed(
    prepared: Path, run: Any, refused: Any, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    # A run that is killed right before it would remove its finished checkpoint. Twice: the first
    # run may import a module that counts in the checkpoint's name.
    monkeypatch.setattr(CheckpointFolder, "clear", lambda self: None)
    for _ in range(2):
        assert run("train_autoencoder", "digits")[0] == 0
    (file,) = Path(".checkpoints").rglob("checkpoint.pt")
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:-100])
    else:
        state = torch.load(file, weights_only=True)
        state["model"] = {name: value.flatten()[:1] for name, value in state["model"].items()}
        torch.save(state, file)
    sentence = refused("train_autoencoder")
    assert sentence == (
        f"{file} is damaged or belongs to another training; delete the folder {file.parent} and "
        "run the stage again."
    )


def test_a_concept_that_does_not_exist(prepared: Path, change: Any, refused: Any) -> None:
    concepts = ["digit", "shape"]
    change(SMOKE, "train_semantic.digits.factors", concepts)
    change(SMOKE, "train_semantic.digits.weights", dict.fromkeys(concepts, 1.0))
    for split, images in (("train", 160), ("validation", 40)):
        for moment in ("mean", "variance"):
            path = paths.posteriors("digits") / f"{split}-{moment}.npy"
            write_npy(path, torch.ones(images, 16).numpy())
    assert refused("train_semantic").startswith("ColorMNIST has no concept 'shape'")


def test_a_factor_that_does_not_exist(change: Any, run: Any, refused: Any) -> None:
    for split in ("train", "validation", "test", "reference"):
        change(SMOKE, f"prepare.animals.{split}", 40)
    change(SMOKE, "train_evaluator.animals.numbers", ["yaw", "Eyeglasses"])
    assert run("prepare", "animals")[0] == 0
    sentence = refused("train_evaluator")
    assert sentence.startswith("the ground truth has no column 'Eyeglasses' for train_evaluator")
    assert "label, species, coat, style, yaw, pitch, roll" in sentence


def test_attributes_that_stargan_cannot_learn(
    change: Any, run: Any, refused: Any, project: Path
) -> None:
    assert run("prepare", "faces")[0] == 0
    change(SMOKE, "train_stargan.faces.attributes", ["Smiling", "Bald"])
    sentence = refused("train_stargan")
    assert sentence.startswith("the training images have no attribute 'Bald' that is either true")
    change(SMOKE, "train_stargan.faces.attributes", ["Smiling", "Male"])
    file = paths.prepared("faces") / "ground_truth.parquet"
    write_parquet(file, read_parquet(file).assign(Male=True))
    assert refused("train_stargan").startswith("the attribute 'Male' is true in all 200 of")


# --- places that cannot be written ---------------------------------------------------------------


class Grey(nn.Module):
    """Stands for a generator and its decoder: what the stage `generate` asks before it draws."""

    noise, classes = 2, 12

    @property
    def generator(self) -> "Grey":
        return self

    def embed(self, labels: Tensor) -> Tensor:
        return labels

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
    assert refused(stage, "animals") == (
        f"cannot write images.npy in {folder.with_name(f'.{made}.partial')} (No space left on "
        "device); free some space or make the folder writable."
    )


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


@pytest.mark.parametrize("place", ["data", "reports"])
def test_a_folder_that_cannot_be_written(
    place: str, block: Callable[[str], None], mnist: Path, run: Any, project: Path
) -> None:
    block(place)
    code, error = run("prepare", "digits")
    assert code == 1 and error.count("\n") == 1 and error.startswith("error: ")
    assert place in error
    assert not list(project.rglob(".*.partial"))


@pytest.mark.parametrize("place", ["models", "reports", ".checkpoints"])
def test_a_folder_that_a_training_cannot_write(
    place: str, block: Callable[[str], None], prepared: Path, run: Any, project: Path
) -> None:
    block(place)
    code, error = run("train_autoencoder", "digits")
    lines = [line for line in error.splitlines() if line.startswith("error: ")]
    assert code == 1 and len(lines) == 1 and place in lines[0]
    assert not list(project.rglob(".*.partial"))
