"""A stage that torchrun starts leaves what one process would leave."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import paths
from pipeline.datasets.features import load_posterior, load_representations, representations_file
from pipeline.models.inn import SemanticINN
from pipeline.models.loading import load_cinn
from pipeline.params import load_params
from pipeline.storage import read_json, write_json, write_npy, write_safetensors
from pipeline.training.cinn import recover_invariances

ITEM, FEATURES, STEPS = "squeezenet-fire8", 6, [0, 40]


def write_inputs() -> None:
    """What train_cinn reads, of made-up data, in the current folder."""
    layer = load_params().layers[ITEM]
    encoded, features = paths.posteriors(layer.dataset), paths.representations(layer.features, ITEM)
    random = np.random.default_rng(0)
    for split, count in (("train", 300), ("validation", 60)):
        mean = random.standard_normal((count, FEATURES), dtype=np.float32)
        write_npy(encoded / f"{split}-mean.npy", mean)
        write_npy(encoded / f"{split}-variance.npy", np.full_like(mean, 1e-8))
        for step in STEPS:
            z = random.standard_normal((count, 5, 1, 1)).astype(np.float16)
            write_npy(representations_file(features, step, split), z)
    write_json(features / "config.json", {"steps": STEPS})
    size = {"blocks": 2, "width": 8, "depth": 1}
    e, semantic = SemanticINN(FEATURES, {"thing": 2}, **size), paths.semantic(layer.dataset)
    write_safetensors(semantic / "model.safetensors", e.state_dict())
    config = {"features": FEATURES, "factors": [["thing", 2]], **size}
    write_json(semantic / "config.json", config)


def files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in found}


@pytest.mark.slow
def test_two_processes_run_a_stage(
    project: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("scale: laptop", "scale: smoke"))
    write_inputs()
    before = files(project)
    scratch = tmp_path_factory.mktemp("scratch")
    environment = {"PYTHONPATH": str(repository), "TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    run = subprocess.run(
        [*launch, "-m", "pipeline.stages.train_cinn", ITEM],
        env=os.environ | environment | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr

    layer = load_params().layers[ITEM]
    made, parts = paths.cinn(layer.features, ITEM), [f"step-{step:06d}" for step in STEPS]
    log = paths.training("smoke", "train_cinn", ITEM)
    outputs = {str(made / f"{part}.safetensors") for part in parts}
    outputs |= {str(made / name) for name in ("config.json", "calibration.json")}
    outputs |= {str(paths.metrics("smoke", f"train_cinn-{ITEM}")), str(paths.costs("smoke"))}
    new = files(project) - before
    curves = {name for name in new if Path(name).is_relative_to(log)}
    assert new - curves == outputs
    assert {Path(name).relative_to(log).parts[0] for name in curves} == set(parts)
    assert not list((project / ".checkpoints").iterdir())
    assert not files(scratch) and not list(scratch.glob("tmp*"))

    assert set(read_json(paths.costs("smoke"))) == {f"train_cinn@{ITEM}"}
    config, calibration = read_json(made / "config.json"), read_json(made / "calibration.json")
    assert read_json(paths.metrics("smoke", f"train_cinn-{ITEM}")) == {"calibration": calibration}
    posterior = load_posterior(paths.posteriors(layer.dataset), "validation")
    for step, part, entry in zip(STEPS, parts, calibration, strict=True):
        model = load_cinn(config["model"], made / f"{part}.safetensors")
        z = load_representations(paths.representations(layer.features, ITEM), step, "validation")
        with torch.no_grad():
            loss = recover_invariances(model, posterior, z, "cpu")[1].mean()
        assert entry["step"] == step and entry["loss"] == pytest.approx(float(loss), abs=1e-2)
