"""ColorMNIST as it is read: grey strokes and two colours, blended when an image is needed.

INV paper, Secs. 4.2 and B.4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.datasets.images import open_pixels
from pipeline.datasets.parts import part_of
from pipeline.errors import PipelineError
from pipeline.storage import read_parquet

__all__ = ["BACKGROUND", "FOREGROUND", "STROKES", "ColorDigits"]

STROKES = "strokes.npy"
"""The file that holds strokes (R, 28, 28) uint8 in place of images."""
FOREGROUND = ["foreground_red", "foreground_green", "foreground_blue"]
BACKGROUND = ["background_red", "background_green", "background_blue"]


@dataclass(frozen=True)
class ColorDigits:
    """One split of ColorMNIST, in memory.

    strokes: (R, 28, 28) uint8. foreground_colour, background_colour: (R, 3) in [0, 1]. label,
    foreground, background: (R,) int64, the class and the indices into pools that define pairs.
    """

    strokes: Tensor
    foreground_colour: Tensor
    background_colour: Tensor
    label: Tensor
    foreground: Tensor
    background: Tensor

    @classmethod
    def load(cls, folder: Path, split: str) -> ColorDigits:
        """Read a split from a folder written by the stage `prepare`.

        Raises PipelineError if a file is missing or damaged.
        """
        folder = part_of(folder, split)
        truth = read_parquet(folder / "ground_truth.parquet")
        rows = np.flatnonzero(truth["split"] == split)
        strokes = open_pixels(folder / STROKES, len(truth))[rows]
        truth = truth.iloc[rows]
        return cls(
            torch.from_numpy(strokes),
            *(torch.tensor(truth[c].to_numpy(np.float32)) for c in (FOREGROUND, BACKGROUND)),
            *(
                torch.tensor(truth[c].to_numpy(np.int64))
                for c in ("label", "foreground", "background")
            ),
        )

    def __len__(self) -> int:
        return len(self.strokes)

    def name(self, row: int) -> str:
        """What an image shows, in words: its digit."""
        return str(int(self.label[row]))

    def concepts(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Each image's value (R,) int64 of the concepts digit, foreground or background.

        Raises PipelineError for any other name.
        """
        known = {"digit": self.label, "foreground": self.foreground, "background": self.background}
        for name in names:
            if name not in known:
                raise PipelineError(
                    f"ColorMNIST has no concept '{name}': use {', '.join(known)} in train_semantic."
                )
        return {name: known[name] for name in names}

    def known(self) -> dict[str, np.ndarray]:
        """The ground truth that probes predict from a factor: classes (R,), colours (R, 3)."""
        return {
            "digit": self.label.numpy(),
            "foreground": self.foreground_colour.numpy(),
            "background": self.background_colour.numpy(),
        }

    def images(self, indices: Tensor | slice) -> Tensor:
        """Blend the images `indices`: (B, 3, 28, 28) in [-1, 1]."""
        alpha = self.strokes[indices].float().div(255).unsqueeze(1)
        background = self.background_colour[indices][:, :, None, None]
        foreground = self.foreground_colour[indices][:, :, None, None]
        return torch.lerp(background, foreground, alpha).mul(2).sub(1)

    def pixels(self, indices: Tensor | slice) -> np.ndarray:
        """The images `indices` to show: (B, 28, 28, 3) uint8."""
        images = self.images(indices).add(1).mul(127.5).round().byte()
        return images.permute(0, 2, 3, 1).numpy()
