"""What only a GPU shows: trainings with CUDA graphs end as those without, resumed or not."""

import dataclasses
import os
import signal
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from test_cinn import SETTINGS as CINN
from test_cinn import gaussian
from test_loop import assert_equal
from test_train_image_autoencoder import SETTINGS as AUTOENCODER
from test_train_image_autoencoder import TRAIN, VALIDATION
from torch import nn

from pipeline.models.loading import build_cinn
from pipeline.params import load_params
from pipeline.runtime import make_fabric, prepare_runtime
from pipeline.training import loop
from pipeline.training.checkpoints import CheckpointFolder
from pipeline.training.cinn import train_conditional_inn
from pipeline.training.image_autoencoder import train_image_autoencoder
from pipeline.training.log import TrainingLog
from pipeline.training.semantic import train_semantic_inn

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

STEPS = 12

SEMANTIC = dataclasses.replace(
    load_params(Path(__file__).resolve().parents[1]).settings.train_semantic["faces"],
    blocks=3,
    width=16,
    depth=1,
    steps=STEPS,
    batch_size=32,
    validate_every=6,
)


class Interrupted(TrainingLog):
    """Stops the training by a signal at `step`, if any."""

    def __init__(self, step: int | None) -> None:
        super().__init__(None, "training")
        self.left = step

    def advance(self) -> None:
        super().advance()
        if self.left is not None:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGINT)


class Looking(TrainingLog):
    """Notes where large blocks of memory lie: the pools they were taken from."""

    def __init__(self, least: int) -> None:
        super().__init__(None, "training")
        self.least = least
        self.pools: set[tuple[int, int]] = set()

    def advance(self) -> None:
        super().advance()
        for segment in torch.cuda.memory_snapshot():
            if any(
                block["state"] == "active_allocated" and block["size"] >= self.least
                for block in segment["blocks"]
            ):
                self.pools.add(segment["segment_pool_id"])


def cinn(**options: Any) -> nn.Module:
    model = build_cinn(2, (1,), 16, blocks=4, width=24, depth=1).cuda()
    posterior, z = gaussian(1000, seed=0)
    settings = dataclasses.replace(CINN, steps=STEPS, batch_size=64, validate_every=6)
    train_conditional_inn(model, posterior, z, posterior, z, settings, **options)
    return model


def semantic(**options: Any) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    posterior = (torch.randn(500, 8, generator=generator), torch.full((500, 8), 0.01))
    concepts = {name: torch.randint(0, 2, (500,), generator=generator) for name in SEMANTIC.factors}
    sizes = dict.fromkeys(SEMANTIC.factors, 1)
    held_out = ((posterior[0][:100], posterior[1][:100]), {k: v[:100] for k, v in concepts.items()})
    return train_semantic_inn(posterior, concepts, *held_out, sizes, SEMANTIC, **options)[0]


def autoencoder(**options: Any) -> nn.Module:
    torch.manual_seed(0)
    settings = dataclasses.replace(AUTOENCODER, steps=STEPS, discriminator_start=5)
    options["fabric"] = make_fabric("cuda", mixed=True)
    train: Any = TRAIN
    held_out: Any = VALIDATION
    return train_image_autoencoder(train, held_out, settings, **options)[0]


TRAININGS: dict[Callable[..., nn.Module], int] = {cinn: 1, semantic: 1, autoencoder: 4}
"""How many parts of the model each replays: of the autoencoder, E's stages and D's ResBlocks."""


@pytest.fixture(autouse=True)
def runtime(unchanged_torch: None) -> None:
    prepare_runtime("cuda", 1, 0)


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[torch.cuda.CUDAGraph]:
    made: list[torch.cuda.CUDAGraph] = []
    replay = torch.cuda.CUDAGraph.replay

    def replaying(graph: torch.cuda.CUDAGraph) -> None:
        made.append(graph)
        replay(graph)

    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", replaying)
    return made


@pytest.fixture
def recordings(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    made: list[nn.Module] = []
    record = torch.cuda.make_graphed_callables

    def recording(module: nn.Module, samples: Any) -> Any:
        made.append(module)
        return record(module, samples)

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", recording)
    return made


def run(training: Callable[..., nn.Module], folder: Path, stop: int | None = None) -> Any:
    """What the training ends with: its weights after the last update, and its curves."""
    training(
        seed=3,
        fabric=Fabric(accelerator="cuda", devices=1),
        checkpoints=CheckpointFolder(folder),
        log=Interrupted(stop),
    )
    state = CheckpointFolder(folder).load()
    assert state is not None and state["step"] == STEPS
    return state["model"], state["history"]


@pytest.mark.parametrize("training", TRAININGS)
def test_replayed_trainings_are_the_same(
    training: Callable[..., nn.Module],
    recordings: list[nn.Module],
    replays: list[torch.cuda.CUDAGraph],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = run(training, tmp_path / "replayed")
    assert len(recordings) == TRAININGS[training]
    monkeypatch.setattr(loop, "replayed", lambda *_: nullcontext())
    expected = run(training, tmp_path / "launched")
    assert len(recordings) == TRAININGS[training]
    assert_equal(found, expected)
    assert len(replays) == 2 * TRAININGS[training] * (STEPS - 1)  # forward and backward


@pytest.mark.parametrize("training", TRAININGS)
def test_resuming_is_exact(
    training: Callable[..., nn.Module], recordings: list[nn.Module], tmp_path: Path
) -> None:
    expected = run(training, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(training, tmp_path, stop=7)
    found = run(training, tmp_path)
    assert len(recordings) == 3 * TRAININGS[training]
    assert_equal(found, expected)


def test_a_second_training_while_the_first_model_is_alive(tmp_path: Path) -> None:
    """As of a network's checkpoints: the graphs of the first are freed before the second's."""
    options = {"seed": 3, "fabric": Fabric(accelerator="cuda", devices=1)}
    models = []
    for name in ("first", "second"):
        checkpoints = CheckpointFolder(tmp_path / name)
        models.append(cinn(checkpoints=checkpoints, log=TrainingLog(None, name), **options))
        v = torch.randn(8, 2, device="cuda")
        z = torch.randn(8, 1, device="cuda")
        with torch.no_grad():
            back, _ = models[0](models[0].inverse(v, z), z)
        torch.testing.assert_close(back, v, rtol=1e-4, atol=1e-4)
        assert all(parameter.grad is None for parameter in models[-1].parameters())
    assert_equal(models[0].state_dict(), models[1].state_dict())


def test_no_graph_owns_the_workspaces_that_all_of_them_use(tmp_path: Path) -> None:
    """They are the only blocks of this size; in the pool of one graph others would overwrite it."""
    log = Looking(least=32 * 2**20)
    options = {"seed": 3, "fabric": Fabric(accelerator="cuda", devices=1)}
    autoencoder(checkpoints=CheckpointFolder(tmp_path), log=log, **options)
    assert log.pools == {(0, 0)}
