"""Figs. 3, S10, 5 and 6 measured with models that are formulas, from files to files.

Images have one colour. How red they are tells the species, and in Fig. 6 how green they are the
texture; t moves away from the colour that z holds, the less the shallower the layer.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from pipeline import paths
from pipeline.datasets.features import representations_file, save_posterior
from pipeline.datasets.images import to_pixels
from pipeline.evaluation import fig3, fig5, measure_fig3, measure_fig5, measure_fig6
from pipeline.params import Params, load_params
from pipeline.storage import read_arrays, read_json, write_json, write_npy, write_parquet

CPU = torch.device("cpu")
SIZE, STEP = 16, 7
SPECIES = ("bear", "fox", "lynx", "wolf")
LEVELS = torch.tensor([-0.6, -0.2, 0.2, 0.6])
"""How red the images of each species are, and how green those of a texture."""
ROUNDING = 1 / 127
"""Of colours in [-1, 1], as pixels."""


def images(colours: Tensor) -> Tensor:
    """Images (R, 3, SIZE, SIZE) of one colour (R, 3) each."""
    return colours[:, :, None, None].expand(-1, 3, SIZE, SIZE)


def colour(z: Tensor) -> Tensor:
    """The colour (R, 3) that z holds: of logits, that of the class; or of an image."""
    if z.ndim == 2:
        return LEVELS[z.argmax(1), None] * torch.tensor([1.0, 0, 0])
    return z.float().mean((2, 3))


class Model(nn.Module):
    """What all of them have: weights, of which code asks the device."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))


class Decoder(Model):
    """D: z_bar is the colour."""

    def decode(self, z_bar: Tensor) -> Tensor:
        return images(z_bar)


class Inn(Model):
    """t: v = (z_bar - colour of z) / gain."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, z_bar: Tensor, z: Tensor) -> tuple[Tensor, None]:
        return (z_bar - colour(z)) / self.gain, None

    def inverse(self, v: Tensor, z: Tensor) -> Tensor:
        return colour(z).repeat_interleave(len(v) // len(z), 0) + self.gain * v


class Classes(nn.Module):
    """Logits of the species by the first channel; `outputs` names the output of each of them."""

    def __init__(self, outputs: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.outputs, self.classes = outputs, classes

    def forward(self, z: Tensor) -> Tensor:
        logits = z.new_full((len(z), self.classes), -100)
        logits[:, self.outputs] = -20 * (z[:, :1, 0, 0] - LEVELS).square()
        return logits


class Network(Model):
    """Layers that all hold the mean colour, but for `input`, the image; it sees one channel."""

    def __init__(
        self,
        layers: tuple[str, ...],
        outputs: tuple[int, ...] = (0, 1, 2, 3),
        classes: int = 4,
        channel: int | None = None,
    ) -> None:
        super().__init__()
        for name in layers:
            self.add_module(name, nn.Identity())
        self.names, self.channel = layers, channel
        self.fc = Classes(outputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        if self.channel is not None:
            x = x[:, [self.channel] * 3]
        for name in self.names:
            x = self.get_submodule(name)(x if name == "input" else x.mean((2, 3), keepdim=True))
        return self.fc(x)


class Evaluator(Model):
    """Reads the species and, as yaw, how blue an image is."""

    size = SIZE
    classes = {"species": SPECIES}
    numbers = ("yaw",)

    def read(self, x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        red, _, blue = x.mean((2, 3)).T
        return {"species": (red[:, None] - LEVELS).abs().argmin(1)}, blue[:, None]


def write_images(dataset: str, colours: Tensor, **truth: Any) -> None:
    write_npy(paths.prepared(dataset) / "images.npy", to_pixels(images(colours)).numpy())
    frame = pd.DataFrame({"split": "test", "label": 0} | truth)
    write_parquet(paths.prepared(dataset) / "ground_truth.parquet", frame)


def write_layers(params: Params, features: str, names: Any, classes: int = 4) -> list[float]:
    """Settings of a network and of t for some of its layers; returns the gains of these."""
    network = params.features[features].network
    config = {"arguments": {"classes": classes}, "steps": [0, STEP]}
    write_json(paths.network(network) / "config.json", config)
    gains = [0.01 * (index + 1) for index in range(len(names))]
    for name, gain in zip(names, gains, strict=True):
        folder = paths.cinn(features, f"{features}-{name}")
        write_json(folder / "config.json", {"model": {"gain": gain, "features": 3}})
    return gains


def load(
    monkeypatch: pytest.MonkeyPatch, module: Any, t: Callable[[float], Any], **models: Any
) -> list[Path]:
    """Let `module` load t of a gain, and `models` of a folder; returns the folders it asks for."""
    folders: list[Path] = []

    def load_cinn(config: Any, file: Path) -> nn.Module:
        assert file.name == f"step-{STEP:06d}.safetensors"
        return t(config["gain"])

    def load_model(kind: str, folder: Path, *_device: Any) -> nn.Module:
        folders.append(folder)
        return models[kind](folder)

    monkeypatch.setattr(module, "load_cinn", load_cinn)
    for kind in models:
        monkeypatch.setattr(module, f"load_{kind}", partial(load_model, kind))
    return folders


def of(params: Params, figure: str, **changes: Any) -> Params:
    params.settings.evaluate[figure] = dataclasses.replace(
        params.settings.evaluate[figure], bootstrap=5, **changes
    )
    return params


# --- Figs. 3 and S10 -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figure", "features", "reader"),
    [("fig3", "facenet", "faces"), ("figs10", "facenet_animalfaces", "animals")],
)
def test_layers_share_invariances_that_differ_between_inputs(
    project: Path, monkeypatch: pytest.MonkeyPatch, figure: str, features: str, reader: str
) -> None:
    changes = {"inputs": 6, "samples": 40, "read": 5, "rows": 4, "columns": 3}
    params = of(load_params(), figure, **changes)
    dataset = params.features[features].dataset
    codes = torch.tensor([0, 0, 1, 2, 1, 3, 0, 3])
    blue = torch.linspace(-0.5, 0.5, 8)
    colours = torch.stack([LEVELS[codes], torch.zeros(8), blue], 1)
    write_images(dataset, colours, species=np.array(SPECIES)[codes], yaw=blue.numpy())
    save_posterior(paths.posteriors(dataset), "test", (colours, torch.ones(8, 3)))
    gains = write_layers(params, features, fig3.PAPER)
    for name in fig3.PAPER:
        folder = paths.representations(features, f"{features}-{name}")
        z = colours[:, :, None, None].half().numpy()
        write_npy(representations_file(folder, STEP, "test"), z)
    folders = load(
        monkeypatch, measure_fig3, Inn, autoencoder=lambda _: Decoder(),
        evaluator=lambda _: Evaluator(), network=lambda _: Network(fig3.PAPER),
    )  # fmt: skip
    getattr(measure_fig3, f"measure_{figure}")(params, CPU)
    expected = [paths.autoencoder(dataset), paths.evaluator(reader), paths.network("facenet")]
    assert folders == expected

    arrays = read_arrays(paths.evaluations(figure))
    shown = arrays["inputs"][:, 0, 0] / 127.5 - 1
    assert len(set(shown[:, 0])) == 4  # of all species
    drawn = []
    for name, gain in zip(fig3.PAPER, gains, strict=True):
        samples = arrays[f"{name}_samples"]
        assert samples.shape == (4, 3, SIZE, SIZE, 3)
        drawn.append((samples[:, :, 0, 0] / 127.5 - 1 - shown[:, None]) / gain)
        np.testing.assert_allclose(drawn[-1], drawn[0], atol=2 * ROUNDING / gains[0])
    assert np.abs(drawn[-1][0] - drawn[-1][1]).max() > 0.5
    ratios = np.sqrt(arrays["variances"] / arrays["variances"][-1])
    np.testing.assert_allclose(ratios.T, [np.array(gains) / gains[-1]] * 6, rtol=0.1)
    numbers = read_json(paths.metrics(params.scale, figure))
    assert (numbers["inputs"], numbers["samples"], numbers["read"]) == (6, 40, 5)
    assert numbers["evaluator"]["species"]["accuracy"] == 1
    for layer in numbers["layers"].values():
        assert layer["kept"]["species"] == 1 and layer["correlation"]["yaw"] > 0.95
        assert layer["faithfulness"]["faithfulness"] > 0.95
        assert layer["faithfulness"]["samples_per_input"] == 4


# --- Fig. 5 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_what_an_attack_changes_in_each_layer(
    project: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    epsilon = 0.25
    params = of(
        load_params(), "fig5", inputs=5, rows=3, attack=method, epsilon=epsilon, attack_steps=4,
        variance_inputs=4, variance_samples=200,
    )  # fmt: skip
    codes = torch.tensor([0, 1, 2, 3, 1, 0])
    red = LEVELS[codes] - torch.tensor([0.15, 0, 0, 0, 0, 0])  # too far from others to be misled
    colours = torch.stack([red, torch.zeros(6), torch.linspace(-0.5, 0.5, 6)], 1)
    write_images(
        "animals", colours, label=codes.numpy(), species=np.array(SPECIES)[codes],
        yaw=colours[:, 2].numpy(),
    )  # fmt: skip
    z_bar = colours + torch.tensor([0, 0.1, 0.2])  # D shows what no layer holds: v keeps it
    save_posterior(paths.posteriors("animals"), "test", (z_bar, torch.ones(6, 3)))
    gains = dict(zip(fig5.PAPER, write_layers(params, "resnet101", fig5.PAPER), strict=True))
    load(
        monkeypatch, measure_fig5, Inn, autoencoder=lambda _: Decoder(),
        evaluator=lambda _: Evaluator(), network=lambda _: Network(("input", "layer3", "avgpool")),
    )  # fmt: skip
    measure_fig5.measure_fig5(params, CPU)

    arrays = read_arrays(paths.evaluations("fig5"))
    rows = [1, 2, 3]  # those that are misled come first
    moved = np.array([1, -1, -1])
    """Whether the attack makes them more red; between two species it is away from most others."""
    assert arrays["clean_predictions"].tolist() == ["fox", "lynx", "wolf"]
    assert arrays["attacked_predictions"].tolist() == ["lynx", "fox", "lynx"]
    assert arrays["random_predictions"].tolist() == ["fox", "lynx", "wolf"]
    for layer in fig5.PAPER:
        steps = {"clean": 0 * moved, "attacked": (0.4 if layer == "logits" else epsilon) * moved}
        for kind, step in steps.items():
            found = arrays[f"{layer}_{kind}"][:, 0, 0] / 127.5 - 1
            expected = z_bar[rows].numpy() + step[:, None] * [1, 0, 0]
            np.testing.assert_allclose(found, expected, atol=ROUNDING)
    numbers = read_json(paths.metrics(params.scale, "fig5"))
    assert numbers["success"] == 0.8 and numbers["targets"] == 4
    assert numbers["accuracy"]["clean"] == 1 and numbers["variance_inputs"] == 4
    assert {numbers["layers"][name]["target"]["attacked"] for name in fig5.PAPER} == {1.0}
    by_v = 3 * gains["conv"] ** 2
    expected = by_v / (by_v + float(colours[:4].var(0).sum()))
    assert numbers["layers"]["conv"]["explained_by_v"] == pytest.approx(expected, rel=0.2)
    assert numbers.get("attack_steps") == (4 if method == "pgd" else None)


# --- Fig. 6 --------------------------------------------------------------------------------------

NOISE = 2
"""Dimensions of z~; the rest of z_bar stands for the class."""


class Generator(Model):
    """D of z_bar = (z~, h~): red tells the class of h, blue is the first of z~; h = 2 h~."""

    def __init__(self, labels: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.labels = torch.tensor(labels)
        self.generator = SimpleNamespace(
            classes=classes, noise=NOISE, embed=lambda label: 2.0 * label[:, None]
        )
        self.dequantizer = SimpleNamespace(decode=lambda code: 2 * code)

    def decode(self, z_bar: Tensor) -> Tensor:
        nearest = (z_bar[:, NOISE:] - self.labels).abs().argmin(1)
        blue = z_bar[:, 0].tanh()
        return images(torch.stack([LEVELS[nearest], 0 * blue, blue], 1))


class ClassInn(Model):
    """t^-1(v | z): z~ is v's, h~ the class whose red z holds, and a bit of v."""

    def __init__(self, labels: tuple[int, ...]) -> None:
        super().__init__()
        self.labels = torch.tensor(labels)

    def inverse(self, v: Tensor, z: Tensor) -> Tensor:
        seen = self.labels[(colour(z)[:, :1] - LEVELS).abs().argmin(1)]
        return torch.cat([v[:, :NOISE], seen[:, None] + 0.3 * v[:, NOISE:].tanh()], 1)


def measured_fig6(
    monkeypatch: pytest.MonkeyPatch,
    labels: tuple[int, ...],
    classes: int,
    names: list[str],
    inputs: list[tuple[str, str, str, int, int]],
    evaluator: Callable[[Path], Any],
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Fig. 6 of generated images of `names` and of inputs: kind, shape, texture, red and green."""
    params = of(load_params(), "fig6", samples=5, rows=2, more=1, columns=3)
    made = torch.stack([LEVELS, torch.zeros(4), torch.zeros(4)], 1)
    kinds, shapes, textures, red, green = zip(*inputs, strict=True)
    given = torch.stack([LEVELS[list(red)], LEVELS[list(green)], torch.zeros(len(inputs))], 1)
    none = [None] * len(inputs)
    write_images(
        "generated",
        torch.cat([made, given]),
        split=["test"] * 4 + ["inputs"] * len(inputs),
        label=[*labels, *(-1 for _ in inputs)],
        species=[*names, *none],
        kind=[None] * 4 + list(kinds),
        shape=[None] * 4 + list(shapes),
        texture=[None] * 4 + list(textures),
    )
    for features in ("resnet50", "resnet50_stylized"):
        write_layers(params, features, ["fc"], classes)
    sees = {paths.network("resnet50"): 1, paths.network("resnet50_stylized"): 0}
    load(
        monkeypatch, measure_fig6, lambda _: ClassInn(labels), evaluator=evaluator,
        latent_generator=lambda _: Generator(labels, classes),
        network=lambda folder: Network(("avgpool",), labels, classes, channel=sees[folder]),
    )  # fmt: skip
    measure_fig6.measure_fig6(params, CPU)
    numbers = read_json(paths.metrics(params.scale, "fig6"))
    return numbers, read_arrays(paths.evaluations("fig6"))


def shares(numbers: dict[str, Any], reader: str) -> dict[str, list[float]]:
    """Of both networks: natural inputs, then the shapes and the textures of stylized ones."""
    return {
        name: [
            found[kind][cue][reader]["share"]
            for kind, cue in (("natural", "shape"), ("stylized", "shape"), ("stylized", "texture"))
        ]
        for name, found in numbers["networks"].items()
    }


BOTH = {"vanilla": [1.0, 0.0, 1.0], "stylized": [1.0, 1.0, 0.0]}
"""Of a network that sees textures, and one that sees shapes."""


def test_two_networks_share_invariances(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = [("natural", name, name, index, index) for index, name in enumerate(SPECIES)]
    for index, name in enumerate(SPECIES):
        other = (index + 1) % 4
        inputs.append(("stylized", name, SPECIES[other], index, other))
    numbers, arrays = measured_fig6(
        monkeypatch, (0, 1, 2, 3), 4, list(SPECIES), inputs, lambda _: Evaluator()
    )  # fmt: skip
    for reader in ("evaluator", "embedding", "network"):
        assert shares(numbers, reader) == BOTH
    assert numbers["inputs"] == {"natural": 4, "stylized": 4, "texture": 0, "sketch": 0}
    assert numbers["generated_right"] == numbers["evaluator_right"] == 1
    assert set(arrays) == {"inputs", "kinds", "vanilla_samples", "stylized_samples"}
    textures, forms = arrays["vanilla_samples"], arrays["stylized_samples"]
    assert forms.shape == (6, 3, SIZE, SIZE, 3)  # three of each kind
    np.testing.assert_array_equal(textures[..., 2], forms[..., 2])
    assert len(np.unique(forms[:, :, 0, 0, 2])) > 15  # one v for each of 18 samples
    for samples, channel in ((textures, 1), (forms, 0)):
        seen = np.repeat(arrays["inputs"][:, None, 0, 0, channel], 3, 1)
        np.testing.assert_array_equal(samples[:, :, 0, 0, 0], seen)


def test_classes_of_imagenet_are_named_by_category(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Species of photographs and words of stimuli are, and what ImageNet lacks is left out."""
    labels = (281, 254, 766, 751)  # tabby, pug, rotisserie, racer: the last has no category
    inputs = [
        ("natural", "tabby", "tabby", 0, 0),
        ("natural", "zebu", "zebu", 3, 3),
        ("natural", "pug", "pug", 1, 1),
        ("stylized", "cat", "oven", 0, 2),
        ("stylized", "oven", "dog", 2, 1),
    ]

    def no_evaluator(folder: Path) -> None:
        raise AssertionError

    numbers, arrays = measured_fig6(
        monkeypatch, labels, 1000, ["tabby", "pug", "766", "751"], inputs, no_evaluator
    )  # fmt: skip
    for reader in ("embedding", "network"):
        assert shares(numbers, reader) == BOTH
    assert numbers["networks"]["vanilla"]["natural"]["shape"]["evaluator"] is None
    assert numbers["generated_right"] is None and numbers["evaluator_right"] is None
    assert numbers["inputs"] == {"natural": 2, "stylized": 2, "texture": 0, "sketch": 0}
    assert len(arrays["inputs"]) == 4
