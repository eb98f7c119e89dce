"""Models that are formulas: images have one colour, and every layer represents it.

The red of an image stands for its species, the blue for its yaw. t moves away from the colour that
z represents, by a gain of its own.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from data_files import write_parts
from torch import Tensor, nn

from pipeline import paths
from pipeline.config.rows import BaselineRow, ExperimentRow, LayerRow, Rows
from pipeline.datasets.features import representations_file, save_posterior
from pipeline.datasets.images import to_pixels
from pipeline.storage import read_json, write_json, write_npy
from pipeline.task import Task

SIZE, STEP = 16, 7
SPECIES = ("bear", "fox", "lynx", "wolf")
LEVELS = torch.tensor([-0.6, -0.2, 0.2, 0.6])
"""How red the images of each species are."""
SPLITS = ("test", "reference")
ROUNDING = 1 / 127
"""Of colours in [-1, 1], as pixels."""


def images(colours: Tensor) -> Tensor:
    """Images (R, 3, SIZE, SIZE) of one colour (R, 3) each."""
    return colours[:, :, None, None].expand(-1, 3, SIZE, SIZE)


def colour(z: Tensor) -> Tensor:
    """The colour (R, 3) that z represents: of logits, that of the class; or of an image."""
    if z.ndim == 2:
        return LEVELS[z.argmax(1), None] * torch.tensor([1.0, 0, 0])
    return z.float().mean((2, 3))


class Formula(nn.Module):
    """A model with these methods, and a weight, for code that asks for the device."""

    def __init__(self, **methods: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.__dict__ |= methods


def inn(gain: float) -> Formula:
    """t: v = (z_bar - colour of z) / gain."""

    def inverse(v: Tensor, z: Tensor) -> Tensor:
        return colour(z).repeat_interleave(len(v) // len(z), 0) + gain * v

    def forward(z_bar: Any, z: Any) -> tuple[Any, None]:
        return (z_bar - colour(z)) / gain, None

    return Formula(features=3, prediction=None, forward=forward, inverse=inverse)


def evaluator(_folder: Path) -> Formula:
    """Predicts the species and, as yaw, how blue an image is."""

    def read(x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        red, _, blue = x.mean((2, 3)).T
        return {"species": (red[:, None] - LEVELS).abs().argmin(1)}, blue[:, None]

    return Formula(size=SIZE, classes={"species": SPECIES}, numbers=("yaw",), read=read)


class Classes(nn.Module):
    """Logits of the species by the first channel; `outputs` names the output of each of them."""

    def __init__(self, outputs: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.outputs, self.classes = outputs, classes

    def forward(self, z: Tensor) -> Tensor:
        logits = z.new_full((len(z), self.classes), -100)
        logits[:, self.outputs] = -20 * (z[:, :1, 0, 0] - LEVELS).square()
        return logits


class Network(Formula):
    """Layers that all have the mean colour, but for `input`, the image; it sees one channel."""

    def __init__(
        self, layers: tuple[str, ...], fc: nn.Module | None = None, channel: int | None = None
    ) -> None:
        super().__init__()
        for name in layers:
            self.add_module(name, nn.Identity())
        self.names, self.channel = layers, channel
        self.fc = fc or Classes((0, 1, 2, 3), 4)

    def forward(self, x: Tensor) -> Tensor:
        if self.channel is not None:
            x = x[:, [self.channel] * 3]
        for name in self.names:
            x = self.get_submodule(name)(x if name == "input" else x.mean((2, 3), keepdim=True))
        return self.fc(x)


def write_images(colours: Tensor, truth: pd.DataFrame) -> None:
    write_parts(paths.prepared("pets"), to_pixels(images(colours)).numpy(), truth)


def write_rows(modules: Mapping[str, tuple[str, str]], classes: int = 4, **experiment: Any) -> Rows:
    """Layers by the key of their name, network and module; configurations of networks and of t."""
    layers = {}
    for i, (key, (network, module)) in enumerate(modules.items()):
        layers[key] = LayerRow(network=network, dataset="pets", module=module)
        config = {"arguments": {"classes": classes}, "steps": [0, STEP], "published": False}
        write_json(paths.network(network) / "config.json", config)
        gain = {"gain": 0.01 * (i + 1), "features": 3}
        write_json(paths.cinn(key) / "config.json", {"model": gain})
    experiment = {"evaluator": "pets"} | experiment
    row = ExperimentRow(dataset="pets", layers=tuple(layers), **experiment)
    baselines = {name: BaselineRow(layer=name[3:], dataset="pets") for name in row.baselines}
    layers = dict(reversed(layers.items()))  # the experiment alone knows their order
    return Rows(layers=layers, baselines=baselines, experiment=row)


def write_pets(
    rows: Rows, codes: Tensor, red: float = 0.0, unseen: tuple[float, ...] = (0,)
) -> Tensor:
    """Images of species, the first less `red`, and z; returns their colours.

    z_bar is `unseen` away from the colour; images of the split `reference` are a bit more red.
    """
    reds, count = LEVELS[codes].clone(), len(codes)
    reds[0] -= red
    colours = torch.stack([reds, torch.zeros(count), torch.linspace(-0.5, 0.5, count)], 1)
    truth = pd.DataFrame({"label": codes.numpy(), "species": np.array(SPECIES)[codes]})
    parts = [truth.assign(split=split, yaw=colours[:, 2].numpy()) for split in SPLITS]
    both = torch.cat([colours, colours + torch.tensor([0.05, 0, 0])])
    write_images(both, pd.concat(parts, ignore_index=True))
    z_bar = colours + torch.tensor(unseen)
    save_posterior(paths.posteriors("pets"), "test", (z_bar, torch.ones(count, 3)))
    for key, row in rows.layers.items():
        z = colours[:, :, None, None]
        z = Classes((0, 1, 2, 3), 4)(z) if row.module == "fc" else z
        write_npy(representations_file(paths.features(key), STEP, "test"), z.half().numpy())
    return colours


def measure(
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    settings: Any,
    rows: Rows,
    t: Callable[[float], Any] = inn,
    **models: Callable[[Path], Any],
) -> tuple[dict[str, np.ndarray], dict[str, Any], list[Path]]:
    """What `module` measures with t of a gain, and with `models` of a folder; and the folders."""
    folders: list[Path] = []

    def load_cinn(folder: Path, step: int) -> nn.Module:
        assert step == STEP
        return t(read_json(folder / "config.json")["model"]["gain"])

    def load_model(kind: str, folder: Path, *_device: Any) -> nn.Module:
        folders.append(folder)
        return models[kind](folder)

    models = {"autoencoder": lambda _: Formula(decode=images), "evaluator": evaluator} | models
    monkeypatch.setattr(module, "load_cinn", load_cinn, raising=False)
    for kind in models:
        monkeypatch.setattr(module, f"load_{kind}", partial(load_model, kind), raising=False)
    task = Task("measure", "any", "smoke", 3, 1, settings, rows, {}, "")
    run = getattr(module, "measure", None) or module.measure_layers
    return *run(task, torch.device("cpu")), folders


def shown_colours(pixels: np.ndarray) -> np.ndarray:
    """The colours (..., 3), in [-1, 1], of images (..., SIZE, SIZE, 3)."""
    return pixels[..., 0, 0, :] / 127.5 - 1
