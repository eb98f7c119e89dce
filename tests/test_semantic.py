"""The semantic INN: what pairs say about a concept's size, and where training puts it."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import PipelineError
from pipeline.evaluation.encoding import factors_of
from pipeline.evaluation.probes import probe_values
from pipeline.params import TrainSemanticParams, load_params
from pipeline.runtime import make_fabric
from pipeline.training.checkpoints import CheckpointFolder
from pipeline.training.log import TrainingLog
from pipeline.training.semantic import concept_scores, factor_sizes, train_semantic_inn

ROWS, GROUPS = 20_000, 4_000


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- scores --------------------------------------------------------------------------------------


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
    assert scores.keys() == concepts.keys()
    assert scores["thing"] == pytest.approx(float(share.sum()) / (1 + noise), abs=0.08)
    assert scores["chance"] == pytest.approx(0, abs=0.08)


def test_scores_follow_from_their_seed() -> None:
    groups = torch.arange(60) % 6
    posterior = (normal(60, 3, seed=0), torch.ones(60, 3))
    first, again, other = (
        concept_scores(posterior, {"thing": groups}, seed=seed, pairs=200) for seed in (0, 0, 1)
    )
    assert first == again != other


# --- sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("concepts", [1, 2, 5])
def test_equal_scores_at_the_maximum_share_equally_with_the_residual(concepts: int) -> None:
    dimensions = 12 * (concepts + 1)
    scores = {f"concept{i}": float(dimensions) for i in range(concepts)}
    assert factor_sizes(scores, dimensions) == dict.fromkeys(scores, 12)


@pytest.mark.parametrize("dimensions", [8, 64, 1000])
@pytest.mark.parametrize("shares", [(1.0, 0.0, 0.0), (0.2, 0.1, 0.9), (1.0, 1.0, 1.0), (-0.5,)])
def test_sizes_follow_scores_and_saturate_nowhere(
    shares: tuple[float, ...], dimensions: int
) -> None:
    scores = {f"concept{i}": share * dimensions for i, share in enumerate(shares)}
    sizes = factor_sizes(scores, dimensions)
    assert list(sizes) == list(scores)
    residual = dimensions - sum(sizes.values())
    # exp lies between exp(-1) and e: no factor is more than e^2 times as large as another, however
    # many dimensions there are, and the residual is never smaller than a factor.
    assert min(sizes.values()) >= 1 and residual >= max(sizes.values())
    by_score = sorted(scores, key=scores.__getitem__)
    assert [sizes[name] for name in by_score] == sorted(sizes.values())
    total = math.e + sum(math.exp(share) for share in shares)
    for name, share in zip(scores, shares, strict=True):
        exact = dimensions * math.exp(share) / total
        assert exact - 1 < sizes[name] <= max(1, exact)


def test_every_concept_gets_a_dimension() -> None:
    assert factor_sizes({"a": 0.0, "b": 0.0, "c": 0.0, "d": 0.0}, 5) == dict.fromkeys("abcd", 1)


# --- training ------------------------------------------------------------------------------------

SETTINGS = dataclasses.replace(
    load_params(Path(__file__).resolve().parents[1]).settings.train_semantic["digits"],
    steps=300,
    batch_size=128,
    learning_rate=5e-3,
    blocks=4,
    width=24,
    depth=1,
    weight_decay=0.0,
    rho=0.9,
    factors=("thing",),
    weights={"thing": 1.0},
    sizes="auto",
    validate_every=100,
    patience=10,
)


def made_up(groups: Tensor, seed: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Posteriors (R, 6), a rotation of a 2-d concept that a group shares and 4 own dimensions,
    and the concept (R, 2)."""
    concept = normal(int(groups.max()) + 1, 2, seed=seed)[groups]
    rotation = torch.linalg.qr(normal(6, 6, seed=99)).Q
    mean = torch.cat([concept, normal(len(groups), 4, seed=seed + 1)], 1) @ rotation
    return (mean, torch.full_like(mean, 0.05)), concept


def train(
    groups: Tensor, settings: TrainSemanticParams, folder: Path, held_out_groups: int = 200
) -> tuple[Any, Any]:
    posterior, concept = made_up(groups, seed=0)
    held_out = torch.arange(600) % held_out_groups
    validation, truth = made_up(held_out, seed=10)
    model, result = train_semantic_inn(
        posterior,
        {"thing": groups},
        validation,
        {"thing": held_out},
        {"thing": 2},
        settings,
        seed=0,
        fabric=make_fabric("cpu"),
        checkpoints=CheckpointFolder(folder / "checkpoints"),
        log=TrainingLog(None, "e"),
    )
    factors = [model.split(factors_of(model, part)) for part in (posterior, validation)]
    read = {
        name: probe_values(
            factors[0][name].numpy(), concept.numpy(), factors[1][name].numpy(), truth.numpy()
        )
        for name in model.factors
    }
    return result, read


@pytest.mark.parametrize("groups", [1000, 12], ids=["partners are drawn", "a batch has pairs"])
def test_training_puts_a_concept_into_its_factor(groups: int, tmp_path: Path) -> None:
    result, read = train(torch.arange(4000) % groups, SETTINGS, tmp_path)
    losses = [entry["validation/loss"] for entry in result.history if "validation/loss" in entry]
    assert losses[-1] < losses[0]
    assert set(read) == {"residual", "thing"}
    assert read["thing"] > 0.8 and read["residual"] < 0.2


def test_a_factor_without_pairs_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        PipelineError, match="the concept 'thing' has only one image with the value"
    ):
        train(torch.arange(4000), dataclasses.replace(SETTINGS, steps=1), tmp_path)


def test_a_factor_without_held_out_pairs_is_told(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no two of the 600 validation images share the conce"):
        train(torch.arange(4000) % 12, SETTINGS, tmp_path, held_out_groups=600)
