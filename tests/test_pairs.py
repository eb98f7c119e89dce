"""Partners: of the same group, never the row itself, all others equally often."""

import pytest
import torch
from scipy.stats import chisquare

from pipeline.datasets.pairs import Partners
from pipeline.errors import PipelineError

GROUPS = torch.tensor([7, -3, 7, 7, 40, -3, 40, 7, 40, 40, 40, -3])  # of 4, 3 and 5 rows


def draw(rows: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return Partners("shape", GROUPS).draw(rows, torch.Generator().manual_seed(seed))


def test_a_partner_is_another_row_of_the_group() -> None:
    rows = torch.arange(len(GROUPS)).repeat(200)
    partners = draw(rows)
    assert partners.shape == rows.shape and partners.dtype == torch.int64
    assert (partners != rows).all()
    assert torch.equal(GROUPS[partners], GROUPS[rows])


@pytest.mark.parametrize("row", range(len(GROUPS)))
def test_all_others_are_equally_likely(row: int) -> None:
    partners = draw(torch.full((3000,), row), seed=row)
    others = [other for other in range(len(GROUPS)) if GROUPS[other] == GROUPS[row]]
    others.remove(row)
    counts = [int((partners == other).sum()) for other in others]
    assert sum(counts) == 3000
    assert chisquare(counts).pvalue > 1e-3


def test_a_pair_is_its_own_only_choice() -> None:
    partners = Partners("shape", torch.tensor([5, 1, 1, 5]))
    drawn = partners.draw(torch.tensor([0, 1, 2, 3, 0]), torch.Generator().manual_seed(0))
    assert drawn.tolist() == [3, 2, 1, 0, 3]


def test_the_generator_decides() -> None:
    rows = torch.arange(len(GROUPS)).repeat(20)
    torch.manual_seed(0)
    first = draw(rows, seed=1)
    torch.manual_seed(99)  # the global state does not matter
    assert torch.equal(first, draw(rows, seed=1))
    assert not torch.equal(first, draw(rows, seed=2))


def test_large_groups() -> None:
    groups = torch.arange(100_000) % 2
    partners = Partners("shape", groups)
    rows = torch.arange(100_000)
    drawn = partners.draw(rows, torch.Generator().manual_seed(0))
    assert (drawn != rows).all() and torch.equal(groups[drawn], groups)
    # Every tenth of the rows is drawn as often as the others.
    assert chisquare(torch.bincount(drawn // 10_000).numpy()).pvalue > 1e-3


def test_a_value_that_stands_alone_is_told() -> None:
    with pytest.raises(PipelineError) as caught:
        Partners("shape", torch.tensor([4, 9, 4, 4]))
    assert str(caught.value) == (
        "the concept 'shape' has only one image with the value 9, so that no pair shares it: use "
        "more images or fewer values."
    )
