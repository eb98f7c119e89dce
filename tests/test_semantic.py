"""The semantic INN: what pairs say about a concept's size, where training puts it, and pairs."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor
from training import normal, run_in

from pipeline.config.settings import TrainSemanticSettings
from pipeline.datasets.pairs import PairSampler
from pipeline.errors import PipelineError
from pipeline.evaluation.encoding import factors_of
from pipeline.evaluation.probes import probe_values
from pipeline.models.inn import SemanticINN
from pipeline.training.run import TrainingRun
from pipeline.training.semantic import concept_scores, factor_sizes, train_semantic_inn

ROWS, GROUPS = 20_000, 4_000


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_scores_are_the_correlations_within_pairs(noise: float) -> None:
    """The posterior's variance counts: z_bar is drawn from it."""
    groups = torch.arange(ROWS) % GROUPS
    share = torch.tensor([1.0, 0.7, 0.2, 0.0, 0.0])  # correlation of each dimension
    scale, shift = torch.tensor([1.0, 5.0, 0.1, 1.0, 3.0]), torch.tensor([0.0, 9.0, -2.0, 0.0, 1.0])
    mean = share.sqrt() * normal(GROUPS, 5, seed=0)[groups]
    mean = mean + (1 - share).sqrt() * normal(ROWS, 5, seed=1)
    posterior = (mean * scale + shift, (noise * scale.square()).expand(ROWS, 5).contiguous())
    concepts = {"thing": groups, "chance": torch.arange(ROWS) // (ROWS // GROUPS)}
    scores = concept_scores(posterior, concepts, seed=0)
    assert scores["thing"] == pytest.approx(float(share.sum()) / (1 + noise), abs=0.08)
    assert scores["chance"] == pytest.approx(0, abs=0.08)
    few = [concept_scores(posterior, concepts, seed=seed, pairs=200) for seed in (0, 0, 1)]
    assert few[0] == few[1] != few[2]


@pytest.mark.parametrize("dimensions", [8, 64, 1000])
@pytest.mark.parametrize("shares", [(1.0, 0.0, 0.0), (0.2, 0.1, 0.9), (1.0, 1.0, 1.0), (-0.5,)])
def test_sizes_follow_scores_and_saturate_nowhere(
    shares: tuple[float, ...], dimensions: int
) -> None:
    """exp lies between exp(-1) and e: no factor is more than e^2 times as large as another, however
    many dimensions there are, and the residual is never smaller than a factor."""
    scores = {f"concept{i}": share * dimensions for i, share in enumerate(shares)}
    sizes = factor_sizes(scores, dimensions)
    assert list(sizes) == list(scores)
    assert dimensions - sum(sizes.values()) >= max(sizes.values())
    by_score = sorted(scores, key=scores.__getitem__)
    assert [sizes[name] for name in by_score] == sorted(sizes.values())
    total = math.e + sum(math.exp(share) for share in shares)
    for name, share in zip(scores, shares, strict=True):
        exact = dimensions * math.exp(share) / total
        assert sizes[name] >= 1 and exact - 1 < sizes[name] <= max(1, exact)
    assert factor_sizes({"a": 24.0}, 24) == {"a": 12}  # as large as the residual
    assert factor_sizes(dict.fromkeys("abcd", 0.0), 5) == dict.fromkeys("abcd", 1)


SETTINGS = TrainSemanticSettings(
    steps=300, batch_size=128, learning_rate=5e-3, blocks=4, width=24, depth=1, weight_decay=0.0,
    factors=("thing",), validate_every=100,
)  # fmt: skip


def made_up(groups: Tensor, seed: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Posteriors (R, 6), a rotation of a 2-d concept that a group shares and 4 own dimensions,
    and the concept (R, 2)."""
    concept = normal(int(groups.max()) + 1, 2, seed=seed)[groups]
    rotation = torch.linalg.qr(normal(6, 6, seed=99)).Q
    mean = torch.cat([concept, normal(len(groups), 4, seed=seed + 1)], 1) @ rotation
    return (mean, torch.full_like(mean, 0.05)), concept


def train(
    run: TrainingRun, groups: Tensor, held_out_groups: int = 200, **changes: Any
) -> tuple[SemanticINN, Any]:
    held_out = torch.arange(600) % held_out_groups
    settings = SETTINGS.model_copy(update=changes)
    data = [made_up(groups, 0)[0], {"thing": groups}, made_up(held_out, 10)[0], {"thing": held_out}]
    return train_semantic_inn(*data, {"thing": 2}, settings, run)


@pytest.mark.parametrize("count", [1000, 12], ids=["partners are drawn", "a batch has pairs"])
def test_training_puts_a_concept_into_its_factor(count: int, tmp_path: Path) -> None:
    groups, held_out = torch.arange(4000) % count, torch.arange(600) % 200
    model, result = train(run_in(tmp_path), groups)
    losses = [entry["validation/loss"] for entry in result.history if "validation/loss" in entry]
    assert losses[-1] < losses[0]
    (train_set, concept), (test_set, truth) = made_up(groups, seed=0), made_up(held_out, seed=10)
    fit, test = (model.split(factors_of(model, posterior)) for posterior in (train_set, test_set))
    values = concept.numpy(), truth.numpy()
    read = {n: probe_values(fit[n].numpy(), values[0], test[n].numpy(), values[1]) for n in fit}
    assert set(read) == {"residual", "thing"}
    assert read["thing"] > 0.8 and read["residual"] < 0.2


def test_a_factor_without_pairs(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no two of the 600 validation images .* 'thing'"):
        train(run_in(tmp_path), torch.arange(4000) % 12, held_out_groups=600, steps=1)


SHAPES = torch.tensor([7, -3, 7, 7, 40, -3, 40, 7, 40, 40, 40, -3])  # of 4, 3 and 5 rows
LARGE = torch.arange(100_000) % 2


def draw(rows: Tensor, seed: int = 0, groups: Tensor = SHAPES) -> Tensor:
    return PairSampler("shape", groups).draw(rows, torch.Generator().manual_seed(seed))


def test_partners_are_the_other_rows_of_a_group_all_equally_likely() -> None:
    for groups in (SHAPES, torch.tensor([5, 1, 1, 5]), LARGE):
        rows = torch.arange(len(groups)).repeat(2)
        partners = draw(rows, groups=groups)
        assert (partners != rows).all() and torch.equal(groups[partners], groups[rows])
    for row in range(len(SHAPES)):
        counts = draw(torch.full((3000,), row), seed=row).bincount(minlength=len(SHAPES))
        others = (SHAPES[row] == SHAPES) & (torch.arange(len(SHAPES)) != row)
        assert chisquare(counts[others].numpy()).pvalue > 1e-3
    drawn = draw(torch.arange(100_000), groups=LARGE)
    assert chisquare(torch.bincount(drawn // 10_000).numpy()).pvalue > 1e-3
    rows = torch.arange(len(SHAPES)).repeat(20)
    assert torch.equal(draw(rows, seed=1), draw(rows, seed=1))
    assert not torch.equal(draw(rows, seed=1), draw(rows, seed=2))
    with pytest.raises(PipelineError, match="'shape' has only one image .* the value 9"):
        PairSampler("shape", torch.tensor([4, 9, 4, 4]))
