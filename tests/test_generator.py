"""Generators G(z~, h) and the dequantiser: interfaces, the layout of published weights, files."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from pipeline.errors import PipelineError
from pipeline.models.biggan_deep import BigGANDeep, read_biggan, unspectral
from pipeline.models.dequantizer import Dequantizer, load_dequantizer
from pipeline.models.generator import (
    InvertibleGenerator,
    LatentGenerator,
    build_class_inn,
    load_generator,
    load_latent_generator,
)
from pipeline.models.image_autoencoder import ImageAutoencoder
from pipeline.params import TrainDequantizerParams
from pipeline.runtime import make_fabric
from pipeline.storage import write_json, write_safetensors
from pipeline.training.checkpoints import open_checkpoints
from pipeline.training.dequantizer import train_dequantizer
from pipeline.training.log import TrainingLog

BLOCKS = [[False, 2, 2], [True, 2, 1], [True, 1, 1]]
SMALL: dict[str, Any] = {
    "classes": 5, "noise": 6, "embedding": 4, "channels": 16, "blocks": BLOCKS, "attention": 2,
}  # fmt: skip


def published(seed: int = 0) -> dict[str, Tensor]:
    """Random weights with the names and shapes of pytorch-pretrained-biggan's files."""
    torch.manual_seed(seed)
    state: dict[str, Tensor] = {"embeddings.weight": torch.randn(4, 5)}

    def spectral(name: str, *shape: int, bias: bool = True) -> None:
        state[f"{name}.weight_orig"] = torch.randn(shape)
        flat = state[f"{name}.weight_orig"].flatten(1)
        u, _, v = torch.linalg.svd(flat, full_matrices=False)
        state[f"{name}.weight_u"], state[f"{name}.weight_v"] = u[:, 0], v[0]
        if bias:
            state[f"{name}.bias"] = torch.randn(shape[0])

    def norm(name: str, channels: int, condition: int) -> None:
        state[f"{name}.running_means"] = torch.randn(51, channels)
        state[f"{name}.running_vars"] = torch.rand(51, channels) + 0.5
        if condition:
            spectral(f"{name}.scale", channels, condition, bias=False)
            spectral(f"{name}.offset", channels, condition, bias=False)
        else:
            state[f"{name}.weight"] = torch.rand(channels)
            state[f"{name}.bias"] = torch.randn(channels)

    spectral("generator.gen_z", 16 * 32, 10)
    for layer, (inputs, outputs) in {0: (32, 32), 1: (32, 16), 3: (16, 16)}.items():
        name, inner = f"generator.layers.{layer}", inputs // 4
        for index, channels in enumerate((inputs, inner, inner, inner)):
            norm(f"{name}.bn_{index}", channels, 10)
        for index, shape in enumerate(
            [
                (inner, inputs, 1, 1),
                (inner, inner, 3, 3),
                (inner, inner, 3, 3),
                (outputs, inner, 1, 1),
            ]
        ):
            spectral(f"{name}.conv_{index}", *shape)
    attention = "generator.layers.2.snconv1x1_"
    for part, shape in {"theta": (2, 16), "phi": (2, 16), "g": (8, 16), "o_conv": (16, 8)}.items():
        spectral(attention + part, *shape, 1, 1, bias=False)
    state["generator.layers.2.gamma"] = torch.tensor([0.7])
    norm("generator.bn", 16, 0)
    spectral("generator.conv_to_rgb", 16, 16, 3, 3)
    return state


def reference(state: dict[str, Tensor], z: Tensor, h: Tensor) -> Tensor:
    """BigGAN-deep written out, from the published tensors."""

    def weight(name: str) -> Tensor:
        w = state[f"{name}.weight_orig"]
        return w / torch.linalg.matrix_norm(w.flatten(1), 2)

    def conv(name: str, x: Tensor) -> Tensor:
        w = weight(name)
        return F.conv2d(x, w, state.get(f"{name}.bias"), padding=w.shape[-1] // 2)

    def norm(name: str, x: Tensor, condition: Tensor | None) -> Tensor:
        mean, var = state[f"{name}.running_means"][50], state[f"{name}.running_vars"][50]
        x = F.batch_norm(x, mean, var, eps=1e-4)
        if condition is None:
            gain, bias = state[f"{name}.weight"][None], state[f"{name}.bias"][None]
        else:
            gain = 1 + condition @ weight(f"{name}.scale").T
            bias = condition @ weight(f"{name}.offset").T
        return x * gain[..., None, None] + bias[..., None, None]

    condition = torch.cat([z, h], 1)
    x = F.linear(condition, weight("generator.gen_z"), state["generator.gen_z.bias"])
    x = x.view(-1, 4, 4, 32).permute(0, 3, 1, 2)
    for layer, (up, outputs) in {
        0: (False, 32),
        1: (True, 16),
        2: (False, 0),
        3: (True, 16),
    }.items():
        name = f"generator.layers.{layer}"
        if not outputs:
            batch, channels, height, width = x.shape
            parts = {k: conv(f"{name}.snconv1x1_{k}", x) for k in ("theta", "phi", "g")}
            theta = parts["theta"].view(batch, 2, -1)
            phi, g = (F.max_pool2d(parts[k], 2) for k in ("phi", "g"))
            attention = torch.softmax(theta.transpose(1, 2) @ phi.view(batch, 2, -1), -1)
            seen = (g.view(batch, 8, -1) @ attention.transpose(1, 2)).view(batch, 8, height, width)
            x = x + state[f"{name}.gamma"] * conv(f"{name}.snconv1x1_o_conv", seen)
            continue
        y = x
        for index in range(4):
            y = F.relu(norm(f"{name}.bn_{index}", y, condition))
            if up and index == 1:
                y = F.interpolate(y, scale_factor=2, mode="nearest")
            y = conv(f"{name}.conv_{index}", y)
        x = x[:, :outputs]
        x = y + (F.interpolate(x, scale_factor=2, mode="nearest") if up else x)
    return torch.tanh(conv("generator.conv_to_rgb", F.relu(norm("generator.bn", x, None)))[:, :3])


def test_published_weights_give_what_their_layout_means() -> None:
    state = published()
    model = BigGANDeep(**SMALL).eval()
    model.load_state_dict(unspectral(state))
    z, labels = torch.randn(3, 6), torch.tensor([0, 4, 2])
    h = model.embed(labels)
    torch.testing.assert_close(h, state["embeddings.weight"].T[labels])
    images = model(z, h)
    assert images.shape == (3, 3, 16, 16)
    torch.testing.assert_close(images, reference(state, z, h), rtol=1e-3, atol=1e-4)


def test_the_full_model_has_the_published_size() -> None:
    with torch.device("meta"):
        model = BigGANDeep()
        images = model(torch.zeros(1, 128), torch.zeros(1, 128))
    assert images.shape == (1, 3, 256, 256)
    layers = model.generator.layers
    assert len(layers) == 13 and hasattr(layers[8], "gamma")
    assert model.generator.gen_z.weight.shape == (16 * 2048, 256)


def test_files_of_published_weights(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"holds no weights of BigGAN: download https://"):
        read_biggan(tmp_path, None)
    state = {name: value.contiguous() for name, value in published().items()}
    torch.save(state, tmp_path / "pytorch_model.bin")
    digest = hashlib.sha256((tmp_path / "pytorch_model.bin").read_bytes()).hexdigest()
    for wrong in (None, "0" * 64):  # never opened without its digest
        with pytest.raises(PipelineError, match=rf"has the SHA-256 {digest}, not"):
            read_biggan(tmp_path, wrong)
    found = read_biggan(tmp_path, digest)
    save_file(state, tmp_path / "model.safetensors")
    again = read_biggan(tmp_path, None)
    assert found.keys() == again.keys() == BigGANDeep(**SMALL).state_dict().keys()
    with pytest.raises(PipelineError, match="SHA-256"):
        read_biggan(tmp_path, "0" * 64)


def own(folder: Path | None = None) -> InvertibleGenerator:
    """A small generator of our own, saved to `folder` if there is one."""
    torch.manual_seed(0)
    arguments: dict[str, Any] = {"size": 16, "latent": 8, "architecture": "convolutional"}
    autoencoder = ImageAutoencoder(**arguments, width=4, channels=4, classes=4)
    config: dict[str, Any] = {"features": 8, "classes": 3, "embedding": 4, "blocks": 2}
    config |= {"width": 8, "depth": 1, "base": {"blocks": 1, "width": 8, "depth": 1}}
    inn = build_class_inn(**config, seed=1)
    with torch.no_grad():
        for parameter in inn.network.parameters():  # a fresh INN would ignore the class
            parameter.add_(0.3 * torch.randn_like(parameter))
    if folder is not None:
        write_safetensors(folder / "model.safetensors", inn.state_dict())
        write_json(folder / "config.json", {"kind": "invertible", "model": config})
        write_safetensors(folder / "decoder/model.safetensors", autoencoder.state_dict())
        write_json(folder / "decoder/config.json", autoencoder.arguments)
    return InvertibleGenerator(inn, autoencoder, 8).eval()


def test_our_generator_inverts_its_inn() -> None:
    model = own()
    labels, z_bar = torch.tensor([0, 1, 2, 2]), torch.randn(4, 8)
    noise, _ = model.inn(z_bar, labels)
    images = model(noise, model.embed(labels))
    torch.testing.assert_close(images, model.autoencoder.decode(z_bar), rtol=1e-4, atol=1e-4)
    assert model.embed(labels).shape == (4, 4) == (4, model.embedding)
    assert not torch.allclose(images, model(noise, model.embed(labels.flip(0))), atol=1e-4)
    assert (model.noise, model.classes) == (8, 3)


def test_a_generator_is_read_back(tmp_path: Path) -> None:
    model = own(tmp_path / "generator")
    again = load_generator(tmp_path / "generator")
    noise, labels = torch.randn(2, 8), torch.tensor([1, 2])
    expected = model(noise, model.embed(labels))
    torch.testing.assert_close(again(noise, again.embed(labels)), expected)
    dequantizer = Dequantizer(4, 3, 16)
    write_safetensors(tmp_path / "dequantizer/model.safetensors", dequantizer.state_dict())
    write_json(tmp_path / "dequantizer/config.json", dequantizer.arguments)
    latent = load_latent_generator(tmp_path)
    mean, variance = latent.encode(noise, labels)
    assert mean.shape == variance.shape == (2, 11)
    torch.testing.assert_close(mean[:, :8], noise)
    assert (variance[:, :8] == 0).all() and (variance[:, 8:] > 0).all()
    decoded = latent.decode(mean)
    torch.testing.assert_close(decoded, again(noise, dequantizer.decode(mean[:, 8:])))
    write_json(tmp_path / "dequantizer/config.json", {**dequantizer.arguments, "width": 17})
    with pytest.raises(PipelineError, match="belongs to another model"):
        load_dequantizer(tmp_path / "dequantizer")


def test_the_table_of_the_dequantiser() -> None:
    """Tab. S17: three layers to 4096, per moment 128 and three of 4096, then four of 4096."""
    with torch.device("meta"):
        model = Dequantizer()

    def widths(part: torch.nn.Sequential) -> list[int]:
        return [layer.out_features for layer in part if isinstance(layer, torch.nn.Linear)]

    assert widths(model.encoder) == [4096] * 3
    for moment in (model.mean, model.log_variance):
        assert widths(moment) == [128, 4096, 4096, 4096, 128]
    assert widths(model.decoder) == [4096] * 4 + [128]


def test_the_dequantiser_fills_the_space_and_keeps_the_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    embeddings = 3 + 5 * torch.randn(6, 4)

    def train(name: str, steps: int = 1000) -> tuple[Dequantizer, dict[str, float]]:
        settings = TrainDequantizerParams(
            steps=steps, batch_size=48, learning_rate=3e-3, latent=4, width=48,
            validate_every=steps // 2,
        )  # fmt: skip
        torch.manual_seed(1)
        return train_dequantizer(
            embeddings,
            settings,
            seed=0,
            fabric=make_fabric(torch.device("cpu")),
            checkpoints=open_checkpoints(name, "animals", (settings,), []),
            log=TrainingLog(None, name),
        )

    _, quality = train("a")
    assert quality["recovered"] > 0.97 and quality["error"] < 0.3
    assert 0.9 * np.log(6) < quality["kl"] < 12
    assert quality["variance"] > 0.01
    (model, _), (again, _) = train("b", steps=30), train("c", steps=30)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=0)


def test_a_latent_generator_decodes_like_biggan() -> None:
    generator = BigGANDeep(**SMALL).eval()
    generator.load_state_dict(unspectral(published()))
    latent = LatentGenerator(generator, Dequantizer(4, 4, 8))
    z_bar = torch.randn(2, 10)
    h = latent.dequantizer.decode(z_bar[:, 6:])
    torch.testing.assert_close(latent.decode(z_bar), generator(z_bar[:, :6], h))
