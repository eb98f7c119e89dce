"""The command that edits a user's own image, and the sentences it ends in."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from data_files import write_parts
from PIL import Image

from pipeline import paths
from pipeline.datasets.features import save_posterior
from pipeline.evaluation.edit_image import Editor, EditRequest, edit_strip, read_image
from pipeline.models.image_autoencoder import ImageAutoencoder
from pipeline.models.inn import SemanticINN
from pipeline.storage import write_json, write_safetensors

SIZE, LATENT = 16, 8
FACTORS = {"Male": 2, "Smiling": 3}
FACTOR, DONOR = ("--factor", "Smiling"), ("--donor", "friend.png")


@pytest.fixture
def models(project: Path) -> None:
    """Two images; E, D and e, untrained, and the codes of twenty training images."""
    rng = np.random.default_rng(0)
    for name, shape in (("me", (40, 60)), ("friend", (33, 21))):
        Image.fromarray(rng.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(f"{name}.png")
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
    write_parts(paths.prepared("faces"), np.zeros((25, 1, 1, 3), np.uint8), truth)
    save_posterior(paths.posteriors("faces"), "train", (torch.randn(20, LATENT),) * 2)


@pytest.fixture
def run(models: None, run_script: Callable) -> Callable[..., tuple[int, str, str]]:
    """`run(*arguments)` runs the command: exit code, stdout and stderr."""
    return partial(run_script, "edit_image")


def test_a_strip_of_a_donors_factor_or_along_one(run: Callable) -> None:
    assert run("me.png", *FACTOR, *DONOR) == (0, "Written: strip.png\n", "")
    Path("me.png").rename("a$_$b.png")  # no formula
    assert run("a$_$b.png", *FACTOR, *DONOR, "--out", "a.pdf")[0] == 0
    assert Path("a.pdf").read_bytes().startswith(b"%PDF")
    along = ("friend.png", *FACTOR, "--along", "-2", "0.5", "--steps", "4")
    assert run(*along)[0] == run(*along, "--out", "again.png")[0] == 0
    assert Path("strip.png").read_bytes() == Path("again.png").read_bytes()


def test_the_images_of_a_strip(models: None) -> None:
    editor = Editor.load("faces", torch.device("cpu"))
    along = EditRequest(Path("me.png"), "Smiling", None, (-1.0, 1.0), 3, Path("strip.png"))
    pixels = {name: image.astype(int) for name, image in edit_strip(editor, along)}
    assert list(pixels) == ["input", "reconstruction", "-1.00", "0", "+1.00"]
    assert np.array_equal(pixels["input"], read_image(Path("me.png"), SIZE))
    assert np.abs(pixels["0"] - pixels["reconstruction"]).max() <= 1  # nothing was added
    assert np.abs(pixels["+1.00"] - pixels["-1.00"]).max() > 1
    own = dict(edit_strip(editor, replace(along, donor=Path("me.png"), along=None)))
    assert list(own) == ["input", "reconstruction", "donor", "edit"]
    assert np.abs(own["edit"].astype(int) - own["reconstruction"]).max() <= 1


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "--donor.*--along"),
        ("--donor friend.png --along 0 1", "--donor and --along"),
        ("--along 0 nan", "--along.*finite"),
        ("--along 0 1 --steps 1", "--steps is 1"),
        ("--donor friend.png --out a/b.png", "the folder a of --out"),
        ("--donor friend.png --out b.gif", "--out b.gif.*png or .pdf"),
        ("--donor friend.png --out ./me.png", "--out me.png is an image that is read"),
        ("--donor friend.png --out friend.png", "--out friend.png is an image that is read"),
        ("--donor friend.png --dataset people", "no data set 'people'.*digits, animals, faces"),
        ("--donor friend.png --dataset generated", "no data set 'generated'"),
        ("--donor friend.png --factor Smile", "'Smile'.*Smiling"),
        ("--donor nobody.png", "no image nobody.png"),
        ("--donor params.yaml", "params.yaml.*image"),
        ("--along 0 1 --factor residual", "no attribute 'residual'"),
        ("--along 0 1 --factor Male", "'Male' is false in all 20"),
    ],
)
def test_a_wrong_request(arguments: str, words: str, run: Callable) -> None:
    factor = () if "--factor" in arguments else FACTOR
    code, _, said = run("me.png", *factor, *arguments.split())
    assert code == 1 and re.match(f"error: .*{words}.*\n$", said)  # in one line
    assert not Path("strip.png").exists()


@pytest.mark.parametrize("missing", ["autoencoder", "semantic"])
def test_models_that_were_never_trained(missing: str, run: Callable) -> None:
    (Path("models") / missing / "faces/model.safetensors").unlink()
    code, _, said = run("me.png", *FACTOR, *DONOR)
    assert code == 1
    assert f"models/{missing}/faces" in said and "dvc repro train_semantic@faces" in said
