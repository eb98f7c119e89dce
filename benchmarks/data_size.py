"""How well t fits as many images as a user may have: coverage, and t against simpler rivals.

    dvc repro extract@alexnet-fc7 train_semantic@animals
    python benchmarks/data_size.py --write

For N images of a scale's animals, e and t are trained on the first N training images alone, with
the settings of `animals` and `alexnet-fc7` at the scale of params.yaml; as many images as of a
folder of one's own validate and recalibrate. E, D, the network and the test images stay.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import chdir
from pathlib import Path
from typing import Any

import torch
from page import processor, write_tables

from pipeline import paths
from pipeline.config.config import Config
from pipeline.config.rows import Rows
from pipeline.datasets.features import Posterior, load_posterior, load_representations
from pipeline.datasets.folder import SHARES
from pipeline.datasets.splits import load_split, split_of_t
from pipeline.evaluation.calibration import calibrate
from pipeline.evaluation.coverage import regions, worst_coverage
from pipeline.evaluation.likelihood import recover_invariances
from pipeline.evaluation.regressions import left_by_regressions
from pipeline.evaluation.sampling import conditional_samples
from pipeline.evaluation.squared_error import squared_error
from pipeline.models.autoencoder import sample_posterior
from pipeline.networks.layers import features_of_images
from pipeline.networks.loading import load_network
from pipeline.runtime.allocator import keep_freed_memory
from pipeline.runtime.device import prepare_runtime
from pipeline.storage import read_json
from pipeline.task import Task
from pipeline.training.cinn import start_conditional_inn, train_conditional_inn
from pipeline.training.run import TrainingRun
from pipeline.training.semantic import concept_scores, factor_sizes, train_semantic_inn
from pipeline.validation.loading import load_config

PAGE = Path(__file__).with_suffix(".md")
LAYER, DATASET = "alexnet-fc7", "animals"
SIZES = (500, 2000, 8000, 32_000)
SAMPLES = 32
"""Of t, for its mean."""
HEAD = (
    "| N | steps of t | worst coverage | before | \\|v\\|²/N before | explained by t "
    "| by regression | by perceptron | nats over the Gaussian | seconds |"
)

Part = tuple[Posterior, torch.Tensor]
"""The posterior of z_bar, and z."""


def data(config: Config) -> dict[str, tuple[Part, dict[str, torch.Tensor]]]:
    """Posterior, z and concepts of the images that e is trained on, and of the other splits."""
    row, names = config.run.layers[LAYER], config.settings("train_semantic", DATASET).factors
    encoded, features = paths.posteriors(DATASET), paths.features(LAYER)
    step = read_json(features / "config.json")["steps"][-1]
    found = {}
    for split in ("train", "validation", "calibration", "test"):
        images = load_split(paths.prepared(DATASET), split)
        posterior = load_posterior(encoded, split)
        if split == "train" and split_of_t(paths.prepared(DATASET)) != split:
            # z of these images is not stored: t of the graph has others.
            network = load_network(paths.network(row.network), torch.device("cpu"))
            most = max(SIZES)
            z = torch.cat([
                features_of_images(network, row.module, images.images(slice(i, i + 1000))).half()
                for i in range(0, min(most, len(images)), 1000)
            ])  # fmt: skip
            posterior = tuple(part[:most] for part in posterior)
        else:
            z = load_representations(features, step, split)
        concepts = {name: part[: len(z)] for name, part in images.concepts(names).items()}
        found[split] = ((posterior, z), concepts)
    return found


def first(part: Part, count: int) -> Part:
    """The first images of a part."""
    (mean, variance), z = part
    return (mean[:count], variance[:count]), z[:count]


def row_of(count: int, config: Config, known: Any, seed: int) -> str:
    """Train e and t on `count` images, and measure t on test images: a row of the table."""
    started = time.perf_counter()
    settings = config.settings("train_semantic", DATASET)
    sizes = {
        split: max(20, round(SHARES[split] / SHARES["train"] * count))
        for split in ("validation", "calibration")
    }
    parts = {"train": first(known["train"][0], count)}
    parts |= {split: first(known[split][0], size) for split, size in sizes.items()}
    concepts = {
        split: {name: values[: len(parts[split][1])] for name, values in known[split][1].items()}
        for split in ("train", "validation")
    }
    posterior, z = parts["train"]
    cpu = torch.device("cpu")

    def run(stage: str, section: Any) -> Any:
        task: Task[Any] = Task(stage, str(count), "bench", seed, 1, section, Rows(), {}, stage)
        return TrainingRun.open(task, cpu, [])

    torch.manual_seed(seed)
    scores = concept_scores(posterior, concepts["train"], seed=seed)
    factors = factor_sizes(scores, posterior[0].shape[1])
    held_out = (parts["validation"][0], concepts["validation"])
    batch = {"batch_size": min(settings.batch_size, count)}
    section = settings.model_copy(update=batch)
    with run("e", section) as training:
        e, _ = train_semantic_inn(
            posterior, concepts["train"], *held_out, factors, section, training
        )
    base = {name: getattr(settings, name) for name in ("blocks", "width", "depth")}
    own = config.settings("train_cinn", LAYER)
    own = own.model_copy(update={"batch_size": min(own.batch_size, count)})
    with run("t", own) as training:
        t, _, regressed = start_conditional_inn(posterior, z, e, base, own, seed=seed)
        result = train_conditional_inn(
            t, posterior, z, *parts["validation"], own, training, regressed
        )
    before, loss = recover_invariances(t, *known["test"][0], cpu)
    t.recalibration.fit(recover_invariances(t, *parts["calibration"], cpu)[0])
    after, _ = recover_invariances(t, *known["test"][0], cpu)
    (mean, variance), test_z = known["test"][0]
    z_bar = sample_posterior(mean, variance)
    samples = torch.stack(
        [conditional_samples(t, test_z.float(), torch.randn_like(mean)) for _ in range(SAMPLES)]
    )
    by_t = squared_error(z_bar.numpy(), samples.mean(0).numpy(), samples.var(0).numpy(), SAMPLES)
    left = left_by_regressions(t.prediction, z_bar, test_z, posterior[0], z, 8000, seed)
    total = squared_error(z_bar.numpy(), z_bar.mean(0).numpy()).mean()
    shares = [1 - one.mean() / total for one in (by_t, left["regression"], left["mlp"])]
    cells = [
        f"{count:,}", str(result.best_step),
        *(f"{100 * worst_coverage(regions(v.numpy())):.1f}" for v in (after, before)),
        f"{calibrate(before.numpy())['square_mean']:.2f}",
        *(f"{100 * share:.1f} %" for share in shares),
        f"{float(gaussian(posterior, z_bar) - loss.mean()):.1f}",
        f"{time.perf_counter() - started:.0f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def gaussian(posterior: Posterior, z_bar: torch.Tensor) -> float:
    """Mean -log p of z_bar (R, N) under a Gaussian fitted to training images, as `cinn_loss`."""
    drawn = sample_posterior(*posterior).double()
    covariance = torch.cov(drawn.T)
    shrunk = 0.1 if len(drawn) < 10 * drawn.shape[1] else 1e-6
    covariance.diagonal().add_(shrunk * covariance.diagonal().mean())
    root = torch.linalg.cholesky(covariance)
    v = torch.linalg.solve_triangular(root, (z_bar.double() - drawn.mean(0)).T, upper=False)
    return float(0.5 * v.square().sum(0).mean() + root.diagonal().log().sum())


def main() -> None:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    options = parser.parse_args()
    keep_freed_memory()
    prepare_runtime("cpu", torch.get_num_threads(), options.seed)
    config = load_config()
    known = data(config)
    lines = [
        f"{processor()}, scale {config.run.scale}, seed {options.seed}, "
        f"{len(known['test'][0][1]):,} test images.",
        "",
        HEAD,
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as scratch:
        for count in options.sizes:
            with chdir(scratch):
                lines.append(row_of(count, config, known, options.seed))
            print(lines[-1], flush=True)
    if options.write:
        write_tables(PAGE, lines)


if __name__ == "__main__":
    main()
