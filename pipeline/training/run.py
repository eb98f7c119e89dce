"""One training of a stage: what every trainer is handed, and where its results go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from pipeline import paths
from pipeline.runtime.device import make_fabric
from pipeline.storage import new_folder, write_json, write_safetensors
from pipeline.training.checkpoints import CheckpointFolder, open_checkpoints
from pipeline.training.log import TrainingLog

if TYPE_CHECKING:
    from pipeline.task import Task

__all__ = ["TrainingRun", "write_model"]


@dataclass(frozen=True)
class TrainingRun:
    """A training: its seed, device, checkpoints and log.

    Attributes:
        name: what messages call it, such as train_cinn-alexnet-fc7.
        scale, stage, item: where its reports are filed.
        seed: of every random choice.
        fabric: device, precision and processes that train together.
        checkpoints: what an interrupted training resumes from.
        log: curves and progress.
    """

    name: str
    scale: str
    stage: str
    item: str
    seed: int
    fabric: Fabric
    checkpoints: CheckpointFolder
    log: TrainingLog

    @property
    def device(self) -> torch.device:
        """Where to train."""
        return self.fabric.device

    @classmethod
    @contextmanager
    def open(
        cls,
        task: Task[Any],
        device: torch.device,
        inputs: Sequence[Path],
        *,
        mixed: bool = False,
        alternating: bool = False,
    ) -> Iterator[TrainingRun]:
        """Open the run of a stage; its checkpoints are removed when the block succeeds.

        Args:
            task: settings, seed and code, by their digest.
            device: where to train.
            inputs: files and folders the training reads; their content counts.
            mixed: compute in bfloat16 where the device can (see `make_fabric`).
            alternating: some steps leave some parameters without a gradient (see `make_fabric`).

        Raises:
            PipelineError: an input is missing.
        """
        checkpoints = open_checkpoints(task.stage, task.item, task.digest, inputs)
        curves = paths.training(task.scale, task.stage, task.item)
        yield cls(
            curves.name,
            task.scale,
            task.stage,
            task.item,
            task.seed,
            make_fabric(device, mixed=mixed, alternating=alternating),
            checkpoints,
            TrainingLog(curves.parent, curves.name),
        )
        checkpoints.clear()

    def part(self, name: str) -> TrainingRun:
        """One of several trainings of the stage, with checkpoints and curves of its own."""
        return replace(
            self,
            name=name,
            checkpoints=self.checkpoints.part(name),
            log=TrainingLog(self.log.folder, name),
        )

    def skip(self) -> None:
        """Leave empty curves: the weights are published ones, and nothing is trained."""
        if self.log.folder is not None:
            write_json(self.log.folder / "metrics.json", {})

    def save_model(
        self,
        folder: Path,
        state: nn.Module | Mapping[str, Tensor],
        config: Mapping[str, Any],
        **more: Any,
    ) -> None:
        """Replace a model's folder atomically: see `write_model`."""
        with new_folder(folder) as target:
            write_model(target, state, config, **more)

    def save_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Write the numbers that the stage reports."""
        write_json(paths.training_metrics(self.scale, self.stage, self.item), metrics)


def write_model(
    folder: Path, state: nn.Module | Mapping[str, Tensor], config: Mapping[str, Any], **more: Any
) -> None:
    """Write model.safetensors, config.json (arguments to rebuild the model) and <more>.json."""
    tensors = state.state_dict() if isinstance(state, nn.Module) else state
    write_safetensors(folder / "model.safetensors", tensors)
    for name, content in ({"config": config} | more).items():
        write_json(folder / f"{name}.json", content)
