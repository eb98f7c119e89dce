"""Edits of factors: one changes, the others stay; donors differ; StarGAN negates."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from pipeline.datasets.attributes import attribute_values
from pipeline.errors import PipelineError
from pipeline.evaluation import edits
from pipeline.evaluation.sampling import decode_images
from pipeline.models.image_autoencoder import ImageAutoencoder
from pipeline.models.inn import SemanticINN
from pipeline.models.stargan import StarGANGenerator, edit_attribute

NAMES = ("Male", "Smiling")
HAS = np.arange(40) % 3 == 0


@pytest.fixture(scope="module")
def e() -> SemanticINN:
    torch.manual_seed(0)
    e = SemanticINN(8, {"Male": 2, "Smiling": 3}, blocks=3, width=16, depth=1)
    with torch.no_grad():
        for weight in e.parameters():
            weight.add_(0.3 * torch.randn(weight.shape))
    return e.eval()


def codes(count: int = 6) -> Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["residual", *NAMES])
def test_a_replaced_factor_is_the_donors_and_all_others_are_kept(e: SemanticINN, name: str) -> None:
    own = edits.factors_of_codes(e, codes())
    donors, before = own.roll(1, 0), own.clone()
    for given in (donors, donors[2:3]):  # one donor for all
        edited = edits.replace_factor(e, own, given, name)
        for other, part in e.split(edited).items():
            source = given.expand_as(own) if other == name else own
            assert torch.equal(part, e.split(source)[other])
        assert torch.equal(own, before)  # not changed in place
        with torch.no_grad():  # the edited code has these factors
            again = edits.factors_of_codes(e, e.inverse(edited))
        assert torch.allclose(again, edited, atol=1e-5)


def test_the_image_as_its_own_donor_gives_its_reconstruction(e: SemanticINN) -> None:
    torch.manual_seed(2)
    model = ImageAutoencoder(16, 8, [1], 4, 4, 4, architecture="convolutional").eval()
    factors = edits.factors_of_codes(e, codes())
    with torch.no_grad():
        assert torch.equal(factors, e(codes())[0])  # without noise
    rebuilt = decode_images(model, codes()).astype(int)
    own, other = (
        edits.images_of_factors(e, model, edits.replace_factor(e, factors, donors, "Male"))
        for donors in (factors, factors.roll(1, 0))
    )
    assert np.abs(own - rebuilt).max() <= 1 < np.abs(other - rebuilt).max()  # rounding


def test_a_direction_leads_from_those_without_to_those_with_the_attribute(e: SemanticINN) -> None:
    factors, has = codes(40), torch.from_numpy(HAS)
    direction = edits.factor_direction(e, factors, HAS, "Smiling")
    expected = factors[has].mean(0) - factors[~has].mean(0)
    columns = e.indices("Smiling")
    assert torch.allclose(direction[columns], expected[columns])
    direction[columns] = 0
    assert not direction.any()
    moved = edits.move_factor(torch.ones(2), torch.tensor([0.0, 2.0]), torch.tensor([-1.0, 0.5]))
    assert moved.tolist() == [[1, -1], [1, 2]]


def test_donors_differ_in_the_attribute_and_depend_on_the_seed() -> None:
    donors, same, others = (
        edits.draw_donors(HAS, "Smiling", np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert np.array_equal(HAS[donors], ~HAS)
    assert np.array_equal(donors, same) and not np.array_equal(donors, others)
    assert len(set(donors[HAS])) > 5  # not always the same one


@pytest.mark.parametrize("value", [True, False])
def test_an_attribute_with_one_value_is_named(e: SemanticINN, value: bool) -> None:
    alike, words = np.full(4, value), f"'Smiling' is {str(value).lower()} in all 4"
    truth = pd.DataFrame({"Male": [True, False] * 2, "Smiling": alike})
    with pytest.raises(PipelineError, match=words):
        edits.draw_donors(alike, "Smiling", np.random.default_rng(0))
    with pytest.raises(PipelineError, match=words):
        edits.factor_direction(e, codes(4), alike, "Smiling")
    with pytest.raises(PipelineError, match=f"{words} of the test images"):
        attribute_values(truth, NAMES, "the test images")


def test_attributes_of_a_ground_truth(e: SemanticINN) -> None:
    truth = pd.DataFrame({"species": ["a", "b"], "Smiling": [True, False], "Male": [False, True]})
    truth["yaw"] = 0.5
    assert attribute_values(truth, NAMES, "images").equals(truth[list(NAMES)])
    others = truth[["species", "yaw"]]
    for frame, name, known in (
        (truth, "species", "Smil"), (truth, "yaw", "Smil"), (others, "Male", "none")
    ):  # fmt: skip
        with pytest.raises(PipelineError, match=f"cats have no .*'{name}'.*: choose from {known}"):
            attribute_values(frame, (name,), "cats")
    with pytest.raises(PipelineError, match="no factor 'Smile'"):
        edits.replace_factor(e, codes(), codes(), "Smile")


@pytest.fixture(scope="module")
def stargan() -> StarGANGenerator:
    torch.manual_seed(4)
    return StarGANGenerator(("Smiling", "Male"), 4, 1).eval()


def test_stargan_negates_the_attribute_by_its_name(stargan: StarGANGenerator) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    own = pd.DataFrame({"Male": [True, False, True, True, False], "Smiling": [False] * 5})
    edited = edits.negate_with_stargan(stargan, pixels, own, "Male")
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1
    attributes = torch.tensor(own[["Smiling", "Male"]].to_numpy(np.float32))
    expected = edit_attribute(stargan, images, attributes, 1)
    expected = expected.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    assert edited.dtype == np.uint8 and edited.shape == pixels.shape
    assert np.abs(edited.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("columns", "name"), [(("Male",), "Male"), (("Male", "Smiling", "Young"), "Young")]
)
def test_attributes_of_both(stargan: StarGANGenerator, columns: tuple[str, ...], name: str) -> None:
    own = pd.DataFrame({column: [True, False] for column in columns})
    pixels = np.zeros((2, 16, 16, 3), np.uint8)
    with pytest.raises(PipelineError, match=f"StarGAN edits Smiling, Male, .*'{name}'"):
        edits.negate_with_stargan(stargan, pixels, own, name)
