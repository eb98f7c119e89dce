"""What a user sees who gives something wrong: one sentence, exit code 1, nothing half-written."""

import builtins
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mnist_files import NAMES, write_mnist
from settings import change_all

from pipeline import paths
from pipeline.evaluation.perceptual_features import INCEPTION_URL
from pipeline.models.perceptual import VGG16
from pipeline.plan import items
from pipeline.storage import read_parquet, write_json, write_parquet
from pipeline.validation.loading import load_config

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
def run(change: Any, run_script: Any) -> Callable[..., tuple[int, str]]:
    """`run(stage, item)` runs a stage's command in the project: exit code and stderr.

    If the settings are valid, what the stage `plan` writes for the item is there.
    """

    def command(stage: str, *arguments: str, planned: bool = True) -> tuple[int, str]:
        if planned:
            config = load_config()
            for item in items(config):
                if (item.stage, item.name) == (stage, "".join(arguments)):
                    content = item.content(config.run)
                    write_json(paths.plan(item.stage, item.name), content)
        code, _, error = run_script(stage, *arguments)
        return code, error

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


@pytest.mark.parametrize(
    ("stage", "file", "key", "suggestion"),
    [
        ("plan", "params.yaml", "sede", "seed"),
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
def test_a_plan_or_inputs_that_were_never_made(stage: str, refused: Any) -> None:
    plan = paths.plan(stage, ITEMS[stage])
    assert refused(stage, planned=False).startswith(f"{plan} is missing: run `dvc repro plan`")
    if stage not in ("prepare", "report"):  # which need no inputs
        sentence = refused(stage)
        assert " is missing" in sentence and "`dvc repro" in sentence


@pytest.fixture
def mnist(change: Any, project: Path) -> Path:
    """A folder with a tiny MNIST, which the settings name."""
    write_mnist(project / "mnist", train=60, test=20)
    counts = {"train": 40, "validation": 10, "test": 20, "calibration": 10}
    sizes = {"source": "mnist", "folder": "mnist"} | counts
    change(
        {f"prepare.digits.{key}": value for key, value in sizes.items()}
        | {"train_autoencoder.digits.steps": 3, "train_network.squeezenet.steps": 3}
    )
    return project / "mnist"


@pytest.fixture
def few_animals(change: Any) -> None:
    """As few animals as the other settings allow."""
    counts = ("train", "validation", "test", "reference", "calibration")
    change(dict.fromkeys([f"prepare.animals.{name}" for name in counts], 40))


def truncate(path: Path, left: int) -> None:
    path.write_bytes(path.read_bytes()[:left])


def test_a_failed_run_keeps_what_was_there(prepared: Path, mnist: Path, refused: Any) -> None:
    truncate(mnist / NAMES["train"][0], -5)
    assert refused("prepare").startswith(f"mnist/{NAMES['train'][0]} is truncated")
    assert (prepared / "learning" / "strokes.npy").is_file()


@pytest.mark.parametrize(
    ("stage", "section", "name", "others", "url"),
    [
        ("train_autoencoder", "train_autoencoder.animals", "perceptual_weights", {"perceptual": 1},
         VGG16.url),
        ("measure", "experiments.table1", "extractor_weights", {"extractor": "inception"},
         INCEPTION_URL),
    ],
    ids=["vgg16", "inception"],
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


@pytest.fixture
def prepared(mnist: Path, run: Any) -> Path:
    assert run("prepare", "digits") == (0, "")
    return paths.prepared("digits")


@pytest.mark.parametrize("file", ["learning/ground_truth.parquet", "learning/strokes.npy"])
@pytest.mark.parametrize("stage", ["train_autoencoder", "train_network", "draw_data"])
def test_a_damaged_input(prepared: Path, refused: Any, stage: str, file: str) -> None:
    damaged = prepared / file
    truncate(damaged, -20)
    sentence = refused(stage)
    assert sentence.startswith(f"{damaged} is damaged")
    assert sentence.endswith("delete it and run `dvc repro` again.")
    damaged.unlink()
    assert refused(stage) == f"{damaged} is missing; run `dvc repro` to make it."


def test_digits_that_are_not_those_of_the_truth(prepared: Path, refused: Any) -> None:
    truth = prepared / "learning" / "ground_truth.parquet"
    rows = read_parquet(truth)
    write_parquet(truth, rows.iloc[1:])
    sentence = refused("train_autoencoder")
    assert f"strokes.npy holds {len(rows)} images" in sentence
    assert f"{len(rows) - 1} rows" in sentence


def test_a_layer_is_inspected_with_what_it_was_trained_on(
    prepared: Path, refused: Any, change: Any
) -> None:
    change({"network": "squeezenet", "layer": "fire8"}, "params.yaml")
    part = paths.autoencoder("digits") / "part.npy"
    made_of = {part.as_posix(): {"bytes": 3, "sha256": ""}}
    write_json(paths.posteriors("digits") / "config.json", made_of)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"1234")
    sentence = refused("inspect")
    assert sentence.startswith(str(part)) and "dvc repro" in sentence


@pytest.fixture(params=["a file in the way", "read-only"])
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
        refuse("mkdir", place, os)  # to root, too, whom the system allows it
        refuse("open", place, builtins)

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
