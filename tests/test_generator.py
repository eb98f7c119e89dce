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
from training import assert_equal, normal, run_in

from pipeline.config.settings import TrainDequantizerSettings
from pipeline.errors import PipelineError
from pipeline.models.biggan_deep import BigGANDeep, read_biggan, unspectral
from pipeline.models.dequantizer import Dequantizer
from pipeline.models.generator import (
    InvertibleGenerator,
    LatentGenerator,
    build_class_inn,
    load_generator,
    load_latent_generator,
)
from pipeline.models.image_autoencoder import ImageAutoencoder
from pipeline.training.dequantizer import train_dequantizer
from pipeline.training.run import TrainingRun, write_model

BLOCKS = [[False, 2, 2], [True, 2, 1], [True, 1, 1]]
SMALL: dict[str, Any] = {
    "classes": 5, "noise": 6, "embedding": 4, "channels": 16, "blocks": BLOCKS, "attention": 2,
}  # fmt: skip


def published(seed: int = 0) -> dict[str, Tensor]:
    """Random weights with the names and shapes of pytorch-pretrained-biggan's files.

    Those of layers are stored before spectral normalisation, with their first singular vectors;
    statistics of normalisations for 51 truncations.
    """
    torch.manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, value in BigGANDeep(**SMALL).state_dict().items():
        if name.endswith((".running_means", ".running_vars")):
            state[name] = torch.rand(51, *value.shape) + 0.5
        elif value.dim() == 1 or name == "embeddings.weight":
            state[name] = torch.randn(value.shape)
        else:
            state[f"{name}_orig"] = torch.randn(value.shape)
            u, _, v = torch.linalg.svd(state[f"{name}_orig"].flatten(1), full_matrices=False)
            state[f"{name}_u"], state[f"{name}_v"] = u[:, 0], v[0]
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
    for layer, (up, outputs) in enumerate([(False, 32), (True, 16), (False, 0), (True, 16)]):
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
    torch.testing.assert_close(model(z, h), reference(state, z, h), rtol=1e-3, atol=1e-4)
    latent, code = LatentGenerator(model, Dequantizer(4, 4, 8)), torch.randn(3, 4)
    expected = model(z, latent.dequantizer.decode(code))
    torch.testing.assert_close(latent.decode(torch.cat([z, code], 1)), expected)


def test_files_of_published_weights(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="download https://"):
        read_biggan(tmp_path, None)
    state = {name: value.contiguous() for name, value in published().items()}
    file = tmp_path / "pytorch_model.bin"
    torch.save(state, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for wrong in (None, "0" * 64):  # never opened without its digest
        with pytest.raises(PipelineError, match=f"SHA-256,? {digest}"):
            read_biggan(tmp_path, wrong)
    found = read_biggan(tmp_path, digest)
    save_file(state, tmp_path / "model.safetensors")
    assert_equal(read_biggan(tmp_path, None), found)
    assert found.keys() == BigGANDeep(**SMALL).state_dict().keys()
    with pytest.raises(PipelineError, match="SHA-256"):
        read_biggan(tmp_path, "0" * 64)


def test_our_generator_inverts_its_inn_and_is_read_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    autoencoder = ImageAutoencoder(16, 8, width=4, channels=4, architecture="convolutional")
    config: dict[str, Any] = {"features": 8, "classes": 3, "embedding": 4, "blocks": 2}
    config |= {"width": 8, "depth": 1, "base": {"blocks": 1, "width": 8, "depth": 1}}
    inn = build_class_inn(**config, seed=1)
    with torch.no_grad():
        for parameter in inn.network.parameters():  # a fresh INN would ignore the class
            parameter.add_(0.3 * torch.randn_like(parameter))
    model = InvertibleGenerator(inn, autoencoder, 8).eval()
    assert (model.noise, model.classes, model.embedding) == (8, 3, 4)
    labels, z_bar = torch.tensor([0, 1, 2, 2]), torch.randn(4, 8)
    noise, _ = inn(z_bar, labels)
    expected = autoencoder.decode(z_bar)
    assert not torch.allclose(model(noise, model.embed(labels.flip(0))), expected, atol=1e-4)

    dequantizer, folder = Dequantizer(4, 3, 16), tmp_path / "generator"
    write_model(folder, inn, {"kind": "invertible", "model": config})
    write_model(folder / "decoder", autoencoder, autoencoder.arguments)
    write_model(tmp_path / "dequantizer", dequantizer, dequantizer.arguments)
    again, latent = load_generator(folder), load_latent_generator(tmp_path)
    for some in (model, again, latent.generator):
        images = some(noise, some.embed(labels))
        torch.testing.assert_close(images, expected, rtol=1e-4, atol=1e-4)
    mean, variance = latent.encode(noise, labels)
    torch.testing.assert_close(mean[:, :8], noise)
    assert (variance[:, :8] == 0).all() and (variance[:, 8:] > 0).all()
    decoded = again(noise, dequantizer.decode(mean[:, 8:]))
    torch.testing.assert_close(latent.decode(mean), decoded)


def train(run: TrainingRun, steps: int = 12) -> tuple[Dequantizer, dict[str, float]]:
    settings = TrainDequantizerSettings(
        steps=steps, batch_size=48, learning_rate=3e-3, latent=4, width=48,
        validate_every=steps // 2,
    )  # fmt: skip
    torch.manual_seed(1)
    return train_dequantizer(3 + 5 * normal(6, 4), settings, run)


def test_the_dequantiser_fills_the_space_and_keeps_the_classes(tmp_path: Path) -> None:
    _, quality = train(run_in(tmp_path, seed=0), steps=1000)
    assert quality["recovered"] > 0.97 and quality["error"] < 0.3
    assert 0.9 * np.log(6) < quality["kl"] < 12
    assert quality["variance"] > 0.01
