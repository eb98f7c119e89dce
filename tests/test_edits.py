"""Edits of factors: one changes, the others stay; donors differ; StarGAN negates."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from pipeline.datasets.attributes import attribute_values
from pipeline.errors import PipelineError
from pipeline.evaluation.edits import (
    draw_donors,
    factor_direction,
    factors_of_codes,
    images_of_factors,
    move_factor,
    negate_with_stargan,
    replace_factor,
)
from pipeline.evaluation.sampling import decode_images
from pipeline.models.image_autoencoder import ImageAutoencoder
from pipeline.models.inn import SemanticINN
from pipeline.models.loading import load_stargan
from pipeline.models.stargan import StarGANGenerator, edit_attribute
from pipeline.storage import write_json, write_safetensors

FACTORS = {"Male": 2, "Smiling": 3}
NAMES = ("Male", "Smiling")


def semantic() -> SemanticINN:
    """An INN that does more than shuffle."""
    torch.manual_seed(0)
    e = SemanticINN(8, FACTORS, blocks=3, width=16, depth=1)
    with torch.no_grad():
        for weight in e.parameters():
            weight.add_(0.3 * torch.randn(weight.shape))
    return e.eval()


def codes(count: int = 6) -> Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(1))


def autoencoder() -> ImageAutoencoder:
    torch.manual_seed(2)
    return ImageAutoencoder(16, 8, [1], 4, 4, 4, architecture="convolutional").eval()


def values(count: int = 40) -> np.ndarray:
    return np.arange(count) % 3 == 0


# --- factors -------------------------------------------------------------------------------------


def test_factors_of_codes_are_those_of_e_without_noise() -> None:
    e = semantic()
    with torch.no_grad():
        assert torch.equal(factors_of_codes(e, codes()), e(codes())[0])


@pytest.mark.parametrize("name", ["residual", *NAMES])
def test_a_replaced_factor_is_the_donors_and_all_others_are_kept(name: str) -> None:
    e, own, donors = semantic(), codes(), codes().roll(1, 0)
    edited = replace_factor(e, own, donors, name)
    for other, part in e.split(edited).items():
        source = donors if other == name else own
        assert torch.equal(part, e.split(source)[other])
    assert torch.equal(own, codes())  # not changed in place


def test_the_edited_code_has_the_edited_factors() -> None:
    """e of the new code gives the donor's factor, and nothing else has moved."""
    e, z_bar = semantic(), codes()
    factors = factors_of_codes(e, z_bar)
    edited = replace_factor(e, factors, factors.roll(1, 0), "Smiling")
    with torch.no_grad():
        again = factors_of_codes(e, e.inverse(edited))
    assert torch.allclose(again, edited, atol=1e-5)
    assert (again - factors)[:, e.indices("Smiling")].abs().min() > 1e-3


def test_the_image_as_its_own_donor_gives_its_reconstruction() -> None:
    e, model, z_bar = semantic(), autoencoder(), codes()
    factors = factors_of_codes(e, z_bar)
    edited = images_of_factors(e, model, replace_factor(e, factors, factors, "Male"))
    rebuilt = decode_images(model, z_bar).astype(int)
    assert np.abs(edited - rebuilt).max() <= 1  # rounding
    other = images_of_factors(e, model, replace_factor(e, factors, factors.roll(1, 0), "Male"))
    assert np.abs(other - rebuilt).max() > 1


def test_one_donor_for_all() -> None:
    e = semantic()
    edited = replace_factor(e, codes(), codes()[2:3], "Male")
    assert torch.equal(e.split(edited)["Male"], e.split(codes())["Male"][2].expand(6, 2))


def test_an_unknown_factor() -> None:
    with pytest.raises(PipelineError, match="no factor 'Smile'"):
        replace_factor(semantic(), codes(), codes(), "Smile")


def test_a_direction_leads_from_those_without_to_those_with_the_attribute() -> None:
    e, factors = semantic(), codes(40)
    has = values()
    direction = factor_direction(e, factors, has, "Smiling")
    expected = factors[torch.from_numpy(has)].mean(0) - factors[~torch.from_numpy(has)].mean(0)
    columns = e.indices("Smiling")
    assert torch.allclose(direction[columns], expected[columns])
    direction[columns] = 0
    assert not direction.any()


def test_along_a_direction() -> None:
    direction = torch.tensor([0.0, 2.0, 0.0])
    moved = move_factor(torch.ones(3), direction, torch.tensor([-1.0, 0.0, 0.5]))
    assert moved.tolist() == [[1, -1, 1], [1, 1, 1], [1, 2, 1]]


# --- donors --------------------------------------------------------------------------------------


def test_donors_differ_in_the_attribute_and_depend_on_the_seed() -> None:
    has = values()
    donors = draw_donors(has, "Smiling", np.random.default_rng(3))
    assert np.array_equal(has[donors], ~has)
    assert np.array_equal(donors, draw_donors(has, "Smiling", np.random.default_rng(3)))
    assert not np.array_equal(donors, draw_donors(has, "Smiling", np.random.default_rng(4)))
    assert len(set(donors[has])) > 5  # not always the same one


@pytest.mark.parametrize(("value", "words"), [(True, "true in all 4"), (False, "false in all 4")])
def test_an_attribute_with_one_value_is_named(value: bool, words: str) -> None:
    alike = np.full(4, value)
    with pytest.raises(PipelineError, match=f"'Smiling' is {words} of these images"):
        draw_donors(alike, "Smiling", np.random.default_rng(0))
    with pytest.raises(PipelineError, match=f"'Smiling' is {words}"):
        factor_direction(semantic(), codes(4), alike, "Smiling")
    truth = pd.DataFrame({"Male": [True, False] * 2, "Smiling": alike})
    with pytest.raises(PipelineError, match=f"'Smiling' is {words} of the test images"):
        attribute_values(truth, NAMES, "the test images")


def test_attributes_of_a_ground_truth() -> None:
    truth = pd.DataFrame({"species": ["a", "b"], "Smiling": [True, False], "Male": [False, True]})
    assert list(attribute_values(truth, NAMES, "images")) == list(NAMES)
    with pytest.raises(PipelineError, match="cats have no attribute 'species'.*: known are Smil"):
        attribute_values(truth, ("species",), "cats")
    with pytest.raises(PipelineError, match="cats have no attribute 'Male'.*: known are none"):
        attribute_values(truth[["species"]], NAMES, "cats")


# --- StarGAN -------------------------------------------------------------------------------------


def stargan() -> StarGANGenerator:
    torch.manual_seed(4)
    return StarGANGenerator(("Smiling", "Male"), 4, 1).eval()


def test_stargan_negates_the_attribute_by_its_name() -> None:
    generator = stargan()
    pixels = np.random.default_rng(5).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    own = pd.DataFrame({"Male": [True, False, True, True, False], "Smiling": [False] * 5})
    edited = negate_with_stargan(generator, pixels, own, "Male")
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1
    told = torch.tensor(own[["Smiling", "Male"]].to_numpy(np.float32))
    expected = edit_attribute(generator, images, told, 1)
    expected = expected.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    assert edited.dtype == np.uint8 and edited.shape == pixels.shape
    assert np.abs(edited.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("columns", "name"), [(("Male",), "Male"), (("Male", "Smiling", "Young"), "Young")]
)
def test_an_attribute_that_one_of_both_lacks(columns: tuple[str, ...], name: str) -> None:
    own = pd.DataFrame({column: [True, False] for column in columns})
    pixels = np.zeros((2, 16, 16, 3), np.uint8)
    with pytest.raises(PipelineError, match=f"StarGAN edits Smiling, Male, .*'{name}'"):
        negate_with_stargan(stargan(), pixels, own, name)


def test_a_stored_generator(tmp_path) -> None:
    generator = stargan()
    write_safetensors(tmp_path / "model.safetensors", generator.state_dict())
    write_json(tmp_path / "config.json", generator.arguments)
    loaded = load_stargan(tmp_path)
    images, told = torch.rand(2, 3, 16, 16), torch.ones(2, 2)
    assert not loaded.training and loaded.attributes == ("Smiling", "Male")
    assert torch.equal(loaded(images, told), generator(images, told))
    write_json(tmp_path / "config.json", {**generator.arguments, "width": 8})
    with pytest.raises(PipelineError, match="belongs to another model"):
        load_stargan(tmp_path)
