"""The command that edits a user's own image, and the sentences it ends in."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from pipeline import paths
from pipeline.datasets.features import save_posterior
from pipeline.errors import PipelineError
from pipeline.evaluation.edit_image import Editor, EditRequest, edit_strip, read_image
from pipeline.figures.strip import COLUMNS, draw_strip
from pipeline.models.image_autoencoder import ImageAutoencoder
from pipeline.models.inn import SemanticINN
from pipeline.storage import write_json, write_parquet, write_safetensors

SIZE, LATENT = 16, 8
FACTORS = {"Male": 2, "Smiling": 3}


def request(**changes: object) -> EditRequest:
    given = {
        "image": Path("me.png"),
        "factor": "Smiling",
        "donor": None,
        "along": (-1.0, 1.0),
        "steps": 3,
        "out": Path("strip.png"),
    }
    return EditRequest(**(given | changes))  # type: ignore[arg-type]


@pytest.fixture
def images(project: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, shape in (("me", (40, 60)), ("friend", (33, 21))):
        Image.fromarray(rng.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(f"{name}.png")
    return project


@pytest.fixture
def models(images: Path) -> Path:
    """E, D and e, untrained, and the codes of twenty training images."""
    torch.manual_seed(0)
    autoencoder = ImageAutoencoder(SIZE, LATENT, [1], 4, 4, 4, architecture="convolutional")
    e = SemanticINN(LATENT, FACTORS, blocks=2, width=8, depth=1)
    arguments = {"features": LATENT, "factors": list(FACTORS.items()), "blocks": 2, "width": 8}
    for folder, model, config in (
        (paths.autoencoder("faces"), autoencoder, autoencoder.arguments),
        (paths.semantic("faces"), e, {**arguments, "depth": 1}),
    ):
        write_safetensors(folder / "model.safetensors", model.state_dict())
        write_json(folder / "config.json", config)
    truth = pd.DataFrame({"split": ["train"] * 20 + ["test"] * 5})
    truth["Smiling"] = truth.index % 2 == 0
    truth["Male"] = False
    write_parquet(paths.prepared("faces") / "ground_truth.parquet", truth)
    save_posterior(paths.posteriors("faces"), "train", (torch.randn(20, LATENT),) * 2)
    return images


@pytest.fixture
def run(
    unchanged_torch: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str]]:
    """`run(*arguments)` runs the command: exit code, and what it says."""

    def command(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["edit_image", *arguments])
        capsys.readouterr()
        code = 0
        try:
            runpy.run_module("pipeline.stages.edit_image", run_name="__main__")
        except SystemExit as error:
            code = int(error.code or 0)
        said = capsys.readouterr()
        return code, said.out + said.err

    return command


# --- what it makes -------------------------------------------------------------------------------


def test_a_factor_of_a_donor(models: Path, run: Callable) -> None:
    said = (0, "Written: strip.png\n")
    assert run("me.png", "--factor", "Smiling", "--donor", "friend.png") == said
    with Image.open("strip.png") as strip:
        assert strip.width > 4 * strip.height / 2
    assert run("me.png", "--factor", "Smiling", "--donor", "friend.png", "--out", "a.pdf")[0] == 0
    assert Path("a.pdf").read_bytes().startswith(b"%PDF")


def test_along_a_factor(models: Path, run: Callable) -> None:
    arguments = ("me.png", "--factor", "Smiling", "--along", "-2", "0.5", "--steps", "4")
    assert run(*arguments) == (0, "Written: strip.png\n")
    assert run(*arguments, "--out", "again.png") == (0, "Written: again.png\n")
    assert Path("strip.png").read_bytes() == Path("again.png").read_bytes()


def test_a_name_with_dollars_is_no_formula(models: Path, run: Callable) -> None:
    Path("me.png").rename("a$_$b.png")
    arguments = ("a$_$b.png", "--factor", "Smiling", "--donor", "friend.png")
    assert run(*arguments) == (0, "Written: strip.png\n")


def test_the_images_of_a_strip(models: Path) -> None:
    editor = Editor.load("faces", torch.device("cpu"))
    assert editor.size == SIZE
    strip = edit_strip(editor, request())
    names = [name for name, _ in strip]
    assert names == ["input", "reconstruction", "-1.00", "0", "+1.00"]
    pixels = {name: image.astype(int) for name, image in strip}
    assert np.array_equal(pixels["input"], read_image(Path("me.png"), SIZE))
    assert np.abs(pixels["0"] - pixels["reconstruction"]).max() <= 1  # nothing was added
    assert np.abs(pixels["+1.00"] - pixels["-1.00"]).max() > 1
    strip = edit_strip(editor, request(donor=Path("me.png"), along=None))
    assert [name for name, _ in strip] == ["input", "reconstruction", "donor", "edit"]
    assert np.abs(strip[3][1].astype(int) - strip[1][1]).max() <= 1  # its own donor


def test_only_the_named_factor_moves(models: Path) -> None:
    editor = Editor.load("faces", torch.device("cpu"))
    direction = editor.direction("Smiling")
    columns = editor.e.indices("Smiling")
    assert direction[columns].abs().min() > 0
    direction[columns] = 0
    assert not direction.any()


def test_an_image_is_cropped_in_its_middle_and_turned_upright(project: Path) -> None:
    pixels = np.full((20, 60, 3), 255, np.uint8)
    pixels[:, :10] = pixels[:, 50:] = 0  # far from what is kept
    pixels[:10, :, 1:] = 0  # red above, white below
    picture = Image.fromarray(pixels)
    picture.save("wide.png")
    found = read_image(Path("wide.png"), 10)
    assert found.shape == (10, 10, 3) and found.dtype == np.uint8
    assert (found[:3] == [255, 0, 0]).all() and (found[7:] == 255).all()
    exif = picture.getexif()
    exif[0x0112] = 3  # held upside down
    picture.save("turned.png", exif=exif)
    assert np.array_equal(read_image(Path("turned.png"), 10), found[::-1, ::-1])
    picture.convert("L").save("grey.jpg")
    assert read_image(Path("grey.jpg"), 10).shape == (10, 10, 3)


@pytest.mark.parametrize(("count", "rows"), [(4, 1), (COLUMNS, 1), (COLUMNS + 1, 2)])
def test_many_images_need_several_rows(count: int, rows: int) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    figure = draw_strip([(f"+{i}", image) for i in range(count)], [], {"scale": "s", "seed": 0})
    canvas = figure.axes[0].images[0].get_extent()
    assert canvas[2] == 8 * rows + 3 * (rows - 1)  # rows and what is between them
    assert [text.get_text() for text in figure.axes[0].texts] == [f"+{i}" for i in range(count)]


# --- what cannot be done -------------------------------------------------------------------------

DONOR = ("--donor", "friend.png")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "nothing says how the factor shall change: give --donor IMAGE, whose"),
        ((*DONOR, "--along", "0", "1"), "--donor and --along are two ways to change a"),
        (("--along", "0", "nan"), "--along needs two finite numbers, such as --along -1 1."),
        (("--along", "0", "1", "--steps", "1"), "--steps is 1; it must be at least 2, FROM and"),
        ((*DONOR, "--out", "a/b.png"), "the folder a of --out does not exist: make it"),
        ((*DONOR, "--out", "b.gif"), "--out b.gif must end in .png or .pdf."),
        ((*DONOR, "--out", "./me.png"), "--out me.png is an image that is read: name ano"),
        ((*DONOR, "--out", "friend.png"), "--out friend.png is an image that is read: na"),
        ((*DONOR, "--dataset", "people"), "there is no data set 'people': use one of dig"),
        ((*DONOR, "--dataset", "generated"), "'generated': use one of digits, animals, faces, "
                                             "animalfaces.\n"),
        ((*DONOR, "--factor", "Smile"), "There is no factor 'Smile': use one of ['resid"),
        (("--donor", "nobody.png"), "there is no image nobody.png: correct its name."),
        (("--donor", "params.yaml"), "params.yaml cannot be read as an image: name a .png"),
        (("--along", "0", "1", "--factor", "residual"), "no attribute 'residual' that is"),
        (("--along", "0", "1", "--factor", "Male"), "attribute 'Male' is false in all 20 of"),
    ],
)  # fmt: skip
def test_a_wrong_request(
    arguments: tuple[str, ...], sentence: str, models: Path, run: Callable
) -> None:
    factor = () if "--factor" in arguments else ("--factor", "Smiling")
    code, said = run("me.png", *factor, *arguments)
    assert code == 1
    assert said.startswith("error: ") and sentence in said and said.count("\n") == 1
    assert not Path("strip.png").exists()


def test_an_image_that_is_missing(models: Path, run: Callable) -> None:
    code, said = run("you.png", "--factor", "Smiling", *DONOR)
    assert (code, said) == (1, "error: there is no image you.png: correct its name.\n")


@pytest.mark.parametrize("missing", ["autoencoder", "semantic"])
def test_models_that_were_never_trained(missing: str, models: Path, run: Callable) -> None:
    (Path("models") / missing / "faces/model.safetensors").unlink()
    code, said = run("me.png", "--factor", "Smiling", *DONOR)
    assert code == 1
    assert said == (
        f"error: there is no trained model in models/{missing}/faces yet: `dvc repro "
        "train_semantic@faces` makes it, and all that it is made from.\n"
    )


def test_help_has_an_example(run: Callable) -> None:
    code, said = run("--help")
    assert code == 0
    assert "edit_image me.png --factor Smiling --donor friend.png" in said


def test_a_request_is_checked_without_models() -> None:
    with pytest.raises(PipelineError, match="must be at least 2"):
        request(steps=0).check()
