"""What only a GPU shows: trainings with CUDA graphs end as those without, resumed or not."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import test_cinn
import test_semantic
import test_train_image_autoencoder
import torch
from lightning_fabric import Fabric
from torch import nn
from training import Interrupted, assert_equal, run_in

from pipeline.runtime.device import make_fabric, prepare_runtime
from pipeline.training import loop
from pipeline.training.log import TrainingLog

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

STEPS = 12
GROUPS = torch.arange(500) % 100
# how to train, and how many parts are replayed: of the autoencoder, E's stages and D's ResBlocks
TRAINERS: dict[str, tuple[Callable[..., Any], int]] = {
    "t": (partial(test_cinn.train, steps=STEPS, batch_size=64), 1),
    "e": (partial(test_semantic.train, groups=GROUPS, steps=STEPS, batch_size=32), 1),
    "autoencoder": (partial(test_train_image_autoencoder.train, discriminator_start=5), 4),
}


def train(name: str, folder: Path, log: TrainingLog | None = None) -> tuple[nn.Module, Any]:
    """The model, and what the training left: its weights after the last step, and its curves."""
    mixed = name == "autoencoder"
    fabric = make_fabric("cuda", mixed=True) if mixed else Fabric(accelerator="cuda", devices=1)
    run = run_in(folder, fabric=fabric, log=log or TrainingLog(None, "training"))
    model = TRAINERS[name][0](run)[0]
    state = run.checkpoints.load()
    assert state is not None and state["step"] == STEPS
    return model, (state["model"], state["history"])


@pytest.fixture(autouse=True)
def runtime(unchanged_torch: None) -> None:
    prepare_runtime("cuda", 1, 0)


@pytest.fixture
def recordings(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    made: list[nn.Module] = []
    record = torch.cuda.make_graphed_callables

    def recording(module: nn.Module, samples: Any) -> Any:
        made.append(module)
        return record(module, samples)

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", recording)
    return made


@pytest.mark.parametrize("name", TRAINERS)
def test_replayed_and_resumed_trainings_are_the_same(
    name: str, recordings: list[nn.Module], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replays: list[torch.cuda.CUDAGraph] = []
    replay = torch.cuda.CUDAGraph.replay

    def replaying(graph: torch.cuda.CUDAGraph) -> None:
        replays.append(graph)
        replay(graph)

    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", replaying)
    parts = TRAINERS[name][1]
    _, found = train(name, tmp_path / "replayed")
    assert len(recordings) == parts
    assert len(replays) == 2 * parts * (STEPS - 1)  # forward and backward
    with pytest.raises(KeyboardInterrupt):
        train(name, tmp_path / "resumed", Interrupted(7))
    _, resumed = train(name, tmp_path / "resumed")
    assert len(recordings) == 3 * parts
    monkeypatch.setattr(loop, "replayed", lambda *_: nullcontext())
    _, expected = train(name, tmp_path / "launched")
    assert len(recordings) == 3 * parts
    assert_equal([found, resumed], [expected, expected])


def test_a_second_training_while_the_first_model_is_alive(tmp_path: Path) -> None:
    """As of a network's checkpoints: the graphs of the first are freed before the second's."""
    models = []
    for name in ("first", "second"):
        models.append(train("t", tmp_path / name)[0])
        v = torch.randn(8, 2, device="cuda")
        z = torch.randn(8, 1, device="cuda")
        with torch.no_grad():
            back, _ = models[0](models[0].inverse(v, z), z)
        torch.testing.assert_close(back, v, rtol=1e-4, atol=1e-4)
        assert all(parameter.grad is None for parameter in models[-1].parameters())
    assert_equal(*models)


def test_no_graph_owns_the_workspaces_that_all_of_them_use(tmp_path: Path) -> None:
    """They are the only blocks of this size; in the pool of one graph others would overwrite it."""
    pools: set[tuple[int, int]] = set()

    class Looking(TrainingLog):
        def advance(self) -> None:
            for segment in torch.cuda.memory_snapshot():
                for block in segment["blocks"]:
                    if block["state"] == "active_allocated" and block["size"] >= 32 * 2**20:
                        pools.add(segment["segment_pool_id"])

    train("autoencoder", tmp_path, Looking(None, "training"))
    assert pools == {(0, 0)}
