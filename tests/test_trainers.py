"""Every trainer: interrupted at any step it ends with the same bits, and its seed matters."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import test_cinn
import test_evaluator
import test_generator
import test_semantic
import test_stargan
import test_train_image_autoencoder as images
import torch
from training import Interrupted, assert_equal, run_in

SHORT: dict[str, Any] = {"steps": 12, "validate_every": 5}
GROUPS = torch.arange(500) % 100

# how to train, and the step to stop in
TRAINERS: dict[str, tuple[Any, int]] = {
    "t": (partial(test_cinn.train, batch_size=64, dropout=0.2, **SHORT), 7),
    "e": (partial(test_semantic.train, groups=GROUPS, **SHORT), 7),
    "evaluator": (partial(test_evaluator.train, **SHORT), 7),
    "dequantiser": (test_generator.train, 7),
    # In the generator's turn, and in between, when Adam holds its state and it has no gradient.
    "StarGAN": (test_stargan.train, 3),
    "StarGAN's critic": (test_stargan.train, 7),
    "autoencoder": (partial(images.train, discriminator_start=5), 8),
    "autoencoder by L1": (partial(images.train, pixel="absolute"), 8),
    "autoencoder by Muon": (partial(images.train, optimizer="muon"), 8),
    "baseline": (partial(images.invert, discriminator_start=3), 8),
}


@pytest.mark.parametrize("name", TRAINERS)
def test_resuming_is_exact(name: str, tmp_path: Path) -> None:
    train, stop = TRAINERS[name]
    expected = train(run_in(tmp_path / "whole"))
    interrupted = run_in(tmp_path / "parts", log=Interrupted(stop))
    with pytest.raises(KeyboardInterrupt):
        train(interrupted)
    assert interrupted.checkpoints.load()["step"] == stop  # type: ignore[index]
    assert_equal(train(run_in(tmp_path / "parts")), expected)
    with pytest.raises(AssertionError):
        assert_equal(train(run_in(tmp_path / "other", seed=4)), expected)
