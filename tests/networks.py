"""Images, data sets and tasks for tests of networks, and the second half of a network."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from data_files import write_parts
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.config.fields import Section
from pipeline.config.rows import Rows
from pipeline.task import Task

SPLITS = {"train": 14, "validation": 2, "test": 2, "reference": 1}


def images(size: int, count: int = 3) -> Tensor:
    """Patches of colour (count, 3, size, size) in [-1, 1], from which untrained networks vary."""
    patches = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return F.interpolate(patches, (size, size))


@torch.no_grad()
def psi(network: nn.Module, path: str, z: Tensor, images: Tensor) -> Tensor:
    """f = Psi(z): the network's output on blank images when module `path` gives `z` (B, ...)."""
    handle = network.get_submodule(path).register_forward_hook(lambda *_: z.clone())
    try:
        return network(torch.zeros_like(images))
    finally:
        handle.remove()


def make_task(stage: str, item: str, settings: Section, **rows: Any) -> Task[Any]:
    """The task of a stage's item at scale laptop, as `plan` would have it."""
    return Task(stage, item, "laptop", 0, 1, settings, Rows(**rows), {}, "0" * 64)


def write_data(folder: Path, classes: int, unseen: int = 0, size: int = 32) -> Path:
    """A data set of noisy images whose colours are their class.

    Of `unseen` further classes, eight images each take the place of those of validation and test.

    The images of `calibration` are those of `validation` once more.
    """
    generator = np.random.default_rng(0)
    colours = generator.uniform(40, 215, size=(classes + unseen, 2, 1, 3))  # of upper, lower half
    rows = [(split, c) for split, n in SPLITS.items() for c in range(classes) for _ in range(n)]
    if unseen:
        rows = [row for row in rows if row[0] not in ("validation", "test")]
        strangers = [classes + c for c in range(unseen) for _ in range(8)]
        rows += [(split, c) for split in ("validation", "test") for c in strangers]
    truth = pd.DataFrame(rows, columns=["split", "label"])
    truth["species"] = "kind " + truth["label"].astype(str)
    pixels = colours[truth["label"]].repeat(size // 2, axis=1).repeat(size, axis=2)
    pixels *= generator.uniform(0.8, 1.15, size=(len(truth), 1, 1, 1))
    pixels += generator.normal(scale=8, size=pixels.shape)
    again = truth[truth["split"] == "validation"].assign(split="calibration")
    truth, pixels = (
        pd.concat([truth, again], ignore_index=True),
        pixels[[*truth.index, *again.index]],
    )
    write_parts(folder, pixels.clip(0, 255).astype(np.uint8), truth)
    return folder
