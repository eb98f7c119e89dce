"""A stage that torchrun starts leaves what one process would leave."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import paths
from pipeline.config.rows import LayerRow, Rows
from pipeline.config.settings import TrainCinnSettings
from pipeline.datasets.features import (
    load_posterior,
    load_representations,
    representations_file,
    save_posterior,
)
from pipeline.evaluation.likelihood import recover_invariances
from pipeline.models.cinn import load_cinn
from pipeline.models.inn import SemanticINN
from pipeline.storage import read_json, write_json, write_npy
from pipeline.training.run import write_model

ITEM, DATASET, DIMENSIONS, STEPS = "net-layer", "things", 6, [0, 40]
SIZE = {"blocks": 2, "width": 8, "depth": 1}
SETTINGS = TrainCinnSettings(
    start="regression", steps=4, batch_size=32, learning_rate=1e-3, validate_every=2, **SIZE
)
FEATURES = paths.features(ITEM)


def write_inputs() -> None:
    """What train_cinn reads, of made-up data, in the current folder."""
    row = LayerRow(network="net", dataset=DATASET, module="layer")
    plan = {"scale": "smoke", "seed": 3, "settings": SETTINGS.model_dump(mode="json")}
    plan |= {"rows": Rows(layers={ITEM: row}).model_dump(mode="json"), "related": {}}
    write_json(paths.plan("train_cinn", ITEM), plan)
    random = np.random.default_rng(0)
    for split, count in (("train", 300), ("validation", 60), ("calibration", 50)):
        mean = random.standard_normal((count, DIMENSIONS), dtype=np.float32)
        posterior = torch.from_numpy(mean), torch.full(mean.shape, 1e-8)
        save_posterior(paths.posteriors(DATASET), split, posterior)
        for step in STEPS:
            z = random.standard_normal((count, 5, 1, 1)).astype(np.float16)
            write_npy(representations_file(FEATURES, step, split), z)
    write_json(FEATURES / "config.json", {"steps": STEPS, "train": "train"})
    e = SemanticINN(DIMENSIONS, {"thing": 2}, **SIZE)
    config = {"features": DIMENSIONS, "factors": [["thing", 2]], **SIZE}
    write_model(paths.semantic(DATASET), e, config)


def files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_two_processes_run_a_stage(
    project: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
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
    made, parts = paths.cinn(ITEM), [f"step-{step:06d}" for step in STEPS]
    log = paths.training("smoke", "train_cinn", ITEM)
    metrics, costs = paths.training_metrics("smoke", "train_cinn", ITEM), paths.costs("smoke")
    outputs = {made / f"{part}.safetensors" for part in parts}
    outputs |= {made / "config.json", made / "calibration.json", metrics, costs}
    new = files(project) - before
    curves = {path for path in new if path.is_relative_to(log)}
    assert new - curves == outputs
    assert {path.relative_to(log).parts[0] for path in curves} == set(parts)
    assert not list((project / ".checkpoints").iterdir())
    assert not files(scratch) and not list(scratch.glob("tmp*"))
    assert set(read_json(costs)) == {f"train_cinn@{ITEM}"}
    calibration = read_json(made / "calibration.json")
    assert read_json(metrics) == {"calibration": calibration}
    posterior = load_posterior(paths.posteriors(DATASET), "validation")
    for step, entry in zip(STEPS, calibration, strict=True):
        model = load_cinn(made, step)
        z = load_representations(FEATURES, step, "validation")
        with torch.no_grad():
            loss = recover_invariances(model, posterior, z, "cpu")[1].mean()
        assert entry["step"] == step and entry["loss"] == pytest.approx(float(loss), abs=1e-2)
